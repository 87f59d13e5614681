"""The page on materials is true: its examples give what it says."""

from __future__ import annotations

import doctest
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from dataflows.movement_settings import GoodsMovementsSettings
from millrace.ledger.dependencies import Dependencies, DependencyRule

PAGE = Path(__file__).parents[2] / "docs" / "materials.md"


def test_the_pages_examples_give_what_it_says() -> None:
    done = doctest.testfile(str(PAGE), module_relative=False)
    assert done.failed == 0
    assert done.attempted > 5


def settings_of_the_page() -> list[dict[str, Any]]:
    return [yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)]


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
