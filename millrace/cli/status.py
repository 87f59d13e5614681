"""`millrace status` and `millrace trace ORDER`: how things stand, and what became of one order."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from dataflows.flow_settings import FlowSettings
from dataflows.registry import settings_of
from dataflows.replenishment_settings import ReplenishmentSettings
from millrace.cli import status_material, status_tables
from millrace.cli.options import Json, LedgerUrl
from millrace.cli.trace_events import Events, events_of
from millrace.cli.trace_tree import plain_trace, trace_tree
from millrace.errors import Misconfigured, Retriable
from millrace.ledger import Ledger, queries
from millrace.ledger.alerts import recent
from millrace.ledger.ledger import LEDGER_DOWN
from millrace.ledger.model import DocumentState, Status
from millrace.ledger.sla import SLA_SECONDS, breaches
from millrace.ledger.status import flow_lanes, letters_of_order, postings_by_system, waiting
from millrace.secret import refuse_password
from millrace.settings import load
from sinks.erp.settings import PosterSettings
from sinks.history.places import located

T = TypeVar("T")
#: Seconds after which an unknown posting needs a look.
UNKNOWN_AFTER_S = 900.0
#: Alerts that are shown were raised within this time, microseconds.
_DAY = 86_400_000_000
_ALERT = ("event_id", "severity", "kind", "plant", "subject", "message", "error_class", "owner")

Config = Annotated[Path | None, typer.Option("--config", help="Settings of the flow; they name ledger and history.")]


def status(
    ledger: LedgerUrl = None,
    config: Config = None,
    unknown_after: Annotated[
        float, typer.Option(help="Seconds after which an unknown posting needs a look.")
    ] = UNKNOWN_AFTER_S,
    post_config: Annotated[
        Path | None, typer.Option(help="Settings of the poster; they say how soon documents should be booked.")
    ] = None,
    material: Annotated[
        str | None, typer.Option("--material", help="Stock, projection and open requests of this material instead.")
    ] = None,
    plant: Annotated[str | None, typer.Option("--plant", help="With --material: of this plant alone.")] = None,
    as_json: Json = False,
) -> None:
    """How documents, postings, dead letters and flows stand, and what waits for what.

    Exit code 0: nothing needs a person. 1: something is rejected, parked or unknown for long, or nothing is known of
    the material. 2: no ledger.

    Example: `millrace status --config plant.yaml`
    """
    if material is not None:
        url = ledger_url(ledger, load(ReplenishmentSettings, config))
        raise typer.Exit(_of_material(url, material, plant, as_json))
    if plant is not None:
        raise Misconfigured("--plant: goes with --material")
    found = asked(ledger_url(ledger, settings_of(config)), partial(_status, allowed=_allowed(post_config)))
    found["needs_a_look"] = _needs_a_look(found, unknown_after)
    if as_json:
        typer.echo(json.dumps(found, ensure_ascii=False, indent=2))
    else:
        status_tables.show(found, Console())
    raise typer.Exit(1 if found["needs_a_look"] else 0)


def _of_material(url: str, material: str, plant: str | None, as_json: bool) -> int:
    found = asked(url, lambda ledger: status_material.material_status(ledger, material, plant))
    if as_json:
        typer.echo(json.dumps(found, ensure_ascii=False, indent=2))
    else:
        status_material.show(found, Console())
    return 0 if found["stock"] or found["requests"] else 1


def _allowed(post_config: Path | None) -> dict[str, Mapping[int, float]]:
    """Seconds by tier for each system; "" for systems that the settings do not name."""
    allowed: dict[str, Mapping[int, float]] = {"": SLA_SECONDS}
    if post_config is not None:
        for system in load(PosterSettings, post_config, prefix="MILLRACE_POST_").systems:
            allowed[system.name] = {tier: system.tiers.of(tier).sla_seconds for tier in SLA_SECONDS}
    return allowed


def _late(ledger: Ledger, now: int, allowed: Mapping[str, Mapping[int, float]]) -> list[dict[str, Any]]:
    """Documents that are later than their tier allows, by system and tier."""
    named = {
        (late.system, late.tier): late
        for name, seconds in allowed.items()
        for late in ledger.ask(partial(breaches, now=now, seconds=seconds))
        if (late.system == name) or (not name and late.system not in allowed)
    }
    return [
        {"system": late.system, "tier": late.tier, "count": late.count, "for_s": _age(late.since, now)}
        for late in named.values()
    ]


def _status(ledger: Ledger, allowed: Mapping[str, Mapping[int, float]]) -> dict[str, Any]:
    now = ledger.now()
    oldest = ledger.ask(queries.oldest_unsettled)
    return {
        "documents": ledger.ask(queries.documents_by_state),
        "oldest_unsettled_s": _age(oldest, now),
        "postings": [
            {"system": s.system, "status": s.status, "count": s.count, "oldest_s": _age(s.oldest, now)}
            for s in ledger.ask(postings_by_system)
        ],
        "waiting": [
            {**{n: v for n, v in asdict(wait).items() if n != "since"}, "for_s": _age(wait.since, now)}
            for wait in ledger.ask(lambda connection: waiting(connection, now))
        ],
        "late": _late(ledger, now, allowed),
        "dead_letters": ledger.ask(queries.dead_letters_by_reason),
        "alerts": [
            {**{name: getattr(alert, name) for name in _ALERT}, "for_s": _age(alert.at, now)}
            for alert in ledger.ask(lambda connection: recent(connection, now - _DAY))
        ],
        "flows": {
            flow: {"lanes": lanes, "total": dict(sum((Counter(c) for c in lanes.values()), Counter()))}
            for flow, lanes in ledger.ask(flow_lanes).items()
        },
        "inconsistent_documents": ledger.inconsistent(),
    }


def _age(at: int | None, now: int) -> float | None:
    return None if at is None else round((now - at) / 1_000_000, 1)


def _needs_a_look(found: dict[str, Any], unknown_after: float) -> list[str]:
    """Why a person should look, one sentence each."""
    why = [
        f"{count} documents are {state}"
        for state, count in found["documents"].items()
        if state in (DocumentState.REJECTED, DocumentState.PARKED)
    ]
    why += [
        f"postings of system {row['system']} are unknown, the oldest for {row['oldest_s']:.0f} s"
        for row in found["postings"]
        if row["status"] == Status.UNKNOWN and row["oldest_s"] > unknown_after
    ]
    why += [
        f"{row['count']} documents of tier {row['tier']} are late, the oldest for {row['for_s']:.0f} s"
        for row in found["late"]
    ]
    if found["inconsistent_documents"]:
        why.append(f"{len(found['inconsistent_documents'])} documents do not add up to their postings")
    return why


def trace(
    order: Annotated[str, typer.Argument(metavar="ORDER", help="Production order.")],
    ledger: LedgerUrl = None,
    config: Config = None,
    history: Annotated[
        str | None, typer.Option("--history", help="Root of the raw zone, or s3://...; adds the order's events.")
    ] = None,
    as_json: Json = False,
) -> None:
    """What became of an order: events, windows, documents, postings, ERP document numbers.

    Exit code 0: found. 1: the order is unknown. 2: no ledger.

    Example: `millrace trace 4711 --config plant.yaml`
    """
    settings = settings_of(config)
    root = located(history) if history else settings.history
    reports, letters = asked(
        ledger_url(ledger, settings),
        lambda found: (
            found.order_report(order),
            found.ask(lambda connection: letters_of_order(connection, order)),
        ),
    )
    events = events_of(root, settings, order) if root is not None else Events()
    if not reports and not letters and not events.contracts:
        where = f"the ledger and the history {root}" if root is not None else "the ledger"
        typer.echo(f"millrace: order {order!r} is not known to {where}", err=True)
        raise typer.Exit(1)
    if as_json:
        typer.echo(json.dumps(plain_trace(order, reports, letters, events), ensure_ascii=False, indent=2))
    else:
        Console().print(trace_tree(order, reports, letters, events, with_history=root is not None))


def ledger_url(ledger: str | None, settings: FlowSettings) -> str:
    """URL of an existing ledger, from the command line or else from the settings; Misconfigured without one."""
    refuse_password(ledger or "", "--ledger: leave it out of the URL and set PGPASSWORD_FILE, or set MILLRACE_LEDGER")
    url = ledger or settings.ledger
    if url is None:
        raise Misconfigured("--ledger: give its URL, or --config with the flow's settings")
    if (missing := missing_file(url)) is not None:
        raise Misconfigured(f"--ledger: there is no ledger at {missing!r}; `millrace ledger upgrade` makes one")
    return url


def missing_file(url: str) -> str | None:
    """Path of a ledger in a file that is not there; None for one that is, and for a database server.

    Raises:
        Misconfigured: It is no URL of a database.
    """
    try:
        parsed = make_url(url)
        parsed.get_dialect()
    except (ArgumentError, NoSuchModuleError, ImportError) as error:
        raise Misconfigured(f"--ledger: {url!r} is no URL of a database: {error}") from error
    is_missing = parsed.get_backend_name() == "sqlite" and not Path(parsed.database or "").is_file()
    return str(parsed.database) if is_missing else None


def asked(url: str, ask: Callable[[Ledger], T]) -> T:
    """Open the ledger and ask; Retriable where it does not answer."""
    try:
        with Ledger(url, who="cli") as ledger:
            return ask(ledger)
    except LEDGER_DOWN as error:
        raise Retriable(f"the ledger does not answer: {getattr(error, 'orig', error)}") from error
