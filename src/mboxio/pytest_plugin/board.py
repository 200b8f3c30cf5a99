"""The board of a test run, which one test at a time uses."""

import os
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import pytest

from mboxio.address.address import Address
from mboxio.client.open import connect
from mboxio.errors import MailboxError
from mboxio.pytest_plugin.board_lock import BoardLock

__all__ = ["Board", "use"]

DOWN = pytest.StashKey[set[str]]()


@dataclass(frozen=True)
class Board:
    """What the fixture `mboxio_board` gives to a test.

    Args:
        address: of its mailboxes, for `mboxio.connect` and all the others.
    """

    address: str


@contextmanager
def use(address: str, wait_s: float, lock_wait_s: float, item: pytest.Item) -> Generator[Board]:
    """Lock a board, and wait until it is up.

    Args:
        address: as the user gave it.
        wait_s: how long it may take to come up, in seconds; if it did not, the next test does not
            wait.
        lock_wait_s: how long another test may use it, in seconds.
        item: the test.
    """
    __tracebackhide__ = True
    lock = None
    try:
        lock = BoardLock(_key_of(address))
        lock.acquire(lock_wait_s, _who(item))
        _wait_for(address, wait_s, item.config.stash.setdefault(DOWN, set()))
    except (MailboxError, OSError, TimeoutError) as error:
        if lock is not None:
            lock.release()
        pytest.fail(f"board {address}: {error}", False)
    except BaseException:
        if lock is not None:
            lock.release()
        raise
    try:
        yield Board(address)
    finally:
        lock.release()


def _wait_for(address: str, wait_s: float, down: set[str]) -> None:
    """Wait until a board can be connected to."""
    if address in down:
        wait_s = 0
    down.add(address)
    connect(address, wait_s=wait_s).close()
    down.discard(address)


def _key_of(address: str) -> str:
    """Return the address without the parts that do not choose the board."""
    parsed = Address.parse(address)
    return str(replace(parsed, channel="", options=dict(sorted(parsed.options.items()))))


def _who(item: pytest.Item) -> str:
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    of_it = f" ({worker})" if worker else ""
    return f"process {os.getpid()}{of_it} since {time.strftime('%H:%M:%S')}: {item.nodeid}"
