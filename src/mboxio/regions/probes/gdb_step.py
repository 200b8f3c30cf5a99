"""Accesses that the halted processor itself makes: it steps over one load or one store.

For stubs that drop writes to registers, and for what only the processor can reach. Needs a word or
two of memory for the instructions. Registers and memory are put back with the last region.
"""

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass

from mboxio._base.texts import remote_text
from mboxio.errors import AddressError, RemoteError

__all__ = ["STEP_EXCHANGES", "Processor"]

STEP_EXCHANGES = 6
"""Questions to the stub for one access."""

THREAD = re.compile(rb"QC[-.0-9a-fA-Fp]{1,40}")
"""What is said of the current thread, and said again to step it."""

ADDRESS, VALUE = 0, 1
"""Registers that the instructions use."""


@dataclass(frozen=True)
class Instructions:
    """What a processor has to execute.

    Args:
        words: a store of register 1 to the address in register 0, and a load of it.
        load_at: where the load is, in bytes.
        counter: number of the program counter in the stub's order.
        register_bytes: size of a register.
        status: number and contents of the register that has to be set as well, if any.
    """

    words: tuple[int, ...]
    load_at: int
    counter: int
    register_bytes: int
    status: tuple[int, int] | None = None


# Numbers of registers: GDB's manual, "Standard Target Features". Armv7-M: the T bit of xPSR.
PROCESSORS = {
    "m-profile": Instructions((0x6801_6001,), 2, 15, 4, (25, 1 << 24)),
    "aarch64": Instructions((0xB900_0001, 0xB940_0001), 4, 32, 8),
}


class Processor:
    """The processor behind a stub, as a maker of accesses.

    Args:
        ask: asks the stub; see `Gdb.ask`.
        scratch: address of memory for the instructions.

    Raises:
        AddressError: the stub or its processor cannot do this, or there is no memory.
    """

    def __init__(self, ask: Callable[..., bytes], scratch: int) -> None:
        self.ask = ask
        self.scratch = scratch
        self.lock = threading.Lock()
        self.code = self._instructions()
        self.step = self._step_packet()
        self.numbers = [ADDRESS, VALUE, self.code.counter]
        if self.code.status is not None:
            self.numbers.append(self.code.status[0])
        self.before = {number: self._get(number) for number in self.numbers}
        self.memory_before = self._memory()
        self._put_memory(self.code.words)
        if self._memory() != self.code.words:
            raise AddressError(f"step={scratch:#x} is no memory that the processor can execute")

    def load(self, address: int) -> int:
        """Read one word."""
        with self.lock:
            self._access(self.code.load_at, address)
            return self._get(VALUE) & 0xFFFF_FFFF

    def store(self, address: int, value: int) -> None:
        """Write one word."""
        with self.lock:
            self._set(VALUE, value)
            self._access(0, address)

    def restore(self) -> None:
        """Put back what was there before."""
        with self.lock:
            self._put_memory(self.memory_before)
            for number, value in self.before.items():
                self._set(number, value)

    def _access(self, at: int, address: int) -> None:
        """Execute one instruction."""
        length = self.code.load_at  # both are equally long
        self._set(ADDRESS, address)
        if self.code.status is not None:
            self._set(*self.code.status)
        self._set(self.code.counter, self.scratch + at)
        self.ask(self.step, True)
        stopped = self._get(self.code.counter)
        if stopped != self.scratch + at + length:
            raise RemoteError(
                f"the processor cannot access {address:#x}: it went on at {stopped:#x}, as after a"
                " fault"
            )

    def _get(self, number: int) -> int:
        answer = self.ask(b"p%x" % number)
        if not re.fullmatch(rb"[0-9a-fA-F]{%d}" % (2 * self.code.register_bytes), answer):
            raise RemoteError(
                f"the stub does not tell register {number}: {remote_text(repr(answer))}"
            )
        return int.from_bytes(bytes.fromhex(answer.decode()), "little")

    def _set(self, number: int, value: int) -> None:
        data = value.to_bytes(self.code.register_bytes, "little").hex().encode()
        if self.ask(b"P%x=%s" % (number, data)) != b"OK":
            raise RemoteError(f"the stub does not set register {number}")

    def _memory(self) -> tuple[int, ...]:
        found: list[int] = []
        for index in range(len(self.code.words)):
            answer = self.ask(b"m%x,4" % (self.scratch + 4 * index))
            if not re.fullmatch(rb"[0-9a-fA-F]{8}", answer):
                raise AddressError(
                    f"step={self.scratch:#x} is no memory: {remote_text(repr(answer))}"
                )
            found.append(int.from_bytes(bytes.fromhex(answer.decode()), "little"))
        return tuple(found)

    def _put_memory(self, words: tuple[int, ...]) -> None:
        for index, word in enumerate(words):
            data = word.to_bytes(4, "little").hex().encode()
            self.ask(b"M%x,4:%s" % (self.scratch + 4 * index, data))

    def _instructions(self) -> Instructions:
        # QEMU before 8 tells registers only to who has asked for their description.
        answer = self.ask(b"qXfer:features:read:target.xml:0,ffb")
        for name, code in PROCESSORS.items():
            if name.encode() in answer:
                return code
        raise AddressError(
            "the stub does not describe its processor, or as none of those that are known here:"
            f" {', '.join(PROCESSORS)}"
        )

    def _step_packet(self) -> bytes:
        current = self.ask(b"qC")
        if b";s" in self.ask(b"vCont?") and THREAD.fullmatch(current):
            return b"vCont;s:" + current[2:]
        return b"s"
