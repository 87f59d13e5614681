"""Which documents go to which ERP system: by plant, company and kind. The first route that matches counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

from pydantic import BaseModel


class PlantSettings(BaseModel, extra="forbid", frozen=True):
    """A plant.

    Args:
        company: Company (legal entity) that it belongs to, for routes that go by company.
    """

    company: str


class RouteSettings(BaseModel, extra="forbid", frozen=True):
    """Documents whose plant, company and kind match go to a system; the first match counts, so each goes to one.

    Args:
        plant: ISA-95 Site; `*` and `?` are wild, here and below.
        company: Company of the plant by `plants`; a plant without one matches `*` alone.
        kind: Contract of the document, for instance ProductionConfirmation.
        system: Name of the ERP system.
    """

    plant: str = "*"
    company: str = "*"
    kind: str = "*"
    system: str

    def matches(self, plant: str, company: str, kind: str) -> bool:
        """Whether a document goes this way."""
        return all(
            fnmatchcase(value, pattern)
            for value, pattern in ((plant, self.plant), (company, self.company), (kind, self.kind))
        )


def routed(routes: Sequence[RouteSettings], plants: Mapping[str, PlantSettings], plant: str, kind: str) -> str | None:
    """System for a document; None where no route matches."""
    company = plants[plant].company if plant in plants else ""
    return next((route.system for route in routes if route.matches(plant, company, kind)), None)


def check_routes(routes: Sequence[RouteSettings], systems: Sequence[str], plants: Mapping[str, PlantSettings]) -> None:
    """Refuse routes that lead nowhere or that nothing can take.

    Raises:
        ValueError: One sentence that names the route.
    """
    if len(set(systems)) < len(systems):
        raise ValueError("two systems have the same name")
    unknown = sorted({route.system for route in routes} - set(systems))
    if unknown:
        raise ValueError(f"routes lead to unknown systems: {', '.join(unknown)}")
    if not routes and len(systems) > 1:
        raise ValueError("with several systems, routes must say what goes where")
    companies = sorted({plant.company for plant in plants.values()})
    for number, route in enumerate(routes, start=1):
        if route.company != "*" and not any(fnmatchcase(company, route.company) for company in companies):
            known = ", ".join(companies) or "none"
            raise ValueError(f"route {number}: no plant under `plants` has a company like {route.company!r} ({known})")
        for earlier, other in enumerate(routes[: number - 1], start=1):
            if _covers(other, route):
                raise ValueError(f"route {number} is never reached: route {earlier} takes all that it would match")


def _covers(earlier: RouteSettings, later: RouteSettings) -> bool:
    pairs = ((earlier.plant, later.plant), (earlier.company, later.company), (earlier.kind, later.kind))
    return all(first in ("*", second) for first, second in pairs)


__all__ = ["PlantSettings", "RouteSettings", "check_routes", "routed"]
