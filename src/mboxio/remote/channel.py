"""A channel as the remote declares it: its rings' sizes, its handler and the firmware's speed."""

import errno
import heapq
import struct
from collections.abc import Callable
from typing import Any

from mboxio._base.tap import Tap
from mboxio._queue.handlers import Misreturned, answer_of
from mboxio.errors import RemoteError
from mboxio.local.sockets import HOST_NEVER_RECEIVES, HOST_NEVER_SENDS, LEGACY
from mboxio.remote.failures import log, log_failure
from mboxio.remote.faults import Disturbance, Faults
from mboxio.ring.layout import ChannelSpec, plan

__all__ = ["Handler", "RemoteChannel", "error_message", "read_error"]

Handler = Callable[[bytes], bytes | bytearray | memoryview | None]
"""Gets a message and returns the reply; None: no reply. What it raises is the reply, too."""

STATUS = struct.Struct("<i")


class RemoteChannel:
    """One channel of a `Remote`, whatever connections use it; made by `Remote.channel`.

    Attributes:
        name: what the host calls it.
        host_sends, host_receives: False where the host only listens or only sends.
        legacy: the answer to a one-way message goes back as an unsolicited one.
    """

    def __init__(
        self,
        name: str,
        *,
        depth: int,
        message_bytes: int,
        host_sends: bool,
        host_receives: bool,
        legacy: bool,
    ) -> None:
        if not name or message_bytes < 0:
            raise ValueError(
                f"channel {name!r} with messages of {message_bytes} bytes is impossible"
            )
        self.name = name
        self.host_sends = host_sends
        self.host_receives = host_receives
        self.legacy = legacy
        flags = (
            (0 if host_sends else HOST_NEVER_SENDS)
            | (0 if host_receives else HOST_NEVER_RECEIVES)
            | (LEGACY if legacy else 0)
        )
        # The status of an error must fit, however short the messages are.
        self.spec = ChannelSpec(name, depth, max(message_bytes, STATUS.size), flags)
        plan([self.spec], 0)  # what is impossible raises here and not at the first connection
        self.handler: Handler = self._no_handler
        self.disturbance: Disturbance | None = None
        self.latency_ns = 0
        self.free_ns: list[int] = [0]
        self.number = 0  # among those of the remote
        self.tap: Tap | None = None  # told what happens to messages

    @property
    def faults(self) -> Faults | None:
        """How the replies of this channel go wrong; setting it restarts the draws."""
        return self.disturbance.faults if self.disturbance else None

    @faults.setter
    def faults(self, faults: Faults | None) -> None:
        self.disturbance = None if faults is None else Disturbance(faults, self.name)

    @property
    def workers(self) -> int:
        """How many messages the simulated firmware works on at the same time."""
        return len(self.free_ns)

    @property
    def answers(self) -> bool:
        """Whether it has a handler."""
        return self.handler != self._no_handler

    def simulate(self, latency_s: float, workers: int) -> None:
        """Have every message occupy one of `workers` parallel units for `latency_s`.

        Raises:
            ValueError: a negative latency, or no worker.
        """
        if not latency_s >= 0 or workers < 1:
            raise ValueError(f"{workers} workers with a latency of {latency_s} s are impossible")
        self.latency_ns = round(latency_s * 1e9)
        self.free_ns = [0] * workers

    def due_ns(self, now_ns: int) -> int:
        """Occupy the unit that is free first and return when it is done."""
        due_ns = max(now_ns, self.free_ns[0]) + self.latency_ns
        heapq.heapreplace(self.free_ns, due_ns)
        return due_ns

    def answer_of(self, reply: Any) -> bytes:
        """Return what the handler returned as bytes; raises what names the handler."""
        return answer_of(reply, self.handler, f"channel {self.name!r}")

    def failed(self, error: Exception) -> bytes:
        """Return the error reply for what a handler raised."""
        if isinstance(error, RemoteError) and error.status is not None:
            return error_message(error.status, str(error), self.spec.message_bytes)
        if isinstance(error, Misreturned):
            log.warning("%s", str(error))
            return error_message(errno.EIO, str(error), self.spec.message_bytes)
        log_failure(f"the handler of channel {self.name} failed", error)
        return error_message(errno.EIO, repr(error), self.spec.message_bytes)

    def _no_handler(self, message: bytes) -> None:
        raise RemoteError(f"channel {self.name} has no handler", status=errno.EOPNOTSUPP)


def error_message(status: int, text: str, message_bytes: int) -> bytes:
    """Return the message of an ``ERROR`` slot; the text is cut to what fits `message_bytes`."""
    room = message_bytes - STATUS.size
    whole = text.encode(errors="replace")[:room].decode(errors="ignore")  # never half a character
    return STATUS.pack(status) + whole.encode()


def read_error(message: bytes) -> tuple[int, bytes]:
    """Take the message of an ``ERROR`` slot apart: a status that is never 0, and the text."""
    if len(message) < STATUS.size:
        return errno.EIO, b""
    (status,) = STATUS.unpack_from(message)
    return status or errno.EIO, message[STATUS.size :]
