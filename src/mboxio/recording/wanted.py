"""What somebody wants to see of the traffic of a running program."""

import json
import socket
from collections.abc import Sequence
from typing import Any, cast

from mboxio.capture.output import Output
from mboxio.recording.recorder import Recorder

__all__ = ["ASK_S", "Wanted"]

ASK_BYTES_MAX = 65536
SNAP_MAX, OFFSET_MAX_NS = 1 << 30, 1 << 62
ASK_S = 5.0


class Wanted:
    """What somebody wants to see.

    Args:
        address: of a controller, or of a remote; ``""``: all of the program's.
        channels: names; None: all.
        snap: keep no more bytes of a message; None: all.
        offset_ns: what clocks lack to the time since 1970, for all programs; None: as each finds.
    """

    def __init__(
        self,
        address: str = "",
        channels: Sequence[str] | None = None,
        snap: int | None = None,
        offset_ns: int | None = None,
    ) -> None:
        self.address = address
        self.channels = channels
        self.snap = snap
        self.offset_ns = offset_ns

    def matches(self, address: str) -> bool:
        """Return whether a place is wanted."""
        return self.address in ("", address, address.partition("?")[0])

    def line(self) -> bytes:
        """Return what is sent to ask for it."""
        return json.dumps(vars(self)).encode() + b"\n"

    def recorder(self, output: Output) -> Recorder:
        """Return what records it into a stream."""
        snap, offset_ns = self.snap, self.offset_ns
        return Recorder(output, snap=snap, channels=self.channels, offset_ns=offset_ns)

    @classmethod
    def receive(cls, link: socket.socket) -> "Wanted":
        """Return what the other end of a connection asks for.

        Raises:
            OSError, ValueError: it does not ask in time, or not so that anybody understands it.
        """
        link.settimeout(ASK_S)
        line = b""
        while not line.endswith(b"\n"):
            byte = link.recv(1)  # no more: nothing follows
            if not byte or len(line) >= ASK_BYTES_MAX:
                raise ValueError("no question came")
            line += byte
        link.settimeout(None)
        try:
            said: Any = json.loads(line)
        except RecursionError:
            raise ValueError("the question is too deep") from None
        if not isinstance(said, dict):
            raise ValueError("the question is no object")
        asked = cast("dict[str, Any]", said)
        address, channels = asked.get("address"), asked.get("channels")
        snap, offset_ns = asked.get("snap"), asked.get("offset_ns")
        numbers = all(each is None or type(each) is int for each in (snap, offset_ns))
        if not isinstance(address, str) or not numbers:
            raise ValueError("an address is text, and snap and offset_ns are numbers")
        if not 0 <= (snap or 0) <= SNAP_MAX or abs(offset_ns or 0) > OFFSET_MAX_NS:
            raise ValueError("snap or offset_ns is out of range")
        names = cast("list[object]", channels) if isinstance(channels, list) else []
        if channels is not None and channels != [each for each in names if isinstance(each, str)]:
            raise ValueError("channels are names")
        return cls(address, cast("list[str] | None", channels), snap, offset_ns)
