"""Messages on their way to a gateway and back: what each of them passes at the user's side."""

from mboxio._base.states import FOREVER
from mboxio.controllers.grpc.stream import Stream
from mboxio.driver.contracts import DriverChannel
from mboxio.driver.controller import ACCEPTED, Busy, Controller, Outcome
from mboxio.far.frames import DONE, POST, REQUEST, TO_USER, BadFrame, microseconds
from mboxio.far.head import framed
from mboxio.far.reader import Reader

__all__ = ["TAG_MAX", "Traffic"]

TAG_MAX = (1 << 63) - 1


class Traffic(Controller):
    """The messages of one export of a gateway; what else is said there is the matter of others.

    Attributes:
        stream: to the gateway, if there is one.
        greeted: that stream's hello has been said.
        numbered: the channels, as that hello counts them.
        numbers: the other way round, by name.
    """

    def __init__(self) -> None:
        self.stream: Stream | None = None
        self.greeted = False
        self.numbered: list[DriverChannel] = []
        self.numbers: dict[str, int] = {}
        self.reader = Reader(TO_USER, 0)

    def renumber(self, numbered: list[DriverChannel]) -> None:
        """Use these channels, as a hello counts them."""
        self.numbers = {each.name: place for place, each in enumerate(numbered)}
        self.numbered, self.reader.channels = numbered, len(numbered)  # no number is past its end

    def send(self, channel: DriverChannel, handle: int, message: bytes) -> Outcome:
        """Give a message to the stream, with the time that it has left."""
        stream, number = self.stream, self.numbers.get(channel.name)
        if stream is None or number is None or not self.greeted:
            return ACCEPTED  # the end of this life is about to be known, and then of the message
        if stream.ending is not None:
            return Busy("event")  # its bell has news; what is kept here can go to the next gateway
        known: DriverChannel = channel  # whose fields compiled code reads without a look-up
        request = known.queue.window.find(handle)
        queue_ns, reply_ns = request._queue_timeout_ns, request._timeout_ns
        if request._deadline_ns != FOREVER:  # it has waited in this machine's queue already
            queue_ns = request._deadline_ns - self.now_ns()
        kind = REQUEST if handle & 1 else POST  # see `expects_reply`
        stream.put(
            framed(kind, number, 0, handle, microseconds(queue_ns), microseconds(reply_ns), message)
        )
        return ACCEPTED

    def take(self, message: bytes) -> None:
        """Act on one message of the stream; raises BadFrame."""
        reader = self.reader
        reader.begin(message)
        while reader.next():
            if reader.kind == DONE and self.greeted:  # nearly all
                handle, data = reader.handle, reader.data
                channel = self.numbered[reader.channel]
                if handle > TAG_MAX or len(data) > channel.message_bytes:
                    raise BadFrame("a handle or a reply that cannot be ours")
                if handle & 1:  # see `expects_reply`
                    self.complete(channel, handle, 0, data)
                else:
                    self.tx_done(channel.queue, [handle])
            else:
                self.take_other(reader)

    def take_other(self, reader: Reader) -> None:
        """Act on a frame that is no ordinary end of a message; raises BadFrame."""
        raise NotImplementedError
