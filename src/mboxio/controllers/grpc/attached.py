"""A mailbox of another machine: ``grpc:``, ``grpc+unix:`` and ``grpc+ssh:``.

A gateway beside the mailbox serves it; see `mboxio.gateway`. The stream to it is the epoch: with
its end everything ends that was under way on it, and nothing of it reaches the next one. The
gateway is not trusted: what it says is checked frame by frame, and a lie ends the stream.
"""

import errno
import time
from typing import Any

from mboxio._os.descriptors import readable
from mboxio.controllers.grpc.bell import Bell
from mboxio.controllers.grpc.dialling import Dialling
from mboxio.controllers.grpc.options import UnixOptions
from mboxio.controllers.grpc.stream import Stream
from mboxio.controllers.grpc.traffic import Traffic
from mboxio.driver.contracts import DriverChannel
from mboxio.driver.controller import SENT, Outcome
from mboxio.errors import AccessDenied, AddressError, MailboxError, RemoteGone
from mboxio.far import frames as wire
from mboxio.far.frames import pack

__all__ = ["Attached"]

ANSWER_S = 1.0
"""How long the gateway may take to open a channel, or to say who answers the remote."""
LOOK_S = 0.02


class Attached(Traffic):
    """The user's side of one export of a gateway.

    Args:
        name: where the gateway is and what is exported there; the address.
        options: see `UnixOptions` and those that are based on it.
    """

    Options = UnixOptions

    def __init__(self, name: str, options: UnixOptions | None = None) -> None:
        super().__init__()
        self.name = name
        self.options: UnixOptions = options or self.Options()
        self.export = ""
        self.dialling: Dialling | None = None
        self.bell: Bell | None = None
        self.dialled_s = 0.0
        self.started: set[str] = set()
        self.claims: set[str] = set()
        self.opened: dict[str, tuple[int, str]] = {}
        self.claimed: dict[str, tuple[int, str]] = {}
        self.parked: MailboxError | None = None  # why no other stream is tried
        self.rests = False  # the gateway ended an idle session: the next message begins another
        self.epoch = 0

    def way(self) -> tuple[Dialling, str]:
        """Return how the gateway is reached, and the export; raises AddressError."""
        raise NotImplementedError

    # -- the stream

    def open(self) -> None:
        """Reach the gateway, and declare what it exports to this user."""
        self.bell = Bell()
        self.dialling, self.export = self.way()
        if not self.export:
            raise AddressError(
                f"{self.dialling.where}: say which mailbox; mboxio list shows what there is"
            )
        stream = self.dial()
        until_s = self.dialled_s + self.options.connect_timeout_s
        while not stream.news and stream.ending is None:
            left_s = until_s - time.monotonic()
            if left_s <= 0:
                raise RemoteGone(
                    f"{self.dialling.where}: the gateway says nothing within "
                    f"{self.options.connect_timeout_s:g} s"
                )
            readable(self.bell.descriptor, left_s)
            self.bell.clear()
        if not stream.news:
            assert stream.ending is not None
            raise self.dialling.failed(*stream.ending)
        self.watch(self.bell.descriptor)
        self.decide(self.take_news)
        if self.parked is not None:
            raise self.parked.fresh()
        if not (self.greeted or self.rests):
            raise RemoteGone(f"{self.dialling.where}: it says no hello")

    def dial(self) -> Stream:
        """Begin another stream."""
        assert self.dialling is not None
        assert self.bell is not None
        self.greeted = self.rests = False
        self.dialled_s = time.monotonic()
        self.stream = Stream(self.dialling, self.export, self.bell)
        self.stream.start()
        return self.stream

    def reconnect(self) -> bool:
        """See `Controller.reconnect`."""
        if self.parked is not None or self.dialling is None:
            return False
        stream = self.stream
        if stream is not None and stream.ending is None:
            late_s = time.monotonic() - self.dialled_s
            if self.greeted or late_s < self.options.connect_timeout_s:
                return True  # it is the remote that is lost, or this try is under way
            stream.hang_up()
        self.dialling.again()
        self.dial()
        return True

    def lose(self, why: str) -> None:
        """The stream is over. Under the lock."""
        if self.stream is not None:
            self.stream.hang_up()
            self.stream = None
        self.greeted = False
        if isinstance(self.parked, AccessDenied):
            self.denied(why)
        else:
            self.link(False, -1, why, not self.rests)

    def close(self) -> None:
        """Hang up."""
        stream, self.stream = self.stream, None
        if stream is not None:
            stream.end()
        if self.dialling is not None:
            self.dialling.close()
        if self.bell is not None:
            self.bell.close()

    def forked(self) -> None:
        """Let go of the descriptor; gRPC must not be touched in a child."""
        self.stream = None
        if self.bell is not None:
            self.bell.forget()

    # -- towards the gateway

    def put(self, kind: int, channel: DriverChannel, **more: Any) -> None:
        """Send a frame about a channel, if there is a stream that knows of it."""
        number = self.numbers.get(channel.name)
        if kind == wire.CLAIM:
            more["status"] = int(channel.name in self.claims)
        if self.greeted and self.stream is not None and number is not None:
            self.stream.put(pack(kind, number, **more))

    def start(self, channel: DriverChannel) -> None:
        """Use a channel from now on: what the remote says then is heard."""
        self.started.add(channel.name)
        try:
            self.ask(channel, wire.OPEN, wire.OPENED, self.opened)
        except AddressError:
            self.started.discard(channel.name)
            raise

    def stop(self, channel: DriverChannel) -> None:
        """Use a channel no longer."""
        self.started.discard(channel.name)
        self.opened.pop(channel.name, None)
        self.decide(self.put, wire.SHUT, channel)

    def ask(
        self, channel: DriverChannel, kind: int, answer: int, said: dict[str, tuple[int, str]]
    ) -> bool:
        """Ask the gateway for something and wait a moment for its word; a later one is ignored.

        Args:
            channel: about which.
            kind, answer: of the frames.
            said: where the answer appears.

        Returns:
            Whether it said anything, or the next stream begins with the question.

        Raises:
            AddressError: it refuses.
        """
        said.pop(channel.name, None)
        self.decide(self.put, kind, channel)
        until_s = time.monotonic() + ANSWER_S
        while (left_s := until_s - time.monotonic()) > 0 and not self.is_cut_off():
            self.decide(self.take_news)
            if channel.name in said:
                status, why = said[channel.name]
                if status:
                    raise AddressError(f"channel {channel.name!r}: {why}", errno=status)
                return True
            assert self.bell is not None
            readable(self.bell.descriptor, min(left_s, LOOK_S))  # others may clear it
        return self.is_cut_off()

    def is_cut_off(self) -> bool:
        """Return whether no answer can come; the next stream begins with all that was asked."""
        return not self.greeted or self.stream is None

    def reply(
        self, channel: DriverChannel, handle: int, tag: int, message: bytes, status: int
    ) -> Outcome:
        """Give an answer to the stream."""
        self.put(wire.ANSWER, channel, handle=tag, data=message, status=status)
        self.tx_done(channel.queue, [handle])
        return SENT

    def ring(self, channel: DriverChannel) -> None:
        """Have the far doorbell rung."""
        if not channel.context.rings:
            raise AddressError(f"channel {channel.name!r} has no doorbell apart from its messages")
        self.put(wire.RING, channel)

    def abort(self, channel: DriverChannel, handle: int) -> bool:
        """Say that a request is over here; what it holds stays held until the gateway tells."""
        self.put(wire.CANCEL, channel, handle=handle)
        return False

    def claim(self, channel: DriverChannel) -> None:
        """Be the one who answers the remote, if nobody else is."""
        self.claims.add(channel.name)
        try:
            if not self.ask(channel, wire.CLAIM, wire.CLAIMED, self.claimed):
                raise AddressError(
                    f"channel {channel.name!r}: the gateway does not say who answers the remote",
                    errno=errno.ETIMEDOUT,
                )
        except AddressError:
            self.disclaim(channel)
            raise

    def disclaim(self, channel: DriverChannel) -> None:
        """See `Controller.disclaim`."""
        self.claims.discard(channel.name)
        self.decide(self.put, wire.CLAIM, channel)

    def take_news(self) -> None:
        """Act on what came. Under the lock."""
        raise NotImplementedError
