"""Where a processor's resource table, trace, rings and buffers lie.

::

    0          resource table       size_bytes of the table, padded
    0x1000     trace                4 KiB of text
    0x4000     ring 0               to the host
    0x8000     ring 1               to us
    0x10000    buffers              num to receive in, then num to send in, as the host sees them

Rings that do not fit between those places follow each other in pages. These are the places of
OpenAMP's example for Linux machines, which has no trace. Source: open-amp, apps/machine/generic
(facts only).
"""

from dataclasses import dataclass

from mboxio.rpmsg.image import make_image
from mboxio.rpmsg.message import HEADER_BYTES
from mboxio.rpmsg.table import (
    ANYWHERE,
    Carveout,
    ResourceTable,
    Trace,
    VirtioDevice,
    Vring,
    pack_table,
    parse_table,
)
from mboxio.virtio.layout import SplitLayout

__all__ = ["BUFFERS", "RpmsgLayout", "firmware_image"]

TRACE_AT, TRACE_BYTES = 0x1000, 0x1000
RINGS_AT = (0x4000, 0x8000)
BUFFERS_AT = 0x10000
BUFFERS = "vdev0buffer"
"""The name of the memory for the buffers, for which Linux looks, too."""
PAGE = 4096
NUM_MAX = 1024


@dataclass(frozen=True, slots=True)
class RpmsgLayout:
    """The memory of a processor with one RPMsg device.

    Args:
        num: descriptors of each ring, a power of two up to 1024.
        align: of each ring, in bytes, a power of two.
        buffer_bytes: size of a buffer, header included; a multiple of 4.
        address: what the processor calls the first byte.

    Raises:
        ValueError: this cannot be.
    """

    num: int = 16
    align: int = 4096
    buffer_bytes: int = 512
    address: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.num <= NUM_MAX:
            raise ValueError(f"num is {self.num}, not a power of two up to {NUM_MAX}")
        if wrong := SplitLayout(0, self.num, self.align).problem(1 << 32):
            raise ValueError(f"such rings cannot be: {wrong}")
        if not HEADER_BYTES < self.buffer_bytes <= 1 << 16 or self.buffer_bytes % 4:
            raise ValueError(
                f"buffer_bytes is {self.buffer_bytes}, not a multiple of 4 from 20 to 65536"
            )
        if not 0 <= self.address <= ANYWHERE - self.size_bytes or self.address % PAGE:
            raise ValueError(f"address is {self.address:#x}, no page of 32 bits with room behind")

    @property
    def rings(self) -> tuple[SplitLayout, SplitLayout]:
        """The rings, at their offsets in the memory."""
        size = SplitLayout(0, self.num, self.align).size_bytes
        step = max(RINGS_AT[1] - RINGS_AT[0], _up(size))
        bases = (RINGS_AT[0], RINGS_AT[0] + step)
        # What ring 0 is aligned to, so is ring 1: `step` is a power of two or a multiple of pages.
        return SplitLayout(bases[0], self.num, self.align), SplitLayout(
            bases[1], self.num, self.align
        )

    @property
    def buffers(self) -> int:
        """The offset of the first buffer."""
        last = self.rings[1]
        return max(BUFFERS_AT, _up(last.base + last.size_bytes))

    @property
    def size_bytes(self) -> int:
        """How long the memory has to be."""
        return _up(self.buffers + 2 * self.num * self.buffer_bytes)

    def table(self, *, anywhere: bool = False, trace: bool = True, features: int = 1) -> bytes:
        """Return the resource table.

        Args:
            anywhere: the host chooses where rings and buffers lie, and says so in the table.
            trace: there is a trace, which lies where it does in any case.
            features: what the device can do; 1: it announces services.
        """
        rings = tuple(
            Vring(ANYWHERE if anywhere else self.address + each.base, each.num, each.align, number)
            for number, each in enumerate(self.rings)
        )
        entries: list[Carveout | Trace | VirtioDevice] = []
        if not anywhere:
            size = 2 * self.num * self.buffer_bytes
            entries.append(Carveout(BUFFERS, self.address + self.buffers, size))
        entries.append(VirtioDevice(rings, features=features))
        if trace:
            entries.append(Trace("trace0", self.address + TRACE_AT, TRACE_BYTES))
        return pack_table(entries)

    def parsed(self) -> ResourceTable:
        """Return the table as it is read, to know where things lie in it."""
        return parse_table(self.table())


def firmware_image(
    layout: RpmsgLayout | None = None, *, anywhere: bool = True, wide: bool = False
) -> bytes:
    """Return an ELF file of firmware that has a resource table and no instructions.

    It is what a host loads whose processor is a Python program; the table and the trace are in it.

    Args:
        layout: what is in the table; left out, as its class says.
        anywhere: the host chooses where rings and buffers lie, as Linux prefers.
        wide: of 64 bits, not 32.
    """
    layout = layout or RpmsgLayout()
    table = layout.table(anywhere=anywhere)
    memory = table.ljust(TRACE_AT + TRACE_BYTES, b"\0")
    return make_image(memory, layout.address, 0, len(table), wide=wide)


def _up(size: int) -> int:
    return -(-size // PAGE) * PAGE
