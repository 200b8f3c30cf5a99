"""ACPM firmware's end of one SRAM: rings and channels, without sockets or threads."""

import functools
from collections.abc import Callable, Sequence
from random import Random
from threading import RLock

from mboxio._base.gate import surely
from mboxio._queue.handlers import answer_of, require_plain
from mboxio.controllers.acpm.layout import TAG_BITS, TAG_LOW_BIT, AcpmLayout, AcpmSpec
from mboxio.regions import Region
from mboxio.remote.channel import Handler, RemoteChannel
from mboxio.remote.faults import scribble
from mboxio.remote.served_channel import ServedChannel
from mboxio.remote.serving.rounds import RegionEnd
from mboxio.remote.stats import RemoteStats
from mboxio.ring import MESSAGE, Armed

__all__ = ["AcpmRemoteChannel", "Sram", "with_number_of"]

TAG_MASK = ((1 << TAG_BITS) - 1) << TAG_LOW_BIT


def with_number_of(reply: bytes, message: bytes) -> bytes:
    """Return a reply with the number of the message that it answers."""
    number = int.from_bytes(message[:4], "little") & TAG_MASK
    word = int.from_bytes(reply[:4], "little") & ~TAG_MASK | number
    return word.to_bytes(4, "little") + reply[4:]


class AcpmRemoteChannel(RemoteChannel):
    """One channel of ACPM firmware; made by `AcpmRemote.channel`.

    Args:
        number: its place in the descriptor.
        spec: its rings, and how it is completed.
    """

    def __init__(self, number: int, spec: AcpmSpec) -> None:
        super().__init__(
            str(number),
            depth=spec.slots - 1,
            message_bytes=spec.slot_bytes,
            host_sends=True,
            host_receives=True,
            legacy=True,  # nothing on this wire says whether an answer is awaited
        )
        self.shape = spec
        self.answer_with(bytes)

    def answer_with(self, handler: Handler) -> None:
        """Have `handler` make each reply; the number of its message is put into it.

        It gets all bytes of the slot. None, or an exception, is no reply.
        """

        place = f"channel {self.name!r}"
        require_plain(handler, place, "; latency_s= simulates slow firmware")

        def answer(message: bytes) -> bytes | None:
            reply = handler(message)
            if reply is None:
                return None
            if reply is message:
                return message
            if type(reply) is not bytes:
                reply = answer_of(reply, handler, place)
            return with_number_of(reply, message)

        self.handler = functools.update_wrapper(answer, handler, updated=())


class Sram(RegionEnd):
    """Serves the rings of one SRAM.

    One thread calls `serve` and what belongs to sleeping; the other methods may be called by any.

    Args:
        channels: what is served, in the order of the layout.
        region: the SRAM; `layout` is written there already.
        layout: where the rings lie.
        interrupt: wakes the host; it must not block or raise.
        armed: the words with which both sides announce sleep, where the access path has some.
        stats: where to count.
        lock: guards `closed`, and the memory while it is misused.
    """

    def __init__(
        self,
        channels: Sequence[AcpmRemoteChannel],
        region: Region,
        layout: AcpmLayout,
        interrupt: Callable[[], object] | None = None,
        armed: Armed | None = None,
        stats: RemoteStats | None = None,
        lock: "RLock | None" = None,
    ) -> None:
        self.stats = stats or RemoteStats()
        self.region = region
        self.layout = layout
        self.closed = self.asked = False
        self.bells = 0
        self.stalled = False
        self._interrupt = interrupt
        self._armed = armed
        self._lock = lock or RLock()
        self.channels = [
            ServedChannel(channel, where, region, armed, self.stats)
            for channel, where in zip(channels, layout.channels, strict=True)
        ]

    def serve(self, now_ns: int) -> bool:
        """See `RemoteEnd.serve`."""
        if self.closed or self.stalled:
            return False
        worked = False
        for channel, where in zip(self.channels, self.layout.channels, strict=True):
            if channel.serve(now_ns):
                worked = True
                if not where.polled:
                    self.ring()
        return worked

    def arm(self) -> bool:
        """See `RemoteEnd.arm`."""
        if self._armed is not None and not self._armed.arm():
            return False
        return self.closed or self.stalled or all(channel.quiet() for channel in self.channels)

    def shares_cpu(self) -> bool:
        """See `RemoteEnd.shares_cpu`; the words are those of the access path."""
        return self._armed is not None and self._armed.shares_cpu()

    def disarm(self) -> None:
        """See `RemoteEnd.disarm`."""
        if self._armed is not None:
            self._armed.disarm()

    def next_ns(self) -> int | None:
        """See `RemoteEnd.next_ns`."""
        if self.closed or self.stalled:
            return None
        times_ns = [at for channel in self.channels if (at := channel.next_ns()) is not None]
        return min(times_ns, default=None)

    def ring(self) -> None:
        """Interrupt the host if it sleeps."""
        if self._interrupt is not None and (self._armed is None or self._armed.peer_armed()):
            surely(self._interrupt)  # `peer_armed` asks for it once

    def put(self, channel: int, message: bytes) -> bool:
        """Put an entry into the ring to the host as it is; False: there is no place now.

        With number 0 it is an unsolicited message, with another one a reply, whoever waits for it.

        Raises:
            MessageTooLong: longer than a slot.
            RemoteError: the host broke the protocol.
        """
        if not self.channels[channel].push(MESSAGE, 0, message):
            return False
        if not self.layout.channels[channel].polled:
            self.ring()
        return True

    def lie(self, channel: int, field: str, value: int) -> None:
        """Write a wrong index where the host will read it.

        Args:
            field: ``front`` of the ring to the host or ``rear`` of the ring to us.

        Raises:
            ValueError: there is no such field.
        """
        where = self.layout.channels[channel]
        words = {"front": where.to_host.front, "rear": where.to_remote.rear}
        if field not in words:
            raise ValueError(f"no field {field!r} to lie about; there are: {', '.join(words)}")
        with self._lock:
            self.region.write(words[field], value, 4)
        self.ring()

    def scribble(self, random: Random) -> tuple[int, int]:
        """Write a random word somewhere in the SRAM and return its offset and value."""
        with self._lock:
            written = scribble(self.region, random)
        self.ring()
        return written

    def close(self) -> None:
        """See `RemoteEnd.close`."""
        with self._lock:
            self.closed = True
            for channel in self.channels:
                channel.close()

    def abandon(self) -> None:
        """See `RemoteEnd.abandon`; the firmware asks nothing, so nobody waits."""
