"""A host of a few lines, made of rings and words, that can do what no driver would."""

import select
import socket
from collections.abc import Callable
from contextlib import ExitStack
from time import monotonic
from types import TracebackType

from mboxio.cli.demo.microcontroller import Microcontroller
from mboxio.errors import RemoteError
from mboxio.regions import Region, open_region
from mboxio.ring import REQUEST, Consumer, Producer, consumer, producer
from mboxio.ring.layout import (
    HEARTBEAT,
    HOST_ARMED,
    HOST_LIFE,
    HOST_READY,
    HOST_SEEN,
    REMOTE_ARMED,
    MemoryLayout,
    read,
)

PATIENCE_S = 30.0
LOOK_S = 1e-3
STILL_S = 1.0

Message = tuple[int, int, bytes]
"""Kind, tag, payload."""


class Host:
    """One life of a host.

    Args:
        machine: the microcontroller.
        life: the number of this life.
        probe: reach the memory as a debug probe does, and raise the interrupt by it.
    """

    def __init__(self, machine: Microcontroller, life: int = 1, probe: bool = False) -> None:
        self.life = life
        with ExitStack() as stack:
            self.region: Region = stack.enter_context(
                open_region(machine.probe if probe else machine.ram)
            )
            self.wire = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            self.register: Region | None = None
            address, self.value = machine.board.bell
            if probe:
                where = f"{machine.access}@{address:#x}+4"
                self.register = stack.enter_context(open_region(where))
            else:
                self.wire.connect(machine.wire)
            self.layout: MemoryLayout = self.laid_out()
            self.opened = stack.pop_all()
        self.quiet = False
        """Do not ring."""
        self.out: list[Producer] = []
        self.into: list[Consumer] = []

    def __enter__(self) -> "Host":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.out.clear()  # rings in C keep the memory open
        self.into.clear()
        self.opened.close()

    # -- waiting

    def until(self, true: Callable[[], bool], what: str) -> None:
        """Look until something is so."""
        end_s = monotonic() + PATIENCE_S
        while not true():
            assert monotonic() < end_s, f"in vain: {what}"
            select.select([], [], [], LOOK_S)

    def laid_out(self) -> MemoryLayout:
        """Wait until firmware has described its memory."""
        found: list[MemoryLayout] = []

        def described() -> bool:
            try:
                found.append(read(self.region))
            except RemoteError:
                return False
            return True

        self.until(described, "a memory that is described")
        return found[0]

    def beats(self, count: int) -> None:
        """Wait until the firmware's heart has beaten so often: it looked at everything as often."""
        before = self.word(HEARTBEAT)
        self.until(lambda: self.word(HEARTBEAT) - before >= 2 * count, "its heart beats")

    def stands_still(self) -> None:
        """Wait until its heart has not beaten for as long as it takes ten times."""
        seen, since_s = self.word(HEARTBEAT), monotonic()

        def still() -> bool:
            nonlocal seen, since_s
            if (now := self.word(HEARTBEAT)) != seen:
                seen, since_s = now, monotonic()
            return monotonic() - since_s > STILL_S

        self.until(still, "its heart stands still")

    # -- words

    def word(self, offset: int) -> int:
        return self.region.read(offset, 4)

    def write(self, offset: int, value: int) -> None:
        self.region.write(offset, value, 4)

    def ring(self) -> None:
        """The doorbell."""
        if self.quiet:
            return
        if self.register is not None:
            self.register.write(0, self.value, 4)
        else:
            self.wire.send(b"!")

    def slept(self) -> bool:
        """Whether the firmware sleeps within some looks."""
        end_s = monotonic() + STILL_S
        while not self.word(REMOTE_ARMED):
            if monotonic() > end_s:
                return False
        return True

    def rung(self) -> bool:
        """Whether the firmware has rung since the last time."""
        try:
            return bool(self.wire.recv(4096, socket.MSG_DONTWAIT))
        except BlockingIOError:
            return False

    # -- meeting

    def meet(self, ready: bool = True) -> "Host":
        """Come, wait until the firmware has seen it, drop what waits."""
        self.layout = self.laid_out()
        self.write(HOST_ARMED, 0)
        self.write(HOST_LIFE, self.life)
        self.ring()
        self.until(lambda: self.word(HOST_SEEN) == self.life, "the firmware sees us")
        self.attach()
        for each in self.into:
            each.reset()
        if ready:
            self.write(HOST_READY, self.life)
        return self

    def leave(self) -> None:
        """Go, and wait until the firmware has seen it."""
        self.write(HOST_LIFE, 0)
        self.ring()
        self.until(lambda: self.word(HOST_SEEN) == 0, "the firmware sees that we go")

    def attach(self) -> None:
        """Take the rings as they are."""
        self.out = [producer(self.region, each.to_remote) for each in self.layout.channels]
        self.into = [consumer(self.region, each.to_host) for each in self.layout.channels]
        for each in (*self.out, *self.into):
            each.reset()

    # -- messages

    def push(self, message: bytes, tag: int = 0, kind: int = REQUEST, channel: int = 0) -> None:
        """Send a message for which there is a place, and ring."""
        assert self.out[channel].push(kind, tag, message)
        self.ring()

    def pop(self, channel: int = 0) -> Message:
        """Wait for a message."""
        found: list[Message] = []

        def came() -> bool:
            message = self.into[channel].pop()
            if message is not None:
                found.append(message)
            return message is not None

        self.until(came, "a message")
        return found[0]

    def request(self, message: bytes, tag: int = 0, channel: int = 0) -> Message:
        """Send one and wait for one."""
        self.push(message, tag, channel=channel)
        return self.pop(channel)
