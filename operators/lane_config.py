"""What a lane needs to know."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from operators.dedupe import Numbering
from operators.lane_output import LaneOutput
from operators.lane_rows import Rows
from operators.lane_totals import total
from operators.screen import TimeLimits
from operators.shifts import CalendarBook
from operators.windows import Window

#: Hands out what accepted rows add to a lane's output, and counts it.
Route = Callable[[LaneOutput, Counter[str], Rows, Window, CalendarBook], None]


@dataclass(frozen=True, slots=True)
class LaneConfig:
    """What a lane needs to know.

    Args:
        contracts: Contract by topic.
        window: How time is cut.
        limits: Limits of event times.
        numbering: How the sources of a contract number their events; the default where a contract is not
            named.
        deduplicate: False only in negative controls.
        most: Most that one event may add, in its unit or in seconds; totals are decimal(18,6) and must not
            overflow.
        route: Takes accepted rows: by default those of machines and operators, into totals and timelines.
    """

    contracts: Mapping[str, str]
    window: Window
    limits: TimeLimits = field(default_factory=TimeLimits)
    numbering: Mapping[str, Numbering] = field(default_factory=dict)
    deduplicate: bool = True
    most: Decimal = Decimal(100_000_000)
    route: Route = total
