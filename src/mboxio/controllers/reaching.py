"""A thread that reaches a lost remote again, where that takes its time; one at a time."""

import threading
from collections.abc import Callable

from mboxio._base.deputies import join_daemon
from mboxio._base.gate import complain
from mboxio.driver.controller import Controller
from mboxio.errors import MailboxError

__all__ = ["Reaching"]

JOIN_S = 30.0
"""How long closing waits for a try, which normally ends before."""


class Reaching:
    """The tries of one driver to reach its remote, for `Controller.reconnect`.

    Args:
        driver: hears of a try in vain by `Services.still_lost`.
        attempt: one try, without the lock; raises MailboxError if it was in vain.
    """

    def __init__(self, driver: Controller, attempt: Callable[[], object]) -> None:
        self.driver = driver
        self.attempt = attempt
        self.thread: threading.Thread | None = None

    @property
    def busy(self) -> bool:
        """Whether a try goes on."""
        return self.thread is not None and self.thread.is_alive()

    def begin(self) -> None:
        """Try, unless a try goes on. Does not wait."""
        if not self.busy:
            self.thread = threading.Thread(target=self.run, name="mboxio reconnect", daemon=True)
            self.thread.start()

    def run(self) -> None:
        """Make one try."""
        driver = self.driver
        try:
            self.attempt()
        except MailboxError as error:
            driver.decide(driver.still_lost, str(error))
        except BaseException as error:  # the next try makes another thread
            complain("reconnect() of %r raised", driver, error)
            driver.decide(driver.still_lost, repr(error))

    def join(self) -> None:
        """Wait for the end of a try. Without the lock."""
        thread, self.thread = self.thread, None
        if thread is not None and thread is not threading.current_thread():
            join_daemon(thread, JOIN_S)

    def forked(self) -> None:
        """In a forked child: a try stayed behind in the parent."""
        self.thread = None
