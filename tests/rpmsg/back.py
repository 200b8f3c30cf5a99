"""A processor and a host over one memory, in one thread."""

from typing import Any

from mboxio.regions import Memory
from mboxio.remote.rpmsg.layout import RpmsgLayout
from mboxio.remote.rpmsg.region_end import RpmsgEnd
from mboxio.remote.rpmsg.services import Services

from .host import TableHost

MS = 1_000_000
HOST = 0x400


class Back:
    """Both sides of one memory; time passes when the test says so."""

    def __init__(self, begin: bool = True, **layout: Any) -> None:
        self.layout = RpmsgLayout(**{"num": 4, "buffer_bytes": 64, **layout})
        self.services = Services(self.layout.num, self.layout.buffer_bytes - 16)
        self.rung = 0
        self.region = Memory(bytearray(self.layout.size_bytes))
        self.end = RpmsgEnd(self.services, self.region, self.layout, self.interrupt)
        self.processor = self.end.processor
        self.stats = self.processor.stats
        self.host = TableHost(self.region, self.layout.address, self.layout.buffer_bytes)
        self.now_ns = 0
        if begin:
            self.host.begin()

    def interrupt(self) -> None:
        self.rung += 1

    def step(self, ns: int = 0) -> None:
        """Let both do all that they can."""
        self.now_ns += ns
        for _ in range(1000):
            worked = self.end.stirs() and self.end.serve(self.now_ns)
            self.host.look()
            if not worked and self.end.arm():
                return
        raise AssertionError("it never sleeps")

    def ask(self, to: int | str, message: bytes, source: int = HOST) -> list[bytes]:
        """Send, let everybody work, and return all that came to us."""
        assert self.host.send(to, message, source)
        self.step()
        return self.got(source)

    def got(self, source: int = HOST) -> list[bytes]:
        found = [each[2] for each in self.host.messages if each[1] == source]
        self.host.messages.clear()
        return found
