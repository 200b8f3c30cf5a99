"""Channels are taken over when the first client comes, and left with the last one."""

from mboxio.controllers.rtt.channels import BlockView, RttChannel, StreamProbe
from mboxio.controllers.rtt.streams import OtherLife
from mboxio.controllers.rtt.traffic import RttTraffic
from mboxio.driver.contracts import DriverChannel
from mboxio.driver.controller import Probe
from mboxio.errors import RemoteGone

__all__ = ["RttTaking"]


class RttTaking(RttTraffic):
    """Takes channels over as they are; other channels may belong to another host."""

    def start(self, channel: DriverChannel) -> None:
        """See `Controller.start`: from now on the channel's buffers are ours."""
        row: RttChannel = channel.context
        try:
            self.locked(self.take, row)
        except BaseException:
            row.used = False
            row.detach()
            raise

    def take(self, row: RttChannel) -> None:
        """Begin to use a channel. Under the lock."""
        row.used = True
        row.channel.queue.polls_events = True
        if not self.linked:
            return  # with the next life
        try:
            self.attach(row)
        except OtherLife as end:
            self.lose(str(end))
        except RemoteGone as error:
            self.lose(str(error))

    def stop(self, channel: DriverChannel) -> None:
        """See `Controller.stop`."""
        self.locked(self.leave, channel.context)

    def leave(self, row: RttChannel) -> None:
        """Use a channel no more. Under the lock."""
        row.used = False
        row.channel.queue.polls_events = False
        row.channel.queue.probe = Probe()
        row.detach()

    def attach(self, row: RttChannel) -> None:
        """Take over a channel's buffers as they are. Under the lock.

        What an earlier host asked will be answered, and what is there answered it.

        Raises:
            OtherLife: the control block is gone.
            RemoteError, RemoteGone, AddressError: the buffers cannot be used.
        """
        numbers = [each.number for each in self.rows if each.used]
        view = BlockView(self.region, self.found, numbers)
        view.read()
        row.attach(self.region, self.found, view)
        up = view.up(row.number)
        if row.correlator is not None and row.up is not None and up is not None:
            if stale := row.up.take(up):  # before anything is in flight: it answers nothing
                self.received(row.channel, stale)
            row.up.release()
        for tag in row.left_over():
            self.left_behind(row.channel, tag)
        row.channel.queue.probe = StreamProbe(row)
        self.view = view
