"""``mboxio serve --verbose``: each message that arrives, and what its handler answers."""

import functools
import os
import signal
import sys
import threading
from typing import Any

from mboxio import RemoteError
from mboxio.cli.shared.messages import dumped, now
from mboxio.cli.shared.text import json_line, printable, word
from mboxio.remote.channel import RemoteChannel

__all__ = ["Traffic"]

BYTES_MAX = 64
"""Of a message in a line; all of them are in JSON."""


class Traffic:
    """Prints what goes through the handlers of a remote, a line for each message.

    Args:
        as_json: one JSON object for each.
    """

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json
        self.failure: OSError | None = None
        self.lock = threading.Lock()

    def show(self, name: str, channel: RemoteChannel) -> None:
        """Print the messages of a channel from now on.

        Args:
            name: of the channel, for the lines.
            channel: whose handler is watched.
        """
        handler = channel.handler

        @functools.wraps(handler)
        def watched(message: bytes) -> Any:
            self.line(name, "rx", message)
            try:
                reply = handler(message)
            except RemoteError as error:
                self.line(name, "tx", b"", f"error {error.status}: {error}")
                raise
            except Exception as error:
                self.line(name, "tx", b"", f"failed: {error!r}")
                raise
            if reply is None:
                self.line(name, "tx", b"", "no reply")
            elif isinstance(reply, bytes | bytearray | memoryview):
                self.line(name, "tx", bytes(reply))
            return reply

        channel.handler = watched

    def line(self, name: str, direction: str, message: bytes, instead: str = "") -> None:
        """Print one message, or what is there instead of one."""
        if self.failure is not None:
            return
        time = now()
        if self.as_json:
            found = {"time": time, "channel": name, "direction": direction}
            shown = json_line(
                {**found, "note": instead}
                if instead
                else {**found, "message": message.hex(), "bytes": len(message)}
            )
        else:
            shown = f"{time} {word(name)} {direction} {printable(instead) or _bytes(message)}"
        try:
            with self.lock:
                sys.stdout.write(f"{shown}\n")
                sys.stdout.flush()
        except OSError as error:
            # A full disk, or a reader that has left. This is the thread of the remote: the command
            # has to end, as if it had noticed itself.
            self.failure = error
            os.kill(os.getpid(), signal.SIGTERM)


def _bytes(message: bytes) -> str:
    part = message[:BYTES_MAX]
    left = len(message) - len(part)
    more = f" ({left} more)" if left else ""
    return f"[{len(message)}] {part.hex(' ')} |{dumped(part)}|{more}"
