"""The layers above queues, channels and pumps, as these see them: clients, loops, connection."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from mboxio._base.gate import Gate
from mboxio._base.request import Request
from mboxio._queue.answers import Approached
from mboxio._queue.backlog import Backlog
from mboxio.driver.ports import Ports
from mboxio.errors import MailboxError

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Future

__all__ = ["ChannelHost", "Joining", "Living", "LoopSide", "Member", "Reader", "ServingPump"]


class Living(Protocol):
    """The life of the remote, as queues, channels and the pump see it."""

    gate: Gate
    address: str
    number: int
    lost_reason: str

    def try_again(self) -> None:
        """See `Life.try_again`."""

    def numbers_of(self, queue: Any) -> list[int]:
        """See `Life.numbers_of`."""
        ...

    def passed(self) -> int:
        """See `Life.passed`."""
        ...

    def take_gone(self, reason: str) -> None:
        """See `Life.take_gone`."""


class ServingPump(Protocol):
    """The pump that serves the queue."""

    @property
    def life(self) -> Living:
        """The life of the remote."""
        ...

    def kick(self) -> None:
        """See `Pump.kick`."""

    def serve_again(self, queue: Any, why: str, error: BaseException) -> None:
        """See `Turns.serve_again`."""


class Member(Protocol):
    """A client of the channel."""

    _backlog: Backlog
    _ports: Ports | None

    def _attend(self, change: int) -> None:
        """See `Waited._attend`."""

    def close(self) -> None:
        """See `Verbs.close`."""


class Joining(Member, Protocol):
    """A client that joins."""

    _joined: bool


class Reader(Protocol):
    """A subscription."""

    lost_in_all: int

    def put(self, message: bytes | MailboxError) -> None:
        """See `Subscription.put`."""

    def wake(self) -> None:
        """See `Subscription.wake`."""

    def drop(self) -> None:
        """See `Subscription.drop`."""


class ChannelHost(Protocol):
    """The connection, as its channels see it."""

    gate: Gate
    address: str
    closed: bool

    @property
    def life(self) -> Living:
        """The life of the remote."""
        ...

    @property
    def channels(self) -> Mapping[str, Approached]:
        """All channels, by name."""
        ...


class LoopSide(Protocol):
    """An event loop that looks at the pump."""

    loop: "AbstractEventLoop"
    stale: bool

    def poke(self) -> None:
        """See `LoopPort.poke`."""

    def drop(self) -> None:
        """See `LoopPort.drop`."""

    def close(self) -> None:
        """See `LoopPort.close`."""

    def forked(self) -> None:
        """See `LoopPort.forked`."""

    def future_of(self, waitable: Request, bare: bool) -> "Future[Any]":
        """See `LoopPort.future_of`."""
        ...

    def forget(self, waitable: Request, future: "Future[Any]") -> None:
        """See `LoopPort.forget`."""
