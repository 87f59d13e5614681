"""Whatever a file holds, every row of it ends as mapped, rejected or filtered, and nothing crashes."""

from __future__ import annotations

import gzip
import json
import pickle
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.batch import RawBatch
from schemas.mapping import MappedJson, Mapping, loads
from schemas.mapping.contract_shape import contract_fields
from sources.files import FileReader

COMMON = """
missing: [N/A]
times: {formats: ["%Y-%m-%d %H:%M:%S", epoch_s], zone: Europe/Berlin, ambiguous: earlier}
fields:
  event_id: {hash_of: [time, machine], repeated: occurrence}
  event_time: time
  plant: {value: "1000"}
  source: machine
  work_center: machine
outputs:
  - contract: MachineCycle
    when: good IS NOT NULL
    fields:
      counting: {value: DELTA}
      order_id: order
      quantity_good: good
      quantity_scrap: {value: "0"}
      quantity_rework: {value: "0"}
      unit: {value: C62}
  - contract: MachineState
    when: state IS NOT NULL
    fields:
      state: {from: state, codes: {R: PRODUCTION, S: DOWN}}
      job_event: {value: NONE}
      completed: {value: "false"}
"""
WIDE = loads("version: 1\nformat: {type: csv, delimiter: \";\"}\nfilter: machine <> 'TEST'\n" + COMMON)
LONG = loads(
    """version: 1
format: {type: csv, delimiter: ";", max_lines_per_row: 5}
long: {key: key, value: value, join_on: [time, machine], join_within: 6, keys: {G: good, S: state, O: order}}
context: {per: machine, fields: {order: {from: order, reset_when: state = 'S'}}}
unmatched: ignore
"""
    + COMMON
)
JSON = loads("version: 1\nformat: {type: jsonl}\n" + COMMON)

TIME = st.sampled_from(["2026-06-01 10:00:00", "2026-06-01 10:00:05", "1780293600", "N/A", "yesterday"])
MACHINE = st.sampled_from(["M1", "M2", "TEST", ""])
GOOD = st.sampled_from(["1", "2.5", "", "x", "1.23456789"])
STATE = st.sampled_from(["R", "S", "", "?"])
wide_line = st.tuples(TIME, MACHINE, st.sampled_from(["", "4711"]), GOOD, STATE).map(";".join)
long_line = st.tuples(
    TIME, MACHINE, st.sampled_from(["G", "S", "O", "Z", ""]), st.sampled_from(["1", "R", "S", "x", ""])
).map(";".join)
HOSTILE = st.one_of(
    st.binary(max_size=12),
    st.sampled_from([b'"', b'";"', b'a"b', b";;;;;;;;", b"\x00", b"\xff\xfe", b"\r", b'"a;b', b";", b'"x"y', b"   "]),
)


def hostile_file(header: str, line: st.SearchStrategy[str]) -> st.SearchStrategy[bytes]:
    good = line.map(str.encode)
    quoted = line.map(lambda text: ";".join(f'"{cell}"' for cell in text.split(";")).encode())
    broken = st.tuples(good, HOSTILE, st.integers(0, 30)).map(lambda t: t[0][: t[2]] + t[1] + t[0][t[2] :])
    lines = st.lists(st.one_of(good, good, quoted, broken, HOSTILE), max_size=25)
    ends = st.sampled_from([b"\n", b"\r\n"])
    return st.tuples(lines, ends, st.booleans()).map(
        lambda t: t[1].join([header.encode(), *t[0]]) + (t[1] if t[2] else b"")
    )


def read(content: bytes, mapping: Mapping, rows: int) -> tuple[Counter[str], list[Any], dict[str, list[Any]]]:
    """Counts, rejects and records of a file with this content, checked batch by batch."""
    counts: Counter[str] = Counter()
    rejects: list[Any] = []
    records: dict[str, list[Any]] = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "in"
        path.write_bytes(content)
        for batch in FileReader(path, mapping, rows=rows):
            mapped = batch.mapped
            assert mapped.read == mapped.mapped + mapped.rejected + mapped.filtered
            assert mapped.filtered >= 0
            for name in ("read", "mapped", "rejected", "filtered"):
                counts[name] += getattr(mapped, name)
            rejects += [(r.line, r.field, r.reason, r.detail, r.raw) for r in mapped.rejects]
            for name, frame in mapped.frames.items():
                records.setdefault(name, []).extend(frame.rows())
            assert revived(batch.position) == batch.position
    return counts, sorted(rejects), {name: sorted(rows, key=repr) for name, rows in sorted(records.items())}


def revived(value: Any) -> Any:
    """What a snapshot gives back."""
    return pickle.loads(pickle.dumps(value))  # noqa: S301  # our own state


def is_blank(line: bytes) -> bool:
    return not line.strip(b" \t\r\v\f")


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(hostile_file("time;machine;order;good;state", wide_line), st.integers(1, 12))
def test_hostile_csv_is_accounted_for_and_batches_do_not_matter(content: bytes, rows: int) -> None:
    whole = read(content, WIDE, 10_000)
    assert read(content, WIDE, rows) == whole
    counts, rejects, records = whole
    if b'"' not in content:
        rows_of_the_file = [line for line in content.split(b"\n")[1:] if not is_blank(line)]
        assert counts["read"] == len(rows_of_the_file)
    assert len({line for line, *_ in rejects}) == len(rejects)
    rejected = {line for line, *_ in rejects}
    assert not rejected & {row[-1] for rows_ in records.values() for row in rows_}
    assert all(detail and reason for _, _, reason, detail, _ in rejects)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(hostile_file("time;machine;key;value", long_line), st.integers(1, 12))
def test_long_rows_join_alike_however_they_fall_into_batches(content: bytes, rows: int) -> None:
    assert read(content, LONG, rows) == read(content, LONG, 10_000)


json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=5), TIME, MACHINE, GOOD, STATE),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner, max_size=3)),
    max_leaves=6,
)
json_records = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(["time", "machine", "order", "good", "state"], json_values)
).map(lambda record: json.dumps(record).encode())


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.tuples(st.one_of(st.none(), json_records, st.binary(max_size=20)), st.integers(0, 2)), max_size=20),
    st.integers(1, 20),
)
def test_every_record_of_a_topic_is_in_a_frame_in_the_rejects_or_filtered(
    polled: list[tuple[bytes | None, int]], size: int
) -> None:
    decoder, state, seen = MappedJson(JSON), {}, Counter[int]()
    offsets = [Counter(p for _, p in polled[:i])[part] for i, (_, part) in enumerate(polled)]
    for start in range(0, len(polled), size):
        values, partitions = zip(*polled[start : start + size], strict=True)
        part = np.array(offsets[start : start + size], np.int64)
        raw = RawBatch("t", list(values), np.array(partitions, np.int32), part, part)
        result = decoder.decode(raw, state)
        state = revived(result.state)
        rejected = {reject.row for reject in result.rejects}
        assert len(rejected) == len(result.rejects)
        mapped: set[int] = set()
        for batch in result.batches.values():
            assert batch.rows is not None
            assert len(batch.rows) == batch.frame.height
            mapped |= set(batch.rows.tolist())
        assert not mapped & rejected
        assert len(mapped) + len(rejected) + result.filtered == len(values)
        seen.update({start: len(values)})
    assert seen.total() == len(polled)


@pytest.mark.parametrize("cut", [1, 5, 9, 15])
def test_a_gzip_file_that_ends_early_gives_what_can_be_read_and_one_torn_line(cut: int) -> None:
    text = "time;machine;order;good;state\n" + "2026-06-01 10:00:00;M1;4711;1;\n" * 50
    whole, _, _ = read(gzip.compress(text.encode()), WIDE, 7)
    torn, rejects, _ = read(gzip.compress(text.encode())[:-cut], WIDE, 7)
    assert (whole["mapped"], whole["rejected"]) == (50, 0)
    assert torn["rejected"] == 1
    assert rejects[-1][2] == "torn"


def test_a_reader_that_resumes_anywhere_repeats_and_skips_nothing(tmp_path: Path) -> None:
    rows = [f"2026-06-01 10:00:{i % 60:02d};M{i % 3};{'O' if i % 7 == 0 else 'G'};{i}" for i in range(40)]
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text("time;machine;key;value\n" + "\n".join(rows) + "\n")
    whole = list(FileReader(tmp_path, LONG, rows=9))
    for i, stopped in enumerate(whole):
        rest = list(FileReader(tmp_path, LONG, rows=9, resume=revived(stopped.position)))
        assert [b.position for b in rest] == [b.position for b in whole[i + 1 :]]
        for one, other in zip(rest, whole[i + 1 :], strict=True):
            assert one.mapped.rejects == other.mapped.rejects
            assert all(pl.DataFrame.equals(f, other.mapped.frames[n]) for n, f in one.mapped.frames.items())


@pytest.mark.parametrize("rows", [1, 2, 5, 10_000])
def test_a_record_that_waits_for_its_rows_keeps_its_place_before_later_context(rows: int) -> None:
    """The order is written behind the count began: the count, though complete later, does not get it."""
    lines = ["T1;M1;G;1", "T2;M1;O;4711", *(f"T{i};M2;Z;" for i in (3, 4)), "T1;M1;S;R"]
    lines += [f"T{i};M2;Z;" for i in range(5, 14)] + ["T9;M1;G;2"]
    stamped = [f"2026-06-01 10:00:{int(text[1 : text.index(';')]):02d}{text[text.index(';') :]}" for text in lines]
    _, _, records = read("\n".join(["time;machine;key;value", *stamped]).encode(), LONG, rows)
    names = list(contract_fields("MachineCycle"))
    orders = {row[-1]: row[names.index("order_id")] for row in records["MachineCycle"]}
    assert orders == {2: None, 2 + len(lines) - 1: "4711"}
