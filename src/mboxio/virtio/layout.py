"""Where the parts of a split virtqueue lie.

::

    base                 descriptors   num x {u64 address, u32 length, u16 flags, u16 next}   host
    base + 16 num        available     u16 flags, u16 idx, u16 heads[num], u16 unused         host
    next multiple        used          u16 flags, u16 idx, num x {u32 head, u32 length}, u16  remote
    of align

Source: virtio 1.2, sections 2.7 (split virtqueues) and 2.7.2 (legacy layout).
"""

from dataclasses import dataclass

__all__ = ["NUM_MAX", "WRITABLE", "SplitLayout"]

NUM_MAX = 1 << 15
ALIGN_MIN, ALIGN_MAX = 4, 1 << 16
DESCRIPTOR_BYTES = 16
USED_BYTES = 8
NEXT, WRITABLE = 1, 2
"""Flags of a descriptor: another one follows; the remote writes into this buffer."""
SILENT = 1
"""Flag of both index parts: its writer asks not to be rung for what lies there."""


@dataclass(frozen=True, slots=True)
class SplitLayout:
    """A ring of descriptors in a region.

    Args:
        base: offset of the first descriptor, in bytes.
        num: how many descriptors there are, a power of two.
        align: the used part begins at a multiple of so many bytes from the base, a power of two.
    """

    base: int
    num: int
    align: int

    @property
    def available(self) -> int:
        """The offset of the part that the host writes after the descriptors."""
        return self.base + DESCRIPTOR_BYTES * self.num

    @property
    def used(self) -> int:
        """The offset of the part that the remote writes."""
        head = DESCRIPTOR_BYTES * self.num + 6 + 2 * self.num
        return self.base + (head + self.align - 1) // self.align * self.align

    @property
    def size_bytes(self) -> int:
        """How much memory it takes from its base on."""
        return self.used - self.base + 6 + USED_BYTES * self.num

    def problem(self, size_bytes: int) -> str | None:
        """Say what is wrong with this ring in a region of `size_bytes`; None: nothing."""
        if not 1 <= self.num <= NUM_MAX or self.num & (self.num - 1):
            return f"num is {self.num}, not a power of two up to {NUM_MAX}"
        if not ALIGN_MIN <= self.align <= ALIGN_MAX or self.align & (self.align - 1):
            return f"align is {self.align}, not a power of two from {ALIGN_MIN} to {ALIGN_MAX}"
        if self.base < 0 or self.base % 8:
            return f"it begins at {self.base:#x}, not at a multiple of 8"
        if self.base + self.size_bytes > size_bytes:
            end = self.base + self.size_bytes
            return f"it ends at {end:#x} in a region of {size_bytes:#x} bytes"
        return None
