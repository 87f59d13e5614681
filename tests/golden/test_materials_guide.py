"""The page on materials is true: its examples give what it says."""

from __future__ import annotations

import doctest
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from dataflows.movement_settings import GoodsMovementsSettings
from millrace.ledger.dependencies import Dependencies, DependencyRule
from schemas.mapping import apply, loads

PAGE = Path(__file__).parents[2] / "docs" / "materials.md"


def test_the_pages_examples_give_what_it_says() -> None:
    done = doctest.testfile(str(PAGE), module_relative=False)
    assert done.failed == 0
    assert done.attempted > 5


def yaml_of_the_page() -> list[str]:
    return re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)


def settings_of_the_page() -> list[dict[str, Any]]:
    return [told for told in map(yaml.safe_load, yaml_of_the_page()) if "outputs" not in told]


def test_the_pages_mapping_makes_material_consumption() -> None:
    (text,) = (text for text in yaml_of_the_page() if "outputs:" in text)
    row = {
        "id": "1",
        "time": "2026-03-02 06:10",
        "line": "L1",
        "order": "1000471",
        "kind": "ISSUE",
        "material": "STEEL-2",
    }
    row |= {"batch": "H7", "bin": "RM01", "qty": "120.5", "unit": "KGM"}
    batch = apply(loads(text), pl.DataFrame(row).with_columns(_line=pl.lit(2, pl.Int64)))
    assert batch.rejects == []
    assert batch.frames["MaterialConsumption"]["quantity"].to_list() == [Decimal("120.5")]


def test_the_pages_settings_are_taken() -> None:
    """Together they are one flow, and the poster's rules are such."""
    flow, backflush, poster = settings_of_the_page()
    assert GoodsMovementsSettings(**flow, **backflush).rules().any
    assert Dependencies([DependencyRule(**rule) for rule in poster["dependencies"]]).rules


def test_the_pages_backflush_would_be_refused_with_the_erp_booking_the_same() -> None:
    """A negative control of the example."""
    _, backflush, _ = settings_of_the_page()
    backflush["erp_backflush"].append({"plant": "DE01", "component": "LABEL-1"})
    with pytest.raises(ValueError, match=r"LABEL-1 of plant DE01 would be booked by the flow \(LABEL-\* of plant DE01"):
        GoodsMovementsSettings(**backflush)
