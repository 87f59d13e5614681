"""How the tiers share one ERP system: slots and rate, retries, and how soon a document should be booked."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, Field, model_validator

from millrace.ledger.sla import SLA_SECONDS


class TierSettings(BaseModel, extra="forbid", frozen=True):
    """One tier of documents.

    Args:
        share: Most of `concurrency` and `rate` that this tier and the less urgent ones may take together; the rest
            is kept free for more urgent documents. One slot is left to every tier.
        retries_per_minute: Repeated attempts of this tier, of all `replicas` together; more are put off, while first
            attempts go on.
        sla_seconds: Documents that are not booked after this are reported once a minute and by `millrace status`.
    """

    share: float = Field(1.0, gt=0, le=1)
    retries_per_minute: float = Field(600.0, gt=0)
    sla_seconds: float = Field(SLA_SECONDS[1], gt=0)


class SecondTier(TierSettings):
    """Replenishment and procurement."""

    share: float = Field(0.75, gt=0, le=1)
    retries_per_minute: float = Field(300.0, gt=0)
    sla_seconds: float = Field(SLA_SECONDS[2], gt=0)


class ThirdTier(TierSettings):
    """The rest."""

    share: float = Field(0.5, gt=0, le=1)
    retries_per_minute: float = Field(120.0, gt=0)
    sla_seconds: float = Field(SLA_SECONDS[3], gt=0)


class Tiers(BaseModel, extra="forbid", frozen=True):
    """The three tiers.

    Args:
        tier1: Completions, quality holds, goods movements.
        tier2: Replenishment and procurement.
        tier3: The rest.
    """

    tier1: TierSettings = TierSettings()
    tier2: SecondTier = SecondTier()
    tier3: ThirdTier = ThirdTier()

    @model_validator(mode="after")
    def _shares_fall(self) -> Self:
        if not self.tier1.share >= self.tier2.share >= self.tier3.share:
            raise ValueError("the share of a tier cannot be larger than that of a more urgent one")
        return self

    def of(self, tier: int) -> TierSettings:
        """Settings of a tier by its number; what is less urgent than 3 is 3."""
        return (self.tier1, self.tier2, self.tier3)[min(max(tier, 1), 3) - 1]
