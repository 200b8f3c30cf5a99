"""Both ends of a connection in one thread, without sockets."""

from mboxio.regions import Memory
from mboxio.remote import RemoteChannel, ShmEnd
from mboxio.ring import REQUEST
from mboxio.ring.layout import plan, write

from .minihost import Rings, Slot


class Bench(Rings):
    """Both ends in one thread; the time is whatever the test says."""

    def __init__(self, *channels: RemoteChannel) -> None:
        layout = plan([each.spec for each in channels], epoch=1)
        region = Memory(bytearray(layout.size_bytes))
        write(region, layout)
        self.doorbells = 0
        self.end = ShmEnd(channels, region, layout, self.count_doorbell)
        super().__init__(region, layout)

    def count_doorbell(self) -> None:
        self.doorbells += 1

    def request(self, *messages: bytes, channel: str = "c", first_tag: int = 1) -> None:
        for tag, message in enumerate(messages, first_tag):
            assert self.push(channel, REQUEST, tag, message)

    def serve(self, now_ns: int = 0, channel: str = "c") -> list[Slot]:
        """Let the remote do all it can at this time, and return what came."""
        while self.end.serve(now_ns):
            pass
        return self.pop(channel)
