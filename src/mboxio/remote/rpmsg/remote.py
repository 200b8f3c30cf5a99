"""RPMsg in Python: a processor with services, served from another thread or process.

``python -m mboxio.remote.rpmsg peer:board`` serves an echo and a slow service until Ctrl-C, to try
a host program against. `RpmsgRemote` is the same for programs and tests, and misbehaves on demand.
"""

import sys
from collections.abc import Callable, Sequence

from mboxio.errors import AddressError
from mboxio.local.sockets import socket_path
from mboxio.regions import Memory
from mboxio.remote.rpmsg.layout import RpmsgLayout
from mboxio.remote.rpmsg.misbehaving import RpmsgMisbehaving
from mboxio.remote.rpmsg.region_end import RpmsgEnd
from mboxio.remote.rpmsg.services import RpmsgService, Services
from mboxio.remote.serving.regions import FileServer, PeerServer
from mboxio.ring import Armed
from mboxio.rpmsg.message import HEADER_BYTES

__all__ = ["RpmsgRemote"]

TRACE_KEPT = 4096


class RpmsgRemote(RpmsgMisbehaving):
    """A processor that speaks RPMsg, to develop and test against.

    ::

        remote = RpmsgRemote("peer:board")
        remote.service("rpmsg-raw", lambda message: message[::-1])
        with remote:
            ...
            late = remote.service("sensor", latency_s=200e-6, workers=16)
            late.withdraw()

    Hosts find a resource table at the beginning of the region, and the rings by it. ``peer:NAME``
    hands each host a region of its own, with doorbells and interrupts; a connection is a life of
    the processor. ``file:PATH`` is one region without either, made again by `start`. One thread
    serves everything and runs all handlers; they compute and return. All methods may be called by
    any thread.

    Args:
        address: ``peer:NAME`` or ``file:PATH``.
        num: descriptors of each ring, a power of two up to 1024.
        align: of each ring, in bytes, a power of two.
        buffer_bytes: size of a buffer, with the 16 bytes of the header.
        at: what the processor calls the first byte of the region.
        spin_s: longest time to look at the rings before sleeping, in seconds. Left out,
            it is 50 µs, and 0 on a single CPU.

    Attributes:
        service: adds a service, see `Services.service`.

    Raises:
        AddressError: no such address is possible.
        ValueError: a number is out of range.
    """

    def __init__(
        self,
        address: str,
        *,
        num: int = 16,
        align: int = 4096,
        buffer_bytes: int = 512,
        at: int = 0,
        spin_s: float | None = None,
    ) -> None:
        scheme, _, self.name = address.partition(":")
        if scheme == "peer":
            socket_path(self.name, scheme)  # raises
        elif scheme != "file" or not self.name:
            raise AddressError(f"{address!r} cannot be served: write peer:NAME or file:PATH")
        self.layout = RpmsgLayout(num, align, buffer_bytes, at)
        services = Services(num, buffer_bytes - HEADER_BYTES)
        super().__init__(address, services, spin_s)
        self.service = services.service
        self.boot = 0
        self._trace = ""

    # -- of the processor's own accord

    def notify(self, name: str, message: bytes, to: int | None = None) -> int:
        """Send an unsolicited message of a service to all hosts; return how many took it.

        It never waits: where nobody has spoken yet or no buffer is free, it is dropped and counted.

        Args:
            name: of the service.
            message: what is sent.
            to: the address at the host; left out, the one that spoke with the service last.

        Raises:
            AddressError: there is no such service.
            MessageTooLong: longer than a buffer.
        """
        self._services.find(name)
        ends = self.ends
        took = sum(end.processor.notify(name, message, to) for end in ends)
        self._stats.notifications += took
        self._stats.notifications_lost += len(ends) - took
        return took

    def trace(self, text: str) -> None:
        """Add to the text of the trace buffer, where people read what firmware has to say."""
        with self._lock:
            self._trace = (self._trace + text)[-TRACE_KEPT:]
            for end in self.ends:
                end.trace(self._trace)

    # -- inside

    def describe(self) -> RpmsgLayout:
        """Lay out the region of a new life."""
        self.boot += 1
        return self.layout

    def begin(
        self,
        memory: Memory,
        layout: RpmsgLayout,
        interrupt: Callable[[], object] | None = None,
        words: Armed | None = None,
    ) -> RpmsgEnd:
        """Start a life in a memory that has room for it."""
        end = RpmsgEnd(self._services, memory, layout, interrupt, words, self._stats, self._lock)
        end.trace(self._trace)
        self._spoil(end)
        return end

    def _numbered(self) -> Sequence[RpmsgService]:
        return self._services.numbered

    def _make_server(self) -> PeerServer[RpmsgEnd] | FileServer[RpmsgEnd]:
        peer = self.address.startswith("peer:")
        kind = PeerServer[RpmsgEnd] if peer else FileServer[RpmsgEnd]
        return kind(self, self._stats, self._lock, self._spin_ns)


def main(arguments: Sequence[str]) -> None:
    """Serve an echo as rpmsg-raw, and one that takes 1 ms as slow, until Ctrl-C."""
    usage = "usage: python -m mboxio.remote.rpmsg peer:NAME|file:PATH"
    if arguments and arguments[0] in ("-h", "--help"):
        print(f"{usage}\n\n{main.__doc__}")
        return
    if len(arguments) != 1:
        print(usage, file=sys.stderr)
        sys.exit(2)
    try:
        remote = RpmsgRemote(arguments[0])
    except AddressError as error:
        print(f"mboxio: {error}", file=sys.stderr)
        sys.exit(2)
    remote.service("rpmsg-raw")
    remote.service("slow", latency_s=1e-3, workers=16)
    remote.trace(f"serving {remote.address}\n")
    print(f"serving {remote.address}: rpmsg-raw echo, slow echo (1 ms); Ctrl-C ends it")
    try:
        remote.serve()
    except (AddressError, OSError) as error:
        print(f"mboxio: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        return
