"""The register-level drivers over devices in this process."""

import struct
import tempfile
from pathlib import Path

from mboxio import InOrder
from mboxio.controllers.arm_mhu import Mhu
from mboxio.protocols.rpi_buffer import SUCCESS, Ask, encode
from mboxio.sim.videocore import PROPERTY, VideoCore
from mboxio.testing import Bench
from tests.mhu.block import Block
from tests.rpi.bench import driver
from tests.rpi.kernel import Kernel


class Recording(VideoCore):
    """Keeps the buffers as they were sent."""

    def __init__(self, *, interrupts: bool) -> None:
        super().__init__(interrupts=interrupts)
        self.buffers: list[bytes] = []
        self.on_word = lambda word: word

    def answer(self, word: int) -> None:
        """See `VideoCore.answer`."""
        offset = (word & ~15) - self.bus_address
        (size_bytes,) = self.memory.read_words(offset, 1)
        words = self.memory.read_words(offset, size_bytes // 4)
        self.buffers.append(struct.pack(f"<{len(words)}I", *words))
        super().answer(word)


def property_buffers(*, interrupts: bool) -> Bench:
    """Buffers on the property channel, each with a tag of its own that nobody knows."""
    core = Recording(interrupts=interrupts)
    return Bench(
        controller=driver(core),
        channel=PROPERTY,
        message=lambda number: encode([Ask(0x7000_0000 + number, room_bytes=4)]),
        reply=lambda message: message[:4] + struct.pack("<I", SUCCESS) + message[8:],
        shortest_bytes=12,
        taken=lambda: core.buffers,
        stall=core.stall,
        resume=core.resume,
        close=core.close,
        patience_s=20.0,
    )


def words(*, interrupts: bool) -> Bench:
    """Words on channel 2, which come back as they are."""
    core = Recording(interrupts=interrupts)
    return Bench(
        controller=driver(core),
        channel=2,
        message=lambda number: struct.pack("<I", number << 4),
        shortest_bytes=4,
        taken=lambda: [struct.pack("<I", word & ~15) for word in core.taken if word & 15 == 2],
        notify=lambda channel, message: core.say(int.from_bytes(message, "little") | channel),
        stall=core.stall,
        resume=core.resume,
        close=core.close,
        patience_s=20.0,
    )


def doorbells(*, interrupts: bool) -> Bench:
    """Bit 2 of an MHU that is answered by the same bit."""
    block = Block(interrupts=interrupts, answers=True)
    return Bench(
        controller=Mhu(region=block),
        channel=2,
        correlator=InOrder(),
        message=lambda number: b"",
        taken=lambda: [b"" for word in block.taken if word & 4],
        stall=block.stall,
        resume=block.resume,
        close=block.close,
        patience_s=20.0,
    )


def mhu_words(*, interrupts: bool) -> Bench:
    """Words through an MHU that nobody answers, and words from the other side."""
    block = Block("v1-low", interrupts=interrupts)
    return Bench(
        controller=Mhu(options=Mhu.Options(layout="v1-low", words=True), region=block),
        message=lambda number: struct.pack("<I", number + 1),
        reply=None,
        shortest_bytes=4,
        taken=lambda: [struct.pack("<I", word) for word in block.taken],
        notify=lambda channel, message: block.raise_when_free(int.from_bytes(message, "little")),
        stall=block.stall,
        resume=block.resume,
        close=block.close,
        patience_s=20.0,
    )


def vcio() -> Bench:
    """Buffers through the kernel, which takes one as soon as the thread has it: nothing stalls."""
    folder = tempfile.TemporaryDirectory()
    kernel = Kernel(Path(folder.name))

    def close() -> None:
        kernel.resume()
        folder.cleanup()

    return Bench(
        controller=kernel.driver(),
        message=lambda number: encode([Ask(0x7000_0000 + number, room_bytes=4)]),
        reply=lambda message: message[:4] + struct.pack("<I", SUCCESS) + message[8:],
        shortest_bytes=12,
        taken=lambda: kernel.buffers,
        close=close,
        patience_s=20.0,
    )
