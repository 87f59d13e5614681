"""Readers of files: encodings, quoting, torn lines, caps, and files of our own contracts."""

from __future__ import annotations

import gzip
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import fastavro
import polars as pl
import pytest

from millrace.errors import Misconfigured
from schemas import samples
from schemas.contracts import contract, contracts
from schemas.mapping import loads
from schemas.mapping.formats import Csv
from schemas.types import polars_schema
from sources.files import FileReader, find_files
from sources.readers import csv_text, lines, parquet

FORM = Csv(type="csv", delimiter=";")


def rows(path: Path, form: Csv = FORM, size: int = 1000) -> tuple[list[tuple[Any, ...]], list[tuple[int, str]]]:
    got, torn = [], []
    for chunk in csv_text.read_csv(path, form, size):
        got += chunk.rows.drop("_raw").rows()
        torn += [(reject.line, reject.reason) for reject in chunk.torn]
    return got, torn


def write(path: Path, content: bytes | str) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    ("encoding", "declared"),
    [("utf-8", "utf-8"), ("utf-8-sig", "cp1252"), ("cp1252", "cp1252"), ("utf-16", "utf-8"), ("utf-16-le",
        "utf-16-le"),
     ("utf-32", "utf-8"), ("shift_jis", "shift_jis")],
)  # fmt: skip
def test_an_encoding_is_read_as_declared_and_a_byte_order_mark_wins(
    encoding: str, declared: str, tmp_path: Path
) -> None:
    word = "\u6a5f\u68b0" if encoding == "shift_jis" else "M\u00fcller"
    path = write(tmp_path / "x", f"a;b\n{word};1\n".encode(encoding))
    assert rows(path, FORM.model_copy(update={"encoding": declared})) == ([(word, "1", 2)], [])


@pytest.mark.parametrize("size", [1, 2, 1000])
def test_a_quoted_cell_may_hold_delimiters_quotes_and_line_breaks(size: int, tmp_path: Path) -> None:
    path = write(tmp_path / "x", 'a;b\r\n"1;""x""";"two\r\nlines"\r\n3;4\r\n')
    assert rows(path, size=size) == ([('1;"x"', "two\nlines", 2), ("3", "4", 4)], [])


@pytest.mark.parametrize("size", [1, 2, 1000])
def test_a_lost_quote_tears_one_line_and_not_the_rest_of_the_file(size: int, tmp_path: Path) -> None:
    body = "".join(f"{i};x\n" for i in range(300))
    path = write(tmp_path / "x", 'a;b\n"0;x\n' + body)
    got, torn = rows(path, size=size)
    assert torn == [(2, "torn")]
    assert len(got) == 300


def test_a_quote_within_a_cell_is_a_letter(tmp_path: Path) -> None:
    assert rows(write(tmp_path / "x", 'a;b\n5" pipe;1\n'))[0] == [('5" pipe', "1", 2)]


def test_lines_that_cannot_be_used_are_told_and_the_others_read(tmp_path: Path) -> None:
    bad = b"a;b\n1;2\n\xff;2\n1\n1;2;3\n1;\x002\n" + b"x" * (lines.LONGEST + 5) + b"\n\n8;9\n"
    got, torn = rows(write(tmp_path / "x", bad))
    assert [row[2] for row in got] == [2, 9]
    assert torn == [
        (3, "encoding"),
        (4, "columns"),
        (5, "columns"),
        (6, "control_character"),
        (7, "too_long"),
    ]


@pytest.mark.parametrize("policy", ["optional", "required"])
def test_a_last_line_without_end_counts_as_torn_where_declared(policy: str, tmp_path: Path) -> None:
    form = FORM.model_copy(update={"final_newline": policy})
    got, torn = rows(write(tmp_path / "x", "a;b\n1;2\n3;4"), form)
    assert (len(got), torn) == ((2, []) if policy == "optional" else (1, [(3, "torn")]))


def test_preamble_comments_and_own_column_names(tmp_path: Path) -> None:
    form = FORM.model_copy(update={"skip_lines": 1, "comment": "#", "columns": ["x", "y"]})
    path = write(tmp_path / "x", "export 7\n# by hand\na;a\n1;2\n#3;4\n")
    assert next(csv_text.read_csv(path, form, 10)).rows.columns[:2] == ["x", "y"]
    assert rows(path, form) == ([("1", "2", 4)], [])


def test_a_header_that_names_a_column_twice_refuses_the_file(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="names the column 'a' twice"):
        rows(write(tmp_path / "x", "a;a\n1;2\n"))


@pytest.mark.parametrize("content", [b"", b"a;b\n", b"a;b"])
def test_a_file_without_rows_gives_no_rows(content: bytes, tmp_path: Path) -> None:
    assert rows(write(tmp_path / "x", content)) == ([], [])


@pytest.mark.parametrize("content", [b"", b"k;at;n;in.m\n", b"\n\n"])
def test_an_empty_export_is_no_error(content: bytes, tmp_path: Path) -> None:
    mapping = loads(FOREIGN.replace("FORMAT", "csv, delimiter: ;"))
    (batch,) = FileReader(write(tmp_path / "x", content), mapping)
    assert (batch.mapped.read, batch.mapped.frames, batch.position.done) == (0, {}, True)


def test_a_gzip_file_is_read_as_its_content_member_by_member(tmp_path: Path) -> None:
    packed = gzip.compress(b"a;b\n1;2\n") + gzip.compress(b"3;4\n")
    assert rows(write(tmp_path / "x.gz", packed)) == ([("1", "2", 2), ("3", "4", 3)], [])


def test_a_parquet_file_is_refused_by_its_row_count_before_it_is_read(tmp_path: Path) -> None:
    pl.DataFrame({"a": [1] * 1000}).write_parquet(tmp_path / "x.parquet")
    with pytest.raises(Misconfigured, match="has 1000 rows, more than max_rows 999"):
        next(parquet.read_parquet(tmp_path / "x.parquet", 999, 100))
    assert sum(c.rows.height for c in parquet.read_parquet(tmp_path / "x.parquet", 1000, 300)) == 1000


FOREIGN = """version: 1
format: {type: FORMAT}
times: {formats: iso8601}
fields: {event_id: {hash_of: [k]}, event_time: at, plant: {value: P}, source: in.m, work_center: in.m}
outputs:
  - contract: MachineCycle
    fields:
      counting: {value: DELTA}
      quantity_good: n
      quantity_scrap: {value: "0"}
      quantity_rework: {value: "0"}
      unit: {value: C62}
"""


def test_foreign_parquet_and_avro_are_mapped_alike_and_exactly(tmp_path: Path) -> None:
    from datetime import UTC, datetime

    at = datetime(2026, 6, 1, 12, 0, 0, 123456, tzinfo=UTC)
    records = [{"k": i, "at": at, "n": Decimal("123456789.10") + i, "in": {"m": "M1"}} for i in range(5)]
    inner = {"type": "record", "name": "I", "fields": [{"name": "m", "type": "string"}]}
    number = {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 2}
    instant = {"type": "long", "logicalType": "timestamp-micros"}
    fields = {"k": "long", "at": instant, "n": number, "in": inner}
    schema = {"type": "record", "name": "R", "fields": [{"name": n, "type": t} for n, t in fields.items()]}
    with (tmp_path / "x.avro").open("wb") as stream:
        fastavro.writer(stream, schema, records)
    pl.DataFrame(records).write_parquet(tmp_path / "x.parquet")
    frames = []
    for kind in ("avro", "parquet"):
        (batch, *_) = FileReader(tmp_path / f"x.{kind}", loads(FOREIGN.replace("FORMAT", kind)))
        frames.append(batch.mapped.frames["MachineCycle"])
    assert frames[0].equals(frames[1])
    assert frames[0]["quantity_good"][4] == Decimal("123456793.10")
    assert frames[0]["event_time"][0] == at


def own(path: Path, name: str, size: int = 7) -> tuple[pl.DataFrame, list[Any]]:
    batches = [batch.mapped for batch in FileReader(path, contract=name, rows=size)]
    assert all(b.read == b.mapped + b.rejected for b in batches)
    frames = [b.frames[name] for b in batches if b.frames]
    return pl.concat(frames) if frames else pl.DataFrame(), [r for b in batches for r in b.rejects]


@pytest.mark.parametrize("name", list(contracts()))
def test_records_of_a_contract_come_back_alike_from_every_kind_of_file(name: str, tmp_path: Path) -> None:
    records = samples.sample(contract(name), 20)
    with (tmp_path / "x.avro").open("wb") as stream:
        fastavro.writer(stream, contract(name).schema, records)
    frame, rejects = own(tmp_path / "x.avro", name)
    assert (frame.height, rejects) == (20, [])
    frame.drop("_line").write_parquet(tmp_path / "x.parquet")
    assert own(tmp_path / "x.parquet", name)[0].equals(frame)
    texts = [json.dumps(record, default=plain) for record in records]
    (tmp_path / "x.jsonl").write_text("\n".join(texts))
    assert own(tmp_path / "x.jsonl", name)[0].equals(frame)


def plain(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("latin-1")
    return str(value.isoformat()) if hasattr(value, "isoformat") else str(value)


@pytest.mark.parametrize(
    ("change", "field"),
    [({"quantity_good": 1.5e-7}, "quantity_good"), ({"quantity_good": True}, "quantity_good"),
        ({"counting": "X"}, "counting"),
     ({"event_time": "2026-06-01T00:00:00"}, "event_time"), ({"extra": 1}, "extra"), ({"plant": 7}, "plant"),
     ({"sequence": 1 << 63}, "sequence"), ({"unit": None}, "unit")],
)  # fmt: skip
def test_a_json_record_that_breaks_its_contract_is_rejected(change: dict[str, Any], field: str, tmp_path: Path) -> None:
    good = json.loads(json.dumps(samples.sample(contract("MachineCycle"), 1)[0], default=plain))
    path = write(tmp_path / "x.jsonl", json.dumps(good) + "\n" + json.dumps(good | change) + "\n")
    frame, rejects = own(path, "MachineCycle")
    assert frame.height == 1
    assert [(r.line, r.field, r.reason) for r in rejects] == [(2, field, "contract")]


def test_parquet_of_another_type_or_without_a_required_column_is_refused(tmp_path: Path) -> None:
    records = samples.sample(contract("MachineCycle"), 3)
    frame = pl.DataFrame(records, schema=polars_schema(contract("MachineCycle")))
    frame.with_columns(pl.col("quantity_good").cast(pl.Float64)).write_parquet(tmp_path / "f.parquet")
    with pytest.raises(Misconfigured, match="'quantity_good' is Float64"):
        own(tmp_path / "f.parquet", "MachineCycle")
    frame.drop("unit").write_parquet(tmp_path / "m.parquet")
    with pytest.raises(Misconfigured, match="has no column 'unit'"):
        own(tmp_path / "m.parquet", "MachineCycle")


def test_a_column_that_the_history_keeps_in_its_folders_is_read_from_there(tmp_path: Path) -> None:
    records = samples.sample(contract("MachineCycle"), 3)
    frame = pl.DataFrame(records, schema=polars_schema(contract("MachineCycle"))).drop("plant")
    folder = tmp_path / "plant=01%2F00" / "date=2026-03-02"
    folder.mkdir(parents=True)
    frame.write_parquet(folder / "x.parquet")
    assert own(folder / "x.parquet", "MachineCycle")[0]["plant"].to_list() == ["01/00"] * 3


def test_a_damaged_avro_container_gives_what_can_be_read_and_one_torn_row(tmp_path: Path) -> None:
    with (tmp_path / "x.avro").open("wb") as stream:
        fastavro.writer(stream, contract("Alert").schema, samples.sample(contract("Alert"), 50), sync_interval=200)
    whole = (tmp_path / "x.avro").read_bytes()
    frame, rejects = own(write(tmp_path / "x.avro", whole[:-300]), "Alert")
    assert 0 < frame.height < 50
    assert [r.reason for r in rejects] == ["torn"]


def test_an_avro_schema_that_contains_itself_is_refused(tmp_path: Path) -> None:
    schema = {"type": "record", "name": "N", "fields": [{"name": "n", "type": ["null", "N"]}]}
    with (tmp_path / "x.avro").open("wb") as stream:
        fastavro.writer(stream, schema, [{"n": {"n": None}}])
    with pytest.raises(Misconfigured, match="contains itself"):
        list(FileReader(tmp_path / "x.avro", loads(FOREIGN.replace("FORMAT", "avro"))))


def test_files_are_found_in_sorted_order_and_none_is_an_error(tmp_path: Path) -> None:
    for name in ("b.csv", "a.csv", ".hidden", "sub/c.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        write(tmp_path / name, b"")
    assert [p.name for p in find_files(tmp_path)] == ["a.csv", "b.csv", "c.csv"]
    assert [p.name for p in find_files(str(tmp_path / "*.csv"))] == ["a.csv", "b.csv"]
    with pytest.raises(Misconfigured, match="no such file"):
        find_files(tmp_path / "none*.csv")
