"""What a test has to do with mailboxes: firmware, boards, connections and their last messages."""

import time
import weakref
from collections import deque
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import pytest

from mboxio._base import tap as kinds
from mboxio._base.clock import Clock
from mboxio._base.request import Request
from mboxio._base.states import DONE
from mboxio._base.tap import Place, Tap, together
from mboxio._host.host import Host
from mboxio.client.connection import Connection
from mboxio.driver.controller import Controller
from mboxio.errors import RemoteError

if TYPE_CHECKING:
    from mboxio.pytest_plugin.board import Board
    from mboxio.remote import RemoteProcess

__all__ = ["Seen", "SeenLine", "Watch"]

MESSAGES_MAX = 50
BYTES_MAX = 16

OUT = frozenset({kinds.SEEN_REQUEST, kinds.SEEN_MESSAGE, kinds.SEEN_ANSWER})
IN = frozenset({kinds.SEEN_REPLY, kinds.SEEN_REMOTE_REQUEST, kinds.SEEN_NOTIFICATION})
STRAY = frozenset({kinds.SEEN_LATE, kinds.SEEN_UNKNOWN})


class SeenLine(NamedTuple):
    """A message that went one way, or how a request ended otherwise.

    Args:
        time_s: since the test began.
        channel: its name.
        arrow: ``->`` to the remote, ``<-`` from it.
        text: its bytes, or how the request ended.
    """

    time_s: float
    channel: str
    arrow: str
    text: str


class Seen(Tap):
    """A connection of the test, and its last messages.

    Args:
        address: of the connection.
        began_s: when the test began.
    """

    def __init__(self, address: str, began_s: float) -> None:
        self.address = address
        self.lines: deque[SeenLine] = deque(maxlen=MESSAGES_MAX)
        self.host: Callable[[], Host | None] = lambda: None
        self._began_s = began_s

    def join(self, place: Place) -> None:
        """See `Tap.join`."""
        assert isinstance(place, Host)
        self.host = weakref.ref(place)  # the test alone decides how long it lives

    def see(
        self,
        kind: int,
        channel: int,
        request: Request | None,
        message: bytes | None,
        status: int,
        at_ns: int,
    ) -> None:
        """Note a message. Under the lock of the connection."""
        if kind in OUT:
            self._note(channel, "->", shown(message or b""))
        elif kind in IN and not (kind == kinds.SEEN_REPLY and status):
            self._note(channel, "<-", shown(message or b""))
        elif kind in STRAY:
            name = "late" if kind == kinds.SEEN_LATE else "unknown"
            self._note(channel, "<-", f"{name}: {shown(message or b'')}")
        elif kind == kinds.SEEN_ENDED and request is not None and request._state != DONE:
            self._note(channel, "<-", _end_of(request))

    def _note(self, channel: int, arrow: str, text: str) -> None:
        host = self.host()
        name = "?" if host is None else host.facts_of(channel)[0]
        self.lines.append(SeenLine(time.monotonic() - self._began_s, name, arrow, text))


class Watch:
    """What one test uses; made by the fixtures."""

    def __init__(self) -> None:
        self.began_s = time.monotonic()
        self.devices: list[Board | RemoteProcess] = []
        self.seen: list[Seen] = []

    @contextmanager
    def connections(self) -> Generator[None]:
        """Note every connection that is made inside the block, by any function."""
        attach = Connection._attach

        def watched(
            connection: Connection,
            controller: Controller,
            address: str,
            clock: Clock,
            tap: Tap | None,
        ) -> Host:
            seen = Seen(address, self.began_s)
            self.seen.append(seen)
            return attach(connection, controller, address, clock, together([seen, tap]))

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Connection, "_attach", watched)
            yield


def shown(message: bytes) -> str:
    """Return the first bytes of a message, and how many there are."""
    rest = f" ... ({len(message)} bytes)" if len(message) > BYTES_MAX else ""
    return f"{message[:BYTES_MAX].hex(' ')}{rest}" if message else "(empty)"


def _end_of(request: Request) -> str:
    value = request._value
    if isinstance(value, RemoteError):
        return f"{request.status}: RemoteError: {value}"  # its text comes from the remote
    return f"{request.status}: {type(value).__name__}"
