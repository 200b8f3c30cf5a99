"""The connection, as its clients see it."""

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol

from mboxio._base.clock import Clock
from mboxio._base.request import Request
from mboxio._base.tap import Tap
from mboxio._host.hurry import Hurry
from mboxio._host.life import Life
from mboxio._pump.pump import Pump
from mboxio._queue.above import ChannelHost, LoopSide
from mboxio._queue.channel import Channel
from mboxio.driver.controller import Controller

if TYPE_CHECKING:
    from asyncio import Future

__all__ = ["Attached"]


class Attached(ChannelHost, Protocol):
    """The connection that a client belongs to."""

    controller: Controller
    closed: bool
    pump: Pump

    def add_tap(self, tap: Tap) -> None:
        """See `Host.add_tap`."""

    def drop_tap(self, tap: Tap) -> None:
        """See `Host.drop_tap`."""

    def facts_of(self, channel: int) -> tuple[str, int, int]:
        """See `Place.facts_of`."""
        ...

    @property
    def tap_clock(self) -> Clock:
        """See `Host.tap_clock`."""
        ...

    @property
    def is_remote(self) -> bool:
        """See `Host.is_remote`."""
        ...

    @property
    def life(self) -> Life:
        """The life of the remote."""
        ...

    @property
    def admin(self) -> AbstractContextManager[object]:
        """Held while clients come and go."""
        ...

    @property
    def hurry(self) -> Hurry:
        """When requests want to be done."""
        ...

    def leave(self, channel: Channel) -> None:
        """See `Host.leave`."""

    def close(self) -> None:
        """See `Host.close`."""

    def loop_port(self, pump: Pump) -> LoopSide:
        """See `Host.loop_port`."""
        ...

    def forget_future(self, pump: Pump, waitable: Request, future: "Future[Any]") -> None:
        """See `Host.forget_future`."""
