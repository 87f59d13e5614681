"""The mapping language: a YAML file, and no code, turns a foreign source into records of our contracts.

`load` reads and checks a mapping, `apply` maps a batch of text rows, `MappedJson` does so for a topic of
foreign JSON. The guide is `docs/mapping.md`.
"""

from schemas.mapping.batch import MappedBatch, RowReject, State
from schemas.mapping.loading import load, loads
from schemas.mapping.model import Mapping
from schemas.mapping.pipeline import apply
from schemas.mapping.topic import MappedJson, MappedRecords

__all__ = [
    "MappedBatch",
    "MappedJson",
    "MappedRecords",
    "Mapping",
    "RowReject",
    "State",
    "apply",
    "load",
    "loads",
]
