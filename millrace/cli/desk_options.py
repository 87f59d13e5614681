"""Options that the commands about dead letters and postings share: which, who, why, how fast."""

from __future__ import annotations

import getpass
import json
import re
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from dataflows.desk import open_desk
from dataflows.registry import FLOWS, settings_of
from millrace.cli.options import LedgerUrl, Texts
from millrace.cli.status import asked, ledger_url
from millrace.errors import Misconfigured
from millrace.ledger import Ledger
from millrace.ledger.desk import Desk
from millrace.ledger.letter_states import Person
from millrace.ledger.letters import LetterFilter

T = TypeVar("T")
WHICH, WHO = "Which ones", "Who and why"
_SPANS = {"s": 1, "min": 60, "h": 3600, "d": 86_400}

Config = Annotated[
    Path | None, typer.Option("--config", help="Settings of the flow; they name ledger, Kafka and registry.")
]
Rate = Annotated[float | None, typer.Option("--rate", min=0.001, help="At most so many per second.")]
Most = Annotated[int | None, typer.Option("--most", min=1, help="At most so many in this run; call again to go on.")]


def _which(name: str, text: str) -> Any:
    return typer.Option(name, help=f"{text}; may be given again.", rich_help_panel=WHICH)


Classes = Annotated[Texts, _which("--class", "transport, mapping, partner_data or application")]
Codes = Annotated[Texts, _which("--code", "Machine-readable reason, such as order_unknown or M7/022")]
Plants = Annotated[Texts, _which("--plant", "Plant")]
Orders = Annotated[Texts, _which("--order", "Production order")]
States = Annotated[Texts, _which("--state", "open, replayed, resolved, discarded or parked")]


@dataclass(frozen=True, slots=True)
class Where:
    """The ledger, from the command line or else from the settings of the flow."""

    ledger: LedgerUrl = None
    config: Config = None

    def at_desk(
        self, act: Callable[[Desk], T], orders: Sequence[str] | None = None, materials: Sequence[str] | None = None
    ) -> T:
        """Open ledger and desk, and act.

        Raises:
            Misconfigured: There is no ledger under that name, or the action is refused.
            Retriable: The ledger, Kafka or the registry is down.
        """
        settings = settings_of(self.config)

        def acted(found: Ledger) -> T:
            with closing(open_desk(found, settings, orders or (), materials or ())) as desk:
                return act(desk)

        return asked(ledger_url(self.ledger, settings), acted)


@dataclass(frozen=True, slots=True)
class Selection:
    """Which dead letters."""

    kinds: Annotated[Texts, _which("--kind", "RECORD, TOTAL or POSTING")] = None
    classes: Classes = None
    codes: Codes = None
    flows: Annotated[Texts, _which("--flow", "Flow or poster that gave it up")] = None
    owners: Annotated[Texts, _which("--owner", "Who answers for the flow")] = None
    plants: Plants = None
    orders: Orders = None
    since: Annotated[
        str | None,
        typer.Option(
            "--since", rich_help_panel=WHICH, help="Given up since then: 30min, 8h, 7d, or an instant in ISO 8601."
        ),
    ] = None

    def wanted(self, ids: Sequence[str] | None = None, states: Sequence[str] | None = None) -> LetterFilter:
        """A filter from the command line.

        Raises:
            Misconfigured: A value is none that a letter can have.
        """
        found = LetterFilter(
            kinds=tuple(self.kinds or ()),
            classes=tuple(self.classes or ()),
            reasons=tuple(self.codes or ()),
            flows=tuple(dict.fromkeys(name for given in self.flows or () for name in _spelled(given))),
            owners=tuple(self.owners or ()),
            plants=tuple(self.plants or ()),
            orders=tuple(self.orders or ()),
            states=tuple(states or ()),
            since=micros(self.since),
            ids=tuple(ids or ()),
        )
        found.check()
        return found


@dataclass(frozen=True, slots=True)
class Acting:
    """Who changes something, why, and whether in earnest."""

    why: Annotated[str, typer.Option("--reason", rich_help_panel=WHO, help="Why you do it; stands in the audit.")]
    who: Annotated[
        str | None,
        typer.Option("--who", rich_help_panel=WHO, help="Who you are; the user of this computer if left out."),
    ] = None
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False

    @property
    def by(self) -> Person:
        """Who acts."""
        return person(self.who, self.why)


def _spelled(flow: str) -> tuple[str, ...]:
    """A flow as the command line calls it is what letters call it by its settings, too."""
    known = FLOWS.get(flow.replace("_", "-"))
    return (flow,) if known is None else (flow, known.settings.model_fields["flow"].default)


def micros(since: str | None) -> int | None:
    """An instant in ISO 8601, or a span before now, as microseconds UTC.

    Raises:
        Misconfigured: It is neither.
    """
    if since is None:
        return None
    span = re.fullmatch(r"(\d+)(s|min|h|d)", since)
    if span:
        return time.time_ns() // 1000 - int(span[1]) * _SPANS[span[2]] * 1_000_000
    try:
        at = datetime.fromisoformat(since)
    except ValueError as error:
        raise Misconfigured(f"--since: {since!r} is neither a span such as 8h nor an instant in ISO 8601") from error
    return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1_000_000)


def person(who: str | None, why: str) -> Person:
    """Who acts: as given, or the user of this computer."""
    return Person(who if who is not None else getpass.getuser(), why)


def as_json(value: Any) -> None:
    """Print plain values; bytes as text where they are, else in hexadecimal."""
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2, default=_plain))


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return value.hex()
    return str(value)
