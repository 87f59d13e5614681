"""The demo's report: one HTML file without any outside resource, readable light and dark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from sandbox.reconcile import Reconciliation
from sandbox.report_materials import StockView, materials
from sandbox.report_page import checks, headline, orders, section, tiles, unexpected
from sandbox.report_svg import Mark, Panel, Progress, Sample, bars, progress, timeline
from sandbox.report_tables import never_released

__all__ = ["Mark", "Sample", "page", "render"]

STYLE = Path(__file__).with_name("report.css")

PANELS = (
    Panel("Records, cumulative", (("produced", "produced", "s2"), ("read", "read", "s1")), height=120),
    Panel(
        "Documents and postings, cumulative",
        (("documents", "documents", "s2"), ("booked", "booked in ERP", "s1")),
        height=120,
    ),
    Panel("Lag: records produced and not yet read", (("lag", "lag", "s1"),), height=70, filled=True),
    Panel(
        "Waiting: open windows, pending postings",
        (("open_windows", "open windows", "s3"), ("pending", "pending", "s2")),
        height=90,
    ),
)


def render(
    path: Path,
    samples: Sequence[Sample],
    marks: Sequence[Mark],
    reconciliation: Reconciliation,
    facts: Mapping[str, str] | None = None,
    stock: StockView | None = None,
) -> None:
    """Write the report.

    Args:
        path: HTML file to write.
        samples: In order of time: `t` (seconds since the start), `produced`, `read`, `documents`, `booked`,
            `lag`, `open_windows`, `pending`; what is missing is drawn as zero.
        marks: What happened: (from second, label, until second or None for a moment).
        reconciliation: The verdict and its rows.
        facts: Name and value of what the reader should know about the run, such as its seed.
        stock: Materials and requests; None where the run had none.
    """
    path.write_text(page(samples, marks, reconciliation, facts or {}, stock), encoding="utf-8")


def page(
    samples: Sequence[Sample],
    marks: Sequence[Mark],
    result: Reconciliation,
    facts: Mapping[str, str],
    stock: StockView | None = None,
) -> str:
    """The report as HTML."""
    rows = [
        Progress(r.order_id, r.operation, r.erp["yield"], r.truth["yield"], r.target, r.unit) for r in result.operations
    ]
    body = [
        headline(result, facts),
        tiles(samples, result),
        section(
            "What happened",
            "Seconds by the clock. Reading goes on while the ERP is away; what waits is booked afterwards.",
            timeline(samples, marks, PANELS),
        ),
        section(
            "Booked against plant truth",
            "Yield per operation as a share of its target: the bar is what the ERP shows, the ring is "
            "what the plant made. A ring off the end of its bar would be a difference.",
            progress(rows),
        ),
        *materials(result.materials, stock),
        section("Orders", "Yield summed over an order's operations, in its unit.", orders(result)),
        section(
            "Dead letters by reason",
            f"All planned: records that the plant breaks, and events of {never_released(result)}. Each is kept, and "
            "counted against what the plant did; published later, the order would be booked by itself.",
            bars(result.dead_letters) + unexpected(result),
        ),
        section(
            "Counts",
            "What the plant sent against what was read, accepted, dropped, given up and stored. A number "
            "that differs is red and names what was expected.",
            checks(result),
        ),
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        "<title>Millrace demo report</title>"
        f"<style>{STYLE.read_text(encoding='utf-8')}</style></head><body><main>{''.join(body)}"
        "<footer>Written by the Millrace demo. Plant truth is the simulator's own record of each machine."
        "</footer></main></body></html>\n"
    )
