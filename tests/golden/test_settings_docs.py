"""The page of settings is what the models say."""

from __future__ import annotations

import pytest
from pydantic import BaseModel

from dataflows.registry import FLOWS
from sinks.erp.settings import PosterSettings, SystemSettings
from sources.kafka_settings import KafkaSettings
from tools import settings_docs


def test_the_page_of_settings_is_fresh() -> None:
    """Run `python -m tools.settings_docs` after a change of a model."""
    assert settings_docs.main(["--check"]) == 0


@pytest.mark.parametrize(
    "model", [*(flow.settings for flow in FLOWS.values()), KafkaSettings, PosterSettings, SystemSettings]
)
def test_every_key_is_explained_and_nothing_else(model: type[BaseModel]) -> None:
    assert set(settings_docs.meanings(model)) == set(model.model_fields)


def test_nothing_of_the_language_is_told_to_readers() -> None:
    page = settings_docs.PAGE.read_text(encoding="utf-8")
    assert not [line for line in page.splitlines() if "None" in line.split()]


def test_a_stale_page_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings_docs, "page", lambda: "another page")
    assert settings_docs.main(["--check"]) == 1
