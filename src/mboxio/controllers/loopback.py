"""A controller without hardware: the far side is a function in this process.

The template for new drivers. It has what every driver has: a queue with a depth, messages that
are handed over and TX done later, replies that say which request they answer, notifications, and
requests of the remote.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mboxio._queue.handlers import require_plain
from mboxio.driver.capabilities import Capabilities
from mboxio.driver.contracts import DriverChannel, DriverQueue
from mboxio.driver.controller import SENT, Busy, Controller, Outcome, expects_reply
from mboxio.driver.correlate import RemoteRequest

Far = Callable[[str, bytes], bytes | None]
"""The far side: gets the channel's name and a message, returns the reply or None for silence."""


@dataclass(frozen=True, kw_only=True)
class LoopbackOptions:
    """Options of an address: ``loopback:?channels=2&depth=8``.

    Args:
        channels: how many channels there are; they are called ``0``, ``1`` and so on.
        depth: slots of the one queue that they share.
        message_bytes: longest message.
    """

    channels: int = 4
    depth: int = 32
    message_bytes: int = 4096

    def __post_init__(self) -> None:
        if self.channels < 1:
            raise ValueError("there is at least one channel")


class Loopback(Controller):
    """Messages go to a function and come back.

    Args:
        name: ignored; every connection has its own far side.
        options: see `LoopbackOptions`.
        far: the far side; it is called under the controller's lock, so it computes and returns.
            Left out, it echoes.

    Raises:
        TypeError: the far side cannot be called, or is a coroutine function.
    """

    Options = LoopbackOptions

    def __init__(
        self, name: str = "", options: LoopbackOptions | None = None, *, far: Far | None = None
    ) -> None:
        self.options = options or LoopbackOptions()
        if far is not None:
            require_plain(far, "loopback", role="far side", does=" that returns the reply")
        self.far: Far = far or (lambda channel, message: message)
        self.wire: deque[tuple[Any, int, bytes]] = deque()
        self.questions: dict[int, Callable[[bytes, int], object]] = {}
        self.asked = 0

    # -- ops

    def open(self) -> None:
        """Declare one queue and its channels."""
        self.queue = self.add_queue(
            Capabilities(
                depth=self.options.depth,
                message_bytes=self.options.message_bytes,
                matches_replies=True,
            )
        )
        self.channels = [
            self.add_channel(str(number), self.queue) for number in range(self.options.channels)
        ]

    def send(self, channel: DriverChannel, handle: int, message: bytes) -> Outcome:
        """Put the message into the queue and ring."""
        if len(self.wire) >= self.options.depth:
            return Busy("tx_done")
        self.wire.append((channel, handle, message))
        self.event()
        return SENT

    def reply(
        self, channel: DriverChannel, handle: int, tag: int, message: bytes, status: int
    ) -> Outcome:
        """Bring the host's answer to the far side's request."""
        self.tx_done(self.queue, [handle])
        self.questions.pop(tag)(message, status)
        return SENT

    def service(self, queue: DriverQueue, why: str) -> None:
        """Let the far side take what lies in the queue, and report its replies."""
        for _ in range(len(self.wire)):
            channel, handle, message = self.wire.popleft()
            self.tx_done(queue, [handle])
            answer = self.far(channel.name, message)
            if expects_reply(handle) and answer is not None:
                self.complete(channel, handle, 0, answer)

    def arm(self, queue: DriverQueue) -> bool:
        """Say whether something lies in the queue."""
        return bool(self.wire)

    # -- the far side's own initiative; from any thread

    def notify(self, channel: int, message: bytes) -> None:
        """Make the remote send an unsolicited message."""
        self.received(self.channels[channel], [message])

    def ask(self, channel: int, message: bytes, answered: Callable[[bytes, int], object]) -> None:
        """Make the remote ask the host; ``answered(message, status)`` gets the answer."""
        self.asked += 1
        self.questions[self.asked] = answered
        self.received(self.channels[channel], [RemoteRequest(self.asked, message)])
