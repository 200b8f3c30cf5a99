"""Interrupts: a line of a region, and the thread in which its handler runs."""

import os
import select
import threading
from collections.abc import Callable
from typing import Any

from mboxio._os.descriptors import eventfd
from mboxio._queue.handlers import named
from mboxio.linux.waiting import JOIN_S, interrupt_context
from mboxio.regions.interrupts import Interrupt

__all__ = ["IRQ_HANDLED", "IRQ_NONE", "irq_desc"]

IRQ_NONE, IRQ_HANDLED = 0, 1
"""What a handler returns: the interrupt was not, or was, its device's."""

SPURIOUS_MAX = 1000
"""So many interrupts in a row that nobody handles end the line; the kernel waits for 99,900."""
PERIOD_S = 0.001
"""How often a handler is called where no interrupt tells."""

irq_handler = Callable[[int, Any], int]


class irq_desc:
    """An interrupt line and its handler, which is called in a thread of its own.

    Nothing may block in a handler, as in the kernel; no lock is held when it is called.

    Args:
        irq: its number.
        interrupt: where it comes from; None: the handler is called at intervals.
        period_s: how often that is.
    """

    def __init__(self, irq: int, interrupt: Interrupt | None, period_s: float = PERIOD_S) -> None:
        self.irq = irq
        self.interrupt = interrupt
        self.period_s = period_s
        self.failed: Callable[[Exception], object] = lambda error: None
        """Hears of a handler that raised, of a line that was given up, or of a lost region."""
        self.handler: irq_handler | None = None
        self.dev_id: Any = None
        self.thread: threading.Thread | None = None
        self.stop_fd = -1
        self.stopped = False
        self.unhandled = 0

    def request(self, handler: irq_handler, name: str, dev_id: Any) -> None:
        """Call this handler from now on."""
        self.handler, self.dev_id = handler, dev_id
        self.stopped = False
        self.stop_fd = eventfd()
        thread = threading.Thread(
            target=self.serve, name=f"mboxio irq/{self.irq}-{name}", daemon=True
        )
        try:
            thread.start()
        except RuntimeError:  # there cannot be more threads
            self.abandon()
            raise
        self.thread = thread

    def free(self) -> None:
        """Call the handler no more; returns when it does not run. A second call does nothing."""
        thread, self.thread = self.thread, None
        if thread is None:
            return
        self.stopped = True
        os.eventfd_write(self.stop_fd, 1)
        if thread is not threading.current_thread():
            thread.join(JOIN_S)
        self.handler = None
        self.abandon()

    def abandon(self) -> None:
        """Let go of the descriptor; in a forked child the thread stayed behind."""
        if self.stop_fd >= 0:
            os.close(self.stop_fd)
            self.stop_fd = -1

    def serve(self) -> None:
        """Sleep until the line fires, and call the handler."""
        try:
            poller = select.poll()
            poller.register(self.stop_fd, select.POLLIN)
            if self.interrupt is not None:
                for descriptor in self.interrupt.descriptors():
                    poller.register(descriptor, select.POLLIN)
                self.interrupt.unmask()
            patience_ms = None if self.interrupt is not None else self.period_s * 1000
            while not self.stopped:
                poller.poll(patience_ms)
                if not self.stopped:
                    self.fire()
        except Exception as error:  # of the handler, or what registers are reached by is lost
            self.failed(error)
        except BaseException as error:  # sys.exit() in a handler is an error, too
            self.failed(RuntimeError(f"{named(self.handler)} raised {error!r}"))

    def fire(self) -> None:
        """Call the handler once, and let the next interrupt through."""
        handler = self.handler
        assert handler is not None
        if self.interrupt is not None:
            self.interrupt.clear()
        with interrupt_context():
            handled = handler(self.irq, self.dev_id)
        if self.interrupt is not None and not self.stopped:  # the handler may have freed it
            self.count(handled)
            self.interrupt.unmask()

    def count(self, handled: int) -> None:
        """Give a line up that nobody handles: it would fire without end."""
        self.unhandled = 0 if handled else self.unhandled + 1
        if self.unhandled == SPURIOUS_MAX:
            self.stopped = True
            who = named(self.handler)
            text = f"irq {self.irq}: nobody cared: {who} returned IRQ_NONE {SPURIOUS_MAX} times"
            self.failed(RuntimeError(f"{text} in a row; does it look at the right register?"))
