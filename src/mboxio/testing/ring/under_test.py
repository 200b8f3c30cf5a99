"""A ring that is checked, with a hand in its memory, and how checks fail."""

from collections.abc import Callable
from dataclasses import dataclass

from mboxio.regions.region import Region
from mboxio.ring.contract import MESSAGE, Consumer, Producer
from mboxio.ring.layout import RingLayout

__all__ = ["RingUnderTest", "raised", "raises", "require", "same"]


@dataclass(frozen=True)
class RingUnderTest:
    """Both sides of an empty ring of five or more slots of 16 or more bytes, and where it lies."""

    producer: Producer
    consumer: Consumer
    region: Region
    layout: RingLayout

    @property
    def depth(self) -> int:
        """Messages that fit."""
        return self.layout.slots - 1

    def message(self, number: int) -> bytes:
        """A message that no other number has in this ring, of a length that varies."""
        return number.to_bytes(4, "little") + b"\xa5" * (number % 5)

    def popped(self, message: bytes, kind: int = MESSAGE, tag: int = 0) -> tuple[int, int, bytes]:
        """What a pushed message looks like on the other side."""
        if self.layout.framed:
            return kind, tag, message
        return MESSAGE, 0, message.ljust(self.layout.slot_bytes, b"\0")

    def push(self, *numbers: int) -> None:
        """Push messages that must fit."""
        for number in numbers:
            pushed = self.producer.push(MESSAGE, number, self.message(number))
            require(pushed, f"message {number} did not fit a ring that is not full")

    def pop(self, *numbers: int) -> None:
        """Pop messages that must be there."""
        for number in numbers:
            same(self.consumer.pop(), self.popped(self.message(number), tag=number), "pop")

    def set_front(self, index: int) -> None:
        """Tamper with the producer's index word."""
        self.region.write(self.layout.front, index, 4)

    def set_rear(self, index: int) -> None:
        """Tamper with the consumer's index word."""
        self.region.write(self.layout.rear, index, 4)

    def rear(self) -> int:
        """Look at the consumer's index word."""
        return self.region.read(self.layout.rear, 4)

    def slot(self, index: int) -> list[int]:
        """Look at the words of a slot."""
        offset = self.layout.base + index * self.layout.slot_bytes
        return self.region.read_words(offset, self.layout.slot_bytes // 4)


def raised(action: Callable[[], object]) -> type[Exception] | None:
    """Return the class of what an action raised."""
    try:
        action()
    except Exception as error:
        return type(error)
    return None


def raises(kind: type[Exception], action: Callable[[], object], what: str) -> None:
    """Fail unless the action raises just that."""
    error = raised(action)
    told = "nothing" if error is None else error.__name__
    require(error is kind, f"{what} raised {told} instead of {kind.__name__}")


def same(actual: object, expected: object, what: str) -> None:
    """Fail unless what was got is what was expected."""
    require(actual == expected, f"{what} gave {actual!r} instead of {expected!r}")


def require(condition: bool, text: str) -> None:
    """Fail with a text."""
    if not condition:
        raise AssertionError(text)
