"""A processor's end of one region: its table, trace and doorbell, without sockets or threads."""

from collections.abc import Callable
from random import Random
from threading import RLock

from mboxio._base.gate import surely
from mboxio.errors import RemoteError
from mboxio.regions import Region
from mboxio.remote.faults import scribble
from mboxio.remote.rpmsg.layout import TRACE_AT, TRACE_BYTES, RpmsgLayout
from mboxio.remote.rpmsg.lies import lie
from mboxio.remote.rpmsg.processor import DRIVER_OK, HostSide, Processor
from mboxio.remote.rpmsg.services import Services
from mboxio.remote.serving.rounds import RegionEnd
from mboxio.remote.stats import RemoteStats
from mboxio.ring.contract import Armed
from mboxio.rpmsg.link import RemoteLink
from mboxio.rpmsg.table import parse_table
from mboxio.virtio.access import words_of
from mboxio.virtio.layout import SplitLayout
from mboxio.virtio.ring import RemoteRing
from mboxio.virtio.words import Window, Windows, Words

__all__ = ["RpmsgEnd"]


class RegionHost(HostSide):
    """The host of a region: how far it is, and where it wants the rings, the table tells.

    Args:
        words: access to the region.
        region: the memory.
        layout: what the table said at first; the host may write other addresses into it.
        interrupt: wakes the host; None: nothing does.
        armed: the words that say whether it sleeps; None: it is always rung.
    """

    def __init__(
        self,
        words: Words,
        region: Region,
        layout: RpmsgLayout,
        interrupt: Callable[[], object] | None,
        armed: Armed | None,
    ) -> None:
        table = layout.parsed()
        self.region = region
        self.words = words
        self.layout = layout
        self.status_at = table.rpmsg[0].status_at
        self.table_bytes = table.size_bytes
        self.interrupt = interrupt
        self.armed = armed

    def ready(self) -> bool:
        """See `HostSide.ready`; its status is the lowest byte of a word."""
        return (self.words.load32(self.status_at) & DRIVER_OK) != 0

    def join(self) -> RemoteLink:
        """See `HostSide.join`; the table says where the rings are."""
        table = parse_table(self.region.read_block(0, self.table_bytes))
        if not table.rpmsg:
            raise RemoteError("the host lied: there is no RPMsg device in the table any more")
        address = self.layout.address
        rings: list[RemoteRing] = []
        for each in table.rpmsg[0].rings:
            place = SplitLayout(each.address - address, each.num, each.align)
            try:
                rings.append(RemoteRing(self.words, place))
            except ValueError as error:
                raise RemoteError(f"the host lied in the resource table: {error}") from None
        return RemoteLink(rings[0], rings[1], Windows(Window(address, self.words)))

    def ring(self, queue: int) -> None:
        """See `HostSide.ring`: there is one bell for both queues."""
        if self.interrupt is not None and (self.armed is None or self.armed.peer_armed()):
            surely(self.interrupt)  # `peer_armed` asks for it once


class RpmsgEnd(RegionEnd):
    """Serves the link of one region.

    One thread calls `serve` and what belongs to sleeping; the other methods may be called by any.

    Args:
        services: what is served.
        region: the memory; what lies there is overwritten.
        layout: how it is used.
        interrupt: wakes the host; it must not block or raise.
        armed: the words with which both sides announce sleep, where the access path has some.
        stats: where to count.
        lock: guards the memory while it is misused.
    """

    def __init__(
        self,
        services: Services,
        region: Region,
        layout: RpmsgLayout,
        interrupt: Callable[[], object] | None = None,
        armed: Armed | None = None,
        stats: RemoteStats | None = None,
        lock: "RLock | None" = None,
    ) -> None:
        self.region = region
        self.closed = self.asked = False
        self.bells = 0
        self._interrupt = interrupt
        self._armed = armed
        self._lock = lock or RLock()
        host = RegionHost(words_of(region), region, layout, interrupt, armed)
        # Whoever was ready for the last life is not for this one: first of all, that goes.
        region.write(host.status_at, 0, 4)
        table = layout.table()
        region.write_block(0, table.ljust(TRACE_AT, b"\0"))
        region.write_block(TRACE_AT, bytes(TRACE_BYTES))
        self.processor = Processor(services, host, stats)

    def stirs(self) -> bool:
        """See `RemoteEnd.stirs`."""
        return self.processor.stirs()

    def serve(self, now_ns: int) -> bool:
        """See `RemoteEnd.serve`."""
        return self.processor.serve(now_ns)

    def arm(self) -> bool:
        """See `RemoteEnd.arm`."""
        if self._armed is not None and not self._armed.arm():
            return False
        return self.processor.quiet()

    def shares_cpu(self) -> bool:
        """See `RemoteEnd.shares_cpu`; the words are those of the access path."""
        return self._armed is not None and self._armed.shares_cpu()

    def disarm(self) -> None:
        """See `RemoteEnd.disarm`."""
        if self._armed is not None:
            self._armed.disarm()

    def next_ns(self) -> int | None:
        """See `RemoteEnd.next_ns`."""
        return self.processor.next_ns()

    def broken(self) -> None:
        """See `RegionEnd.broken`: the processor goes on when the host resets its device."""

    def trace(self, text: str) -> None:
        """Write the whole text of the trace; what does not fit is cut off at its beginning."""
        room = TRACE_BYTES - 1
        written = text.encode(errors="replace").replace(b"\0", b"?")[-room:]
        with self._lock:
            if not self.closed:
                self.region.write_block(TRACE_AT, written.ljust(TRACE_BYTES, b"\0"))

    def lie(self, queue: int, field: str, value: int) -> bool:
        """Write a wrong number where the host will read it; False: there is no link yet.

        Args:
            queue: 0 for what we send, 1 for the buffers that we give back.
            field: see `lies.lie`.
            value: the lie.

        Raises:
            ValueError: there is no such queue or field.
        """
        if queue not in (0, 1):
            raise ValueError(f"there is no queue {queue!r}, only 0 and 1")
        with self._lock:
            link = self.processor.link
            if link is None or self.closed:
                return False
            lie(link.incoming if queue else link.outgoing, field, value)
        self._ring()
        return True

    def scribble(self, random: Random) -> tuple[int, int]:
        """Write a random word somewhere in the region and return its offset and value."""
        with self._lock:
            written = scribble(self.region, random)
        self._ring()
        return written

    def close(self) -> None:
        """See `RemoteEnd.close`."""
        with self._lock:
            self.closed = True
            self.processor.close()

    def abandon(self) -> None:
        """See `RemoteEnd.abandon`; a processor asks nothing, so nobody waits."""

    def _ring(self) -> None:
        if self._interrupt is not None:
            surely(self._interrupt)
