"""Settings of the confirmations flow."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from dataflows.flow_settings import FLOW_NAME, SECOND, FlowSettings, NumberingRule, RegistrySettings, Section
from operators.counter_policy import CounterPolicy

EVENTS = ("MachineCycle", "MachineState", "OperationReport")
REFERENCES = ("WorkOrder", "Material")
OUTPUTS = ("ProductionConfirmation", "DeadLetter", "Alert", "StateTime")


class CounterRule(Section):
    """Counter policy of the sources whose name matches a pattern; the first that matches counts."""

    source: str = "*"
    policy: CounterPolicy = CounterPolicy()


class ConfirmationsSettings(FlowSettings):
    """The confirmations flow.

    Args:
        work_center_shards: Buckets of work centres; part of the state.
        counters: Counter policies.
        micro_stop_s: Stops shorter than this are micro-stops, seconds.
        mismatch_percent: Machine and operator counts may differ by this much before an alert.
    """

    steps: ClassVar[int] = 2
    events: ClassVar[tuple[str, ...]] = EVENTS
    references: ClassVar[tuple[str, ...]] = REFERENCES
    outputs: ClassVar[tuple[str, ...]] = OUTPUTS
    laid_out: ClassVar[tuple[str, ...]] = (*FlowSettings.laid_out, "work_center_shards")

    flow: str = Field(default="confirmations", pattern=FLOW_NAME)
    work_center_shards: int = Field(default=64, ge=1, le=999)
    counters: tuple[CounterRule, ...] = ()
    micro_stop_s: float = Field(default=120, ge=0)
    mismatch_percent: float = Field(default=5, ge=0)


__all__ = [
    "EVENTS",
    "OUTPUTS",
    "REFERENCES",
    "SECOND",
    "ConfirmationsSettings",
    "CounterRule",
    "FlowSettings",
    "NumberingRule",
    "RegistrySettings",
]
