"""The traffic of RTT: messages into down buffers, and what came in up buffers."""

from typing import Any

from mboxio.controllers.rtt.channels import ADOPTED, BlockView, RttChannel
from mboxio.controllers.rtt.layout import Entry
from mboxio.controllers.rtt.options import RttOptions
from mboxio.controllers.rtt.streams import DownStream, OtherLife
from mboxio.driver.contracts import DriverChannel, DriverQueue
from mboxio.driver.controller import EVENT, POLL, SENT, Busy, Controller, Outcome
from mboxio.errors import AddressError, RemoteError, RemoteGone, WrongMessage
from mboxio.regions.claim import suspect
from mboxio.regions.region import Region

__all__ = ["RttTraffic"]


class RttTraffic(Controller):
    """Moves messages; a subclass finds the control block and knows of lives.

    Args:
        options: see `RttOptions`.
        region: the memory, if it is open.
    """

    def __init__(self, options: RttOptions, region: Region | None) -> None:
        self.options = options
        self.region: Any = region
        self.rows: list[RttChannel] = []  # all channels, by their numbers
        self.view: BlockView | None = None
        self.found: Any = None
        self.first: DriverQueue | None = None
        self.linked = False

    def lose(self, reason: str) -> None:
        """This life is over. Under the lock."""
        raise NotImplementedError

    # -- sending

    def check(self, channel: DriverChannel, message: bytes) -> None:
        """See `Controller.check`: a message that never fits into the down buffer is refused."""
        row: RttChannel = channel.context
        row.framing.check(message)
        down = row.down
        if down is None:
            if self.linked and row.used:
                raise WrongMessage(
                    f"channel {channel.name!r}: the firmware has not set up down buffer"
                    f" {row.number}"
                )
            return
        needs = len(row.framing.encode(message))
        if row.correlator is not None and not row.correlator.in_order:
            needs = row.framing.longest_frame(len(message))  # a tag may make it longer
        if needs >= down.size:
            raise WrongMessage(
                f"channel {channel.name!r}: a message of {len(message)} bytes needs {needs}, and "
                f"{down.name} of the firmware takes {down.size - 1}: make it larger there, or send "
                "less at once"
            )

    def send(self, channel: DriverChannel, handle: int, message: bytes) -> Outcome:
        """See `Controller.send`."""
        row: RttChannel = channel.context
        down = row.down
        if not self.linked or down is None:
            return Busy("event")
        try:
            entry = down.entry()
            down.check_life(entry)
            self.progress(row, down, entry)
        except RemoteGone as error:
            self.lose(str(error))
            return Busy("event")
        except OtherLife as end:
            self.lose(str(end))
            return Busy("event")
        except RemoteError as error:
            self.stop_row(row, error)
            return Busy("event")
        frame = row.framing.encode(message)
        if len(frame) >= down.size:  # another life has a smaller one
            self.tx_done(channel.queue, [handle], WrongMessage.default_errno)
            return SENT
        if len(frame) > down.free:
            if down.sent:
                return Busy("tx_done")
            return Busy("at", at_ns=self.now_ns() + int(self.options.poll_s * 1e9))
        self.undisturbed(down.put, down.written, frame, handle)
        if self.region.doorbell is not None:
            self.region.doorbell.ring()
        return SENT

    def progress(self, row: RttChannel, down: DownStream, entry: Entry) -> None:
        """Report the messages that the target has read; raises RemoteError."""
        done = down.progress(entry)
        if not done:
            return
        adopted = done.count(ADOPTED)
        if adopted:  # they are the oldest
            down.forget(adopted)
            self.tx_done(row.channel.queue, adopted)
        handles = done[adopted:]
        if handles:  # first: a second report of one changes nothing
            self.tx_done(row.channel.queue, handles)
            down.forget(len(handles))

    # -- looking

    def service(self, queue: DriverQueue, why: str) -> None:
        """See `Controller.service`: one look is for all channels, in the turn of the first."""
        if why is EVENT and self.region is not None and self.region.interrupt is not None:
            try:
                self.region.interrupt.clear()
            except RemoteGone as error:
                self.lose(str(error))
        if self.linked and (queue is self.first or why is POLL):
            self.look()

    def look(self) -> None:
        """Look at all channels in use. Under the lock."""
        view = self.view
        rows = [row for row in self.rows if row.used]
        if view is None or not rows:
            return
        try:
            view.read()
            for row in rows:
                row.check_life(view)
            for row in rows:
                self.move(row, view)
        except RemoteGone as error:
            self.lose(str(error))
        except OtherLife as end:
            self.lose(str(end))

    def move(self, row: RttChannel, view: BlockView) -> None:
        """Report what left, and hand up what came, on one channel."""
        if row.stopped:
            return
        try:
            if row.up is None or row.down is None:
                row.attach(self.region, self.found, view)  # set up late
            down, up = view.down(row.number), view.up(row.number)
            if row.down is not None and down is not None:
                self.progress(row, row.down, down)
            if row.up is not None and up is not None:
                found = row.up.take(up)
                if found:
                    self.received(row.channel, found)
                row.up.release()
        except (AddressError, RemoteError) as error:
            self.stop_row(row, error)

    def stop_row(self, row: RttChannel, error: Exception) -> None:
        """The target lied on one channel, which stops; others go on."""
        row.stopped = True
        suspect(error)
        self.fault(row.channel.queue, error)

    def arm(self, queue: DriverQueue) -> bool:
        """See `Controller.arm`."""
        if self.linked and queue is self.first and self.region.interrupt is not None:
            self.region.interrupt.unmask()
        return False
