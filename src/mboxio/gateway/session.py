"""One user at one export, from the hello to the end of his stream."""

import asyncio
import errno
import functools
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from mboxio._pump.running import running_port
from mboxio.errors import MailboxError
from mboxio.far.frames import (
    ANSWER,
    CANCEL,
    CLAIM,
    HELLO,
    LINK,
    OPEN,
    OPENED,
    RING,
    SHUT,
    TO_GATEWAY,
    BadFrame,
    Frame,
    pack,
)
from mboxio.far.hello import Channel, Hello
from mboxio.far.reader import Reader
from mboxio.gateway.allow import AllowList
from mboxio.gateway.desk import Desk
from mboxio.gateway.export import Export, Link
from mboxio.gateway.flights import Flights
from mboxio.gateway.limits import Limits
from mboxio.gateway.outlet import Outlet

__all__ = ["Session"]


class Session:
    """One stream. Everything runs on the loop of the gateway.

    Args:
        export: the mailbox.
        user: who it is.
        allow: what he may do.
        limits: how much.
        channels: what he was told that there is.
    """

    told: Link  # from the hello on

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
        self.denied = ""
        self.serving: asyncio.Task[object] | None = None
        self.counts = export.counts.user(user)
        self.used = [export.counts.used(user, each.name) for each in channels]
        self.outlet = Outlet(None)
        home = running_port(export.connection._host.pump)
        self.flights = Flights(
            self.outlet,
            self.desks,
            limits.in_flight,
            self.counts,
            self.used,
            home,
            self.tell_lives,
        )
        self.takes: dict[int, Callable[[Frame], Awaitable[None] | None]] = {
            OPEN: self.open,
            SHUT: self.shut,
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
            CancelledError: the stream broke, or he is `denied` what he was allowed.
        """
        self.serving = asyncio.current_task()
        self.outlet.write = context.write
        link = self.told = self.export.link()
        hello = Hello(
            life=life,
            user=self.user,
            address=self.export.connection.address,
            epoch_source=self.export.epoch_source(),
            up=link.up,
            epoch=link.epoch,
            reason=link.reason,
            channels=tuple(self.channels),
        )
        self.export.sessions.add(self)
        self.outlet.put(pack(HELLO, data=hello.pack()))
        self.outlet.start()
        try:
            await self.read(context, ended)
        finally:
            self.export.sessions.discard(self)
            self.close()
            await self.outlet.finish()

    async def read(self, context: Any, ended: object) -> None:
        """Take what the user says; not faster than he reads what he is told."""
        idle_s, flights = self.limits.idle_s, self.flights
        reader = Reader(TO_GATEWAY, len(self.channels))
        while True:
            if idle_s:
                async with asyncio.timeout(idle_s):
                    message = await context.read()
            else:
                message = await context.read()
            if message is ended:
                return
            reader.begin(message)
            while flights.take(reader):  # not all that is left are messages
                slow = self.takes[reader.kind](reader.frame())
                if slow is not None:
                    flights.watch()
                    await slow
            flights.watch()
            await self.outlet.room()

    # -- what the user says

    def at_desk(
        self, act: Callable[[Desk, Frame], Awaitable[None] | None], frame: Frame
    ) -> Awaitable[None] | None:
        """He wants something of a channel that needs no answer where it is not open."""
        found = self.desks.get(frame.channel)
        return act(found, frame) if found is not None else None

    async def open(self, frame: Frame) -> None:
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
            desk = Desk(self, self.export, frame.channel, about.name, grant)
            self.desks[frame.channel] = desk  # closed with the session, even now
            try:
                await desk.open(about.depth)
            except (MailboxError, OSError) as error:  # whatever the driver says of its channel
                del self.desks[frame.channel]
                status, why = error.errno or errno.EIO, str(error)
        self.outlet.put(pack(OPENED, frame.channel, 0, why.encode()[:400], status))

    def shut(self, frame: Frame) -> None:
        """He uses a channel no longer."""
        desk = self.desks.pop(frame.channel, None)
        if desk is not None:  # else it was refused
            desk.close()

    def cancel(self, frame: Frame) -> None:
        """He waits for a message no longer; it may be over by now."""
        request = self.flights.requests.get((frame.channel, frame.handle))
        if request is not None:
            request.cancel()

    def tell_link(self) -> None:
        """The mailbox's remote is lost, or there in another life; told once."""
        link = self.export.link()
        if link != self.told:
            self.told = link
            self.outlet.put(pack(LINK, 0, link.epoch, link.reason.encode()[:400], int(link.up)))

    def tell_lives(self) -> None:
        """Tell the end of a life, if it is not told, before what comes after it."""
        if self.export.lives() >= self.told.epoch:
            self.tell_link()

    def compare(self, allow: AllowList) -> None:
        """Another list counts from now on: a session ends whose user may do less by it.

        One that goes on keeps what it was told that it may; he has to come again to do more.
        """
        export, user = self.export, self.user
        for name in (each.name for each in self.channels):
            before = export.grant(self.allow, user, name)
            if not self.denied and not export.grant(allow, user, name).covers(before):
                self.denied = f"{user} may not do any more what he might on {export.name}/{name}"
                assert self.serving is not None
                self.serving.cancel()

    def close(self) -> None:
        """The stream is over: what he asked ends, and what may be touched stays held."""
        self.flights.close()
        for each in self.desks.values():
            each.close()
        self.desks.clear()
