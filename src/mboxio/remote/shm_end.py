"""The remote's end of a connection over ``shm``: rings in one memory, no sockets or threads."""

from collections.abc import Callable, Sequence
from random import Random
from threading import RLock

from mboxio._base.gate import surely
from mboxio.regions import Region
from mboxio.remote.channel import RemoteChannel
from mboxio.remote.faults import scribble
from mboxio.remote.questions import Answered
from mboxio.remote.served_channel import ServedChannel
from mboxio.remote.serving.rounds import RemoteEnd
from mboxio.remote.stats import RemoteStats
from mboxio.ring import MESSAGE, armed
from mboxio.ring.layout import MemoryLayout

__all__ = ["ShmEnd"]


class ShmEnd(RemoteEnd):
    """The remote's end of one connection: serves the rings of one memory.

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
        self._channels = [
            ServedChannel(channel, where, region, self._armed, self.stats)
            for channel, where in zip(channels, layout.channels, strict=True)
        ]
        self._by_name = {served.channel.name: served for served in self._channels}
        self.closed = self.asked = False
        self.bells = 0

    def stirs(self) -> bool:
        """See `RemoteEnd.stirs`."""
        if not self.closed:
            for channel in self._channels:
                if channel.stirs():
                    return True
        return False

    def serve(self, now_ns: int) -> bool:
        """See `RemoteEnd.serve`."""
        if self.closed:
            return False
        worked = False
        for channel in self._channels:
            if channel.serve(now_ns):
                worked = True
                # Also for a slot that was freed and nothing sent: somebody may wait for TX done.
                self.ring()
        return worked

    def arm(self) -> bool:
        """See `RemoteEnd.arm`."""
        if not self._armed.arm():
            return False
        if not self.closed:
            for channel in self._channels:
                if not channel.quiet():
                    return False
        return True

    def shares_cpu(self) -> bool:
        """See `RemoteEnd.shares_cpu`."""
        return self._armed.shares_cpu()

    def disarm(self) -> None:
        """See `RemoteEnd.disarm`."""
        self._armed.disarm()

    def next_ns(self) -> int | None:
        """See `RemoteEnd.next_ns`."""
        soonest_ns: int | None = None
        if not self.closed:
            for channel in self._channels:
                at_ns = channel.next_ns()
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
        served = self._by_name.get(channel)
        if served is None or not served.push(MESSAGE, 0, message):
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
        served = self._by_name[channel]
        tag = served.ask(message, answered)
        self.ring()
        return lambda: served.questions.forget(tag)

    def lie(self, channel: str, field: str, value: int) -> bool:
        """Write a wrong number where the host will read it; see `faults.lie`."""
        served = self._by_name.get(channel)
        if served is None or not served.lie(field, value):
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
        """See `RemoteEnd.close`."""
        with self._lock:
            self.closed = True
            for channel in self._channels:
                channel.close()

    def abandon(self) -> None:
        """See `RemoteEnd.abandon`."""
        for channel in self._channels:
            channel.questions.abandon()
