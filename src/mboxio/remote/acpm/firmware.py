"""ACPM firmware in Python: serves an SRAM from another thread or process.

``python -m mboxio.remote.acpm peer:board`` serves a PMIC and an echo until Ctrl-C, to try a host
program against. `AcpmRemote` is the same for programs and tests, and misbehaves on demand.
"""

import sys
from collections.abc import Callable, Sequence
from random import Random
from threading import RLock

from mboxio.controllers.acpm.layout import BASE, AcpmLayout, AcpmSpec, plan, write
from mboxio.errors import AddressError
from mboxio.local.sockets import socket_path
from mboxio.regions import Memory
from mboxio.remote.acpm.pmic import PmicModel
from mboxio.remote.acpm.sram import AcpmRemoteChannel, Sram
from mboxio.remote.channel import Handler
from mboxio.remote.faults import Faults
from mboxio.remote.serving.regions import FileServer, PeerServer
from mboxio.remote.serving.thread import Serving
from mboxio.ring import Armed

__all__ = ["AcpmRemote"]

BOOT_WORD = 0
"""Where this firmware writes the number of its life, from the base on."""


class AcpmRemote(Serving[PeerServer[Sram] | FileServer[Sram]]):
    """ACPM firmware to develop and test against.

    ::

        remote = AcpmRemote("peer:board")
        remote.channel(PmicModel(), latency_s=200e-6, workers=16)
        with remote:
            ...

    ``peer:NAME`` hands each host an SRAM of its own, with doorbells and interrupts; a connection
    is a life of the firmware. ``file:PATH`` is one SRAM without either, made again by `start`.
    One thread serves everything and runs all handlers; they compute and return. All methods may
    be called by any thread.

    Args:
        address: ``peer:NAME`` or ``file:PATH``.
        base: offset of the descriptor, in bytes.
        spin_s: longest time to look at the rings before sleeping, in seconds. Left out,
            it is 50 µs, and 0 on a single CPU.

    Raises:
        AddressError: no such address is possible.
    """

    def __init__(self, address: str, *, base: int = BASE, spin_s: float | None = None) -> None:
        scheme, _, self.name = address.partition(":")
        if scheme == "peer":
            socket_path(self.name, scheme)  # raises
        elif scheme != "file" or not self.name:
            raise AddressError(f"{address!r} cannot be served: write peer:NAME or file:PATH")
        super().__init__(address, RLock(), spin_s)
        self.base = base
        self.boot = 0
        self.change: Callable[[AcpmLayout], AcpmLayout] = lambda layout: layout
        self._channels: list[AcpmRemoteChannel] = []
        self._faults: Faults | None = None
        self._silent = False

    @property
    def channels(self) -> Sequence[AcpmRemoteChannel]:
        """What was declared, in the order of the descriptor."""
        return tuple(self._channels)

    def channel(
        self,
        handler: Handler = bytes,
        *,
        slots: int = 32,
        slot_bytes: int = 16,
        polled: bool = False,
        latency_s: float = 0.0,
        workers: int = 1,
    ) -> AcpmRemoteChannel:
        """Declare the next channel; hosts that are connected already do not get it.

        Args:
            handler: makes each reply from the bytes of a slot; the number of the message is put
                into it. None, or what it raises, is no reply. An echo if left out.
            slots: length of each ring; one slot stays empty.
            slot_bytes: size of every message.
            polled: do not interrupt the host.
            latency_s: how long the simulated firmware is busy with one message, in seconds.
            workers: how many messages it works on at the same time.

        Raises:
            ValueError: a number is out of range.
        """
        spec = AcpmSpec(slots, slot_bytes, polled)
        plan([*(each.shape for each in self._channels), spec], self.base)  # raises
        channel = AcpmRemoteChannel(len(self._channels), spec)
        channel.answer_with(handler)
        channel.simulate(latency_s, workers)
        with self._lock:
            channel.faults = self._faults
            self._channels.append(channel)
            self._tell_channels()
        return channel

    def _numbered(self) -> Sequence[AcpmRemoteChannel]:
        return self._channels

    # -- serving

    @property
    def srams(self) -> Sequence[Sram]:
        """The SRAMs that are served now, the oldest first."""
        server = self._server
        return [] if server is None else server.ends()

    # -- of the firmware's own accord

    def notify(self, channel: int, message: bytes) -> int:
        """Send an unsolicited message to all hosts and return how many took it; never waits.

        Its bits 21:16, where the number of a reply stands, have to be 0: see `put`.

        Raises:
            ValueError: they are not.
            MessageTooLong: longer than a slot.
        """
        if int.from_bytes(message[:4], "little") >> 16 & 0x3F:
            raise ValueError("an unsolicited message has number 0 in bits 21:16")
        took = self.put(channel, message)
        self._stats.notifications += took
        self._stats.notifications_lost += len(self.srams) - took
        return took

    def put(self, channel: int, message: bytes) -> int:
        """Put an entry into the rings to all hosts, as it is; return how many took it."""
        return sum(sram.put(channel, message) for sram in self.srams)

    # -- misbehaving

    @property
    def faults(self) -> Faults | None:
        """How the replies of all channels go wrong; ``channels[…].faults`` is for one of them.

        Raises:
            ValueError: replies of a wrong length do not exist here.
        """
        return self._faults

    @faults.setter
    def faults(self, faults: Faults | None) -> None:
        if faults is not None and faults.oversize_probability:
            raise ValueError("every message of ACPM is as long as its slot")
        with self._lock:
            self._faults = faults
            for channel in self._channels:
                channel.faults = faults

    def silence(self, silent: bool = True) -> None:
        """Take nothing and answer nothing, but stay there; False: go on."""
        with self._lock:
            self._silent = silent
            for sram in self.srams:
                sram.stalled = silent
        if self._server is not None:
            self._server.wake()

    def restart(self) -> None:
        """Start a new life, as after a crash: what is under way is lost."""
        with self._lock:
            for channel in self._channels:
                channel.simulate(channel.latency_ns / 1e9, channel.workers)
            if self._server is not None:
                self._server.restart()

    def lie(self, channel: int, field: str, value: int) -> None:
        """Write a wrong index into every SRAM; see `Sram.lie`."""
        for sram in self.srams:
            sram.lie(channel, field, value)

    def scribble(self, random: Random) -> list[tuple[int, int]]:
        """Write a random word somewhere into every SRAM; return the offsets and values."""
        return [sram.scribble(random) for sram in self.srams]

    # -- inside

    def describe(self) -> AcpmLayout:
        """Lay out the SRAM of a new life; ``change`` may spoil it."""
        self.boot += 1
        return self.change(plan([channel.shape for channel in self._channels], self.base))

    def begin(
        self,
        memory: Memory,
        layout: AcpmLayout,
        interrupt: Callable[[], object] | None = None,
        words: Armed | None = None,
    ) -> Sram:
        """Start a life in a memory that has room for it."""
        write(memory, layout, self.boot)
        sram = Sram(self._channels, memory, layout, interrupt, words, self._stats, self._lock)
        sram.stalled = self._silent
        return sram

    def _make_server(self) -> PeerServer[Sram] | FileServer[Sram]:
        if not self._channels:
            raise ValueError(f"{self.address} has no channel: declare one with channel()")
        kind = PeerServer[Sram] if self.address.startswith("peer:") else FileServer[Sram]
        return kind(self, self._stats, self._lock, self._spin_ns)


def main(arguments: Sequence[str]) -> None:
    """Serve a PMIC on channel 0, an echo on 1 and a polled PMIC on 2, until Ctrl-C."""
    usage = "usage: python -m mboxio.remote.acpm peer:NAME|file:PATH"
    if arguments and arguments[0] in ("-h", "--help"):
        print(f"{usage}\n\n{main.__doc__}")
        return
    if len(arguments) != 1:
        print(usage, file=sys.stderr)
        sys.exit(2)
    try:
        remote = AcpmRemote(arguments[0])
    except AddressError as error:
        print(f"mboxio: {error}", file=sys.stderr)
        sys.exit(2)
    pmic = PmicModel()
    remote.channel(pmic, latency_s=200e-6, workers=16)
    remote.channel(slot_bytes=32)
    remote.channel(pmic, latency_s=200e-6, workers=16, polled=True)
    print(f"serving {remote.address}: 0 PMIC, 1 echo, 2 PMIC without interrupts; Ctrl-C ends it")
    try:
        remote.serve()
    except (AddressError, OSError) as error:
        print(f"mboxio: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        return
