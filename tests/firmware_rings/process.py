"""Firmware as a process over a mapped file, which stands for a microcontroller and its RAM."""

import atexit
import select
import subprocess
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Self

from tests.tools import compile_c

SOURCE = Path(__file__).with_name("firmware.c")
RAM_BYTES = 16384
PATIENCE_S = 20.0


@cache
def program() -> Path:
    """Return the firmware, which is compiled once."""
    folder = TemporaryDirectory(prefix="mboxio-firmware-")
    atexit.register(folder.cleanup)
    return compile_c(SOURCE, Path(folder.name, "firmware"), "-D_GNU_SOURCE")


class FirmwareProcess:
    """A process that is killed and started again at will.

    Args:
        folder: for its RAM and its socket.
        bell: whether it sleeps, and is woken by its socket.
    """

    def __init__(self, folder: Path, *, bell: bool) -> None:
        self.command: list[str] = [str(program()), str(folder / "ram.bin")]
        ram = folder / "ram.bin"
        if not ram.exists():
            ram.write_bytes(bytes(RAM_BYTES))
        self.address = f"rings:?at=file:{ram}"
        if bell:
            self.command.append(str(folder / "bell"))
            self.address += f"&bell=unix:{folder / 'bell'}"
        self.process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(self.command, stdout=subprocess.PIPE)
        assert self.process.stdout is not None
        assert select.select([self.process.stdout], [], [], PATIENCE_S)[0], "it does not start"
        assert self.process.stdout.readline().startswith(b"ready")

    def kill(self) -> None:
        """End it at once, wherever it is."""
        process, self.process = self.process, None
        if process is not None:
            process.kill()
            with process:
                pass

    def reset(self) -> None:
        self.kill()
        self.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()
