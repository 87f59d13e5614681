from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from millrace.errors import Misconfigured
from schemas import samples
from schemas.contracts import contract
from schemas.types import polars_schema
from sources.file_reference import FileReference, read_reference

ORDER: dict[str, Any] = {
    "plant": "0100",
    "order_id": "4711",
    "status": "RELEASED",
    "material": "M1",
    "quantity": "100",
    "unit": "C62",
    "over_tolerance": None,
    "under_tolerance": "0",
    "operations": [
        {
            "operation": "0010",
            "work_center": "M1",
            "target_quantity": "100.5",
            "count_source": "MACHINE",
            "time_source": "OPERATOR",
            "auto_final": True,
        }
    ],
}
YAML = """
# one order, written by hand
- plant: 0100
  order_id: 4711
  status: RELEASED
  material: M1
  quantity: 100
  unit: C62
  over_tolerance: null
  under_tolerance: 0
  operations:
    - {operation: 0010, work_center: M1, target_quantity: 100.5, count_source: MACHINE,
       time_source: OPERATOR, auto_final: true}
"""
CSV = """plant;order_id;material;quantity;unit;operation;work_center;target_quantity;time_source;auto_final
0100;4711;M1;100;C62;0010;M1;100.5;OPERATOR;true
"""


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("o.json", json.dumps([ORDER])),
        ("one.json", json.dumps(ORDER)),
        ("o.jsonl", "\n" + json.dumps(ORDER) + "\n"),
        ("o.yaml", YAML),
        ("o.csv", CSV),
        ("bom.csv", "\ufeff" + CSV.replace(";", ",")),
    ],
)
def test_an_order_reads_alike_however_it_is_written(name: str, text: str, tmp_path: Path) -> None:
    frame = read_reference(write(tmp_path / name, text), "WorkOrder")
    assert frame.schema == polars_schema(contract("WorkOrder"))
    [row] = frame.to_dicts()
    assert {k: row[k] for k in ("plant", "order_id", "version", "quantity", "over_tolerance", "unit")} == {
        "plant": "0100",
        "order_id": "4711",
        "version": 1,
        "quantity": Decimal(100),
        "over_tolerance": None,
        "unit": "C62",
    }
    assert row["operations"] == [{**ORDER["operations"][0], "target_quantity": Decimal("100.5")}]


@pytest.mark.parametrize("name", ["WorkOrder", "Material", "ShiftCalendar"])
def test_records_of_the_contract_come_back_from_parquet(name: str, tmp_path: Path) -> None:
    frame = pl.DataFrame(samples.sample(contract(name), 3), schema=polars_schema(contract(name)))
    frame.write_parquet(tmp_path / "x.parquet")
    assert read_reference(tmp_path, name).equals(frame)


def test_rows_of_a_table_make_one_record_per_order_and_the_last_operation_gives_its_quantity(
    tmp_path: Path,
) -> None:
    head = "plant,order_id,material,unit,operation,work_center,target_quantity"
    rows = ("1,A,M,C62,0010,W1,10", "1,B,M,C62,0010,W1,5", "1,A,M,C62,0020,W2,9", "2,A,M,C62,0010,W1,7")
    frame = read_reference(write(tmp_path / "o.csv", "\n".join((head, *rows))), "WorkOrder")
    found = [
        (r["plant"], r["order_id"], r["quantity"], [o["operation"] for o in r["operations"]]) for r in frame.to_dicts()
    ]
    assert found == [("1", "A", 9, ["0010", "0020"]), ("1", "B", 5, ["0010"]), ("2", "A", 7, ["0010"])]


def test_a_table_of_materials_lists_their_conversions(tmp_path: Path) -> None:
    head = "plant;material;base_unit;unit;numerator;denominator"
    text = f"{head}\n1;M1;C62;KGM;8;1\n1;M1;C62;DZN;12;1\n1;M2;C62;;;\n"
    frame = read_reference(write(tmp_path / "m.csv", text), "Material")
    assert [[c["unit"] for c in row["conversions"]] for row in frame.to_dicts()] == [["KGM", "DZN"], []]


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("o.json", json.dumps([{**ORDER, "status": "OPEN"}]), r"o\.json:1: status: 'OPEN' is not RELEASED"),
        ("o.jsonl", "\n" + json.dumps({**ORDER, "colour": 1}), r"o\.jsonl:2: colour: is no field"),
        ("o.yaml", YAML.replace("100.5", "many"), r"o\.yaml:3: operations\.0\.target_quantity: 'many'"),
        ("o.csv", CSV.replace("100.5", "100,5"), r"o\.csv:2: target_quantity: '100,5'"),
        ("o.csv", CSV + "0100;4712\n", r"o\.csv:3: the row has not as many cells as the header"),
        ("o.json", "[{", r"o\.json: is not readable as json"),
        ("o.xlsx", "", r"o\.xlsx: a file of WorkOrder ends in one of \.json"),
    ],
)
def test_a_wrong_record_is_named_by_file_place_and_field(name: str, text: str, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=sentence):
        read_reference(write(tmp_path / name, text), "WorkOrder")


def test_a_calendar_is_no_table(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="ShiftCalendar has lists within lists"):
        read_reference(write(tmp_path / "c.csv", "plant,zone\n1,UTC\n"), "ShiftCalendar")


def test_many_wrong_records_are_counted_after_the_first_ones(tmp_path: Path) -> None:
    wrong = [{**ORDER, "unit": number} for number in range(15)]
    with pytest.raises(Misconfigured, match=r"and 5 more$") as caught:
        read_reference(write(tmp_path / "o.json", json.dumps(wrong)), "WorkOrder")
    assert len(str(caught.value).splitlines()) == 11


def test_the_source_hands_out_orders_with_their_operations(tmp_path: Path) -> None:
    orders = read_reference(write(tmp_path / "o.json", json.dumps([ORDER])), "WorkOrder")
    source = FileReference([("WorkOrder", orders)])
    part = source.build_part("references", source.list_parts()[0], None)
    [output] = part.next_batch()
    assert output.orders.select("order_id", "operation", "target").rows() == [("4711", "0010", Decimal("100.5"))]
    with pytest.raises(StopIteration):
        part.next_batch()
