"""The client that a ported driver sees on a channel; it acts for native clients."""

from collections import deque
from collections.abc import Callable
from dataclasses import replace
from errno import EAGAIN, EBUSY, EIO, ENOBUFS, ENOSPC
from typing import Any

from mboxio.driver.contracts import DriverChannel
from mboxio.driver.controller import SENT, Busy, Outcome
from mboxio.driver.services import Services
from mboxio.errors import AddressError
from mboxio.linux.channel import TXDONE, mbox_chan
from mboxio.linux.client import (
    mbox_bind_client,
    mbox_client_txdone,
    mbox_free_channel,
    mbox_send_message,
)
from mboxio.linux.platform import name_of_error
from mboxio.linux.structs import mbox_client, mbox_controller

__all__ = ["BoundChannel", "remember_what_is_raised"]

NOT_NOW = frozenset({EAGAIN, EBUSY, ENOBUFS, ENOSPC})
"""What ``send_data`` returns where the same message may be taken later."""
AGAIN_NS = 1_000_000
"""After which time it is offered again; in the kernel, at the next message or TX done."""


class _Client(mbox_client):
    """One message at a time, and what is refused comes back."""

    queue_len = 0


class BoundChannel:
    """A channel of a ported driver, which one of the core stands on.

    Args:
        driver: its name, for errors.
        port: takes the reports.
        chan: the driver's channel.
        to_mssg: makes what ``send_data`` gets out of a message.
        from_mssg: makes a message out of what was received; raises TypeError, ValueError or
            OverflowError if it is none.
    """

    channel: DriverChannel
    """The core's, which is declared after this was made."""

    def __init__(
        self,
        driver: str,
        port: Services,
        chan: mbox_chan,
        to_mssg: Callable[[bytes], Any],
        from_mssg: Callable[[Any], bytes],
    ) -> None:
        self.driver = driver
        self.port = port
        self.chan = chan
        self.to_mssg = to_mssg
        self.from_mssg = from_mssg
        self.acknowledged = chan.registered_method is TXDONE.BY_ACK
        self.sent: deque[int] = deque()  # handles that are not TX done, in order

    def bind(self) -> None:
        """Become the owner, which starts the channel up.

        Raises:
            AddressError: the driver refuses.
        """
        left = None if self.acknowledged else self.left
        error = mbox_bind_client(self.chan, _Client(tx_done=left, rx_callback=self.arrived))
        if error:
            raise AddressError(
                f"{self.driver}: startup() of channel {self.chan.index} returned"
                f" {name_of_error(error)}",
                errno=abs(error),
            )

    def free(self) -> None:
        """Give the channel up, which shuts it down; the driver begins anew the next time."""
        mbox_free_channel(self.chan)
        handles = list(self.sent)
        self.sent.clear()
        self.port.tx_done(self.channel.queue, handles)

    def send(self, handle: int, message: bytes) -> Outcome:
        """Hand a message to the driver. See `Controller.send`."""
        chan = self.chan
        self.sent.append(handle)  # before: TX done may come at once, in another thread
        chan.refusal, chan.raised = 0, None
        if mbox_send_message(chan, self.to_mssg(message)) >= 0:
            if self.acknowledged:
                self.sent.remove(handle)
                mbox_client_txdone(chan, 0)  # the slot is freed by the reply, or by our client
            return SENT
        self.sent.remove(handle)
        if chan.raised is not None:
            raise chan.raised
        if not chan.refusal:  # the reply of the last message came, and its TX done comes soon
            return Busy("event")
        if -chan.refusal in NOT_NOW:
            return Busy("at", at_ns=self.port.now_ns() + AGAIN_NS)
        self.port.tx_done(self.channel.queue, [handle], abs(chan.refusal))
        return SENT

    def left(self, cl: mbox_client, mssg: Any, r: int) -> None:
        """A message is TX done."""
        try:
            handle = self.sent.popleft()
        except IndexError:
            return  # it was freed just now
        self.port.tx_done(self.channel.queue, [handle], abs(r))
        self.port.event()  # another message may wait for that, see `send`

    def arrived(self, cl: mbox_client, mssg: Any) -> None:
        """Something was received."""
        try:
            message = self.from_mssg(mssg)
        except (TypeError, ValueError, OverflowError) as error:
            text = f"{self.driver} received {mssg!r}, which is not a message: {error}"
            self.port.fault(self.channel.queue, TypeError(text))
        else:
            self.port.received(self.channel, [message])


def remember_what_is_raised(mbox: mbox_controller) -> None:
    """Have what ``send_data`` raises come out where it is called, in place of -EIO."""
    assert mbox.ops is not None
    send_data = mbox.ops.send_data
    assert send_data is not None

    def send(chan: mbox_chan, mssg: Any) -> int | None:
        try:
            return send_data(chan, mssg)
        except Exception as error:
            chan.raised = error
            return -EIO

    mbox.ops = replace(mbox.ops, send_data=send)
