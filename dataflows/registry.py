"""The flows that `millrace run FLOW` knows: a further one is a line in FLOWS."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bytewax.dataflow import Dataflow

from dataflows import confirmations, goods_movements, replenishment
from dataflows.flow_settings import FlowSettings
from dataflows.movement_settings import GoodsMovementsSettings
from dataflows.replenishment_settings import ReplenishmentSettings
from dataflows.settings import ConfirmationsSettings
from millrace.errors import Misconfigured
from millrace.settings import load


@dataclass(frozen=True, slots=True)
class Flow:
    """A flow as the command line and the settings page know it.

    Args:
        name: What it is called on the command line.
        settings: Model of its settings.
        build: Makes the flow on Kafka from an instance of that model.
        about: One sentence for the help text.
        on_files: Whether `--input` runs it on files.
    """

    name: str
    settings: type[FlowSettings]
    build: Callable[[Any], Dataflow]
    about: str
    on_files: bool = False


FLOWS: dict[str, Flow] = {
    flow.name: flow
    for flow in (
        Flow(
            "confirmations",
            ConfirmationsSettings,
            confirmations.build,
            "machine cycles, states and operator reports become production confirmations",
            on_files=True,
        ),
        Flow(
            "goods-movements",
            GoodsMovementsSettings,
            goods_movements.build,
            "reported consumption and confirmed yields become goods movements",
            on_files=True,
        ),
        Flow(
            "replenishment",
            ReplenishmentSettings,
            replenishment.build,
            "stock by status and safety stock become replenishment requests, which are followed until goods come",
            on_files=True,
        ),
    )
}


def settings_of(config: Path | None) -> FlowSettings:
    """Settings of whatever flow a file is of: what most commands need (ledger, Kafka, history) all flows have.

    Raises:
        Misconfigured: It is of no flow; told as for the flow that comes nearest, the one it has the most keys of.
    """
    problems = []
    for flow in FLOWS.values():
        try:
            return load(flow.settings, config)
        except Misconfigured as error:
            problems.append(error)
    raise min(problems, key=lambda error: len(str(error).splitlines()))


def flow_named(name: str) -> Flow:
    """The flow of that name; written as in its settings, with `_` for `-`, too.

    Raises:
        Misconfigured: There is none.
    """
    found = FLOWS.get(name.replace("_", "-"))
    if found is None:
        raise Misconfigured(f"no flow named {name!r}; there is: {', '.join(FLOWS)}")
    return found
