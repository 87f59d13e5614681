"""How `millrace state` tells what it found and what a change means for documents."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.table import Table

from dataflows.flow_settings import FlowSettings
from dataflows.state_offsets import Move
from dataflows.state_report import HELD, StateReport


def as_json(found: StateReport) -> dict[str, Any]:
    """The report as plain values."""
    return {**asdict(found), "recovery": str(found.recovery)}


def print_json(value: Any) -> None:
    """One JSON document to standard output."""
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2, default=str))


def say_report(found: StateReport) -> None:
    """A store as text and tables."""
    layout = ", ".join(f"{name} {value}" for name, value in found.layout.items())
    typer.echo(f"{found.recovery}: flow {found.flow}, steps version {found.steps_version}, state {found.state}")
    typer.echo(f"laid out for: {layout}")
    typer.echo(
        f"goes on at epoch {found.epoch}; {found.workers} workers at last; {found.store_bytes / 1e6:.1f} MB on disk"
    )
    _table(("next offset of", "offset"), [(place, str(at)) for place, at in found.offsets.items()])
    sizes = [(name, str(size.keys), f"{size.bytes / 1e3:.1f}") for name, size in found.steps.items()]
    _table(("step", "keys", "kB"), sizes)
    for name, count in found.held.items():
        typer.echo(f"{count} {HELD[name]}")
    for change in found.changes:
        typer.echo(f"{change['at']} {change['what']} by {change['who']}: {change['reason']} (copy: {change['copy']})")


def say_moves(moves: list[Move]) -> None:
    """Offsets before and after."""
    rows = [
        (f"{each.topic}/{each.partition}", str(each.before), str(each.after), str(each.again), str(each.skipped))
        for each in moves
    ]
    _table(("partition", "from", "to", "read again", "skipped"), rows)
    if not moves:
        typer.echo("All stand there already.")


def _table(heads: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    if not rows:
        return
    table = Table(*heads)
    for row in rows:
        table.add_row(*row)
    Console().print(table)


def what_a_reset_means(store: Path, layout: Mapping[str, Any]) -> str:
    """What becomes of documents, history and repeats after a reset."""
    return (
        f"After a reset of {store} the flow {layout.get('flow')} reads all that its topics still hold.\n"
        "- Documents keep their keys and end with the same revisions, so nothing is booked twice, as long as the\n"
        "  topics hold everything since the oldest open order began. Where a part was deleted from the log, revisions\n"
        "  stay below those that are booked: corrections and final flags of these documents are ignored.\n"
        "- What was seen is forgotten, and learnt again from the same records.\n"
        f"- The history keeps the files of the state {layout.get('state')}. The new state writes the rows that it\n"
        "  reads again beside them: move the former files away, or count the files of one state only."
    )


def what_moves_mean(moves: list[Move], settings: FlowSettings | None) -> str:
    """What becomes of documents when these offsets move."""
    horizon = f"{settings.id_horizon_s:g} s" if settings is not None else "id_horizon_s"
    hours = f"{settings.horizon_h:g} h" if settings is not None else "horizon_h"
    lines = []
    if any(each.again for each in moves):
        lines += [
            "Records that are read again are recognised: those of sources that number their events by number, others",
            f"by event_id within {horizon} of event time. Older ones without numbers would be COUNTED TWICE, from",
            f"{hours} behind the partition's newest on as late additions. For more use `millrace replay`.",
        ]
    if any(each.skipped for each in moves):
        lines += [
            "Records that are skipped are never counted: their pieces are missing in documents and history. Sources",
            "that number their events raise `sequence_gap`. Moving back later reads them as late.",
        ]
    return "\n".join(lines)


__all__ = ["as_json", "print_json", "say_moves", "say_report", "what_a_reset_means", "what_moves_mean"]
