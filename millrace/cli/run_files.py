"""`millrace run FLOW --input FILE... --mapping MAP --out DIR`: a flow on finite files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import typer
from rich.console import Console

from dataflows.confirmation_summary import ConfirmationSummary, summarize
from dataflows.file_run import FileRun
from dataflows.file_summary import FileSummary
from dataflows.files import run_files
from dataflows.flow_settings import FlowSettings
from dataflows.movement_files import run_movement_files
from dataflows.movement_settings import GoodsMovementsSettings
from dataflows.movement_summary import MovementSummary
from dataflows.registry import FLOWS, Flow
from dataflows.replenishment_files import run_replenishment_files
from dataflows.replenishment_settings import ReplenishmentSettings
from dataflows.replenishment_summary import ReplenishmentSummary
from millrace.cli.confirmation_report import show_confirmations
from millrace.cli.file_report import reading
from millrace.cli.movement_report import show_movements
from millrace.cli.replenishment_report import show_replenishment
from millrace.errors import Misconfigured
from schemas.mapping import Mapping, load
from sources.file_lanes import FileInput


@dataclass(frozen=True, slots=True)
class FileOptions:
    """Options of a run on files as given on the command line."""

    inputs: Sequence[str]
    mappings: Sequence[str]
    out: Path | None
    orders: Sequence[str]
    materials: Sequence[str]
    confirmations: Sequence[str]
    calendar: Sequence[str]
    zone: str | None
    workers: int
    overwrite: bool
    as_json: bool

    @property
    def any(self) -> bool:
        """Whether one was given that only a run on files has."""
        lists = (self.inputs, self.mappings, self.orders, self.materials, self.confirmations, self.calendar)
        return any(lists) or self.out is not None or self.overwrite or self.as_json or self.zone is not None


def run_on_files(flow: Flow, settings: Any, given: FileOptions) -> int:
    """Run, write the summary and print it; returns the exit code.

    Args:
        flow: The flow.
        settings: An instance of its settings model.
        given: Options.

    Raises:
        Misconfigured: Options, settings, a mapping or a file is wrong.
    """
    if not flow.on_files:
        raise Misconfigured(f"--input: the flow {flow.name} runs on Kafka alone")
    if not given.inputs or given.out is None:
        raise Misconfigured("--input, --out: a run on files needs both")
    _refuse_without_part(flow, settings, given)
    settings = _with_zone(settings, given.zone)
    inputs = file_inputs(given.inputs, given.mappings, flow)
    what = FileRun(
        inputs=inputs,
        out=given.out,
        orders=given.orders,
        materials=given.materials,
        calendars=given.calendar,
        workers=given.workers,
        overwrite=given.overwrite,
        confirmations=given.confirmations,
    )
    with reading(inputs, Console(stderr=True)) as heard:
        summary: FileSummary
        if isinstance(settings, ReplenishmentSettings):
            summary = run_replenishment_files(settings, what, heard)
        elif isinstance(settings, GoodsMovementsSettings):
            summary = run_movement_files(settings, what, heard)
        else:
            summary = summarize(run_files(settings, what, heard))
    summary.write(given.out)
    _print(summary, given.out, as_json=given.as_json)
    return summary.exit_status


def _print(summary: FileSummary, out: Path, *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(summary.as_json(), ensure_ascii=False, indent=2))
    elif isinstance(summary, MovementSummary):
        show_movements(summary, out, Console())
    elif isinstance(summary, ReplenishmentSummary):
        show_replenishment(summary, out, Console())
    elif isinstance(summary, ConfirmationSummary):
        show_confirmations(summary, out, Console())


def file_inputs(inputs: Sequence[str], mappings: Sequence[str], flow: Flow = FLOWS["confirmations"]) -> list[FileInput]:
    """Each input with its mapping or contract.

    Raises:
        Misconfigured: There is neither one mapping for all nor one for each, or a mapping is wrong.
    """
    if len(mappings) not in (1, len(inputs)) or not mappings:
        raise Misconfigured(
            f"--mapping: {len(inputs)} inputs need one mapping or contract for all of them, or one each in "
            f"the same order; {len(mappings)} are given"
        )
    kinds = {name: _mapping(name, flow) for name in dict.fromkeys(mappings)}
    each = list(mappings) if len(mappings) == len(inputs) else [mappings[0]] * len(inputs)
    return [
        FileInput(path, kinds[name], None if kinds[name] is not None else name)
        for path, name in zip(inputs, each, strict=True)
    ]


def _mapping(name: str, flow: Flow) -> Mapping | None:
    """None where the name is one of the contracts that the flow reads."""
    if name in flow.settings.events:
        return None
    if not Path(name).suffix and not Path(name).exists():
        raise Misconfigured(
            f"--mapping, --contract: {name} is no file, and no contract that the {flow.name} flow takes: "
            f"{', '.join(flow.settings.events)}"
        )
    mapping = load(name)
    strange = [output.contract for output in mapping.outputs if output.contract not in flow.settings.events]
    if strange:
        raise Misconfigured(f"{name}: outputs: the {flow.name} flow takes no {strange[0]}")
    return mapping


def _refuse_without_part(flow: Flow, settings: FlowSettings, given: FileOptions) -> None:
    """A file that nobody would look at is a mistake of who gives it."""
    idle = {"--confirmations": given.confirmations} if not isinstance(settings, GoodsMovementsSettings) else {}
    if isinstance(settings, ReplenishmentSettings):
        idle |= {"--orders": given.orders, "--calendar": given.calendar}
    named = [name for name, files in idle.items() if files]
    if named:
        raise Misconfigured(f"{', '.join(named)}: play no part in the {flow.name} flow")


def _with_zone(settings: FlowSettings, zone: str | None) -> FlowSettings:
    if zone is None:
        return settings
    try:
        ZoneInfo(zone)
    except (KeyError, ValueError, OSError) as error:
        raise Misconfigured(f"--zone: {zone!r} is no IANA time zone") from error
    return settings.model_copy(update={"default_zone": zone})
