"""Where a call comes from, and so whether it may block; and the poll timer."""

import logging
import threading
from collections.abc import Callable
from errno import EIO
from typing import Any

from mboxio._base.clock import Clock
from mboxio._base.gate import complain
from mboxio._queue.handlers import named
from mboxio.errors import RemoteGone

JOIN_S = 5.0
"""How long an end waits for an op that runs in another thread."""

log = logging.getLogger("mboxio.linux")

# -- where a call comes from


class _Context(threading.local):
    interrupts = 0
    calling: tuple[Any, ...] = ()
    sending: Any = None


context = _Context()
"""Of the thread: how many interrupts deep it is, the channels whose clients it calls back, and the
outermost one in whose ``send_request`` it is."""


class interrupt_context:
    """``with interrupt_context():`` stands around what would be an interrupt handler.

    Callbacks, the poll timer and what drivers call from interrupts are in it without being told.
    Nothing blocks in there: a blocking client queues, and waits are refused.
    """

    def __enter__(self) -> None:
        context.interrupts += 1

    def __exit__(self, *_: object) -> None:
        context.interrupts -= 1


def in_interrupt() -> bool:
    """Return whether the calling thread must not block."""
    return context.interrupts > 0


def call_op(op: Callable[..., Any] | None, *args: object) -> int:
    """Call an op of a driver. None is 0; what it raises is logged and counts as -EIO."""
    try:
        result = None if op is None else op(*args)
    except RemoteGone as error:  # the registers are; whoever watches them is told of it
        log.debug("op %s: %s", named(op), error)
        return -EIO
    except Exception as error:
        complain("op %s raised", named(op), error)
        return -EIO
    return 0 if result is None else int(result)


def call_back(function: Callable[..., Any] | None, *args: object) -> None:
    """Call a client back, where nothing may block. What it raises is logged."""
    if function is not None:
        with interrupt_context():
            try:
                function(*args)
            except Exception as error:
                complain("callback %s raised", named(function), error)


# -- the poll timer


class Poller:
    """The one poll timer of a controller, which all of its polling channels share.

    Args:
        mbox: the `mbox_controller`; its ``txpoll_period`` is at least one millisecond.
    """

    def __init__(self, mbox: Any) -> None:
        self.mbox = mbox
        self.clock: Clock = mbox.clock
        self.period_ns = max(1, mbox.txpoll_period) * 1_000_000
        self.lock = threading.Lock()
        self.due_ns: int | None = None
        self.timer: Any = None
        self.timers: list[threading.Thread] = []  # of the system's clock, which may still run
        self.turn = 0
        self.closed = False

    def start(self) -> None:
        """A message was handed over: ask at once. An armed timer is armed again."""
        with self.lock:
            self.arm(self.clock.now_ns())

    def arm(self, due_ns: int) -> None:
        """Set the timer. Under its lock."""
        self.disarm()
        if not self.closed:
            turn = self.turn
            self.due_ns = due_ns
            self.timer = self.clock.call_at(due_ns, lambda: self.fire(turn))
            if isinstance(self.timer, threading.Thread):
                running = [each for each in self.timers if each.is_alive()]
                self.timers = [*running, self.timer]

    def disarm(self) -> None:
        """Forget the timer; one that fires just now finds another turn. Under its lock."""
        self.turn += 1
        self.due_ns = None
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None

    def fire(self, turn: int) -> None:
        """Ask every polling channel with an active message; go on if one was not done."""
        with self.lock:
            if turn != self.turn or self.due_ns is None:
                return
            due_ns = self.due_ns
            self.due_ns = self.timer = None
        again = False
        with interrupt_context():
            # Without the lock: `tick` hands the next message over, and that starts the timer.
            for chan in self.mbox.chans:
                if not chan.polled:
                    continue
                if call_op(self.mbox.ops.last_tx_done, chan) > 0:
                    chan.tick(0)
                else:
                    again = True
        with self.lock:
            if again and self.due_ns is None:  # else a message that went out has armed it
                periods = (self.clock.now_ns() - due_ns) // self.period_ns + 1
                self.arm(due_ns + periods * self.period_ns)

    def close(self) -> None:
        """The controller unregisters: return when no op is called any more."""
        with self.lock:
            self.closed = True
            self.disarm()
        for each in self.timers:
            if each is not threading.current_thread():
                each.join(JOIN_S)
