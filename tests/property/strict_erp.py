"""An ERP in memory that insists on order: setup before a final confirmation, a hold before its release, components
issued before an operation is final, nothing reversed that is not booked, nothing posted into a closed period."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from decimal import Decimal

from millrace.ledger import Status
from millrace.ledger.compensation import CLOSED_PERIOD
from millrace.ledger.model import Action, Outcome, Step

#: Its status changes cannot be reversed, only countered.
COUNTERED = "QualityNotification"


@dataclass
class StrictErp:
    """Books what it is sent, also twice, and remembers every breach of its rules.

    Args:
        closed_before: Posting dates before this one are refused.
        refuses: Documents that it refuses.
    """

    closed_before: str = ""
    refuses: set[str] = field(default_factory=set)
    booked: list[Step] = field(default_factory=list)
    breaches: list[str] = field(default_factory=list)

    def answer(self, step: Step) -> Outcome:
        """Book or refuse."""
        if str(step.attributes.get("posting_date")) < self.closed_before:
            return Outcome(step, Status.REJECTED, reason=CLOSED_PERIOD, detail="period is closed")
        if step.document_key in self.refuses:
            return Outcome(step, Status.REJECTED, reason="M7/021", detail="deficit of stock")
        self._check_reversal(step)
        self.booked.append(step)
        self._check_order(step.order_id)
        return self._found(step)

    def look_up(self, step: Step) -> Outcome:
        """Whether it holds the reference."""
        held = any(each.external_reference == step.external_reference for each in self.booked)
        return self._found(step) if held else Outcome(step, Status.PENDING)

    @staticmethod
    def _found(step: Step) -> Outcome:
        return Outcome(step, Status.BOOKED, erp_document=f"N-{step.external_reference}")

    def _check_reversal(self, step: Step) -> None:
        if step.action is Action.BOOK:
            if any(amount < 0 for amount in step.quantities.values()) and step.kind != COUNTERED:
                self.breaches.append(f"negative amount of {step.document_key}")
            return
        if step.kind == COUNTERED:
            self.breaches.append(f"reversal of {step.document_key}, which cannot be reversed")
        if step.reverses_document != f"N-{step.reverses}" or step.reverses not in self._standing():
            self.breaches.append(f"reversal of what is not booked of {step.document_key}")

    def _standing(self) -> dict[str, Step]:
        reversed_ = {each.reverses for each in self.booked if each.action is Action.REVERSE}
        return {
            each.external_reference: each
            for each in self.booked
            if each.action is Action.BOOK and each.external_reference not in reversed_
        }

    def _check_order(self, order: str) -> None:
        standing = [step for step in self._standing().values() if step.order_id == order]
        net: dict[str, Decimal] = defaultdict(Decimal)
        for step in standing:
            net[step.attributes["what"]] += sum(step.quantities.values())
        if net["last"] and not net["setup"]:
            self.breaches.append(f"confirmation of {order} before its setup")
        if net["release"] and not net["hold"]:
            self.breaches.append(f"release of {order} before its hold")
        if any(step.final for step in standing) and not net["issue"]:
            self.breaches.append(f"final confirmation of {order} before its components are issued")

    def totals(self) -> dict[str, dict[str, Decimal]]:
        """Net bookings by document, without what came to zero."""
        out: dict[str, dict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
        for step in self.booked:
            for name, amount in step.quantities.items():
                out[step.document_key][name] += amount
        plain = {key: {name: amount for name, amount in total.items() if amount} for key, total in out.items()}
        return {key: total for key, total in plain.items() if total}

    def doubled(self) -> list[str]:
        """References that were booked more than once."""
        return [each for each, times in Counter(step.external_reference for step in self.booked).items() if times > 1]
