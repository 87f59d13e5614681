"""Why declared dependencies cannot deadlock, and the refusal of those that could.

A rule leads from what waits to what is waited for. Where the latter may itself wait by another rule, the first rule
leads to the second; rules that lead to each other are tangled. If all tangled rules are about documents that could be
one and the same (setup before later final confirmations, say), a document waits only for those of them that come
earlier in the order, so following the waits always ends. If they are about different ones (hold waits for release,
release waits for hold), nothing could ever be posted: that is refused.

The built-in rule, that a final flag waits for the other documents of its operation, takes part. It may look at later
documents, so it may only be tangled with rules that lead to earlier operations. A rule for something less than a final
flag is satisfied when all but the flag is booked, so it never leads to rules that hold only flags.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

from millrace.errors import Misconfigured

if TYPE_CHECKING:
    from millrace.ledger.dependencies import DependencyRule, Match


@dataclass(frozen=True, slots=True)
class _Edge:
    """A rule as far as circles go; `rule` is None for the built-in one."""

    name: str
    document: Match
    waits_for: Match
    only_flag: bool
    rule: DependencyRule | None

    def leads_to(self, other: _Edge) -> bool:
        if other.only_flag and self.rule is not None and self.waits_for.final is not True:
            return False
        return self.waits_for.overlaps(other.document)


def tangled(rules: Sequence[DependencyRule]) -> dict[str, tuple[Match, ...]]:
    """By rule: what documents of the tangle that it is part of are; nothing for rules that are part of none.

    Raises:
        Misconfigured: Two rules of one name, or rules that make documents wait for each other.
    """
    names = [rule.name for rule in rules]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise Misconfigured(f"two dependencies are called {twice[0]!r}")
    edges = [_Edge(rule.name, rule.document, rule.waits_for, rule.holds == "final", rule) for rule in rules]
    found: dict[str, tuple[Match, ...]] = {}
    for tangle in _tangles([*edges, *_built_in(rules)]):
        _refuse_circle(tangle)
        found.update({edge.name: tuple(each.document for each in tangle) for edge in tangle})
    return found


def _built_in(rules: Iterable[DependencyRule]) -> list[_Edge]:
    """The built-in rule, once for each kind."""
    by_kind = {match.kind: match for rule in rules for match in (rule.document, rule.waits_for)}
    out = []
    for kind, match in sorted(by_kind.items()):
        every = type(match)(kind=kind)
        name = f"the final flag of a {kind} waits for the rest of its operation"
        out.append(_Edge(name, every.model_copy(update={"final": True}), every, True, None))
    return out


def _tangles(edges: Sequence[_Edge]) -> list[list[_Edge]]:
    """Sets of rules that lead to each other, or to themselves."""
    reach = {edge.name: {other.name for other in edges if edge.leads_to(other)} for edge in edges}
    for through, beyond in reach.items():  # Warshall: whatever leads to `through` leads to what it leads to
        for found_so_far in reach.values():
            if through in found_so_far:
                found_so_far.update(beyond)
    found: list[list[_Edge]] = []
    for edge in edges:
        tangle = [e for e in edges if e.name in reach[edge.name] and edge.name in reach[e.name]]
        if tangle and tangle not in found:
            found.append(tangle)
    return found


def _refuse_circle(tangle: Sequence[_Edge]) -> None:
    apart = any(not left.document.overlaps(right.document) for left, right in combinations(tangle, 2))
    built_in = any(edge.rule is None for edge in tangle)
    sideways = any(edge.rule is not None and edge.rule.operation != "earlier" for edge in tangle)
    if apart or (built_in and sideways):
        rules = "; ".join(f"{edge.name!r} ({edge.document} waits for {edge.waits_for})" for edge in tangle)
        raise Misconfigured(f"dependencies that make documents wait for each other: {rules}")
