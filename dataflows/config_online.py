"""Whether what the settings name can be reached: broker, topics, registry, ledger, folders and ERP hosts.

Only asks; nothing is written, made, upgraded or sent to an ERP.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from dataflows.flow_settings import FlowSettings, RegistrySettings
from dataflows.movement_settings import GoodsMovementsSettings
from dataflows.parts import output_topics
from dataflows.replenishment_settings import ReplenishmentSettings
from millrace.errors import MillraceError, Misconfigured, Retriable
from millrace.ledger.peek import peek
from millrace.ledger.tables import SCHEMA_VERSION
from schemas.registry import RegistrySchemas, reason
from sinks.erp.auth_settings import OAuth2
from sinks.erp.settings import PosterSettings, SystemSettings
from sources.kafka import partition_counts
from sources.kafka_refusal import reachable

PATIENCE_S = 5.0
_OK = 200


@dataclass(frozen=True, slots=True)
class Reached:
    """One thing that was asked.

    Args:
        what: What it is, as `topic machine-cycle`.
        holds: Whether it is as the settings need it.
        detail: What was found, or what is wrong.
    """

    what: str
    holds: bool
    detail: str


def ask_all(settings: FlowSettings | PosterSettings, patience: float = PATIENCE_S) -> Iterator[Reached]:
    """One answer for each thing that the settings name; each is waited for `patience` seconds."""
    if isinstance(settings, PosterSettings):
        yield _tried("ledger", lambda: _ledger(settings.ledger))
        for system in settings.systems:
            yield from _system(system, patience)
        if settings.results is not None:
            names = [name for name in (settings.results.topic, settings.results.alerts) if name is not None]
            yield from _kafka(settings.results.configuration, names, patience)
        return
    if settings.kafka is not None:
        yield from _kafka(settings.kafka.client, topics_of(settings), patience)
    if settings.registry is not None:
        registry = settings.registry
        yield _tried("registry", lambda: _registry(registry, patience))
    if settings.ledger is not None:
        url = settings.ledger
        yield _tried("ledger", lambda: _ledger(url))
    for name in ("recovery", "history", "history_spool"):
        place = getattr(settings, name)
        if isinstance(place, Path):
            yield _tried(name, lambda place=place: _folder(place))  # type: ignore[misc]


def topics_of(settings: FlowSettings) -> list[str]:
    """Topics that a flow needs on the broker."""
    events = settings.reads() if isinstance(settings, ReplenishmentSettings) else settings.events
    references = settings.referred() if isinstance(settings, GoodsMovementsSettings) else settings.references
    names = [settings.topic(name) for name in (*events, *references)]
    if settings.calendar is None:
        names.append(settings.topic("ShiftCalendar"))
    return [*names, *settings.mappings, *(output_topics(settings).values() if settings.publish else ())]


def _kafka(client: Callable[[], Mapping[str, Any]], topics: list[str], patience: float) -> Iterator[Reached]:
    broker = _tried("broker", lambda: _broker(client(), patience))
    yield broker
    if broker.holds:
        for topic in topics:
            yield _tried(f"topic {topic}", lambda topic=topic: _topic(client(), topic))  # type: ignore[misc]


def _broker(client: Mapping[str, Any], patience: float) -> str:
    reachable(client, patience)
    return str(client["bootstrap.servers"])


def _topic(client: Mapping[str, Any], topic: str) -> str:
    return f"{partition_counts(client, [topic], patience=0.5)[topic]} partitions"


def _registry(registry: RegistrySettings, patience: float) -> str:
    schemas = RegistrySchemas(registry.url, auth=registry.auth(), ca=registry.ca, timeout=patience)
    try:
        status, answer = schemas.ask("GET", "/subjects")
    finally:
        schemas.close()
    if status != _OK:
        raise Misconfigured(f"{registry.url} answers {status}: {reason(answer)}")
    return f"{registry.url}, {len(answer)} subjects"


def _ledger(url: str) -> str:
    found = peek(url)
    if found is None:
        return "is made at the first start"
    return f"schema version {found}" + (f", upgraded to {SCHEMA_VERSION} at the start" * (found < SCHEMA_VERSION))


def _folder(place: Path) -> str:
    above = place
    while not above.exists() and above != above.parent:
        above = above.parent
    if not above.is_dir() or not os.access(above, os.W_OK | os.X_OK):
        raise Misconfigured(f"{place}: {above} is no folder that this user may write to")
    return str(place) if above == place else f"{place} is made at the first start"


def _system(system: SystemSettings, patience: float) -> Iterator[Reached]:
    urls = {"host": system.base_url}
    if isinstance(system.auth, OAuth2):
        urls["token host"] = system.auth.token_url
    for name, url in urls.items():
        yield _tried(f"{name} of {system.name}", lambda url=url: _host(url, patience))  # type: ignore[misc]


def _host(url: str, patience: float) -> str:
    """A connection is made and closed; certificates and passwords are first used by the poster."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        socket.create_connection((parts.hostname or "", port), timeout=patience).close()
    except OSError as error:
        raise Retriable(f"{parts.hostname}:{port}: {error}") from error
    return f"{parts.hostname}:{port} accepts connections"


def _tried(what: str, ask: Callable[[], str]) -> Reached:
    try:
        return Reached(what, holds=True, detail=ask())
    except MillraceError as error:
        return Reached(what, holds=False, detail=str(error))


__all__ = ["Reached", "ask_all", "topics_of"]
