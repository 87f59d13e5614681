"""One replica's part of what all posters together may ask of an ERP system."""

from __future__ import annotations

from sinks.erp.settings import SystemSettings
from sinks.erp.tier_settings import Tiers


def part_of(system: SystemSettings, replicas: int) -> SystemSettings:
    """The system with its rate and its tiers' retry budgets divided by the number of replicas.

    The circuit breaker is not shared, for the reasons in `docs/adr/0012-leases-and-fencing.md`.
    """
    tiers = {
        name: tier.model_copy(update={"retries_per_minute": tier.retries_per_minute / replicas})
        for name, tier in ((name, getattr(system.tiers, name)) for name in Tiers.model_fields)
    }
    rate = None if system.rate is None else system.rate / replicas
    return system.model_copy(update={"rate": rate, "tiers": system.tiers.model_copy(update=tiers)})


__all__ = ["part_of"]
