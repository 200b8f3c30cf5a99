"""The core with ears: what a driver reports is written down before it is acted on.

Reports are heard where they arrive, so that it does not matter how a driver sends them.
"""

from collections.abc import Callable, Iterable
from typing import Any

from mboxio._base.clock import Clock
from mboxio._base.deputies import acting
from mboxio._base.request import Request
from mboxio._base.tap import Tap
from mboxio._host.host import Host
from mboxio._queue.backlog import PLACED
from mboxio._queue.channel import Channel
from mboxio._queue.queue import Queue
from mboxio.client.connection import Connection
from mboxio.driver.base_channel import BaseChannel
from mboxio.driver.controller import Controller
from mboxio.driver.correlate import Verdict
from mboxio.errors import RemoteGone
from mboxio.testing.tracer import Tracer


class Log:
    """What happened between the core and a driver.

    Args:
        fails_at: the declaration (queue, channel or descriptors) of ``open`` that is to fail,
            counted from 1; 0 for none.
    """

    def __init__(self, fails_at: int = 0) -> None:
        self.fails_at = fails_at
        self.declared = 0
        self.handed: list[int] = []
        self.refused = 0  # by Busy
        self.tx_done: list[int] = []
        self.tx_done_counted = 0
        self.completed: list[int] = []
        self.received = 0
        self.events = 0
        self.on_sleep: Callable[[int], object] | None = None  # called with the thread's id

    def declare(self) -> None:
        """Count a declaration; fail if it is the one."""
        self.declared += 1
        if self.declared == self.fails_at:
            raise RemoteGone("the check lets open() fail here")

    def reports(self) -> tuple[int, int, int]:
        """Return how many reports of each kind there were."""
        return len(self.tx_done), self.tx_done_counted, len(self.completed)

    def heard(self) -> tuple[int, ...]:
        """Return how many reports there were, received messages included."""
        return *self.reports(), self.received

    def trace(self, point: str, subject: object) -> None:
        """Say who goes to sleep; see `Tracer`."""
        if point == "pump.sleeping" and self.on_sleep is not None:
            self.on_sleep(acting())


class WatchedQueue(Queue):
    """A queue that writes down TX done and what was handed over."""

    log: Log

    def hand_over(self, request: Request, channel: BaseChannel, now_ns: int) -> int:
        """See `Queue.hand_over`."""
        handle = request.handle
        self.log.handed.append(handle)
        placed = super().hand_over(request, channel, now_ns)
        if placed != PLACED:
            self.log.handed.remove(handle)
            self.log.refused += 1
        return placed

    def take_tx_done(self, handles: Iterable[int] | int, status: int) -> None:
        """See `Held.take_tx_done`."""
        if isinstance(handles, int):
            self.log.tx_done_counted += handles
        else:
            handles = list(handles)
            self.log.tx_done += handles
        super().take_tx_done(handles, status)


class WatchedChannel(Channel):
    """A channel that writes down completions, and how many messages came."""

    log: Log

    def take_completion(self, handle: int, status: int, reply: bytes) -> None:
        """See `Channel.take_completion`."""
        self.log.completed.append(handle)
        super().take_completion(handle, status, reply)

    def take_batch(self, messages: Iterable[bytes | Verdict]) -> None:
        """See `Channel.take_batch`."""
        messages = list(messages)
        self.log.received += len(messages)
        super().take_batch(messages)


class WatchedHost(Host):
    """A host that writes a `Log`."""

    queue_class = WatchedQueue
    channel_class = WatchedChannel

    def __init__(self, log: Log, controller: Controller) -> None:
        self.log = log
        super().__init__(controller, tap=Tracer(log.trace))

    def declared(self, what: Any) -> None:
        """See `Host.declared`."""
        self.log.declare()
        what.log = self.log

    def watch(self, descriptors: tuple[int, ...]) -> None:
        """See `Controller.watch`."""
        self.log.declare()
        super().watch(descriptors)

    def take_event(self) -> None:
        """See `Controller.event`."""
        self.log.events += 1
        super().take_event()


class Watched(Connection):
    """A connection that writes a `Log`."""

    def __init__(self, controller: Controller, log: Log) -> None:
        self._log = log
        super().__init__(controller)

    def _attach(
        self,
        controller: Controller,
        address: str,
        clock: Clock,
        tap: Tap | None,
    ) -> Host:
        return WatchedHost(self._log, controller)
