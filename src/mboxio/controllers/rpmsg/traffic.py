"""Messages between channels and their endpoints; nothing here waits in the kernel.

There is no event for a buffer that becomes free, so a write is tried again after growing pauses.
"""

import errno

from mboxio.controllers.rpmsg.lines import RpmsgLine, RpmsgLines
from mboxio.controllers.rpmsg.nodes.ports import PortEnded
from mboxio.controllers.rpmsg.way import RpmsgWay
from mboxio.driver.contracts import DriverChannel, DriverQueue
from mboxio.driver.controller import SENT, Busy, Controller, Outcome

__all__ = ["PAUSE_MIN_NS", "RpmsgTraffic"]

PAUSE_MIN_NS, PAUSE_MAX_NS = 200_000, 5_000_000
"""Between tries to write; the last one is also how late a free buffer may be noticed."""
STATE_NS = 100_000_000
"""How often the state of the processor is read while messages are exchanged."""
BATCH = 32
"""Messages of an endpoint that are taken in one look."""
SHORT_LOOKS = 16
"""So many looks in a row may end with the messages: a flood does not hide what uevents say."""


class RpmsgTraffic(Controller):
    """Moves messages; a subclass knows which endpoints there are, and of what life.

    Args:
        way: how the channels are reached.
    """

    def __init__(self, way: RpmsgWay) -> None:
        self.way = way
        self.lines = RpmsgLines()
        self.gone = False  # as of now: what is reported inside an op is acted on after it
        self.pause_ns = PAUSE_MIN_NS
        self.state_ns = 0
        self.short_looks = 0

    def lose(self, reason: str) -> None:
        """The remote is gone. Under the lock."""
        raise NotImplementedError

    def ended(self, line: RpmsgLine) -> None:
        """An endpoint ended. Under the lock."""
        raise NotImplementedError

    def hear(self) -> None:
        """Read what uevents say. Under the lock."""
        raise NotImplementedError

    def look_around(self) -> None:
        """Look at what no event tells of. Under the lock."""
        raise NotImplementedError

    # -- sending

    def send(self, channel: DriverChannel, handle: int, message: bytes) -> Outcome:
        """Write the message; TX done is when the kernel has put it into the ring."""
        line: RpmsgLine = channel.context
        if line.greets or line.leaving >= 0:
            self.go_on(line)
        port = line.port
        if port is None:
            return self.unsent(line, handle)
        try:
            accepted = line.write(message, self.put_off)
        except PortEnded:
            self.ended(line)
            return self.unsent(line, handle)
        except OSError as error:
            self.tx_done(channel.queue, [handle], error.errno or errno.EIO)
            return SENT
        if not accepted:
            return self.full()
        self.pause_ns = PAUSE_MIN_NS
        if port.streams and port.pending:
            line.leaving = handle
        else:
            self.tx_done(channel.queue, [handle])
        return SENT

    def unsent(self, line: RpmsgLine, handle: int) -> Outcome:
        """There is no endpoint: the message may go to the next life, if that is what lacks."""
        if self.gone or not line.taken_back:
            return Busy("event")
        self.tx_done(line.channel.queue, [handle], errno.EHOSTUNREACH)
        return SENT

    def full(self) -> Outcome:
        """Nothing can be written now. Only time tells when it can."""
        if dead := self.way.dead():
            self.lose(dead)
            return Busy("event")
        at_ns = self.now_ns() + self.pause_ns
        self.pause_ns = min(2 * self.pause_ns, PAUSE_MAX_NS)
        return Busy("at", at_ns=at_ns)

    def go_on(self, line: RpmsgLine) -> None:
        """Write what is still to be written."""
        try:
            handle = line.go_on()
        except PortEnded:
            self.ended(line)
            return
        if handle >= 0:
            self.tx_done(line.channel.queue, [handle])

    # -- receiving

    def service(self, queue: DriverQueue, why: str) -> None:
        """Take what came on all channels, and what uevents say."""
        # A message says that the remote lives, and nothing else is worth a system call then.
        short = self.short_looks < SHORT_LOOKS
        self.short_looks += 1
        only = self.lines.only
        alone = only is not None and not only.greets and only.leaving < 0
        if short and alone and only is not None and self.take(only, 0):
            return
        devices, news = self.lines.ready()
        came = [self.take(line, flags) for line, flags in news]
        for line in self.lines.all:
            if line.owes:
                self.go_on(line)
        if devices:
            self.hear()
        if short and any(came):
            return
        self.short_looks = 0
        now_ns = self.now_ns()
        if now_ns >= self.state_ns:
            self.state_ns = now_ns + STATE_NS
            self.look_around()

    def take(self, line: RpmsgLine, flags: int) -> bool:
        """Hand up what came on a channel.

        Returns:
            whether a message came.
        """
        port = line.port
        if port is None:
            return False  # another line's end was the end of all
        try:
            # As many as are awaited: more is another event, and none is a read in vain less.
            found = port.receive(line.channel.queue.credits_used or BATCH)
        except PortEnded:
            self.ended(line)
            return False
        if found:
            line.channel.take_batch(found)  # they are bytes, and not too long: `receive` has looked
        elif flags & port.over:
            self.ended(line)
        return bool(found)
