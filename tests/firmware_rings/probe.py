"""A probe with a price: what goes over it is counted in transactions of so many bytes."""

from collections.abc import Callable, Sequence

from mboxio.regions.region import Kind, Region


class Probe(Region):
    """Memory behind a probe.

    Args:
        memory: the memory.
        packet_bytes: what one transaction carries.
        between: called after each transaction, for example to let firmware run.
    """

    kind = Kind.REMOTE
    access_s = 1e-3

    def __init__(
        self,
        memory: Region,
        packet_bytes: int = 512,
        between: Callable[[], object] = lambda: None,
    ) -> None:
        self.memory = memory
        self.size_bytes = memory.size_bytes
        self.packet_bytes = packet_bytes
        self.between = between
        self.transactions = 0
        self.log: list[str] = []

    def pay(self, size_bytes: int, what: str) -> None:
        self.transactions += -(-size_bytes // self.packet_bytes)
        self.log.append(what)
        self.between()

    def read(self, offset: int, width: int) -> int:
        self.check_width(offset, width)
        self.pay(width, f"read {offset:#x}")
        return self.memory.read(offset, width)

    def write(self, offset: int, value: int, width: int) -> None:
        self.check_width(offset, width)
        self.memory.write(offset, value, width)
        self.pay(width, f"write {offset:#x}")

    def read_words(self, offset: int, count: int) -> list[int]:
        self.check(offset, 4 * count, 4)
        self.pay(4 * count, f"read {offset:#x}+{4 * count}")
        return self.memory.read_words(offset, count)

    def write_words(self, offset: int, words: Sequence[int]) -> None:
        self.check(offset, 4 * len(words), 4)
        self.memory.write_words(offset, words)
        self.pay(4 * len(words), f"write {offset:#x}+{4 * len(words)}")
