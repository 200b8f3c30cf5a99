"""What one session has in flight, and what its user is told of it."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from mboxio._base import states
from mboxio._base.clock import Waitable, Wakes, Watcher
from mboxio._base.request import Request
from mboxio.driver.controller import LOOK
from mboxio.errors import AddressError, MailboxError, QueueFull
from mboxio.far.failures import body_of
from mboxio.far.frames import DONE, FAILED, POST, REQUEST, BadFrame, pack
from mboxio.far.head import framed
from mboxio.far.reader import Reader
from mboxio.gateway.counts import Used, UserCounts
from mboxio.gateway.desk import Desk
from mboxio.gateway.handed import Handed
from mboxio.gateway.outlet import Outlet

if TYPE_CHECKING:
    from mboxio._pump.loops import LoopPort

__all__ = ["Flights"]

Key = tuple[int, int]
"""The channel and handle of a message, as its user has them."""


class Flights(Watcher):
    """The messages of a session that are not over. Used on its loop, but for `fire`.

    Args:
        outlet: the way to the user.
        desks: the channels that he has opened, by number.
        in_flight_max: how many messages may be in flight.
        counts: what the user did.
        used: the same, by channel.
        home: the loop's side of the connection.
        tell_lives: tells that the remote's life has ended, if it has.
    """

    def __init__(
        self,
        outlet: Outlet,
        desks: dict[int, Desk],
        in_flight_max: int,
        counts: UserCounts,
        used: list[Used],
        home: "LoopPort",
        tell_lives: Callable[[], None],
    ) -> None:
        self.outlet = outlet
        self.desks = desks
        self.in_flight_max = in_flight_max
        self.counts = counts
        self.used = used
        self.home = home
        self.tell_lives = tell_lives
        self.loop = asyncio.get_running_loop()
        self.requests: dict[Key, Request] = {}
        self.keys: dict[Request, Key] = {}
        self.unwatched: list[Request] = []  # taken since `watch`
        self.over: deque[Any] = deque()
        self.called = False  # `tell` will be
        self.handed = Handed(outlet, self.requests)
        self.closed = False

    def take(self, reader: Reader) -> bool:
        """Take the messages that come next from the user.

        Returns:
            Whether the reader is at a frame of another kind; else all is read.
        """
        while reader.next():
            if reader.kind != REQUEST and reader.kind != POST:
                return True
            self.take_message(reader)
        return False

    def take_message(self, reader: Reader) -> None:
        """Take one message."""
        number, requests = reader.channel, self.requests
        key = (number, reader.handle)
        if key in requests:
            raise BadFrame(f"handle {reader.handle} is in flight already")
        used = self.used[number]
        used.requests += 1
        used.taken_bytes += len(reader.data)
        try:
            if len(requests) >= self.in_flight_max:
                self.counts.limited["in_flight"] += 1
                raise QueueFull(
                    f"a session has {self.in_flight_max} requests in flight at most",
                    stage="queue",
                    handed_over="no",
                )
            desk = self.desks.get(number)
            if desk is None:
                raise AddressError(f"channel {number} is not open", handed_over="no")
            request = desk.submit(
                reader.data, reader.kind == REQUEST, reader.queue_us, reader.reply_us
            )
        except MailboxError as error:
            self.outlet.put(self.failure(key, error))
        else:
            requests[key] = request
            self.keys[request] = key
            self.unwatched.append(request)

    def watch(self) -> None:
        """Tell the ends of what was taken."""
        if not self.unwatched:
            return
        self.home.gate.call(self.watch_each, self.unwatched)
        self.unwatched = []
        self.handed.watch()
        # Not at once: the remote answers while gRPC is asked for the user's next message. From then
        # on the loop minds their deadlines.
        self.loop.call_soon(self.home.look, LOOK)

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
                frames.append(framed(DONE, channel, 0, handle, 0, 0, reply))
            else:
                frames.append(self.failure(key, request.exception()))
        if not self.closed:
            self.outlet.put(*frames)
        if not requests:
            self.handed.stop()

    def failure(self, key: Key, error: MailboxError) -> bytes:
        """Return the frame that tells how a message ended."""
        used = self.used[key[0]]
        used.over += 1
        used.failed += 1
        status, body = body_of(error)
        return pack(FAILED, *key, body, status)

    def close(self) -> None:
        """Nothing is told any more: the end of the stream says why all that is in flight ends."""
        self.closed = True
        self.handed.stop()
