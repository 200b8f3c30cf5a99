"""A controller that is built on a channel of another one."""

import errno
from typing import Any

import mboxio
from mboxio import (
    SENT,
    Busy,
    Capabilities,
    Controller,
    Outcome,
    Ports,
    QueueFull,
    RemoteGone,
    expects_reply,
)
from tests.drivers import Fake


class Stacked(Controller):
    """A protocol as a controller: its queue is a channel of another controller.

    Args:
        lower: the controller below, whose channel 0 answers requests.
    """

    def __init__(self, lower: Fake) -> None:
        self.lower = lower
        self.below: mboxio.Connection | None = None
        self.pending: dict[int, Any] = {}

    def open(self) -> None:
        """Connect below and offer what is there."""
        self.below = mboxio.Connection(self.lower)
        self.queue = self.add_queue(
            Capabilities(depth=2, matches_replies=True, message_bytes=64, epoch_source="below")
        )
        self.channels = [self.add_channel("0", self.queue)]
        self.link(True, 0)

    def start(self, channel: Any) -> None:
        """Become a client below; deadlines are kept up here."""
        assert self.below is not None
        ports = Ports(received=self.heard, link=self.linked)
        self.client = self.below.client(0, timeout_s=None, queue_timeout_s=None, ports=ports)

    def stop(self, channel: Any) -> None:
        """Leave the channel below."""
        self.client.close()

    def close(self) -> None:
        """Disconnect below."""
        if self.below is not None:
            self.below.close()

    def send(self, channel: Any, handle: int, message: bytes) -> Outcome:
        """Pass the message down."""
        pass_down = self.client.submit if expects_reply(handle) else self.client.post
        try:
            below = pass_down(message)
        except QueueFull:
            return Busy("event")
        self.pending[handle] = below
        below.add_done_callback(lambda request: self.finished(handle, request))
        return SENT

    def abort(self, channel: Any, handle: int) -> bool:
        """Cancel below; what the remote may still answer is held there, not here."""
        below = self.pending.pop(handle, None)
        if below is not None:
            below.cancel()
        return below is not None

    def finished(self, handle: int, below: Any) -> None:
        """A message below is over, which may have made room there."""
        self.event()
        if self.pending.pop(handle, None) is None:
            return
        error = below.exception()
        if isinstance(error, RemoteGone):
            return  # the link tells of that
        if not expects_reply(handle):
            self.tx_done(self.queue, [handle], errno.EIO if error else 0)
        elif error is None:
            self.complete(self.channels[0], handle, 0, below.result())
        else:
            self.complete(self.channels[0], handle, errno.EIO, str(error).encode())

    def heard(self, message: bytes) -> None:
        """An unsolicited message came up."""
        self.received(self.channels[0], [message])

    def linked(self, up: bool) -> None:
        """The remote below came or went."""
        self.pending.clear()
        self.link(False, -1, "lost below")
        if up:
            self.link(True, 0)
