"""What requests ask of the client that made them: wait, look, cancel, call back."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from mboxio._base.gate import Gate
from mboxio._base.request import Owner, Request
from mboxio._base.states import CANCEL, CANCELLED, FOREVER
from mboxio._base.tap import SEEN_REFUSED
from mboxio._base.timeouts import DEFAULT, nanoseconds
from mboxio._host.attached import Attached
from mboxio._pump.worker import Callback
from mboxio._queue.channel import Channel
from mboxio._queue.queue import Queue
from mboxio.errors import MailboxError, RequestCancelled

if TYPE_CHECKING:
    from asyncio import Future


class Waited(Owner):
    """The owner of requests on one channel, to those who wait for them.

    Args:
        host: the connection.
        channel: the channel, which other clients may use as well.
        timeout_s: default deadline from the doorbell on, in seconds; None waits forever.
    """

    def __init__(self, host: Attached, channel: Channel, timeout_s: float | None) -> None:
        self._host = host
        self._gate: Gate = host.gate
        self._pump = host.pump
        self._channel: Channel = channel
        self._queue: Queue = channel.queue
        self._at_home: Any = None  # where user code of this client runs
        self._attended = 0  # how much of this client needs looking after
        if timeout_s is DEFAULT:
            timeout_s = self._queue.capabilities.timeout_s
        self._timeout_ns = nanoseconds(timeout_s)

    def _attend(self, change: int) -> None:
        """Count unattended work of this client; its home looks after it. Under the lock."""
        self._attended += change
        if self._at_home is not None:
            self._at_home.attend(change)

    def _tell_refused(self, request: Request | None, error: MailboxError) -> None:
        """A message was not accepted."""
        if self._gate.tap is not None:
            number, text = self._channel.number, str(error).encode()
            self._gate.tap.see(SEEN_REFUSED, number, request, text, error.errno or 0, 0)

    def _wait_for(self, waitable: Request, until_ns: int) -> bool:
        """See `Owner._wait_for`."""
        return self._pump.wait(waitable, until_ns)

    def _look_at(self, waitable: Request) -> None:
        """See `Owner._look_at`."""
        if not self._gate.lock.mine() and not self._gate.forked:  # `done` may be called in an op
            self._pump.look()

    def _cancel(self, request: Request) -> bool:
        """See `Owner._cancel`."""
        self._gate.call_surely(self._decide_cancel, request)
        return bool(request._state == CANCELLED)

    def _call_when_over(self, waitable: Request, callback: Callable[[Any], object]) -> None:
        """See `Owner._call_when_over`."""
        self._gate.call(self._watch_for, waitable, callback)

    def _watch_for(self, waitable: Request, callback: Callable[[Any], object]) -> None:
        """Post the callback when it is over, now if it is. Under the lock."""
        if waitable.over:
            self._at_home.post(callback, waitable)
        else:
            self._attend(1)
            waitable._add_watcher(Callback(self, callback))

    def _future_of(self, waitable: Request, bare: bool) -> "Future[Any]":
        """See `Owner._future_of`."""
        return self._host.loop_port(self._pump).future_of(waitable, bare)

    def _forget_future(self, waitable: Request, future: "Future[Any]") -> None:
        """See `Owner._forget_future`."""
        self._host.forget_future(self._pump, waitable, future)

    def _deadline_after(self, timeout_s: float | None) -> int:
        """See `Owner._deadline_after`."""
        wait_ns = self._timeout_ns if timeout_s is DEFAULT else nanoseconds(timeout_s)
        return FOREVER if wait_ns == FOREVER else self._gate.clock.now_ns() + wait_ns

    def _decide_cancel(self, request: Request) -> None:
        """End a request as cancelled. Under the lock."""
        error = self._channel.error(RequestCancelled, request, "cancelled")
        self._channel.withdraw(request, CANCEL, error)
