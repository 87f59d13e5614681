"""Steps of a mapping on single rows: what the examples and the guide do not show."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import polars as pl
import pytest

from millrace.errors import Misconfigured
from schemas.batch import RawBatch
from schemas.contracts import contract
from schemas.mapping import MappedBatch, MappedJson, apply, loads
from schemas.types import polars_schema

BASE = """version: 1
format: {type: csv}
fields:
  event_id: {hash_of: [id]}
  event_time: {from: at, zone: UTC}
  plant: {value: P}
  source: m
  work_center: m
outputs:
  - contract: MachineCycle
    fields:
      counting: {value: DELTA}
      quantity_good: GOOD
      quantity_scrap: {value: "0"}
      quantity_rework: {value: "0"}
      unit: {value: C62}
"""
ROW = {"id": "1", "at": "2026-06-01 00:00", "m": "M1", "n": "1"}


def mapped(*rows: dict[str, str | None], good: str = "n", more: str = "", text: str = BASE) -> MappedBatch:
    frame = pl.DataFrame([ROW | row for row in rows], schema=dict.fromkeys([*ROW, *rows[0]], pl.String))
    lines = pl.Series("_line", range(1, len(rows) + 1), dtype=pl.Int64)
    return apply(loads(text.replace("GOOD", good) + more), frame.with_columns(lines), final=True)


def goods(batch: MappedBatch) -> list[Decimal]:
    return batch.frames["MachineCycle"]["quantity_good"].to_list() if batch.frames else []


def reasons(batch: MappedBatch) -> list[tuple[int, str, str]]:
    return [(r.line, r.field, r.reason) for r in batch.rejects]


def test_a_mapped_frame_has_exactly_the_contracts_columns_and_the_line() -> None:
    frame = mapped({}).frames["MachineCycle"]
    assert dict(frame.schema) == {**polars_schema(contract("MachineCycle")), "_line": pl.Int64()}
    assert frame["event_time"][0] == datetime(2026, 6, 1, tzinfo=UTC)


def test_an_empty_batch_gives_nothing_and_needs_no_rows() -> None:
    empty = pl.DataFrame(schema={**dict.fromkeys(ROW, pl.String), "_line": pl.Int64})
    batch = apply(loads(BASE.replace("GOOD", "n")), empty)
    assert (batch.frames, batch.rejects, batch.read) == ({}, [], 0)


def test_a_row_is_taken_whole_or_not_at_all() -> None:
    second = """  - contract: MachineState
    fields: {state: {from: s, codes: {R: PRODUCTION}}, job_event: {value: NONE}, completed: {value: "false"}}
"""
    batch = mapped({"s": "R"}, {"s": "?"}, more=second)
    assert {name: frame["_line"].to_list() for name, frame in batch.frames.items()} == {
        "MachineCycle": [1],
        "MachineState": [1],
    }
    assert reasons(batch) == [(2, "state", "code_unknown")]
    assert (batch.read, batch.mapped, batch.rejected) == (2, 1, 1)


def test_two_records_of_one_row_have_different_ids() -> None:
    named = "- contract: MachineCycle\n    name: b"
    second = BASE.partition("outputs:\n")[2].replace("- contract: MachineCycle", named)
    batch = mapped({}, more=second.replace("GOOD", "n"))
    assert batch.frames["MachineCycle"]["event_id"].n_unique() == 2


def test_ids_differ_by_where_one_column_ends_and_by_missing_values() -> None:
    text = BASE.replace("hash_of: [id]", "hash_of: [a, b]")
    rows = [{"a": "ab", "b": "c"}, {"a": "a", "b": "bc"}, {"a": "abc", "b": None}, {"a": None, "b": "abc"}]
    batch = mapped(*rows, text=text)  # type: ignore[arg-type]
    assert batch.frames["MachineCycle"]["event_id"].n_unique() == 4
    assert reasons(mapped({"a": None, "b": None}, text=text)) == [(1, "event_id", "missing")]


def test_an_id_is_the_same_for_ever() -> None:
    """Stored history was written under this id: a change of the hash would count everything twice."""
    assert mapped({}).frames["MachineCycle"]["event_id"].to_list() == ["f32ee7cf2ffb2b75b7e4a27d05d04df5"]


def test_equal_rows_are_one_event_unless_told_apart() -> None:
    for repeated, distinct in (("same", 1), ("occurrence", 3), ("line", 3)):
        text = BASE.replace("hash_of: [id]", f"hash_of: [id], repeated: {repeated}")
        assert mapped({}, {}, {}, text=text).frames["MachineCycle"]["event_id"].n_unique() == distinct


def test_an_expression_that_fails_for_some_rows_rejects_only_these() -> None:
    batch = mapped({"n": "1"}, {"n": "x"}, {"n": "3"}, good="{expr: CAST(n AS INT) * 2}")
    assert goods(batch) == [2, 6]
    assert reasons(batch) == [(2, "quantity_good", "expression")]


def test_an_expression_that_gives_floats_is_refused() -> None:
    with pytest.raises(Misconfigured, match="gives floats, which drift"):
        mapped({}, good="{expr: CAST(n AS DOUBLE) / 3}")


def test_expressions_calculate_with_converted_columns() -> None:
    more = "numbers: {decimal: ','}\nconvert: {n: {from: n, type: number}}\nderive: {d: n * 2 + 1}\n"
    assert goods(mapped({"n": "1,5"}, good="d", more=more)) == [Decimal(4)]


def test_a_column_that_the_file_does_not_have_refuses_the_file() -> None:
    with pytest.raises(Misconfigured, match="no column 'pieces'; it has 'id', 'at', 'm', 'n'"):
        mapped({}, good="pieces")


def test_a_filter_without_an_answer_leaves_the_row_out_and_counts_it() -> None:
    batch = mapped({"k": "a"}, {"k": None}, {"k": "b"}, more="filter: k = 'a'\n")
    assert (batch.read, batch.mapped, batch.filtered) == (3, 1, 2)


def test_a_row_that_makes_no_record_is_rejected_unless_ignored() -> None:
    text = BASE.replace("- contract: MachineCycle", "- contract: MachineCycle\n    when: n > '5'")
    assert reasons(mapped({}, text=text)) == [(1, "", "unmatched")]
    assert mapped({}, text=text, more="unmatched: ignore\n").filtered == 1


def test_an_unreadable_optional_value_may_be_declared_missing() -> None:
    rule = "n\n      sequence: {from: s, on_error: missing}"
    batch = mapped({"s": "x"}, {"s": "7"}, good=rule)
    assert batch.frames["MachineCycle"]["sequence"].to_list() == [None, 7]


def test_an_unknown_word_is_not_a_missing_one() -> None:
    rule = "n\n      scrap_reason: {from: s, codes: {a: A, '-': ''}, other: OTHER, default: NONE_GIVEN}"
    batch = mapped({"s": "a"}, {"s": "zz"}, {"s": None}, {"s": "-"}, good=rule)
    assert batch.frames["MachineCycle"]["scrap_reason"].to_list() == [
        "A",
        "OTHER",
        "NONE_GIVEN",
        "NONE_GIVEN",
    ]


@pytest.mark.parametrize(
    ("rule", "text", "value"),
    [
        ("{from: n, trailing_minus: true}", "12.5-", Decimal("-12.5")),
        ("{from: n, thousands: ' '}", "1\u00a0234\u202f567", Decimal(1234567)),
        ("{from: n, factor: '0.5'}", "3", Decimal("1.5")),
        ("{from: n, unit: GRO, to: C62}", "2", Decimal(288)),
        ("{from: n, rounding: half_up}", "0.0000005", Decimal("0.000001")),
        ("{from: n, rounding: half_even}", "0.0000005", Decimal(0)),
    ],
)
def test_a_number_is_read_by_its_rule(rule: str, text: str, value: Decimal) -> None:
    assert goods(mapped({"n": text}, good=rule)) == [value]


@pytest.mark.parametrize(
    ("text", "reason"),
    [("1e3", "not_a_number"), ("1,000", "not_a_number"), ("1.0000001", "too_many_decimals"), ("NaN",
        "not_a_number"),
     ("1000000000000", "out_of_range"), ("", "missing"), ("-", "not_a_number"), ("\u0661", "not_a_number")],
)  # fmt: skip
def test_a_number_is_not_guessed(text: str, reason: str) -> None:
    assert reasons(mapped({"n": text})) == [(1, "quantity_good", reason)]


def topic(values: list[bytes | None], partitions: list[int], first: int = 0) -> RawBatch:
    seen: dict[int, int] = {}
    offsets = []
    for partition in partitions:
        offsets.append(first + seen.get(partition, 0))
        seen[partition] = seen.get(partition, 0) + 1
    n = len(values)
    return RawBatch("t", values, np.array(partitions, np.int32), np.array(offsets, np.int64), np.zeros(n, np.int64))


TOPIC = BASE.replace("type: csv", "type: jsonl").replace("GOOD", "n") + (
    "context: {per: m, fields: {o: {from: o}}}\nunmatched: ignore\n"
)


def record(**more: Any) -> bytes:
    import json

    return json.dumps({"id": "1", "at": "2026-06-01 00:00", "m": "M1", "n": 1, **more}).encode()


def test_context_of_a_topic_holds_within_its_partition_from_poll_to_poll() -> None:
    text = TOPIC.replace("      unit:", "      order_id: o\n      unit:")
    decoder = MappedJson(loads(text))
    first = decoder.decode(topic([record(o="A"), record(), record(o="B"), record()], [0, 1, 1, 0]))
    assert first.batches["MachineCycle"].frame["order_id"].to_list() == ["A", None, "B", "A"]
    second = decoder.decode(topic([record(), record()], [1, 0], first=2), first.state)
    assert second.batches["MachineCycle"].frame["order_id"].to_list() == ["B", "A"]


def test_numbers_of_json_keep_the_digits_that_were_written() -> None:
    raw = b'{"id": 1, "at": "2026-06-01 00:00", "m": "M", "n": 123456789012.100001}'
    batch = MappedJson(loads(TOPIC)).decode(topic([raw], [0])).batches["MachineCycle"]
    assert batch.frame["quantity_good"].to_list() == [Decimal("123456789012.100001")]


@pytest.mark.parametrize(
    ("raw", "reason"),
    [(None, "not_an_object"), (b"[1]", "not_an_object"), (b'{"n": NaN}', "not_an_object"), (b"\xff",
        "encoding"),
     (b'{"m": "\\ud800"}', "encoding"), (b'{"m": "\\u0000"}', "control_character"), (b"[" * 100_000,
         "not_an_object"),
     (b'{"n": "' + b"1" * (1 << 20) + b'"}', "too_long")],
)  # fmt: skip
def test_a_record_that_is_no_json_object_is_rejected(raw: bytes | None, reason: str) -> None:
    result = MappedJson(loads(TOPIC)).decode(topic([raw], [0]))
    assert [(r.row, r.reason) for r in result.rejects] == [(0, reason)]


def test_a_topic_does_not_take_a_mapping_that_joins_rows() -> None:
    text = TOPIC + "long: {key: k, value: v, join_on: [at], keys: {G: n}}\n"
    with pytest.raises(Misconfigured, match="joins rows of files only"):
        MappedJson(loads(text))


USED = """version: 1
format: {type: csv}
fields: {event_id: id, event_time: {from: at, zone: UTC}, plant: {value: P}, source: m, work_center: m}
outputs:
  - contract: MaterialConsumption
    fields:
      kind: {value: ISSUE}
      order_id: {value: "1"}
      operation: {value: "0010"}
      material: {value: PUMP}
      storage_location: {value: RM}
      quantity: n
      unit: {value: C62}
"""


def serials(*cells: str | None, rule: str = "serials: s") -> list[list[str]]:
    batch = mapped(*({"s": cell} for cell in cells), text=f"{USED}      {rule}\n")
    return batch.frames["MaterialConsumption"]["serials"].to_list()


def test_a_list_of_texts_that_no_rule_fills_is_empty() -> None:
    assert serials("S1", rule="reason: {value: R1}") == [[]]


def test_one_cell_holds_a_list_with_commas_or_as_json_and_a_missing_one_is_empty() -> None:
    cells = "S1, S2,", '["S,1", 7]', "[S1]", None, "S1"
    assert serials(*cells) == [["S1", "S2"], ["S,1", "7"], ["[S1]"], [], ["S1"]]


def test_a_list_of_texts_takes_a_constant_and_a_default() -> None:
    assert serials("x", rule="serials: {value: 'A,B'}") == [["A", "B"]]
    assert serials(None, "C", rule="serials: {from: s, default: 'A'}") == [["A"], ["C"]]
