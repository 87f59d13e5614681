"""What many pieces of state hold together, added up when somebody looks."""

from __future__ import annotations

from weakref import WeakSet


class Held:
    """What one key of the state holds; it is forgotten together with the key's logic.

    A key sets `count` once a batch; the sum over all of them is worked out at the scrape.
    """

    __slots__ = ("__weakref__", "count")

    def __init__(self) -> None:
        self.count = 0
        _HELD.add(self)


_HELD: WeakSet[Held] = WeakSet()


def held() -> int:
    """The sum over all keys that are alive."""
    return sum(each.count for each in list(_HELD))
