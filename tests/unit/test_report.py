"""The report is one file that needs nothing else, and the live view works with and without a terminal."""

import re
from dataclasses import replace
from decimal import Decimal
from io import StringIO
from itertools import pairwise
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from sandbox.live import LiveView, sparkline
from sandbox.reconcile import MEASURES, OperationRow, Reconciliation
from sandbox.reconcile_counts import Check
from sandbox.report import render
from sandbox.report_scale import Scale, rounded_up, short, spread, ticks
from sandbox.report_svg import Panel, best_rate, timeline

SAMPLES = [
    {"t": t, "produced": 100 * t, "read": 100 * max(t - 1, 0), "documents": t, "booked": t, "lag": 100,
     "open_windows": 3, "pending": 1, "erp_up": not 3 <= t < 6}
    for t in range(11)
]  # fmt: skip
MARKS = [
    (3.0, "ERP down", 6.0),
    (4.0, "flow killed <SIGKILL>", None),
    (9.9, "order locked by somebody", None),
]


DEAD = [Check("dead letters", "truncated", 3, 3)]


def row(order="1000001", operation="0010", erp="95"):
    made = dict.fromkeys(MEASURES, Decimal(95))
    shown = {**made, "yield": Decimal(erp)}
    wrong = () if shown == made else ("yield",)
    return OperationRow(order, operation, "PLT & CO", "C62", Decimal(90), made, made, shown, wrong, 3)


def result(*rows):
    return Reconciliation(rows, [Check("machine-cycle", "read", 10, 10)], DEAD, {"1000009": 12})


def written(tmp_path, samples, marks, reconciliation, facts=None):
    path = tmp_path / "report.html"
    render(path, samples, marks, reconciliation, facts)
    return path.read_text(encoding="utf-8")


def test_the_report_refers_to_nothing_outside_itself(tmp_path):
    html = written(tmp_path, SAMPLES, MARKS, result(row()))
    assert not re.search(r"https?://|<script|<link|<img|@import|url\(", html)


def test_every_drawing_is_well_formed_with_a_name_and_no_number_outside_its_frame(tmp_path):
    html = written(tmp_path, SAMPLES, MARKS, result(row(), row(operation="0020"), row("1000002")))
    drawings = [ET.fromstring(svg) for svg in re.findall(r"<svg.*?</svg>", html)]  # noqa: S314
    assert len(drawings) == 3
    for svg in drawings:
        assert svg.get("aria-label")
        width, height = map(float, svg.get("viewBox").split()[2:])
        for shape in svg.iter():
            for name, limit in {"x": width, "x1": width, "cx": width, "y": height, "y2": height}.items():
                assert 0 <= float(shape.get(name, 0)) <= limit


def test_the_verdict_comes_first_and_follows_the_reconciliation(tmp_path):
    assert "Nothing lost, nothing doubled" in written(tmp_path, SAMPLES, MARKS, result(row()))
    html = written(tmp_path, SAMPLES, MARKS, result(row(erp="96.5")))
    assert "The books differ from the plant" in html
    assert "96.5 C62 (+1.5)" in html
    assert "bar wrong" in html


def test_a_dead_letter_that_nobody_expected_is_named(tmp_path):
    wrong = replace(result(row()), reasons=[Check("dead letters", "bad_enum", 0, 2)])
    assert "bad_enum 2 (not 0)" in written(tmp_path, SAMPLES, MARKS, wrong)
    assert 'class="no"' not in written(tmp_path, SAMPLES, MARKS, result(row()))


def test_names_from_outside_are_shown_as_text(tmp_path):
    html = written(tmp_path, SAMPLES, MARKS, result(row()), {"seed": "<1>"})
    assert "flow killed &lt;SIGKILL&gt;" in html
    assert "PLT &amp; CO" in html
    assert "seed &lt;1&gt;" in html


def test_a_run_without_samples_or_dead_letters_still_gives_a_report(tmp_path):
    assert "<svg" in written(tmp_path, [], [], replace(result(row()), reasons=[]))


def test_an_outage_is_a_band_as_long_as_it_lasted():
    svg = timeline(SAMPLES, MARKS, [Panel("Lag", [("lag", "lag", "s1")])])
    (band,) = re.findall(r'class="band" x="([\d.]+)" y="[\d.]+" width="([\d.]+)"', svg)
    x = Scale(0, 10, 56, 930)
    assert float(band[0]) == pytest.approx(x(3), abs=0.1)
    assert float(band[1]) == pytest.approx(x(6) - x(3), abs=0.1)


def test_the_best_rate_spans_steps_and_ignores_a_counter_that_starts_again():
    steps = [{"t": t / 10, "read": 1000 * (t // 10)} for t in range(51)]
    assert best_rate(steps, "read") == pytest.approx(1000, rel=0.06)
    assert best_rate([*steps, {"t": 9.0, "read": 0}], "read") == best_rate(steps, "read")
    assert best_rate(steps[:5], "read") == 0


@given(st.floats(0, 1e9), st.integers(2, 10))
def test_ticks_are_within_the_range_and_about_as_many_as_asked(high, about):
    marks = ticks(0, rounded_up(high), about)
    assert all(0 <= mark <= rounded_up(high) * 1.000001 for mark in marks)
    assert 2 <= len(marks) <= 3 * about
    assert rounded_up(high) >= high


@given(st.lists(st.floats(0, 100), max_size=4))
def test_labels_are_moved_apart_and_keep_their_order(places):
    moved = spread(places, 15, 0, 100)
    in_order = [moved[index] for index in sorted(range(len(places)), key=lambda i: places[i])]
    assert all(b - a >= 15 - 1e-9 for a, b in pairwise(in_order))


@pytest.mark.parametrize(("value", "text"), [(0, "0"), (950, "950"), (12_000, "12k"), (1_500_000, "1.5M")])
def test_tick_labels_are_short(value, text):
    assert short(value) == text


def test_without_a_terminal_a_line_comes_only_every_two_seconds_and_once_at_the_end():
    out, now = StringIO(), [0.0]
    with LiveView(86_400, Console(file=out, width=80), every=2.0, clock=lambda: now[0]) as view:
        for sample in SAMPLES:
            now[0] = sample["t"] / 2
            view.update({**sample, "plant_seconds": sample["t"] * 3600})
    lines = out.getvalue().splitlines()
    assert len(lines) == 3 + 1  # at 0, 2 and 4 seconds, and the last state
    assert "plant 10:00 of 24 h" in lines[-1]
    assert "(100/s)" in lines[-1]


def test_an_outage_is_shown_with_its_length_until_the_erp_is_back():
    view = LiveView(3600, Console(file=StringIO()))
    for sample in SAMPLES[:6]:
        view.update(sample)
    assert "ERP DOWN for 2.0 s" in view.line()
    view.update(SAMPLES[6])
    assert "ERP up" in view.line()


def test_on_a_terminal_the_panel_shows_the_newest_sample():
    out = StringIO()
    console = Console(file=out, force_terminal=True, width=100)
    with LiveView(36_000, console) as view:
        for sample in SAMPLES:
            view.update({**sample, "kills": 1, "note": "flow killed"})
        console.print(view.panel())
    assert "booked in the ERP" in out.getvalue()
    assert "flow killed" in out.getvalue()


@pytest.mark.parametrize(("values", "blocks"), [([], ""), ([0, 0], "▁▁"), ([0, 7, 14], "▁▅█")])
def test_small_graphs_are_scaled_to_their_largest_value(values, blocks):
    assert sparkline(values) == blocks
