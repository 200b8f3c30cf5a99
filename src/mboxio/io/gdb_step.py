"""Accesses that a halted Cortex-M makes itself: single steps of a load and a store.

For stubs whose own accesses do not arrive: QEMU before version 8 drops writes to registers in the
view of its processor, and its physical view does not show what lies inside of a subsystem such as
the SSE-200. It works with any stub that can step. A fault is noticed.
"""

import re
from collections.abc import Sequence

from mboxio.errors import AddressError, RemoteError, RemoteGone
from mboxio.io.access import number
from mboxio.io.gdb import Gdb, GdbRegion

__all__ = ["SteppedRegion", "Stepper", "open_stepped"]

STORE, LOAD = 0x6001, 0x6801  # str r1, [r0]; ldr r1, [r0]
CODE_BYTES = 2
R0, R1, PC, XPSR = 0, 1, 15, 25
THUMB = 1 << 24
STOPPED = re.compile(rb"[TS]05.*", re.DOTALL)
ACCESS_EXCHANGES = 7


class Stepper:
    """A halted Cortex-M that makes accesses; the regions behind one stub share it.

    What it held in registers and scratch memory is put back by the last `release`.

    Args:
        link: the stub.
        scratch: address of a word of memory that the processor can execute.

    Raises:
        RemoteError: the stub cannot do this, or its processor is no Cortex-M.
    """

    def __init__(self, link: Gdb, scratch: int) -> None:
        self.link = link
        self.scratch = scratch
        self.users = 1
        # QEMU knows no single registers before it was asked what there is.
        link.ask(b"qXfer:features:read:target.xml:0,fff")
        self.kept = {register: self.get(register) for register in (R0, R1, PC, XPSR)}
        self.word = link.read(scratch, 4)
        link.write(scratch, LOAD << 8 * CODE_BYTES | STORE, 4)

    @classmethod
    def share(cls, link: Gdb, scratch: int) -> "Stepper":
        """Return the one of this stub, made at first use; errors as for a new one."""
        with link.turns:
            if link.stepper is None:
                link.stepper = cls(link, scratch)
            else:
                link.stepper.users += 1
            return link.stepper

    def release(self) -> None:
        """One user less; the last one leaves the processor as it was found."""
        with self.link.turns:
            self.users -= 1
            if self.users:
                return
            self.link.stepper = None
            try:
                self.link.write(self.scratch, self.word, 4)
                for register, value in self.kept.items():
                    self.set(register, value)
            except RemoteGone:
                return  # and so is the processor

    def step(self, code: int, address: int, value: int = 0) -> int:
        """Have one of the two instructions done; returns what r1 holds then."""
        pc = self.scratch if code == STORE else self.scratch + CODE_BYTES
        with self.link.turns:
            for register, word in ((R0, address), (R1, value), (PC, pc), (XPSR, THUMB)):
                self.set(register, word)
            answer = self.link.ask(b"vCont;s", stops=True)
            at = self.get(PC)
            if not STOPPED.fullmatch(answer) or at != pc + CODE_BYTES:
                raise RemoteError(
                    f"gdb:{self.link.where}: an access to {address:#x} made the processor stop at"
                    f" {at:#x} ({answer.decode(errors='replace')!r}): a fault, or no place to step"
                )
            return self.get(R1)

    def get(self, register: int) -> int:
        """Read a register of the processor."""
        answer = self.link.ask(b"p%x" % register)
        if not re.fullmatch(rb"[0-9a-fA-F]{8}", answer):
            text = answer.decode(errors="replace") or "nothing"
            raise RemoteError(
                f"gdb:{self.link.where}: register {register} of a Cortex-M reads {text!r}"
            )
        return int.from_bytes(bytes.fromhex(answer.decode()), "little")

    def set(self, register: int, value: int) -> None:
        """Write a register of the processor."""
        answer = self.link.ask(b"P%x=%s" % (register, value.to_bytes(4, "little").hex().encode()))
        if answer != b"OK":
            raise RemoteError(f"gdb:{self.link.where}: register {register} cannot be set")


class SteppedRegion(GdbRegion):
    """A window of what a halted Cortex-M can reach, as it sees it.

    Args:
        stepper: the processor; the region gives it up when it is closed.
        address: where the window begins.
        size_bytes: its size in bytes.
    """

    def __init__(self, stepper: Stepper, address: int, size_bytes: int) -> None:
        super().__init__(stepper.link, address, size_bytes)
        self.stepper = stepper
        self.access_s = ACCESS_EXCHANGES * stepper.link.access_s

    def read(self, offset: int, width: int) -> int:
        """See `Region.read`."""
        self._check_access(offset, width)
        return self.stepper.step(LOAD, self.address + offset)

    def write(self, offset: int, value: int, width: int) -> None:
        """See `Region.write`."""
        self._check_access(offset, width)
        self.stepper.step(STORE, self.address + offset, value)

    def read_words(self, offset: int, count: int) -> list[int]:
        """See `Region.read_words`."""
        self.check(offset, 4 * count, 4)
        return [self.read(offset + 4 * index, 4) for index in range(count)]

    def write_words(self, offset: int, words: Sequence[int]) -> None:
        """See `Region.write_words`."""
        self.check(offset, 4 * len(words), 4)
        for index, word in enumerate(words):
            self.write(offset + 4 * index, word, 4)

    def close(self) -> None:
        """See `Region.close`."""
        if not self.closed:
            self.stepper.release()
        super().close()


def open_stepped(place: str, offset: int, size_bytes: int, scratch: str) -> SteppedRegion:
    """Open ``gdb:HOST:PORT,step=SCRATCH@address+size``."""
    word = number(scratch)
    if word % 4:
        raise AddressError(f"gdb: step={scratch} is not the address of a word")
    link = Gdb.share(place)
    try:
        return SteppedRegion(Stepper.share(link, word), offset, size_bytes)
    except BaseException:
        link.release()
        raise
