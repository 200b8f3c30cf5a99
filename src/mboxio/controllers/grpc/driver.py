"""What a user's side takes from its stream; see `mboxio.controllers.grpc.attached`."""

from mboxio.controllers.grpc.attached import Attached
from mboxio.controllers.grpc.dialling import DENIED, failure
from mboxio.controllers.grpc.traffic import TAG_MAX
from mboxio.driver.capabilities import Capabilities
from mboxio.driver.contracts import DriverChannel, DriverQueue
from mboxio.driver.correlate import RemoteRequest
from mboxio.far import frames as wire
from mboxio.far.failures import error_of
from mboxio.far.frames import BadFrame, Frame
from mboxio.far.hello import NOTIFICATIONS, REQUEST, Channel, Hello
from mboxio.far.reader import Reader

__all__ = ["FarMailbox"]

PARKED = DENIED | {"INVALID_ARGUMENT", "UNIMPLEMENTED"}
"""Codes after which another try would end in the same way."""
IDLE = "DEADLINE_EXCEEDED"
"""The code that ends a session in which nothing was asked for long."""


class FarMailbox(Attached):
    """The user's side of one export of a gateway; what it takes from the stream is here."""

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
                self.take(stream.take())
        except BadFrame as error:
            self.lose(f"the gateway broke the protocol: {error}")
            return
        if ending is not None and stream is self.stream:
            where = self.dialling.where if self.dialling is not None else ""
            failed = failure(*ending, where)
            if ending.code in PARKED or isinstance(failed, PermissionError):
                self.parked = failed
            self.rests = ending.code == IDLE
            self.lose(str(failed))

    def take_other(self, reader: Reader) -> None:
        """See `Traffic.take_other`."""
        kind, data = reader.kind, reader.data
        if self.greeted == (kind == wire.HELLO):
            raise BadFrame("a hello comes first, and once")
        if kind == wire.HELLO:
            self.greet(Hello.parse(data))
        elif kind == wire.LINK:
            self.take_link(bool(reader.status), data.decode(errors="replace"))
        else:
            self.take_frame(self.numbered[reader.channel], reader.frame())

    def take_frame(self, channel: DriverChannel, frame: Frame) -> None:
        """Act on a frame about a channel; raises BadFrame."""
        kind, handle, data = frame.kind, frame.handle, frame.data
        room = 0 if kind in (wire.NOTE, wire.ASKED) else wire.ROOM  # for texts and handles
        if handle > TAG_MAX or len(data) > channel.message_bytes + room:
            raise BadFrame("a handle or a message that cannot be ours")
        if kind in (wire.HANDED, wire.TAKEN):
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
        self.renumber([known[each.name] for each in hello.channels])
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
