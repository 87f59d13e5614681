"""Requests that were given up: their document is withdrawn, so that it is not posted beside the one that comes after.

A request is kept as it was asked for until it is closed. A state of an older release has none of those that it had
asked for before: they are given up without a withdrawal.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import polars as pl

from operators.replenishment_request import own_record
from operators.request_lifecycle import Progress, Stage
from operators.request_papers import papers

Fields = Mapping[str, Any]


class Withdrawals:
    """Requests of one shard that may have to be withdrawn.

    Args:
        state: Of `snapshot`.
    """

    def __init__(self, state: Mapping[str, Fields] | None = None) -> None:
        self._asked: dict[str, dict[str, Any]] = {number: dict(each) for number, each in (state or {}).items()}

    def asked(self, requests: Iterable[Fields]) -> None:
        """Keep what is asked for now."""
        self._asked.update({each["request_number"]: dict(each) for each in requests})

    def given_up(self, found: Iterable[Progress], instant: datetime) -> list[dict[str, Any]]:
        """Fields of ReplenishmentRequest that withdraw what nobody ordered, or not wholly; each request once."""
        withdrawn = []
        for each in found:
            if each.request is None or each.held or not (each.closed or each.rest_expired):
                continue
            fields = self._asked.pop(each.request["request_number"], None)
            if fields is not None and (each.stage is Stage.EXPIRED or each.rest_expired):
                more = {"revision": fields["revision"] + 1, "withdrawn": True, "event_time": instant}
                withdrawn.append({**fields, **more})
        return withdrawn

    def snapshot(self) -> dict[str, dict[str, Any]]:
        """Plain values."""
        return {number: dict(each) for number, each in self._asked.items()}


def own_papers(requests: Iterable[Fields]) -> pl.DataFrame:
    """Rows of PAPER of requests of this flow; a withdrawn one keeps the time at which it was asked for."""
    rows = [own_record({**each, "event_time": each["crossed_at"]}) for each in requests]
    return papers("ReplenishmentRequest", pl.concat(rows))


__all__ = ["Withdrawals", "own_papers"]
