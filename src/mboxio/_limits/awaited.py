"""Who waits while an access hangs: asked by the access itself, which knows of no requests."""

import weakref
from typing import Protocol

__all__ = ["Awaited", "concerned", "more_than_one", "register"]


class Awaited(Protocol):
    """Some who wait for whoever has their lock."""

    def concerned(self) -> bool:
        """Return whether they wait for the calling thread."""
        ...

    def left_s(self, lasted_s: float) -> float:
        """Return in how many seconds the first of them wanted to be done, below 0: it is late.

        Args:
            lasted_s: for how long the access that is under way has kept them waiting.
        """
        ...


_known: "dict[int, weakref.ref[Awaited]]" = {}


def register(party: Awaited) -> None:
    """Have it asked, until it is gone; a second time does nothing."""
    key = id(party)
    _known[key] = weakref.ref(party, lambda gone: _forget(key, gone))


def concerned() -> list[Awaited]:
    """Return those who wait for the calling thread."""
    if not _known:
        return []
    parties = [reference() for reference in list(_known.values())]
    return [party for party in parties if party is not None and party.concerned()]


def more_than_one() -> bool:
    """Return whether there are several, of which one may keep another one waiting."""
    return len(_known) > 1


def _forget(key: int, gone: "weakref.ref[Awaited]") -> None:
    if _known.get(key) is gone:  # else it is another one at the same place in memory
        _known.pop(key, None)
