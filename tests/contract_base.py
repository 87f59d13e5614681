"""A contract with a field of each kind, which the table of changes changes."""

from __future__ import annotations

import copy
from typing import Any

Schema = dict[str, Any]

DECIMAL = {"type": "bytes", "logicalType": "decimal", "precision": 18, "scale": 6}
OPTIONAL_TEXT = ["null", "string"]
GONE = {"since": 1, "until": "2026-05-31", "instead": "use note"}
GOING = {"since": 1, "until": "2026-12-31", "instead": "use note"}


def said(name: str, avro: Any, says: str = "No unit.", **more: Any) -> Schema:
    """A field with its doc."""
    return {"name": name, "type": copy.deepcopy(avro), "doc": f"The {name}. {says}", **more}


BASE: Schema = {
    "type": "record",
    "name": "Probe",
    "namespace": "io.millrace.v1",
    "doc": "A probe.",
    "owner": "quality",
    "tier": 2,
    "topic": "probe",
    "key": "source",
    "compacted": False,
    "partitioning": "key_hash",
    "retention": "record",
    "personal_data": True,
    "producers": ["system:mes"],
    "consumers": ["flow:confirmations", "history:raw"],
    "fields": [
        said("source", "string"),
        said("place", "string"),
        said("note", OPTIONAL_TEXT, default=None),
        said("level", "int", "Unit: steps.", default=0),
        said("total", "long", "Unit: events."),
        said("flag", "boolean", default=False),
        said("raw", "bytes"),
        said(
            "kind",
            {"type": "enum", "name": "Kind", "symbols": ["A", "B"], "meanings": {"A": "First.", "B": "Second."}},
        ),
        said(
            "mode",
            {
                "type": "enum",
                "name": "Mode",
                "symbols": ["X", "Y"],
                "default": "X",
                "meanings": {"X": "Unknown.", "Y": "Known."},
            },
        ),
        said("quantity", DECIMAL, "Unit: code in `unit`.", unit="unit"),
        said("weight", ["null", DECIMAL], "Unit: KGM.", default=None, unit="KGM"),
        said("unit", "string"),
        said("day", {"type": "int", "logicalType": "date"}),
        said("at", {"type": "long", "logicalType": "timestamp-micros"}, unit="us"),
        said("operator", OPTIONAL_TEXT, default=None, personal=True),
        said("secret", OPTIONAL_TEXT, default=None, share="commercial"),
        said("gone", OPTIONAL_TEXT, default=None, deprecated=GONE),
        said("going", OPTIONAL_TEXT, default=None, deprecated=GOING),
        said("tags", {"type": "array", "items": "string"}, default=[]),
        said(
            "lines",
            {
                "type": "array",
                "items": {
                    "type": "record",
                    "name": "Line",
                    "fields": [said("item", "string"), said("share", DECIMAL, unit="P1")],
                },
            },
        ),
    ],
}
