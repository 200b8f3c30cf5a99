"""Requests and their waits: counted and used again, over requests of the core, which end once."""

import threading
from collections import deque
from errno import ECANCELED, EDEADLK, EINPROGRESS, EINVAL, ETIME
from typing import Any

from mboxio._base.clock import SYSTEM, Clock, Parker, Wakes, Watcher
from mboxio._base.gate import Gate
from mboxio._base.states import CANCEL, CLOSED, DONE, FOREVER
from mboxio._base.timeouts import nanoseconds
from mboxio.driver.controller import SENT, Done, Outcome
from mboxio.errors import ClosedError, RequestCancelled
from mboxio.linux.waiting import call_op, context, in_interrupt


class Posted(Watcher):
    """One hand-over of an `mbox_request`, which may be sent again once it is over.

    Args:
        req: the request; those that complete it know no more.
        chan: the channel that it goes through.
    """

    def __init__(self, req: Any, chan: Any) -> None:
        self.req = req
        self.chan = chan
        self.gate: Gate = chan.host.gate
        self.wait: mbox_wait | None = req.wait
        self.request: Any = None
        self.handle = -1
        self.result = 0
        self.status = 0

    def send(self, owner: Any, carried: bytes) -> int:
        """See `mbox_send_request`."""
        try:
            self.request = owner.submit(carried)
        except ClosedError:
            return -EINVAL
        if self.result == -EINPROGRESS:
            if self.wait is not None:
                self.wait.expect()  # before `watch`, which may complete it at once
            self.gate.call(self.watch)
        return self.result

    def hand_over(self, handle: int) -> Outcome:
        """Call ``send_request``. Under the core's lock."""
        self.handle = handle
        self.req.in_flight.append(self)  # before the op, in which it may be completed
        outer = context.sending
        context.sending = outer or self
        try:
            self.result = call_op(self.chan.mbox.ops.send_request, self.chan, self.req)
        finally:
            context.sending = outer
        if self.result == -EINPROGRESS:
            return SENT
        if self in self.req.in_flight:  # nobody may complete it any more
            self.req.in_flight.remove(self)
        return Done()  # whatever the answer is, for the core this one is answered

    def watch(self) -> None:
        """Have the wait completed. Under the core's lock."""
        if self.request.over:
            self.fire(self.gate, self.request)
        else:
            self.request._add_watcher(self)

    def complete(self, status: int) -> None:
        """See `mbox_request_complete`. Inside of ``send_request``, all wait for its end in turn."""
        if context.sending is not None:
            context.sending.gate.note(self.take_complete, status)
        else:
            self.gate.call(self.take_complete, status)

    def take_complete(self, status: int) -> None:
        """See `complete`. Under the core's lock, perhaps of another channel."""
        report: Any = self.chan.line.channel.take_completion
        if self.gate.lock.mine():
            report(self.handle, status, b"")
        else:
            self.gate.call(report, self.handle, status, b"")

    def cancel(self) -> None:
        """See `mbox_cancel_request`."""
        self.gate.call(self.take_cancel)

    def take_cancel(self) -> None:
        """See `cancel`. Under the core's lock."""
        channel = self.chan.line.channel
        error = channel.error(RequestCancelled, self.request, "cancelled", status=-ECANCELED)
        channel.withdraw(self.request, CANCEL, error)

    def fire(self, core: Wakes, waitable: Any) -> None:
        """See `Watcher.fire`."""
        if waitable._state == CLOSED:
            self.status = waitable._owner._error
        elif waitable._state != DONE:
            self.status = getattr(waitable._value, "status", None) or -waitable._value.errno
        if self in self.req.in_flight:
            self.req.in_flight.remove(self)
        if self.wait is not None:
            self.wait.complete(self)


class _Waiter:
    """A thread that waits for the end of a request."""

    def __init__(self) -> None:
        self.parker = Parker()
        self.found: Posted | None = None


class mbox_wait:
    """What requests complete. Completions are counted, and remembered until somebody waits.

    Args:
        clock: the one of the controllers that complete it.
    """

    def __init__(self, *, clock: Clock = SYSTEM) -> None:
        self.clock = clock
        self.lock = threading.Lock()
        self.expected = 0
        self.done: deque[Posted] = deque()
        self.waiters: deque[_Waiter] = deque()

    def expect(self) -> None:
        """A request is going to complete this wait. What nobody awaited before is forgotten."""
        with self.lock:
            if not self.expected:
                self.done.clear()
            self.expected += 1

    def complete(self, posted: Posted) -> None:
        """A request is over: wake the longest waiter, and all if nothing else is to come.

        They are woken at once, although the lock of a channel is held: whoever completes requests
        of several channels wakes their waiters in that order.
        """
        with self.lock:
            self.expected -= 1
            if not self.waiters:
                self.done.append(posted)
            while self.waiters:
                waiter = self.waiters.popleft()
                waiter.found = posted
                self.clock.unpark(waiter.parker)
                if self.expected:
                    break

    def amend(self, req: Any, status: int) -> bool:
        """Change the status of a request that is over and that nobody has waited for."""
        with self.lock:
            for posted in reversed(self.done):
                if posted.req is req:
                    posted.status = status
                    return True
        return False

    def wait(self, timeout_ms: float | None) -> int:
        """Return the status of the next request that is over, -ETIME, or -EDEADLK."""
        until_ns = FOREVER
        if timeout_ms is not None:
            until_ns = self.clock.now_ns() + nanoseconds(timeout_ms / 1000)
        waiter = _Waiter()
        with self.lock:
            if self.done:
                return self.done.popleft().status
            if in_interrupt():
                return -EDEADLK
            self.waiters.append(waiter)
        try:
            while waiter.found is None and self.clock.now_ns() < until_ns:
                self.clock.park(waiter.parker, until_ns)
        finally:
            with self.lock:
                if waiter.found is None:
                    self.waiters.remove(waiter)
        return -ETIME if waiter.found is None else waiter.found.status
