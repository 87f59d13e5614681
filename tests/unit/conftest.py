"""Fixtures that several files of tests share."""

from __future__ import annotations

import pytest


@pytest.fixture(params=[True, False], ids=["together", "singly"])
def in_batches(request: pytest.FixtureRequest) -> bool:
    """Whether a codec decodes its records together; each test that asks for it runs both ways."""
    return bool(request.param)
