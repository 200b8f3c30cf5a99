"""What a test has to do with mailboxes: firmware, boards, connections and their last messages."""

import time
import weakref
from collections import deque
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from mboxio._base.clock import Clock
from mboxio._base.request import Request
from mboxio._base.trace import REQUEST_ENDED, REQUEST_SENT
from mboxio._host.host import Host
from mboxio.client.connection import Connection
from mboxio.driver.controller import Controller
from mboxio.errors import RemoteError

if TYPE_CHECKING:
    from mboxio.pytest_plugin.board import Board
    from mboxio.remote import RemoteProcess

__all__ = ["Line", "Seen", "Watch"]

MESSAGES_MAX = 50
BYTES_MAX = 16

Tracer = Callable[[str, Any], object]


class Line(NamedTuple):
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


class Seen:
    """A connection of the test, and its last messages.

    Args:
        address: of the connection.
        began_s: when the test began.
        then: the tracer that the test gave itself.
    """

    def __init__(self, address: str, began_s: float, then: Tracer | None) -> None:
        self.address = address
        self.lines: deque[Line] = deque(maxlen=MESSAGES_MAX)
        self.host: Callable[[], Host | None] = lambda: None
        self._began_s = began_s
        self._then = then

    def trace(self, point: str, subject: object) -> None:
        """Note a message; see `mboxio._base.trace`. Under the lock of the connection."""
        if isinstance(subject, Request):
            if point == REQUEST_SENT:
                self._note(subject, "->", shown(subject.data))
            elif point == REQUEST_ENDED:
                self._note(subject, "<-", _end_of(subject))
        if self._then is not None:
            self._then(point, subject)

    def _note(self, request: Request, arrow: str, text: str) -> None:
        channel: str = request._owner._channel.name
        self.lines.append(Line(time.monotonic() - self._began_s, channel, arrow, text))


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
            trace: Tracer | None,
        ) -> Host:
            seen = Seen(address, self.began_s, trace)
            host = attach(connection, controller, address, clock, seen.trace)
            seen.host = weakref.ref(host)  # the test alone decides how long it lives
            self.seen.append(seen)
            return host

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Connection, "_attach", watched)
            yield


def shown(message: bytes) -> str:
    """Return the first bytes of a message, and how many there are."""
    rest = f" ... ({len(message)} bytes)" if len(message) > BYTES_MAX else ""
    return f"{message[:BYTES_MAX].hex(' ')}{rest}" if message else "(empty)"


def _end_of(request: Request) -> str:
    value = request._value
    if isinstance(value, bytes):
        return shown(value)
    if isinstance(value, RemoteError):
        return f"{request.status}: RemoteError: {value}"  # its text comes from the remote
    if isinstance(value, BaseException):
        return f"{request.status}: {type(value).__name__}"
    return f"{value} bytes" if isinstance(value, int) else str(request.status)
