"""Column types that derive from the contracts."""

from __future__ import annotations

import polars as pl
import pyarrow as pa
import pytest

from millrace.errors import Misconfigured
from schemas.codec import Codec
from schemas.contracts import contract, contracts
from schemas.registry import FolderSchemas
from schemas.samples import sample
from schemas.types import arrow_schema, polars_schema, polars_type


def test_quantities_instants_enums_and_arrays_have_exact_types() -> None:
    types = polars_schema(contract("WorkOrder"))
    assert types["quantity"] == pl.Decimal(18, 6)
    assert types["over_tolerance"] == pl.Decimal(18, 6)
    assert types["event_time"] == pl.Datetime("us", "UTC")
    assert types["status"] == pl.Enum(["RELEASED", "COMPLETED", "CLOSED", "CANCELLED"])
    operations = types["operations"]
    assert isinstance(operations, pl.List)
    assert isinstance(operations.inner, pl.Struct)
    assert [field.name for field in operations.inner.fields][:2] == ["operation", "work_center"]
    assert polars_schema(contract("ShiftCalendar"))["holidays"] == pl.List(pl.Date)


def test_a_projection_keeps_its_own_order() -> None:
    assert list(polars_schema(contract("MachineCycle"), ["unit", "plant"])) == ["unit", "plant"]


@pytest.mark.parametrize("name", list(contracts()))
def test_sample_records_fit_the_frame_and_the_arrow_types_of_their_contract(name: str) -> None:
    of = contract(name)
    frame = pl.DataFrame(sample(of, 20), schema=polars_schema(of))
    table = frame.to_arrow().cast(arrow_schema(of))
    assert table.num_rows == 20
    assert table.schema.names == list(of.fields)
    assert Codec(of, FolderSchemas()).types == dict(frame.schema)


def test_arrow_types_are_decimals_utc_instants_and_required_where_the_contract_requires() -> None:
    schema = arrow_schema(contract("MachineCycle"))
    assert schema.field("quantity_good").type == pa.decimal128(18, 6)
    assert schema.field("event_time").type == pa.timestamp("us", "UTC")
    assert not schema.field("unit").nullable
    assert schema.field("order_id").nullable


def test_samples_are_the_same_for_the_same_seed_and_differ_for_another() -> None:
    of = contract("MachineCycle")
    assert sample(of, 5, 1) == sample(of, 5, 1)
    assert sample(of, 5, 1) != sample(of, 5, 2)


@pytest.mark.parametrize("avro", [["null", "string", "long"], {"type": "map", "values": "string"}, "Unheard"])
def test_a_type_that_contracts_do_not_use_is_refused(avro: object) -> None:
    with pytest.raises(Misconfigured, match="contracts do not use"):
        polars_type(avro)
