"""The line to a process that serves: what it is told, and what it answers."""

import json
import socket
import time
from typing import Any

from mboxio._os.descriptors import readable
from mboxio.errors import AddressError

__all__ = ["Control"]


class Control:
    """This end of the line.

    Args:
        connection: a connected socket.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._received = b""
        self._owed = 0  # answers; those that came too late for their question come first

    def ask(self, timeout_s: float, **told: object) -> dict[str, Any] | None:
        """Tell it something and return its answer; None: it went away.

        Raises:
            TimeoutError: no answer came in time.
            AddressError, ValueError: the other process refused it; the text is its own.
        """
        try:
            self._connection.sendall(json.dumps(told).encode() + b"\n")
        except OSError:
            return None
        self._owed += 1
        until_s = time.monotonic() + timeout_s
        line = b""
        while self._owed:
            found = self._line(until_s)
            if found is None:
                return None
            line = found
            self._owed -= 1
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise (AddressError if answer["kind"] == "address" else ValueError)(answer["error"])
        return answer

    def _line(self, until_s: float) -> bytes | None:
        """Return its next line; None: it went away."""
        while b"\n" not in self._received:
            if not readable(self._connection.fileno(), max(0.0, until_s - time.monotonic())):
                raise TimeoutError("no answer")
            try:
                chunk = self._connection.recv(1 << 16)
            except ConnectionError:
                return None
            if not chunk:
                return None
            self._received += chunk
        line, _, self._received = self._received.partition(b"\n")
        return line

    def close(self) -> None:
        """Close this end; idempotent."""
        self._connection.close()
