"""SAP's message ids, and how one goes on after each.

An id is `class/number` as in transaction SE91, which is how the Gateway passes a business message on; `class/*`
stands for a whole class. Everything that is not in the table concerns its document alone: reject.

Source: SAP's documentation names M7/021 and the idempotency framework's messages; the others are common knowledge
of S/4HANA and may differ by release, so a system's options can say otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class Meaning(StrEnum):
    """How one goes on after a message.

    RETRY passes by itself, such as a lock. REJECT concerns this document. CLOSED_PERIOD is a reject that a posting in
    the current period can mend, SHORT_STOCK one that passes when stock arrives. CONFIGURATION would meet every
    document. ASK: the posting may have been booked.
    """

    RETRY = "retry"
    REJECT = "reject"
    CLOSED_PERIOD = "closed_period"
    SHORT_STOCK = "short_stock"
    CONFIGURATION = "configuration"
    ASK = "ask"


TABLE: Mapping[str, Meaning] = MappingProxyType(
    {
        # Locks: another user or posting holds the object.
        "CO/469": Meaning.RETRY,  # order is being processed
        "MC/601": Meaning.RETRY,  # requested object is locked
        "M3/024": Meaning.RETRY,  # valuation data is locked
        "M3/682": Meaning.RETRY,  # valuation data of the material is locked
        "M3/897": Meaning.RETRY,  # plant data of the material is locked
        "ME/006": Meaning.RETRY,  # purchasing document is locked
        "06/001": Meaning.RETRY,  # record is blocked by another user
        # Posting periods.
        "M7/053": Meaning.CLOSED_PERIOD,  # posting only possible in the open periods
        "M7/303": Meaning.CLOSED_PERIOD,  # period cannot be determined
        "F5/201": Meaning.CLOSED_PERIOD,  # posting period is not open
        "RW/033": Meaning.CLOSED_PERIOD,  # account assignment blocked in the period
        "M7/021": Meaning.SHORT_STOCK,  # stock deficit
        # What a document is refused for most often; in the table so that they are told from the Gateway's own ids.
        "M7/022": Meaning.REJECT,  # excess quantity
        "CO/017": Meaning.REJECT,  # order does not exist
        # The Gateway: every request of this kind would fail.
        "/IWCOR/CX_DS_EP_PROPERTY_ERROR": Meaning.CONFIGURATION,  # unknown property
        "/IWCOR/CX_OD_EP_PROPERTY_ERROR": Meaning.CONFIGURATION,
        # The idempotency framework has seen the request and does not have its answer any more.
        "/IWBEP/CM_COS/*": Meaning.ASK,
    }
)

#: When several messages come in one answer, the first of these that is among them decides.
_ORDER = (Meaning.ASK, Meaning.RETRY, Meaning.CONFIGURATION, Meaning.CLOSED_PERIOD, Meaning.REJECT, Meaning.SHORT_STOCK)


@dataclass(frozen=True, slots=True)
class Messages:
    """The table of one system.

    Args:
        table: Message ids and what they mean.
    """

    table: Mapping[str, Meaning]

    @classmethod
    def with_changes(cls, changes: Mapping[str, Meaning]) -> Messages:
        """The built-in table, with what a system's options say instead."""
        return cls({**TABLE, **changes})

    def meaning(self, ids: Sequence[str]) -> Meaning:
        """What the messages of one answer mean together."""
        found = {self._of(message) for message in ids}
        return next((meaning for meaning in _ORDER if meaning in found), Meaning.REJECT)

    def most_telling(self, ids: Sequence[str]) -> str:
        """The id to name as the reason: the last one of the table, else the last one, which is the most specific."""
        return next((message for message in reversed(ids) if self._of(message)), ids[-1])

    def _of(self, message: str) -> Meaning | None:
        return self.table.get(message) or self.table.get(f"{message.rpartition('/')[0]}/*")
