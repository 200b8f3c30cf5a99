"""What a user is told of messages that take long: they were handed over, and left their slots."""

import asyncio
from collections.abc import Mapping

from mboxio._base.request import Request
from mboxio.far.frames import HANDED, TAKEN, pack_handles
from mboxio.gateway.outlet import Outlet

__all__ = ["Handed"]

AFTER_S = 0.001
"""That a message left is told with its end where that comes sooner."""
AFTER_MAX_S = 0.02
"""How often those are looked at that wait for a slot of the mailbox."""


class Handed:
    """Looks at what a session has in flight, while there is any. Used on its loop.

    Args:
        outlet: the way to the user.
        requests: what is in flight, by channel and handle.
    """

    def __init__(self, outlet: Outlet, requests: Mapping[tuple[int, int], Request]) -> None:
        self.outlet = outlet
        self.requests = requests
        self.loop = asyncio.get_running_loop()
        self.fresh = False  # something was added since the timer fired
        self.old: list[tuple[int, int]] = []  # what was in flight then, but what is told as taken
        self.said: dict[tuple[int, int], int] = {}  # what was told last of those
        self.timer: asyncio.TimerHandle | None = None
        self.pause_s = AFTER_S

    def watch(self) -> None:
        """Something was added."""
        self.fresh = True
        if self.timer is None:
            self.pause_s = AFTER_S
            self.timer = self.loop.call_later(AFTER_S, self.tell)

    def tell(self) -> None:
        """Tell what was handed to the mailbox for a while, and what left its slots there."""
        told: dict[tuple[int, int], list[int]] = {}
        requests, said = self.requests, self.said
        for key in self.old:
            request = requests.get(key)
            if request is None:
                continue
            handed = HANDED if request.handed_over == "yes" else 0
            kind = TAKEN if request.stage == "reply" else handed
            if kind and said.get(key) != kind:
                said[key] = kind
                told.setdefault((kind, key[0]), []).append(key[1])
        self.outlet.put(
            *(pack_handles(kind, channel, handles) for (kind, channel), handles in told.items())
        )
        self.said = {key: kind for key, kind in said.items() if key in requests}
        self.old = [key for key in requests if said.get(key) != TAKEN]
        fresh, self.fresh = self.fresh, False
        self.pause_s = AFTER_S if fresh or told else min(2 * self.pause_s, AFTER_MAX_S)
        self.timer = self.loop.call_later(self.pause_s, self.tell) if self.old else None

    def stop(self) -> None:
        """Nothing is in flight any more, or nothing is told any more."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        self.old.clear()
        self.said.clear()
