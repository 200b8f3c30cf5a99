"""What one session has in flight, and what its user is told of it."""

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mboxio._base import states
from mboxio._base.clock import Waitable, Wakes, Watcher
from mboxio._base.request import Request
from mboxio.errors import MailboxError
from mboxio.far.failures import body_of
from mboxio.far.frames import DONE, FAILED, HANDED, TAKEN, pack, pack_handles
from mboxio.gateway.counts import Used
from mboxio.gateway.outlet import Outlet

if TYPE_CHECKING:
    from mboxio._pump.loops import LoopPort

__all__ = ["Flights"]

Key = tuple[int, int]
"""The channel and handle of a message, as its user has them."""

HANDED_AFTER_S = 0.001
"""That a message left is told with its end where that comes sooner."""
HANDED_AFTER_MAX_S = 0.02
"""How often those are looked at that wait for a slot of the mailbox."""


class Flights(Watcher):
    """The messages of a session that are not over. Used on its loop, but for `fire`.

    Args:
        outlet: the way to the user.
        used: what the user did, by channel.
        home: the loop's side of the connection.
    """

    def __init__(self, outlet: Outlet, used: Sequence[Used], home: "LoopPort") -> None:
        self.outlet = outlet
        self.used = used
        self.home = home
        self.loop = asyncio.get_running_loop()
        self.requests: dict[Key, Request] = {}
        self.keys: dict[Request, Key] = {}
        self.unwatched: list[Request] = []  # taken since `watch`
        self.over: deque[Any] = deque()
        self.called = False  # `tell` will be
        self.young: dict[Key, Request] = {}  # taken since the timer
        self.untold: dict[Key, Request] = {}  # the older ones, but those told as taken
        self.handed: set[Key] = set()  # of those, told that they were handed over
        self.timer: asyncio.TimerHandle | None = None
        self.closed = False
        self.pause_s = HANDED_AFTER_S

    def add(self, key: Key, request: Request) -> None:
        """A message is in flight, and `watch` will be called."""
        self.requests[key] = self.young[key] = request
        self.keys[request] = key
        self.unwatched.append(request)
        self.used[key[0]].in_flight += 1

    def watch(self) -> None:
        """Tell the ends of what was added."""
        self.home.gate.call(self.watch_each, self.unwatched)
        self.unwatched = []
        self.home.set_timer()  # the loop minds their deadlines
        if self.timer is None:
            self.pause_s = HANDED_AFTER_S
            self.timer = self.loop.call_later(HANDED_AFTER_S, self.tell_handed)

    def watch_each(self, requests: list[Request]) -> None:
        """See `watch`. Under the lock."""
        for each in requests:
            if each.over:
                self.fire(self.home.gate, each)
            else:
                each._add_watcher(self)
        self.home.pump.look_now(self.home.gate.clock.now_ns())

    def fire(self, core: Wakes, waitable: Waitable) -> None:
        """See `Watcher.fire`."""
        self.over.append(waitable)
        if not self.called:
            self.called = True
            self.home.queue_up(self)  # once for all that end until then

    def deliver(self) -> None:
        """See `LoopPort.queue_up`.

        That the far remote is lost is told on the next round of the loop. Errors wait for that, or
        the user's next message would go to a remote that is believed to be there.
        """
        if any(each._state != states.DONE for each in self.over):
            if not self.loop.is_closed():
                self.loop.call_soon(self.tell)
        else:
            self.tell()

    # -- what the user is told

    def tell(self) -> None:
        """Tell what is over; after the session it is only counted."""
        self.called = False  # first: what ends from now on calls again
        over, young = self.over, self.young
        frames: list[bytes] = []
        while over:
            request: Any = over.popleft()
            key = self.keys.pop(request)
            del self.requests[key]
            used = self.used[key[0]]
            used.in_flight -= 1
            if young.pop(key, None) is None:
                self.untold.pop(key, None)
            if request._state == states.DONE:
                reply: bytes = request._value
                used.told_bytes += len(reply)
                frames.append(pack(DONE, key[0], key[1], reply))
            else:
                frames.append(self.failure(key, request.exception()))
        if not self.closed:
            self.outlet.put(*frames)
        if not self.requests and self.timer is not None:
            self.timer.cancel()
            self.timer = None

    def fail(self, key: Key, error: MailboxError) -> None:
        """Tell that a message was refused."""
        self.outlet.put(self.failure(key, error))

    def failure(self, key: Key, error: MailboxError) -> bytes:
        """Return the frame that tells how a message ended."""
        self.used[key[0]].failed += 1
        status, body = body_of(error)
        return pack(FAILED, *key, body, status)

    def tell_handed(self) -> None:
        """Tell what was handed to the mailbox for a while, and what left its slots there."""
        told: dict[tuple[int, int], list[int]] = {}
        for key, request in list(self.untold.items()):
            channel, handle = key
            if request.stage == "reply":
                told.setdefault((TAKEN, channel), []).append(handle)
                del self.untold[key]
            elif request.handed_over == "yes" and key not in self.handed:
                told.setdefault((HANDED, channel), []).append(handle)
                self.handed.add(key)
        self.outlet.put(
            *(pack_handles(kind, channel, handles) for (kind, channel), handles in told.items())
        )
        self.handed &= self.untold.keys()
        if self.young or told:
            self.pause_s = HANDED_AFTER_S
        else:
            self.pause_s = min(2 * self.pause_s, HANDED_AFTER_MAX_S)
        self.untold |= self.young
        self.young.clear()
        self.timer = None
        if self.untold:
            self.timer = self.loop.call_later(self.pause_s, self.tell_handed)

    def close(self) -> None:
        """Nothing is told any more: the end of the stream says why all that is in flight ends."""
        self.closed = True
        if self.timer is not None:
            self.timer.cancel()
