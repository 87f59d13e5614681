"""Who books which component, by rules over plants and components, and the proof that no two sides book the same one.

A component of a plant is booked by this flow (backflush), by the ERP (its own backflush) or as the plant reports it.
What a rule names is a name or the beginning of names (`PAINT-*`), so that whether two rules meet can be told for sure,
before any order is read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from millrace.errors import Misconfigured
from operators.backflush import Policy, booked_here

_ANY = "*"


@dataclass(frozen=True, slots=True)
class Where:
    """Components of plants; each a name, or the beginning of names with `*` behind it.

    Args:
        plant: Plants.
        material: Components, or materials.
    """

    plant: str = _ANY
    material: str = _ANY

    def meets(self, other: Where) -> bool:
        """Whether both may mean the same component of the same plant."""
        return _meet(self.plant, other.plant) and _meet(self.material, other.material)

    def covers(self, other: Where) -> bool:
        """Whether everything that the other means is meant by this one too."""
        return _covers(self.plant, other.plant) and _covers(self.material, other.material)

    def __str__(self) -> str:
        return f"{self.material} of plant {self.plant}"


@dataclass(frozen=True, slots=True)
class PolicyRule:
    """The policy of some components."""

    where: Where
    policy: Policy


@dataclass(frozen=True, slots=True)
class BackflushRules:
    """Who books which component.

    Args:
        policies: The first rule that matches a component counts; none is `Policy.NONE`.
        erp: Components that the ERP backflushes.
        reported: Components whose issues the plant reports.
        serialised: Materials with serial numbers: never booked automatically, whoever implies or reports them.

    Raises:
        Misconfigured: Two sides would book a component.
    """

    policies: Sequence[PolicyRule] = ()
    erp: Sequence[Where] = ()
    reported: Sequence[Where] = ()
    serialised: Sequence[Where] = ()

    def __post_init__(self) -> None:
        for where in self.erp:
            self._refuse(where, (Policy.ALL,), "by the ERP")
        for where in self.reported:
            for other in self.erp:
                if where.meets(other):
                    raise Misconfigured(f"backflush: {where} would be booked as reported and by the ERP ({other})")
            self._refuse(where, tuple(each for each in Policy if each is not Policy.NONE), "as reported")

    def _refuse(self, where: Where, refused: Sequence[Policy], other_side: str) -> None:
        """Look at the policies in their order; what one covers wholly never comes to the next."""
        if any(numbered.covers(where) for numbered in self.serialised):
            return
        for rule in self.policies:
            if not rule.where.meets(where):
                continue
            if rule.policy in refused:
                told = f"by the flow ({rule.where}: {rule.policy}) and {other_side}"
                raise Misconfigured(f"backflush: {where} would be booked {told}")
            if rule.where.covers(where):
                return

    @property
    def any(self) -> bool:
        """Whether any component may be booked here, so that confirmations have to be read."""
        return any(rule.policy is not Policy.NONE for rule in self.policies)

    def policy(self, plant: str, material: str) -> Policy:
        """Policy of a component."""
        one = Where(plant, material)
        return next((rule.policy for rule in self.policies if rule.where.covers(one)), Policy.NONE)

    def is_serialised(self, plant: str, material: str) -> bool:
        """Whether a material has serial numbers by declaration."""
        return _named(self.serialised, plant, material)

    def not_to_report(self, plant: str, material: str) -> str | None:
        """Who else books the issues of a material; None where what the plant reports may be booked.

        By `none_if_backflushed` that depends on the other components of the operation, which the order names.
        """
        if _named(self.erp, plant, material):
            return "the ERP"
        policy = self.policy(plant, material)
        return "this flow" if policy in (Policy.ALL, Policy.ONLY_NON_BACKFLUSHED) else None

    def implied(self, components: pl.DataFrame) -> pl.DataFrame:
        """The rows (as for `booked`) that this flow books though what the plant reports of them is not refused."""
        ours = self.booked(components)
        asked = [self.policy(*each) is Policy.NONE_IF_BACKFLUSHED for each in ours.select("plant", "component").rows()]
        return ours.filter(pl.Series(asked, dtype=pl.Boolean))

    def overruled(self, components: pl.DataFrame) -> pl.DataFrame:
        """The components that rules say this flow books, of those that their order says the ERP backflushes.

        Args:
            components: plant, component; all of them with `erp_backflush`.
        """
        ours = [
            self.policy(*each) is Policy.ALL and not self.is_serialised(*each)
            for each in components.select("plant", "component").rows()
        ]
        return components.filter(pl.Series(ours, dtype=pl.Boolean))

    def booked(self, components: pl.DataFrame) -> pl.DataFrame:
        """The rows that this flow books, with `serialised` where a person has to.

        Args:
            components: plant, order_id, operation, component, and `erp_backflush`, what the order says of the ERP.
        """
        names = components.select("plant", "component").unique()
        found = names.rows()
        told = names.with_columns(
            pl.Series("policy", [self.policy(*each).value for each in found], pl.String),
            pl.Series("declared", [_named(self.erp, *each) for each in found], pl.Boolean),
            pl.Series("serialised", [self.is_serialised(*each) for each in found], pl.Boolean),
        )
        rows = components.join(told, on=["plant", "component"], how="left")
        rows = rows.with_columns((pl.col("declared") | pl.col("erp_backflush")).alias("erp")).drop("declared")
        # Declared rules never meet the ERP's; an order may still say that the ERP books a component.
        return booked_here(rows).filter(~pl.col("erp")).drop("policy", "erp")


def _named(rules: Sequence[Where], plant: str, material: str) -> bool:
    one = Where(plant, material)
    return any(rule.covers(one) for rule in rules)


def _covers(pattern: str, other: str) -> bool:
    if pattern.endswith(_ANY):
        return other.removesuffix(_ANY).startswith(pattern[:-1])
    return pattern == other


def _meet(one: str, other: str) -> bool:
    return _covers(one, other) or _covers(other, one)
