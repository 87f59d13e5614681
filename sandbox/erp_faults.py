"""Faults that the sandbox ERP plays on demand, so many times or until they are cleared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

FaultKind = Literal[
    "down",  # 503 to everything
    "refuse",  # cut every connection without a word
    "lose_answer",  # book, then cut the connection
    "stall",  # book, answer only after `seconds`
    "late",  # cut the connection, book `seconds` later
    "drop",  # cut the connection, book nothing
    "half_answer",  # book, send half the answer
    "lock",  # 400 with the message id of a lock
    "reject",  # 400 with message id `code`
    "throttle",  # 429 with Retry-After `seconds`
    "html",  # 200 with a page of HTML, book nothing
    "expire",  # the CSRF token is no longer valid
    "latency",  # wait `seconds`, then go on as usual
]
#: Faults that concern look-ups too; the others concern changes alone.
_ALL_REQUESTS = frozenset({"down", "refuse", "latency"})


@dataclass(slots=True)
class Fault:
    """One fault.

    Args:
        kind: What happens.
        count: How often it still happens; None until cleared.
        seconds: For stall, late, throttle and latency.
        code: Message id, for reject.
    """

    kind: FaultKind
    count: int | None = 1
    seconds: float = 1.0
    code: str = "M7/022"

    def __post_init__(self) -> None:
        if self.kind not in get_args(FaultKind):
            raise ValueError(f"unknown fault {self.kind!r}")


class Faults:
    """Faults in the order in which they were ordered; each request meets at most one, and latency besides."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self.met: dict[str, int] = {}

    def add(self, **fault: Any) -> None:
        """Order a fault."""
        self._faults.append(Fault(**fault))

    def clear(self, kind: str | None = None) -> None:
        """Forget all faults, or those of one kind."""
        self._faults = [fault for fault in self._faults if kind is not None and fault.kind != kind]

    def pending(self) -> list[Fault]:
        """What is still to come."""
        return list(self._faults)

    def latency(self) -> float:
        """Seconds to wait before anything else."""
        return sum(fault.seconds for fault in self._faults if fault.kind == "latency")

    def take(self, *, is_change: bool) -> Fault | None:
        """The fault that this request meets."""
        for fault in self._faults:
            if fault.kind != "latency" and (is_change or fault.kind in _ALL_REQUESTS):
                self._count(fault)
                return fault
        return None

    def _count(self, fault: Fault) -> None:
        self.met[fault.kind] = self.met.get(fault.kind, 0) + 1
        if fault.count is not None:
            fault.count -= 1
            if fault.count <= 0:
                self._faults.remove(fault)
