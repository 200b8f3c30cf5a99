"""A microcontroller in QEMU with the firmware of the examples; its mailbox lies in a file."""

import json
import os
import socket
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from mboxio.cli.demo.qemu import started

__all__ = ["BOARDS", "SPAN", "Board", "Microcontroller", "firmware_file", "running"]

SPAN = 0x2000
"""Bytes from the start of its memory in which the mailbox lies."""
ANSWER_S = 20.0


@dataclass(frozen=True)
class Board:
    """What distinguishes a machine.

    Args:
        machine: its name for QEMU.
        base: what the processor calls the first byte of the mailbox.
        bell: a register at which anything that writes memory rings, and the value.
        program: the QEMU for its processor.
        memory: its size in bytes, all in one file.
        offset: of the mailbox in it.
        more: further options of QEMU.
    """

    machine: str
    base: int
    bell: tuple[int, int] = (0xE000_E200, 1)
    program: str = "qemu-system-arm"
    memory: int = 16 << 20
    offset: int = 0
    more: tuple[str, ...] = ()


BOARDS = {
    each.machine: each
    for each in (
        Board("mps2-an385", 0x2100_0000),  # a Cortex-M3
        Board("mps2-an521", 0x8000_0000, bell=(0xE000_E204, 1)),  # a Cortex-M33
    )
}
"""Those for which firmware comes with mboxio; their memory can be a file."""


def firmware_file(machine: str) -> str:
    """Return the firmware that comes with mboxio; ``examples/firmware_mcu`` builds it."""
    return os.path.join(os.path.dirname(__file__), f"{machine}.elf")


@dataclass(frozen=True)
class Microcontroller:
    """A machine that runs.

    Args:
        board: which one.
        folder: where its memory and its sockets are.
    """

    board: Board
    folder: str

    @property
    def ram(self) -> str:
        """The memory of the mailbox, as a region is addressed."""
        return f"file:{self.folder}/ram@{self.board.offset:#x}+{SPAN:#x}"

    @property
    def access(self) -> str:
        """How a debug probe reaches what the processor does, here through QEMU, as it runs."""
        return f"qtest:{self.folder}/qtest"

    @property
    def probe(self) -> str:
        """The memory of the mailbox by that way."""
        return f"{self.access}@{self.board.base:#x}+{SPAN:#x}"

    @property
    def wire(self) -> str:
        """The socket at the other end of the serial line."""
        return os.path.join(self.folder, "uart")

    def reset(self) -> None:
        """Reset the machine, as its button does."""
        self.tell("system_reset")

    def tell(self, command: str, **arguments: Any) -> Any:
        """Have QEMU do something, and return what it says of it.

        Raises:
            RuntimeError: it refuses.
        """
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as monitor:
            monitor.settimeout(ANSWER_S)
            monitor.connect(os.path.join(self.folder, "qmp"))
            with monitor.makefile("rw") as lines:
                for each in ("qmp_capabilities", command):
                    given = arguments if each == command else {}
                    print(json.dumps({"execute": each, "arguments": given}), file=lines, flush=True)
                answers = (json.loads(line) for line in lines)
                said = [each for _, each in zip(range(2), answered(answers), strict=False)]
        if len(said) != 2 or "error" in said[1]:
            raise RuntimeError(f"QEMU refuses {command}: {said[-1:]}")
        return said[1]["return"]


def answered(messages: Any) -> Generator[dict[str, Any]]:
    """Leave out the greeting, and events."""
    for each in messages:
        if "return" in each or "error" in each:
            yield each


@contextmanager
def running(
    folder: str,
    check: Callable[[], object],
    board: Board = BOARDS["mps2-an385"],
    firmware: str | None = None,
    before: bytes = b"",
    held: bool = False,
) -> Generator[Microcontroller]:
    """Start a machine; it is killed at the end.

    Args:
        folder: an empty one for its memory and its sockets.
        check: called every now and then while it comes up.
        board: which one.
        firmware: an ELF file; None: `firmware_file`.
        before: what its memory holds before it starts.
        held: it stands still until it is told ``cont``.

    Raises:
        ClickException: there is no QEMU, or it does not come up.
    """
    ram = os.path.join(folder, "ram")
    with open(ram, "wb") as file:
        file.write(before)
        file.truncate(board.memory)
    size = f"{board.memory >> 20}M"
    options = ["-machine", f"{board.machine},memory-backend=ram", "-m", size, *board.more]
    options += ["-object", f"memory-backend-file,id=ram,size={size},mem-path={ram},share=on"]
    options += ["-kernel", firmware or firmware_file(board.machine), "-serial", "chardev:uart"]
    with started(board.program, [*options, *(["-S"] if held else [])], folder, check, ("uart",)):
        yield Microcontroller(board, folder)
