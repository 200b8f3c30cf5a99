"""Registers as drivers reach them: what an ``ioremap`` returns, and ``readl`` and ``writel``."""

from dataclasses import dataclass

from mboxio.regions.region import Region

__all__ = ["iomem", "readl", "readl_relaxed", "writel", "writel_relaxed"]


@dataclass(frozen=True, slots=True)
class iomem:
    """A place in mapped registers: ``void __iomem *``; ``base + 8`` is the place 8 bytes on.

    Args:
        region: what is mapped.
        name: of the mapping, for errors.
        offset: where this is in it, in bytes.
    """

    region: Region
    name: str = "registers"
    offset: int = 0

    def __add__(self, offset: int) -> "iomem":
        return iomem(self.region, self.name, self.offset + offset)

    def wrong(self, what: str, error: Exception) -> Exception:
        """Return the error of an access, with the name of the registers."""
        size_bytes = self.region.size_bytes
        where = f"{what} at offset {self.offset:#x} of {self.name}, which has {size_bytes:#x} bytes"
        return type(error)(f"{where}: {error}" if isinstance(error, ValueError) else where)


def readl(addr: iomem) -> int:
    """Read a 32-bit register, in one access.

    Raises:
        IndexError: there is no such register; the kernel would read something else, or crash.
        ValueError: it is not aligned.
    """
    try:
        return addr.region.read(addr.offset, 4)
    except (IndexError, ValueError) as error:
        raise addr.wrong("readl", error) from None


def writel(value: int, addr: iomem) -> None:
    """Write the lowest 32 bits of a number into a register, in one access; errors as `readl`."""
    try:
        addr.region.write(addr.offset, value & 0xFFFF_FFFF, 4)
    except (IndexError, ValueError) as error:
        raise addr.wrong("writel", error) from None


readl_relaxed, writel_relaxed = readl, writel
"""Python makes accesses in the order in which they are written, whichever is called."""
