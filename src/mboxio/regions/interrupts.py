"""Where events of hardware come from: a descriptor to sleep on, and how to go on after one."""

from abc import ABC, abstractmethod
from typing import Protocol

__all__ = ["Doorbell", "Interrupt"]


class ArmedWords(Protocol):
    """Words of a memory with which both sides announce that they sleep."""

    def arm(self) -> bool:
        """Announce a sleep; False: look once more before it."""
        ...

    def disarm(self) -> object:
        """Take the announcement back."""
        ...

    def peer_armed(self) -> bool:
        """Return whether the other side sleeps; a sleep is told of once."""
        ...


class Doorbell(ABC):
    """Wakes the other side of a region. Called by one thread at a time; nothing here waits."""

    armed: ArmedWords | None = None
    """The words with which both sides announce sleep, where they agreed on such.

    Whoever rings asks them first, once: a sleep is rung for once.
    """

    @abstractmethod
    def ring(self) -> None:
        """Tell the other side that something changed; rings may merge into one."""


class Interrupt(ABC):
    """One interrupt line of a region.

    An interrupt is a hint: `clear` it, drain the hardware until it is empty, `unmask`, look again.
    Called by one thread at a time; nothing here waits.
    """

    @abstractmethod
    def fileno(self) -> int:
        """Return the descriptor that is readable once the interrupt has come."""

    def descriptors(self) -> tuple[int, ...]:
        """Return what to sleep on: `fileno`, or several where one does not tell of everything."""
        return (self.fileno(),)

    @abstractmethod
    def clear(self) -> int:
        """Take note of what has come, so that the descriptor is not readable any more.

        Returns:
            How many interrupts came since the last call, as far as the source counts them.

        Raises:
            RemoteGone: the source is no more.
        """

    @abstractmethod
    def unmask(self) -> None:
        """Let the next interrupt through, where the source masks itself when one has come."""

    @abstractmethod
    def close(self) -> None:
        """Let go of the descriptor; a second call does nothing."""
