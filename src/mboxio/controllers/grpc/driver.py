"""A mailbox of another machine: ``grpc:``, ``grpc+unix:`` and ``grpc+ssh:``.

A gateway beside the mailbox serves it; see `mboxio.gateway`. The stream to it is the epoch: with
its end everything ends that was under way on it, and nothing of it reaches the next one. The
gateway is not trusted: what it says is checked frame by frame, and a lie ends the stream.
"""

import time
from typing import Any

from mboxio._base.states import FOREVER
from mboxio._os.descriptors import readable
from mboxio.controllers.grpc.bell import Bell
from mboxio.controllers.grpc.dialling import DENIED, Dialling, failure
from mboxio.controllers.grpc.options import UnixOptions
from mboxio.controllers.grpc.stream import Stream
from mboxio.driver.capabilities import Capabilities
from mboxio.driver.contracts import DriverChannel, DriverQueue
from mboxio.driver.controller import ACCEPTED, SENT, Controller, Outcome, expects_reply
from mboxio.driver.correlate import RemoteRequest
from mboxio.errors import AddressError, RemoteGone
from mboxio.far import frames as wire
from mboxio.far.failures import error_of
from mboxio.far.frames import BadFrame, Frame, frames, microseconds, pack
from mboxio.far.hello import NOTIFICATIONS, REQUEST, Channel, Hello

__all__ = ["FarMailbox"]

ANSWER_S = 1.0
"""How long the gateway may take to open a channel, or to say who answers the remote."""
LOOK_S = 0.02
PARKED = DENIED | {"DEADLINE_EXCEEDED", "INVALID_ARGUMENT", "UNIMPLEMENTED"}
"""Codes after which another try would end in the same way."""
TAG_MAX = (1 << 63) - 1


class FarMailbox(Controller):
    """The user's side of one export of a gateway.

    Args:
        name: where the gateway is and what is exported there; the address.
        options: see `UnixOptions` and those that are based on it.
    """

    Options = UnixOptions

    def __init__(self, name: str, options: UnixOptions | None = None) -> None:
        self.name = name
        self.options: UnixOptions = options or self.Options()
        self.export = ""
        self.dialling: Dialling | None = None
        self.bell: Bell | None = None
        self.stream: Stream | None = None
        self.dialled_s = 0.0
        self.numbered: list[DriverChannel] = []  # as in the hello of this stream
        self.numbers: dict[str, int] = {}
        self.started: set[str] = set()
        self.claims: set[str] = set()
        self.opened: dict[str, tuple[int, str]] = {}
        self.claimed: dict[str, tuple[int, str]] = {}
        self.greeted = False
        self.parked = ""
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
            raise failure(*stream.ending, self.dialling.where)
        self.watch(self.bell.descriptor)
        self.decide(self.take_news)
        if self.parked or not self.greeted:
            raise RemoteGone(f"{self.dialling.where}: {self.parked or 'it says no hello'}")

    def dial(self) -> Stream:
        """Begin another stream."""
        assert self.dialling is not None
        assert self.bell is not None
        self.greeted = False
        self.dialled_s = time.monotonic()
        self.stream = Stream(self.dialling, self.export, self.bell)
        self.stream.start()
        return self.stream

    def reconnect(self) -> bool:
        """See `Controller.reconnect`."""
        if self.parked or self.dialling is None:
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
        self.link(False, -1, why)

    def close(self) -> None:
        """Hang up."""
        stream, self.stream = self.stream, None
        if stream is not None:
            stream.hang_up()
            stream.join()
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
            self.stream.out.put(pack(kind, number, **more))

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
    ) -> None:
        """Ask the gateway for something and wait a moment for its word; a later one is ignored.

        Args:
            channel: about which.
            kind, answer: of the frames.
            said: where the answer appears.

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
                return
            assert self.bell is not None
            readable(self.bell.descriptor, min(left_s, LOOK_S))  # others may clear it

    def is_cut_off(self) -> bool:
        """Return whether no answer can come; the next stream begins with all that was asked."""
        return not self.greeted or self.stream is None

    def send(self, channel: DriverChannel, handle: int, message: bytes) -> Outcome:
        """Give a message to the stream, with the time that it has left."""
        stream, number = self.stream, self.numbers.get(channel.name)
        if stream is None or number is None or not self.greeted:
            return ACCEPTED  # the end of this life is about to be known, and then of the message
        request = channel.queue.window.find(handle)
        queue_ns, reply_ns = request._queue_timeout_ns, request._timeout_ns
        if request._deadline_ns != FOREVER:  # it has waited in this machine's queue already
            queue_ns = request._deadline_ns - self.now_ns()
        kind = wire.REQUEST if expects_reply(handle) else wire.POST
        stream.out.put(
            pack(kind, number, handle, message, 0, microseconds(queue_ns), microseconds(reply_ns))
        )
        return ACCEPTED

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
            self.ask(channel, wire.CLAIM, wire.CLAIMED, self.claimed)
        except AddressError:
            self.claims.discard(channel.name)
            raise

    def disclaim(self, channel: DriverChannel) -> None:
        """See `Controller.disclaim`."""
        self.claims.discard(channel.name)
        self.put(wire.CLAIM, channel)

    # -- from the gateway

    def service(self, queue: DriverQueue, why: str) -> None:
        """Take what the thread has read; all queues share it."""
        if self.bell is not None:
            self.bell.clear()
        self.take_news()

    def arm(self, queue: DriverQueue) -> bool:
        """Say whether the thread has read anything."""
        stream = self.stream
        return stream is not None and bool(stream.news or stream.ending)

    def take_news(self) -> None:
        """Act on what came. Under the lock."""
        stream = self.stream
        if stream is None:
            return
        ending = stream.ending  # first: the last news comes before it
        try:
            while stream.news:
                self.take(stream.news.popleft())
        except BadFrame as error:
            self.lose(f"the gateway broke the protocol: {error}")
            return
        if ending is not None and stream is self.stream:
            where = self.dialling.where if self.dialling is not None else ""
            why = str(failure(*ending, where))
            if ending.code in PARKED or (isinstance(failure(*ending, where), PermissionError)):
                self.parked = why
            self.lose(why)

    def take(self, message: bytes) -> None:
        """Act on one message of the stream; raises BadFrame."""
        for frame in frames(message, wire.TO_USER, len(self.numbered)):
            if self.greeted == (frame.kind == wire.HELLO):
                raise BadFrame("a hello comes first, and once")
            if frame.kind == wire.HELLO:
                self.greet(Hello.parse(frame.data))
            elif frame.kind == wire.LINK:
                self.take_link(bool(frame.status), frame.data.decode(errors="replace"))
            else:
                self.take_frame(self.numbered[frame.channel], frame)

    def take_frame(self, channel: DriverChannel, frame: Frame) -> None:
        """Act on a frame about a channel; raises BadFrame."""
        kind, handle, data = frame.kind, frame.handle, frame.data
        if handle > TAG_MAX or len(data) > channel.message_bytes + wire.ROOM:
            raise BadFrame("a handle or a message that cannot be ours")
        if kind == wire.DONE:
            if expects_reply(handle):
                self.complete(channel, handle, 0, data)
            else:
                self.tx_done(channel.queue, [handle])
        elif kind in (wire.HANDED, wire.TAKEN):
            handles = [each for each in wire.handles(frame) if each <= TAG_MAX]
            report = self.handed_over if kind == wire.HANDED else self.tx_done
            report(channel.queue, handles)
        elif kind == wire.FAILED:
            self.failed(channel, handle, error_of(frame.status, data, channel.name))
        elif kind == wire.NOTE:
            self.received(channel, [data])
        elif kind == wire.MISSED:
            self.missed(channel, handle)
        elif kind == wire.ASKED:
            self.received(channel, [RemoteRequest(handle, data)])
        elif kind in (wire.OPENED, wire.CLAIMED):
            said = self.opened if kind == wire.OPENED else self.claimed
            said[channel.name] = (frame.status, data.decode(errors="replace"))

    def take_link(self, up: bool, why: str) -> None:
        """The far remote is lost, or there in another life."""
        self.epoch += 1
        self.link(up, self.epoch if up else -1, why or "the far remote is gone")

    def greet(self, hello: Hello) -> None:
        """Begin to use a stream: declare what is exported, or find it again."""
        by_name = {each.name: each for each in hello.channels}
        known = self.declared_channels()
        for name, channel in known.items():
            theirs = by_name.get(name)
            if theirs is None or theirs.message_bytes < channel.message_bytes:
                raise BadFrame(f"it came back without channel {name!r}, or with another one")
        for name, theirs in by_name.items():
            if name not in known:
                self.declare(theirs)
        known = self.declared_channels()
        self.numbered = [known[each.name] for each in hello.channels]
        self.numbers = {each.name: place for place, each in enumerate(hello.channels)}
        self.greeted = True
        for name in sorted(self.started):
            self.put(wire.OPEN, known[name])
        for name in sorted(self.claims):
            self.put(wire.CLAIM, known[name])
        self.take_link(hello.up, hello.reason)

    def declare(self, about: Channel) -> None:
        """Declare a channel as the gateway tells of it."""
        queue = self.add_queue(
            Capabilities(
                depth=about.depth,
                reply_credits=about.in_flight,
                message_bytes=about.message_bytes,
                matches_replies=about.ties,
                epoch_source="the stream to the gateway, which tells of restarts of the remote",
                timeout_s=self.options.timeout_s or about.timeout_s,
                look_first=False,
            ),
            about.name,
        )
        self.add_channel(
            about.name,
            queue,
            can_send=REQUEST in about.rights,
            can_receive=bool({NOTIFICATIONS, REQUEST} & set(about.rights)),
            context=about,
        )
