"""What a serving thread logs, and goes on: nothing that goes wrong ends it without a word."""

import logging
import traceback
from collections.abc import Callable
from functools import partial

from mboxio._base.texts import printable
from mboxio._limits.endurance import endure, is_for_program
from mboxio._limits.sparing import Sparing
from mboxio.errors import MailboxError

__all__ = ["go_on", "log", "log_failure", "refused", "surprised"]

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
