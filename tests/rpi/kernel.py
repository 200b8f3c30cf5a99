"""The kernel's vcio driver, in this process."""

import errno
import os
import struct
import threading
from pathlib import Path
from typing import Any

from mboxio.controllers.vcio import Vcio
from mboxio.sim.videocore import PROPERTY, VideoCore

GIVES_UP_S = 4.0
"""As the real one does, which is less patient."""


class Kernel:
    """Takes ioctls, has a VideoCore answer them, and may be held or fail.

    Args:
        folder: where the device is made.
    """

    def __init__(self, folder: Path) -> None:
        self.device = folder / "vcio"
        self.device.symlink_to(os.devnull)
        self.core = VideoCore(1 << 16)
        self.running = threading.Event()
        self.running.set()
        self.came = threading.Semaphore(0)
        self.numbers: list[int] = []
        self.buffers: list[bytes] = []
        self.error: OSError | None = None
        self.busy = threading.Lock()

    def driver(self, **options: Any) -> Vcio:
        """Make a driver over this kernel."""
        return Vcio(options=Vcio.Options(device=str(self.device)), ioctl=self.ioctl, **options)

    def ioctl(self, descriptor: int, number: int, buffer: bytearray, mutate: bool) -> int:
        """Do what the driver of the kernel does."""
        assert descriptor >= 0
        assert mutate
        with self.busy:
            self.numbers.append(number)
            self.buffers.append(bytes(buffer))
            self.came.release()
            if not self.running.wait(GIVES_UP_S):
                raise TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))
            if self.error is not None:
                raise self.error
            words = struct.unpack(f"<{len(buffer) // 4}I", buffer)
            self.core.memory.write_words(0, words)
            self.core.answer(self.core.bus_address | PROPERTY)
            answer = self.core.memory.read_words(0, len(words))
            buffer[:] = struct.pack(f"<{len(answer)}I", *answer)
        return 0

    def stall(self) -> None:
        """Let no ioctl return from now on."""
        self.running.clear()

    def resume(self) -> None:
        """Go on."""
        self.running.set()
