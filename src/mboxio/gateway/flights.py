"""What one session has in flight, and what its user is told of it."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from mboxio._base import states
from mboxio._base.clock import Waitable, Wakes, Watcher
from mboxio._base.request import Request
from mboxio.driver.controller import LOOK
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
        tell_lives: tells that the remote's life has ended, if it has.
    """

    def __init__(
        self,
        outlet: Outlet,
        used: Sequence[Used],
        home: "LoopPort",
        tell_lives: Callable[[], None],
    ) -> None:
        self.outlet = outlet
        self.used = used
        self.home = home
        self.tell_lives = tell_lives
        self.loop = asyncio.get_running_loop()
        self.requests: dict[Key, Request] = {}
        self.keys: dict[Request, Key] = {}
        self.unwatched: list[Request] = []  # taken since `watch`
        self.over: deque[Any] = deque()
        self.called = False  # `tell` will be
        self.fresh = False  # something was added since the timer fired
        self.old: list[Key] = []  # what was in flight then, but what is told as taken
        self.said: dict[Key, int] = {}  # what was told last of those
        self.timer: asyncio.TimerHandle | None = None
        self.closed = False
        self.pause_s = HANDED_AFTER_S

    def add(self, key: Key, request: Request) -> None:
        """A message is in flight, and `watch` will be called."""
        self.requests[key] = request
        self.keys[request] = key
        self.unwatched.append(request)

    def watch(self) -> None:
        """Tell the ends of what was added."""
        self.home.gate.call(self.watch_each, self.unwatched)
        self.unwatched = []
        self.fresh = True
        # Not at once: the remote answers while gRPC is asked for the user's next message. From then
        # on the loop minds their deadlines.
        self.loop.call_soon(self.home.look, LOOK)
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

    def fire(self, core: Wakes, waitable: Waitable) -> None:
        """See `Watcher.fire`."""
        self.over.append(waitable)
        if not self.called:
            self.called = True
            self.home.queue_up(self)  # once for all that end until then

    def deliver(self) -> None:
        """See `LoopPort.queue_up`."""
        self.tell()

    # -- what the user is told

    def tell(self) -> None:
        """Tell what is over; after the session it is only counted.

        The end of a life comes before the errors with which it ended what was in flight, or the
        user's next message would go to a remote that is believed to be there; and before what the
        next life answers to messages that were on their way here.
        """
        self.called = False  # first: what ends from now on calls again
        if not self.closed:
            self.tell_lives()
        over, requests, keys, done = self.over, self.requests, self.keys, states.DONE
        frames: list[bytes] = []
        while over:
            request: Any = over.popleft()
            key = channel, handle = keys.pop(request)
            del requests[key]
            if request._state == done:
                reply: bytes = request._value
                used = self.used[channel]
                used.over += 1
                used.told_bytes += len(reply)
                frames.append(pack(DONE, channel, handle, reply))
            else:
                frames.append(self.failure(key, request.exception()))
        if not self.closed:
            self.outlet.put(*frames)
        if not self.requests and self.timer is not None:
            self.timer.cancel()
            self.timer = None
            self.old.clear()
            self.said.clear()

    def fail(self, key: Key, error: MailboxError) -> None:
        """Tell that a message was refused."""
        self.outlet.put(self.failure(key, error))

    def failure(self, key: Key, error: MailboxError) -> bytes:
        """Return the frame that tells how a message ended."""
        used = self.used[key[0]]
        used.over += 1
        used.failed += 1
        status, body = body_of(error)
        return pack(FAILED, *key, body, status)

    def tell_handed(self) -> None:
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
        self.pause_s = (
            HANDED_AFTER_S if fresh or told else min(2 * self.pause_s, HANDED_AFTER_MAX_S)
        )
        self.timer = self.loop.call_later(self.pause_s, self.tell_handed) if self.old else None

    def close(self) -> None:
        """Nothing is told any more: the end of the stream says why all that is in flight ends."""
        self.closed = True
        if self.timer is not None:
            self.timer.cancel()
