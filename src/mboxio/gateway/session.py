"""One user at one export, from the hello to the end of his stream."""

import asyncio
import errno
import functools
from collections.abc import Callable, Sequence
from typing import Any

from mboxio._base.request import Request
from mboxio.errors import AddressError, MailboxError, QueueFull
from mboxio.far.failures import body_of
from mboxio.far.frames import (
    ANSWER,
    CANCEL,
    CLAIM,
    DONE,
    FAILED,
    HANDED,
    HELLO,
    LINK,
    OPEN,
    OPENED,
    POST,
    REQUEST,
    RING,
    SHUT,
    TAKEN,
    TO_GATEWAY,
    BadFrame,
    Frame,
    frames,
    pack,
    pack_handles,
)
from mboxio.far.hello import Channel, Hello
from mboxio.gateway.allow import AllowList
from mboxio.gateway.desk import Desk
from mboxio.gateway.export import Export
from mboxio.gateway.limits import Limits
from mboxio.gateway.outlet import Outlet

__all__ = ["Session"]

HANDED_AFTER_S = 0.001
"""That a message left is told with its end where that comes sooner."""
HANDED_AFTER_MAX_S = 0.02
"""How often those are looked at that wait for a slot of the mailbox."""
LAST_S = 0.2
"""How long the last message to a user may take who is told why his session ends."""


class Session:
    """One stream. Everything runs on the loop of the gateway.

    Args:
        export: the mailbox.
        user: who it is.
        allow: what he may do.
        limits: how much.
        channels: what he was told that there is.
    """

    def __init__(
        self,
        export: Export,
        user: str,
        allow: AllowList,
        limits: Limits,
        channels: Sequence[Channel],
    ) -> None:
        self.export = export
        self.user = user
        self.allow = allow
        self.limits = limits
        self.channels = channels
        self.notes_bytes_s = limits.notes_bytes_s
        self.desks: dict[int, Desk] = {}
        self.counts = export.counts.user(user)
        self.used = [export.counts.used(user, each.name) for each in channels]
        self.pending: dict[tuple[int, int], Request] = {}  # by channel and handle
        self.untold: dict[tuple[int, int], Request] = {}  # those not told as taken
        self.handed: set[tuple[int, int]] = set()  # of those, told that they were handed over
        self.timer: asyncio.TimerHandle | None = None
        self.pause_s = HANDED_AFTER_S
        self.outlet: Outlet = Outlet(None)
        self.busy_at = 0.0
        self.loop = asyncio.get_running_loop()
        self.takes: dict[int, Callable[[Frame], None]] = {
            OPEN: self.open,
            SHUT: self.shut,
            REQUEST: functools.partial(self.take, True),
            POST: functools.partial(self.take, False),
            CANCEL: self.cancel,
            RING: functools.partial(self.at_desk, Desk.ring),
            CLAIM: functools.partial(self.at_desk, Desk.claim),
            ANSWER: functools.partial(self.at_desk, Desk.answer),
        }

    async def run(self, context: Any, life: int, ended: object) -> None:
        """Serve the user until he ends the stream.

        Args:
            context: of gRPC.
            life: of the gateway.
            ended: what reading returns at the end of the stream.

        Raises:
            BadFrame: he broke the protocol.
            TimeoutError: he was idle for too long.
        """
        self.outlet.write = context.write
        up, reason = self.export.link()
        hello = Hello(
            life=life,
            user=self.user,
            address=self.export.connection.address,
            epoch_source=self.export.epoch_source(),
            up=up,
            epoch=self.export.epoch,
            reason=reason,
            channels=tuple(self.channels),
        )
        self.export.sessions.add(self)
        self.outlet.put(pack(HELLO, data=hello.pack()))
        writing = asyncio.ensure_future(self.outlet.run())
        try:
            await self.read(context, ended)
        except (BadFrame, TimeoutError):  # gRPC refuses to tell him while a message is written
            self.outlet.end()
            await asyncio.wait([writing], timeout=LAST_S)
            raise
        finally:
            self.export.sessions.discard(self)
            writing.cancel()
            self.close()

    async def read(self, context: Any, ended: object) -> None:
        """Take what the user says; not faster than he reads what he is told."""
        idle_s = self.limits.idle_s
        while True:
            if idle_s:
                async with asyncio.timeout(idle_s):
                    message = await context.read()
            else:
                message = await context.read()
            if message is ended:
                return
            for frame in frames(message, TO_GATEWAY, len(self.channels)):
                self.takes[frame.kind](frame)
            await self.outlet.room()

    # -- what the user says

    def desk(self, frame: Frame) -> Desk:
        """Return the channel of a frame, which he has to have opened."""
        found = self.desks.get(frame.channel)
        if found is None:
            raise AddressError(f"channel {frame.channel} is not open", handed_over="no")
        return found

    def at_desk(self, act: Callable[[Desk, Frame], None], frame: Frame) -> None:
        """He wants something of a channel that needs no answer where it is not open."""
        found = self.desks.get(frame.channel)
        if found is not None:
            act(found, frame)

    def open(self, frame: Frame) -> None:
        """He uses a channel from now on."""
        if frame.channel in self.desks:
            raise BadFrame(f"channel {frame.channel} is open already")
        about = self.channels[frame.channel]
        status, why = 0, ""
        if len(self.desks) >= self.limits.channels:
            self.counts.limited["channels"] += 1
            status, why = errno.EMFILE, f"a session uses {self.limits.channels} channels at most"
        else:
            grant = self.export.grant(self.allow, self.user, about.name)
            try:
                desk = Desk(self, self.export, frame.channel, about.name, grant, about.depth)
            except (MailboxError, OSError) as error:  # whatever the driver says of its channel
                status, why = error.errno or errno.EIO, str(error)
            else:
                self.desks[frame.channel] = desk
        self.outlet.put(pack(OPENED, frame.channel, 0, why.encode()[:400], status))

    def shut(self, frame: Frame) -> None:
        """He uses a channel no longer."""
        desk = self.desks.pop(frame.channel, None)
        if desk is not None:  # else it was refused
            desk.close()

    def take(self, tied: bool, frame: Frame) -> None:
        """He sends a message."""
        key = (frame.channel, frame.handle)
        if key in self.pending:
            raise BadFrame(f"handle {frame.handle} is in flight already")
        used = self.used[frame.channel]
        used.requests += 1
        used.taken_bytes += len(frame.data)
        try:
            if len(self.pending) >= self.limits.in_flight:
                self.counts.limited["in_flight"] += 1
                raise QueueFull(
                    f"a session has {self.limits.in_flight} requests in flight at most",
                    stage="queue",
                    handed_over="no",
                )
            request = self.desk(frame).submit(frame, tied)
        except MailboxError as error:
            self.fail(*key, error)
            return
        used.in_flight += 1
        self.pending[key] = self.untold[key] = request
        request.add_done_callback(functools.partial(self.over, key))
        if self.timer is None:
            self.pause_s = HANDED_AFTER_S
            self.timer = self.loop.call_later(HANDED_AFTER_S, self.tell_handed)

    def cancel(self, frame: Frame) -> None:
        """He waits for a message no longer; it may be over by now."""
        request = self.pending.get((frame.channel, frame.handle))
        if request is not None:
            request.cancel()

    # -- what he is told

    def over(self, key: tuple[int, int], request: Request) -> None:
        """A message is over; also after the session, when nobody is told."""
        del self.pending[key]
        self.untold.pop(key, None)
        used = self.used[key[0]]
        used.in_flight -= 1
        error = request.exception()
        if error is None:
            reply = request.result()
            used.told_bytes += len(reply)
            self.outlet.put(pack(DONE, *key, reply))
        else:
            self.fail(*key, error)

    def fail(self, channel: int, handle: int, error: MailboxError) -> None:
        """Tell how a message ended."""
        self.used[channel].failed += 1
        status, body = body_of(error)
        self.outlet.put(pack(FAILED, channel, handle, body, status))

    def tell_handed(self) -> None:
        """Tell what was handed to the mailbox since, and what left its slots, and is not over."""
        self.timer = None
        told: dict[tuple[int, int], list[int]] = {}
        for key, request in list(self.untold.items()):
            channel, handle = key
            if request.stage == "reply":
                told.setdefault((TAKEN, channel), []).append(handle)
                del self.untold[key]
            elif request.handed_over == "yes" and key not in self.handed:
                told.setdefault((HANDED, channel), []).append(handle)
                self.handed.add(key)
        for (kind, channel), handles in told.items():
            self.outlet.put(pack_handles(kind, channel, handles))
        self.handed &= self.untold.keys()
        if self.untold:
            self.pause_s = HANDED_AFTER_S if told else min(2 * self.pause_s, HANDED_AFTER_MAX_S)
            self.timer = self.loop.call_later(self.pause_s, self.tell_handed)

    def tell_link(self) -> None:
        """The mailbox's remote is lost, or there in another life."""
        up, reason = self.export.link()
        self.outlet.put(pack(LINK, 0, self.export.epoch, reason.encode()[:400], int(up)))

    def close(self) -> None:
        """The stream is over: what he asked ends, and what may be touched stays held."""
        if self.timer is not None:
            self.timer.cancel()
        for each in self.desks.values():
            each.close()
        self.desks.clear()
