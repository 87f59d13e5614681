"""Master data that nobody could count with is refused, and file, line and field are named."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import yaml
from typer.testing import CliRunner

from dataflows.registry import flow_named
from millrace.cli.app import app
from millrace.cli.desk_options import Selection
from millrace.errors import Misconfigured
from operators.lane_verdicts import NEGATIVE, SERIALISED, dead_letters
from operators.master_checks import FACTOR_INVALID
from operators.movement_reference import MovementReferenceLane
from operators.reference_lane import ReferenceLane
from schemas.batch import DecodedBatch, RawBatch, Reject
from schemas.contracts import contract
from schemas.types import polars_schema
from sources.file_reference import read_reference
from tests.flows.movement_memory import material

FACTORS = [("0", "1"), ("1", "0"), ("-1", "1"), ("1", "-0.5")]
TABLE = "plant,material,description,base_unit,unit,numerator,denominator"
ORDERS = "plant,order_id,material,unit,operation,work_center,target_quantity"


def table(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize(("up", "down"), FACTORS)
@pytest.mark.parametrize("kind", ["csv", "json", "yaml", "parquet"])
def test_a_factor_of_nothing_is_refused_with_file_line_and_field(kind: str, up: str, down: str, tmp_path: Path) -> None:
    path, field = tmp_path / f"materials.{kind}", "numerator" if Decimal(up) <= 0 else "denominator"
    value = up if field == "numerator" else down
    good, bad = material("A", BOX=(12, 1)), material("B", BOX=(12, 1))
    bad["conversions"].append({"unit": "PAL", "numerator": Decimal(up), "denominator": Decimal(down)})
    place = {"csv": f":4: {field}", "parquet": f":2: conversions.1.{field}"}.get(kind, f":2: conversions.1.{field}")
    if kind == "csv":
        table(path, TABLE, "P1,A,,KGM,BOX,12,1", "P1,B,,KGM,BOX,12,1", f"P1,B,,KGM,PAL,{up},{down}")
    elif kind == "parquet":
        pl.DataFrame([good, bad], schema=polars_schema(contract("Material"))).write_parquet(path)
    else:
        plain = json.loads(json.dumps([good, bad], default=str))
        for each in plain:
            del each["event_time"]
        path.write_text(
            json.dumps(plain) if kind == "json" else yaml.safe_dump(plain, default_flow_style=None, width=9999)
        )
        place = place if kind == "json" else f": conversions.1.{field}"
    with pytest.raises(Misconfigured) as error:
        read_reference(path, "Material")
    assert f"{place}: {value} of unit PAL of material B is not above 0" in str(error.value)
    assert str(error.value).startswith(f"{path}:")


class Decoded:
    """Stands in for a codec: these records, and the first of the batch is refused for its bytes."""

    def __init__(self, *records: dict[str, Any]) -> None:
        self._frame = pl.DataFrame(records, schema=polars_schema(contract("Material")))

    def decode(self, _raw: RawBatch) -> DecodedBatch:
        rows = np.arange(1, self._frame.height + 1)
        return DecodedBatch(self._frame, rows, [Reject(0, "truncated", "material")])


@pytest.mark.parametrize("lane", [ReferenceLane, MovementReferenceLane])
def test_on_a_topic_such_a_material_is_a_dead_letter_and_the_others_count(lane: Any) -> None:
    numbers = np.arange(3, dtype=np.int64)
    raw = RawBatch("material", [b"?", b"bad", b"good"], np.zeros(3, np.int32), 40 + numbers, numbers)
    decoder = Decoded(material("BAD", KGM=(1, 1), BOX=(1, 0)), material("GOOD", BOX=(1, 3)))
    rules = lane({"material": "Material"}, {"material": decoder})
    output = rules.process(raw)
    assert [each["material"] for each in output.materials] == ["GOOD"]
    told = [(each.offset, each.reason, each.payload) for each in output.dead]
    assert told == [(40, "truncated", b"?"), (41, FACTOR_INVALID, b"bad")]
    assert output.dead[1].detail == "conversions.1.denominator: 0 of unit BOX of material BAD is not above 0"
    assert rules.counts["accepted:Material"] == rules.counts[f"dead:Material:{FACTOR_INVALID}"] == 1


@pytest.mark.parametrize(
    ("target", "told"),
    [
        ("many", "target_quantity: 'many' is not a number"),
        ("", "target_quantity: is missing"),
        ("nan", "target_quantity: 'nan' is not a number"),
    ],
)
def test_a_bad_target_of_a_table_is_told_of_its_own_column_and_line(target: str, told: str, tmp_path: Path) -> None:
    path = table(tmp_path / "orders.csv", ORDERS, "P1,4711,M,C62,0010,W1,5", f"P1,4711,M,C62,0020,W1,{target}")
    with pytest.raises(Misconfigured) as error:
        read_reference(path, "WorkOrder")
    assert f"{path}:3: {told}" in str(error.value)


def test_letters_of_consumption_name_the_field() -> None:
    record = {
        "origin": 0,
        "offset": 7,
        "event_id": "e1",
        "quantity": Decimal(-2),
        "material": "MOTOR",
        "serials": ["1"],
    }
    frame = pl.DataFrame([record, {**record, "offset": 8}])
    codes = np.array([NEGATIVE, SERIALISED], np.uint8)
    below, serial = dead_letters("MaterialConsumption", "t", frame, codes, np.zeros(2, np.int64))
    assert below.detail.startswith("quantity -2")
    assert "material MOTOR" in serial.detail
    assert "`serials`" in serial.detail


def test_a_flow_is_found_by_either_spelling_of_its_name() -> None:
    assert flow_named("goods_movements") is flow_named("goods-movements")
    assert Selection(flows=["goods-movements"]).wanted().flows == ("goods-movements", "goods_movements")
    assert Selection(flows=["plant-7"]).wanted().flows == ("plant-7",)
    with pytest.raises(Misconfigured, match="there is: confirmations, goods-movements, replenishment"):
        flow_named("goods movements")


def test_the_command_line_takes_either_spelling_too(tmp_path: Path) -> None:
    asked = [["run", "goods_movements", "--config", str(tmp_path / "none.yaml")]]
    asked += [["replay", "goods_movements", "--config", str(tmp_path / "none.yaml"), "--dry-run"]]
    for command in asked:
        done = CliRunner().invoke(app, command)
        assert "no flow named" not in f"{done.output}{done.exception}"
        assert "can't be replayed" not in f"{done.output}{done.exception}"
