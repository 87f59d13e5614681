"""How a metric is defined: registered with Prometheus and with the page of metrics in one step.

Labels are chosen from a list, so that their values stay bounded: never an order, a material or a machine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from prometheus_client import Counter, Gauge, Histogram

Kind = Literal["counter", "gauge", "histogram"]

#: Every label there is, with what bounds its values.
LABELS: Mapping[str, str] = MappingProxyType(
    {
        "action": "what a posting does: `book` or `reverse`",
        "contract": "contract, or topic of a mapping",
        "erp": "ERP system, by its name in the poster's settings",
        "error_class": "`transport`, `mapping`, `partner_data` or `application`",
        "failure": "error of the Kafka client, by its name",
        "flow": "name of the flow",
        "kind": "kind of an alert",
        "lane": "lane of the flow, as many as `lanes` says, and `reference`",
        "outcome": "what became of it, a fixed vocabulary",
        "plant": "plant, as its events name it",
        "reason": "reason of a dead letter, a fixed vocabulary",
        "state": "state of a document in the ledger",
        "tier": "1 to 3",
        "waits_for": "`ledger`, `broker`, `registry`, `disk` or `object_store`",
    }
)


@dataclass(frozen=True, slots=True)
class Definition:
    """One metric as it is scraped.

    Args:
        name: Name of the series; a histogram's without `_bucket`, `_sum` and `_count`.
        kind: Type.
        labels: Names of its labels, each one of `LABELS`.
        unit: Unit of its values.
        meaning: One sentence.
        group: Which page section it belongs to.
    """

    name: str
    kind: Kind
    labels: tuple[str, ...]
    unit: str
    meaning: str
    group: str


#: All metrics by name, in the order of their definition.
DEFINITIONS: dict[str, Definition] = {}


def counter(group: str, name: str, labels: Sequence[str], unit: str, meaning: str) -> Counter:
    """Define a counter; its name ends in `_total`."""
    if not name.endswith("_total"):
        raise ValueError(f"{name}: the name of a counter ends in _total")
    _define(Definition(name, "counter", tuple(labels), unit, meaning, group))
    return Counter(name, meaning, labels)


def gauge(group: str, name: str, labels: Sequence[str], unit: str, meaning: str) -> Gauge:
    """Define a gauge."""
    _define(Definition(name, "gauge", tuple(labels), unit, meaning, group))
    return Gauge(name, meaning, labels)


def histogram(
    group: str, name: str, labels: Sequence[str], unit: str, meaning: str, buckets: Sequence[float]
) -> Histogram:
    """Define a histogram with these upper bounds."""
    _define(Definition(name, "histogram", tuple(labels), unit, meaning, group))
    return Histogram(name, meaning, labels, buckets=buckets)


def _define(definition: Definition) -> None:
    unknown = set(definition.labels) - set(LABELS)
    if unknown:
        raise ValueError(f"{definition.name}: no bound is known for the label {', '.join(sorted(unknown))}")
    if definition.name in DEFINITIONS:
        raise ValueError(f"{definition.name} is defined twice")
    DEFINITIONS[definition.name] = definition
