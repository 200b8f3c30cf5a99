"""The emulated microcontroller for one test, and the firmware of the examples built anew."""

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mboxio.cli.demo import microcontroller
from mboxio.cli.demo.microcontroller import BOARDS, Board, Microcontroller
from tests.tools import HEADER_FOLDER, tool, without_preloads

EXAMPLE = Path(__file__).parent.parent.parent / "examples" / "firmware_mcu"
RISCV = Board(
    "virt",
    0x8100_0000,
    bell=(0x0200_0000, 1),
    program="qemu-system-riscv32",
    memory=32 << 20,
    offset=0x0100_0000,
    more=("-bios", "none"),
)


@contextmanager
def running(board: str | Board = "mps2-an385", **more: Any) -> Iterator[Microcontroller]:
    """Start a machine in a folder of its own; arguments as `microcontroller.running`."""
    board = BOARDS[board] if isinstance(board, str) else board
    tool(board.program)
    with (
        tempfile.TemporaryDirectory(prefix="mboxio-mcu-") as folder,
        microcontroller.running(folder, lambda: None, board, **more) as machine,
    ):
        yield machine


def build(out: Path, *arguments: str) -> str:
    """Build the example into a folder; returns what make says."""
    tool("arm-none-eabi-gcc")
    made = subprocess.run(
        [tool("make"), "-C", EXAMPLE, f"OUT={out}", f"RING={HEADER_FOLDER}", *arguments],
        capture_output=True,
        text=True,
        env=without_preloads(),
    )
    assert made.returncode == 0, made.stderr
    return made.stdout
