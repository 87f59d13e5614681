"""Typed events, generated from the contracts: run `python -m tools.producer_records`, do not edit.

Fields, units and meanings stand in the data dictionary. The producer gives `sequence`, and `event_id` where it lacks.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal

from millrace.producer.values import Typed


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineCycle(Typed):
    """Pieces counted by a machine."""

    event_time: datetime
    plant: str
    source: str
    work_center: str
    counting: Literal["DELTA", "CUMULATIVE"]
    quantity_good: Decimal
    quantity_scrap: Decimal
    quantity_rework: Decimal
    unit: str
    correlation_id: str | None = None
    order_id: str | None = None
    operation: str | None = None
    counter: str | None = None
    reading_event: str | None = None
    scrap_reason: str | None = None
    event_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineState(Typed):
    """A change of a machine's state or of the job that runs on it."""

    event_time: datetime
    plant: str
    source: str
    work_center: str
    state: Literal["UNCHANGED", "PRODUCTION", "SETUP", "DELAY", "DOWN", "PLANNED_DOWN", "OFF"]
    job_event: Literal["NONE", "START", "PAUSE", "RESUME", "END"]
    completed: bool
    correlation_id: str | None = None
    order_id: str | None = None
    operation: str | None = None
    reason: str | None = None
    event_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationReport(Typed):
    """What an operator reports for an operation."""

    event_time: datetime
    plant: str
    source: str
    work_center: str
    order_id: str
    operation: str
    quantity_yield: Decimal
    quantity_scrap: Decimal
    quantity_rework: Decimal
    unit: str
    setup_time: Decimal
    machine_time: Decimal
    labour_time: Decimal
    completed: bool
    correlation_id: str | None = None
    scrap_reason: str | None = None
    operator: str | None = None
    event_id: str | None = None
