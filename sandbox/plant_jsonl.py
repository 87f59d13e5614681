"""A simulated day as JSON Lines, for people to look at."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import TextIO

from sandbox.plant_disturb import Emission
from sandbox.plant_event import Record


def write_jsonl(emissions: Iterable[Emission], folder: Path) -> dict[str, int]:
    """Write a JSON Lines file per topic, in order of arrival, to look at; returns the lines per topic."""
    folder.mkdir(parents=True, exist_ok=True)
    files: dict[str, TextIO] = {}
    counts: dict[str, int] = {}
    for emission in emissions:
        if emission.topic not in files:
            files[emission.topic] = (folder / f"{emission.topic}.jsonl").open("w", encoding="utf-8")
        files[emission.topic].write(json.dumps(_line(emission), default=_plain) + "\n")
        counts[emission.topic] = counts.get(emission.topic, 0) + 1
    for file in files.values():
        file.close()
    return counts


def _line(emission: Emission) -> Record:
    raw = isinstance(emission.body, bytes)
    body = base64.b64encode(emission.body).decode() if isinstance(emission.body, bytes) else emission.body
    return {
        "at": emission.at,
        "key": emission.key,
        "fault": emission.fault,
        "base64" if raw else "record": body,
    }


def _plain(value: object) -> str:
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    raise TypeError(f"no JSON for {type(value).__name__}")
