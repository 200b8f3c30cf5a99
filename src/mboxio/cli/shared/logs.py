"""What the library logs, for people: one line per record, on stderr."""

import logging
from collections.abc import Generator
from contextlib import contextmanager

from mboxio.cli.shared.text import printable

__all__ = ["logged_in_lines"]


class LogLines(logging.Formatter):
    """One line per record; of a traceback where it happened and what."""

    def format(self, record: logging.LogRecord) -> str:
        """See `logging.Formatter`."""
        first, *more = record.getMessage().splitlines()
        if more:
            frames = [line.strip() for line in more if line.startswith("  File ")]
            first = f"{first} {more[-1]} ({frames[-1] if frames else 'no traceback'})"
        return f"mboxio: {printable(first)}"


@contextmanager
def logged_in_lines() -> Generator[None]:
    """Show what the library logs, without tracebacks."""
    log = logging.getLogger("mboxio")
    handler = logging.StreamHandler()
    handler.setFormatter(LogLines())
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)
