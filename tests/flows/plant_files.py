"""A simulated plant day as files, as a plant would export it, with the options that run the flow on it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sandbox.plant import Plant
from sandbox.plant_jsonl import write_jsonl
from sandbox.plant_layout import TOPICS
from schemas.contracts import contract

EVENTS = ("MachineCycle", "MachineState", "OperationReport")
#: Faults that only bytes can have; as JSON these records would be good ones.
BYTES_ONLY = ("bad_enum", "truncated", "unknown_schema")
SETTINGS = {
    "counters": [
        {"source": "MILL-21", "policy": {"lower": "reset", "reset_below": 10}},
        {"source": "CNC-*", "policy": {"lower": "reset", "reset_below": 10}},
        {"source": "MILL-22", "policy": {"lower": "rollover", "modulus": 65536}},
        {"source": "GRIND-43", "policy": {"lower": "rollover", "modulus": 65536}},
    ],
    "numbering": [{"source": "MOULD-*", "modulus": 256}],
}


def write_day(folder: Path, seed: int, hours: float) -> dict[str, Any]:
    """Write events, mappings, reference data and settings; returns the truth."""
    plant = Plant(seed, datetime(2026, 3, 2, 5, tzinfo=UTC), hours)
    write_jsonl(plant.stream(), folder)
    for name in EVENTS:
        mapping = {
            "version": "1",
            "format": {"type": "jsonl"},
            "filter": "fault IS NULL OR fault NOT IN (" + ", ".join(f"'{f}'" for f in BYTES_ONLY) + ")",
            "outputs": [{"contract": name, "fields": {f: f"record.{f}" for f in contract(name).fields}}],
        }
        (folder / f"{name}.yaml").write_text(json.dumps(mapping))
    for name in ("WorkOrder", "Material", "ShiftCalendar"):
        lines = (folder / f"{TOPICS[name]}.jsonl").read_text().splitlines()
        records = "\n".join(json.dumps(json.loads(line)["record"]) for line in lines)
        (folder / f"{name}.jsonl").write_text(records + "\n")
    (folder / "settings.yaml").write_text(json.dumps(SETTINGS))
    return plant.truth.as_json()


def options(folder: Path) -> list[str]:
    """Options of `millrace run` for such a folder, but for --out."""
    given = ["--config", f"{folder}/settings.yaml"]
    for name in EVENTS:
        given += ["--input", f"{folder}/{TOPICS[name]}.jsonl", "--mapping", f"{folder}/{name}.yaml"]
    return [*given, *references(folder)]


def references(folder: Path) -> list[str]:
    """Options that name the reference data."""
    names = {"--orders": "WorkOrder", "--materials": "Material", "--calendar": "ShiftCalendar"}
    return [text for option, name in names.items() for text in (option, f"{folder}/{name}.jsonl")]
