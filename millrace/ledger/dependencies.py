"""Which documents wait for which others, declared in the settings and checked when they are read.

All documents of a lane (an order, as a rule) are neighbours, whichever systems they go to. A rule says which of them
waits for which. Rules that would make documents wait for each other are refused; see `millrace.ledger.circles` for why
what is left cannot deadlock.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import Any, Literal, Self

from pydantic import BaseModel, Field, model_validator

from millrace.ledger.circles import tangled
from millrace.ledger.neighbour import Neighbour


class Match(BaseModel, extra="forbid", frozen=True):
    """Documents by what they are; what is not given matches every one.

    Args:
        kind: Contract name, for instance GoodsMovement.
        role: Movement or decision in lower case, for instance `issue`, `release`.
        final: Whether it carries a final flag.
        measure: It holds some of this measure, for instance `setup_time`.
        attributes: Attributes with the values that they have.
    """

    kind: str
    role: str | None = None
    final: bool | None = None
    measure: str | None = None
    attributes: dict[str, str] = Field(default_factory=dict)

    def covers(self, document: Neighbour) -> bool:
        """Whether it matches."""
        return (
            document.kind == self.kind
            and (self.final is None or document.final == self.final)
            and (self.role is None or document.attributes.get("role") == self.role)
            and (self.measure is None or document.holds(self.measure))
            and all(str(document.attributes.get(name)) == value for name, value in self.attributes.items())
        )

    def overlaps(self, other: Match) -> bool:
        """Whether one document could match both."""
        return (
            self.kind == other.kind
            and not _differ(self.role, other.role)
            and not _differ(self.final, other.final)
            and all(other.attributes.get(name, value) == value for name, value in self.attributes.items())
        )

    def __str__(self) -> str:
        words = (
            "final" if self.final else None,
            self.role,
            self.kind,
            f"with {self.measure}" if self.measure else None,
        )
        return " ".join(word for word in words if word)


def _differ(left: Any, right: Any) -> bool:
    return left is not None and right is not None and left != right


class DependencyRule(BaseModel, extra="forbid", frozen=True):
    """Documents that wait until others of their order are settled.

    Args:
        name: What the rule is called in `millrace status`, for instance `release before confirmation`.
        document: What waits.
        waits_for: What has to be settled first. Except where it asks for a final flag, a document counts as settled
            when all but its final flag is booked.
        operation: Whether the two are of the same operation, the other of an earlier one, or any.
        same: Attributes that both must have with the same value, for instance `notification_id`.
        holds: Whether the whole document waits or only its final flag.
        missing: What if there is no such document yet: `ignore` posts all the same, `wait` waits for it to come.
        undo: Where the other document has to be reversed: `dependents_first` reverses what waits for it before that and
            posts it again afterwards, `independent` leaves it alone.
        on_reject: Where the ERP refuses what waits and nothing of it is booked: `keep` leaves the other document as it
            is, `undo` reverses it until a newer version of what was refused comes.
        overdue_after: Seconds after which a document that still waits is reported.
    """

    name: str = Field(min_length=1)
    document: Match
    waits_for: Match
    operation: Literal["same", "earlier", "any"] = "any"
    same: tuple[str, ...] = ()
    holds: Literal["document", "final"] = "document"
    missing: Literal["ignore", "wait"] = "ignore"
    undo: Literal["dependents_first", "independent"] = "dependents_first"
    on_reject: Literal["keep", "undo"] = "keep"
    overdue_after: float = Field(3600.0, gt=0)

    @model_validator(mode="after")
    def _flag_of_what_is_final(self) -> Self:
        if self.holds == "final" and self.document.final is False:
            raise ValueError(f"rule {self.name!r} holds the final flag of documents that have none")
        return self

    def relates(self, document: Neighbour, other: Neighbour) -> bool:
        """Whether two matching documents are meant by the rule, whatever matches."""
        return (
            document.key != other.key
            and (self.operation != "same" or document.operation == other.operation)
            and (self.operation != "earlier" or other.place[0] < document.place[0])
            and all(document.attributes.get(name) == other.attributes.get(name) for name in self.same)
        )


class Dependencies:
    """The declared rules.

    Args:
        rules: In the order in which a document's waits are looked at.

    Raises:
        Misconfigured: Rules that make documents wait for each other.
    """

    def __init__(self, rules: Iterable[DependencyRule] = ()) -> None:
        self.rules = tuple(rules)
        self._tangled = tangled(self.rules)

    def __bool__(self) -> bool:
        return bool(self.rules)

    def holding(self, document: Neighbour) -> list[DependencyRule]:
        """Rules by which the document waits for others."""
        return [rule for rule in self._of_kind.get(document.kind, ()) if rule.document.covers(document)]

    def depended_on(self, document: Neighbour) -> list[DependencyRule]:
        """Rules by which others wait for the document."""
        return [rule for rule in self.rules if rule.waits_for.covers(document)]

    def waits(self, rule: DependencyRule, document: Neighbour, other: Neighbour) -> bool:
        """Whether by this rule, whose matches the two are, the document waits for the other.

        Among documents that rules could make wait for each other only what comes earlier is waited for.
        """
        if not rule.relates(document, other):
            return False
        tangle = self._tangled.get(rule.name, ())
        return other.place < document.place or not any(each.covers(other) for each in tangle)

    @cached_property
    def _of_kind(self) -> dict[str, list[DependencyRule]]:
        kinds = {rule.document.kind for rule in self.rules}
        return {kind: [rule for rule in self.rules if rule.document.kind == kind] for kind in kinds}
