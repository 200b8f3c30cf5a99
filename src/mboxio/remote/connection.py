"""The remote's end of one connection: rings in one memory, without sockets or threads."""

from collections.abc import Callable, Sequence
from random import Random
from threading import RLock

from mboxio._base.gate import surely
from mboxio.regions import Region
from mboxio.remote.channel import RemoteChannel
from mboxio.remote.faults import scribble
from mboxio.remote.lane import Lane
from mboxio.remote.questions import Answered
from mboxio.remote.serving.rounds import Served
from mboxio.remote.stats import RemoteStats
from mboxio.ring import MESSAGE, armed
from mboxio.ring.layout import MemoryLayout

__all__ = ["Connection"]


class Connection(Served):
    """Serves the rings of one memory.

    One thread calls `serve` and what belongs to sleeping; the other methods may be called by any.

    Args:
        channels: what is served, in the order of the layout.
        region: the memory; `layout` is written there already.
        layout: where the rings lie.
        doorbell: wakes the host; it must not block or raise.
        stats: where to count.
        lock: guards `closed`, and the memory while it is scribbled on.
        seldom_sleeps: looks for a while before it sleeps, so arming may take longer.
    """

    def __init__(
        self,
        channels: Sequence[RemoteChannel],
        region: Region,
        layout: MemoryLayout,
        doorbell: Callable[[], object],
        stats: RemoteStats | None = None,
        lock: "RLock | None" = None,
        seldom_sleeps: bool = False,
    ) -> None:
        self.epoch = layout.epoch
        self.stats = stats or RemoteStats()
        self._region = region
        self._doorbell = doorbell
        self._lock = lock or RLock()
        self._armed = armed(region, layout.remote_armed, layout.host_armed)
        if seldom_sleeps:
            self._armed.promise_fences()
        self._lanes = [
            Lane(channel, where, region, self._armed, self.stats)
            for channel, where in zip(channels, layout.channels, strict=True)
        ]
        self._by_name = {lane.channel.name: lane for lane in self._lanes}
        self.closed = self.asked = False
        self.bells = 0

    def stirs(self) -> bool:
        """See `Served.stirs`."""
        if not self.closed:
            for lane in self._lanes:
                if lane.stirs():
                    return True
        return False

    def serve(self, now_ns: int) -> bool:
        """See `Served.serve`."""
        if self.closed:
            return False
        worked = False
        for lane in self._lanes:
            if lane.serve(now_ns):
                worked = True
                # Also for a slot that was freed and nothing sent: somebody may wait for TX done.
                self.ring()
        return worked

    def arm(self) -> bool:
        """See `Served.arm`."""
        if not self._armed.arm():
            return False
        if not self.closed:
            for lane in self._lanes:
                if not lane.quiet():
                    return False
        return True

    def shares_cpu(self) -> bool:
        """See `Served.shares_cpu`."""
        return self._armed.shares_cpu()

    def disarm(self) -> None:
        """See `Served.disarm`."""
        self._armed.disarm()

    def next_ns(self) -> int | None:
        """See `Served.next_ns`."""
        soonest_ns: int | None = None
        if not self.closed:
            for lane in self._lanes:
                at_ns = lane.next_ns()
                if at_ns is not None and (soonest_ns is None or at_ns < soonest_ns):
                    soonest_ns = at_ns
        return soonest_ns

    def ring(self) -> None:
        """Wake the host if it sleeps."""
        if self._armed.peer_armed():
            surely(self._doorbell)  # `peer_armed` asks for it once

    def has(self, channel: str) -> bool:
        """Return whether this connection is young enough to have a channel."""
        return channel in self._by_name

    def notify(self, channel: str, message: bytes) -> bool:
        """Send an unsolicited message; False: there is no place now.

        Raises:
            MessageTooLong: longer than the channel carries.
            RemoteError: the host broke the protocol.
        """
        lane = self._by_name.get(channel)
        if lane is None or not lane.push(MESSAGE, 0, message):
            return False
        self.ring()
        return True

    def ask(self, channel: str, message: bytes, answered: Answered) -> Callable[[], object]:
        """Send a request; return what makes us forget it.

        Raises:
            KeyError: this connection is older than the channel.
            QueueFull: the ring is full, or the host answers nothing.
            MessageTooLong: longer than the channel carries.
            RemoteError: the host broke the protocol.
        """
        lane = self._by_name[channel]
        tag = lane.ask(message, answered)
        self.ring()
        return lambda: lane.questions.forget(tag)

    def lie(self, channel: str, field: str, value: int) -> bool:
        """Write a wrong number where the host will read it; see `faults.lie`."""
        lane = self._by_name.get(channel)
        if lane is None or not lane.lie(field, value):
            return False
        self._doorbell()
        return True

    def scribble(self, random: Random) -> tuple[int, int]:
        """Write a random word somewhere in the memory and return its offset and value."""
        with self._lock:
            written = scribble(self._region, random)
        self._doorbell()
        return written

    def close(self) -> None:
        """See `Served.close`."""
        with self._lock:
            self.closed = True
            for lane in self._lanes:
                lane.close()

    def abandon(self) -> None:
        """See `Served.abandon`."""
        for lane in self._lanes:
            lane.questions.abandon()
