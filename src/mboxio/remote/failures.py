"""What a serving thread logs, and goes on: nothing that goes wrong ends it without a word."""

import logging
import traceback
from collections.abc import Callable
from functools import partial
from threading import Lock
from time import monotonic_ns

from mboxio._base.endurance import endure, is_for_program
from mboxio._base.texts import printable
from mboxio.errors import MailboxError
from mboxio.remote.budget import Budget

__all__ = ["Sparing", "go_on", "log", "log_failure", "refused", "surprised"]

AT_ONCE, PER_S = 100, 10
"""So many records of a kind are logged, whatever hosts do to cause more."""


class Sparing(logging.Filter):
    """Leaves out records where there are too many of a kind; the next one says how many."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = Lock()
        self._kinds: dict[object, tuple[Budget, list[int]]] = {}  # there are few formats

    def filter(self, record: logging.LogRecord) -> bool:
        """See `logging.Filter`."""
        with self._lock:
            kind = self._kinds.setdefault(record.msg, (Budget(AT_ONCE, PER_S), [0]))
            budget, left_out = kind
            if budget.wait_ns(monotonic_ns()):
                left_out[0] += 1
                return False
            budget.spend(1, monotonic_ns())
            count, left_out[0] = left_out[0], 0
        if count:
            record.msg = f"{record.msg} ({count} more like it were left out)"
        return True


log = logging.getLogger("mboxio.remote")
log.addFilter(Sparing())


def log_failure(what: str, error: BaseException) -> None:
    """Log an error in code that is not ours, or that should not happen, with its traceback."""
    # As text: whoever keeps the record would keep the memory, by way of the traceback.
    told = "".join(traceback.format_exception(error)).splitlines()
    log.warning("%s:\n%s", what, "\n".join(map(printable, told)))


def surprised(what: str, error: BaseException) -> None:
    """Log what should not happen; what is to end the program is raised again."""
    if is_for_program(error):
        raise error
    log_failure(what, error)


def go_on(address: str, serve: Callable[[], object], stopping: Callable[[], bool]) -> None:
    """Serve until stopped, whatever is raised; see `endure`."""
    endure(serve, stopping, partial(surprised, f"{address} goes on after a pause"))


def refused(address: str, error: BaseException) -> None:
    """Log why a host is not served."""
    if isinstance(error, (MailboxError, OSError, ValueError)):
        log.warning("%s refused a host: %s", address, printable(str(error)))
    else:
        surprised(f"{address} cannot take a host", error)
