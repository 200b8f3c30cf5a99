"""RPMsg services of remote processors: ``rpmsg:SERVICE``.

The kernel speaks RPMsg with the firmware, and hands out endpoints as character devices: a write
is a message, and a read brings one. A connection is one vdev; its channels are services. An
endpoint is opened when the first client takes its channel, and closed when the last one leaves.

Nothing ever waits in the kernel: a write that waits for a buffer cannot be interrupted there, and
stops every poll on the endpoint. There is no event for a buffer that becomes free, so a write is
tried again after growing pauses.
"""

import errno
import select
from collections.abc import Callable
from functools import partial

from mboxio.controllers.replies import correlator_of
from mboxio.controllers.rpmsg.endpoints import TryAgain
from mboxio.controllers.rpmsg.lines import RpmsgLine, RpmsgLines
from mboxio.controllers.rpmsg.options import RpmsgOptions
from mboxio.controllers.rpmsg.ports import PortEnded
from mboxio.controllers.rpmsg.system import System
from mboxio.controllers.rpmsg.ways import way_of
from mboxio.driver.capabilities import Capabilities, TxDone
from mboxio.driver.contracts import DriverChannel, DriverQueue
from mboxio.driver.controller import SENT, Busy, Controller, Outcome
from mboxio.errors import MailboxError, RemoteGone

__all__ = ["Rpmsg"]

PAUSE_MIN_NS, PAUSE_MAX_NS = 200_000, 5_000_000
"""Between tries to write; the last one is also how late a free buffer may be noticed."""
STATE_NS = 100_000_000
"""How often the state of the processor is read while messages are exchanged."""
BATCH = 32
"""Messages of an endpoint that are taken in one look."""
REPLY_CREDITS = 1 << 16
"""More than are ever awaited: the kernel keeps all. They are counted so that a thread that waits
for a reply looks at the state of the processor now and then."""
TRIES, PAUSE_S = 200, 5e-3
"""To open an endpoint, while another program makes one or udev is not ready."""
FLUSH_S = 1e-3


class Rpmsg(Controller):
    """Services of a remote processor.

    Args:
        name: a service, ``virtioN``, ``remoteproc=NAME``, or nothing: the only vdev there is.
        options: see `RpmsgOptions`.
        system: the kernel.

    Raises:
        AddressError: the name and the options contradict each other.
    """

    Options = RpmsgOptions

    def __init__(
        self,
        name: str = "",
        options: RpmsgOptions | None = None,
        *,
        system: System | None = None,
    ) -> None:
        self.name = name
        self.options = options or RpmsgOptions()
        self.system = system or System()
        self.way = way_of(name, "", self.options, self.system)
        self.lines = RpmsgLines()
        self.life = 0
        self.gone = False  # as of now: what is reported inside an op is acted on after it
        self.pause_ns = PAUSE_MIN_NS
        self.state_ns = 0

    # -- opening and closing

    def expect(self, channel: str) -> None:
        """See `Controller.expect`: a service that is named has to be there."""
        self.way = way_of(self.name, channel, self.options, self.system)

    def open(self) -> None:
        """Find the services, and declare them."""
        names = self.way.find()
        descriptor = self.lines.open(self.system if self.way.hears else None)
        queue = self.add_queue(
            Capabilities(
                depth=self.way.depth(),
                reply_credits=REPLY_CREDITS,
                message_bytes=self.options.message_bytes,
                tx_done=TxDone.POLL if self.way.flushes else TxDone.IRQ,
                poll_s=FLUSH_S,
                epoch_source="the endpoint ends, or devices of the kernel go and come",
                timeout_s=self.options.timeout_s,
            )
        )
        for name in names:
            channel = self.add_channel(name, queue, correlator=correlator_of(self.options.replies))
            channel.context = RpmsgLine(channel, self.options.greeting())
            self.lines.all.append(channel.context)
        self.watch(descriptor)
        self.life = 1
        self.link(True, self.life)

    def close(self) -> None:
        """Close everything; endpoints that were made stay for the next connection."""
        self.lines.close()

    def forked(self) -> None:
        """See `Controller.forked`."""
        self.lines.close(inherited=True)

    def start(self, channel: DriverChannel) -> None:
        """Open the endpoint. What came before is reported as unsolicited: it answers nothing."""
        line: RpmsgLine = channel.context
        line.started = True
        try:
            _patiently(partial(self.locked, self.open_line, line))
        except BaseException:
            line.started = False
            raise

    def stop(self, channel: DriverChannel) -> None:
        """Close the endpoint."""
        line: RpmsgLine = channel.context
        line.started = False
        self.locked(self.end_line, line)

    def open_line(self, line: RpmsgLine) -> None:
        """Open the endpoint of a channel, in the life that there is. Under the lock."""
        if not self.gone and self.way.is_other_life():
            self.lose(f"{self.way.reason(line.name)} while nobody looked")
        if self.gone:
            self.revive()  # if it is not there yet, this one is opened with the next life
        else:
            self.attach(line)

    def end_line(self, line: RpmsgLine) -> None:
        """Close the endpoint of a channel whose remote may be alive. Under the lock."""
        port = self.lines.release(line)
        if port is not None:
            self.way.end(port)

    def attach(self, line: RpmsgLine) -> None:
        """Open an endpoint, hand up what lies there, and greet. Under the lock."""
        port = self.way.open(line.name)
        try:
            stale = self.lines.take(line, port)
            if stale:
                self.received(line.channel, stale)
            line.greet()
        except PortEnded:
            self.lines.drop(line)
            raise RemoteGone(f"rpmsg: {self.way.reason(line.name)}") from None

    # -- messages

    def check(self, channel: DriverChannel, message: bytes) -> None:
        """See `Controller.check`."""
        port = channel.context.port
        if port is not None:
            port.check(message)

    def send(self, channel: DriverChannel, handle: int, message: bytes) -> Outcome:
        """Write the message; TX done is when the kernel has put it into the ring."""
        line: RpmsgLine = channel.context
        if line.owes:
            self.go_on(line)
        port = line.port
        if port is None:
            return Busy("event")  # it may go to the next life
        try:
            accepted = line.write(message, self.put_off)
        except PortEnded:
            self.ended(line)
            return Busy("event")  # it has not left
        except OSError as error:
            self.tx_done(channel.queue, [handle], error.errno or errno.EIO)
            return SENT
        if not accepted:
            return self.full()
        self.pause_ns = PAUSE_MIN_NS
        if port.pending:
            line.leaving = handle
        else:
            self.tx_done(channel.queue, [handle])
        return SENT

    def full(self) -> Outcome:
        """Nothing can be written now. Only time tells when it can."""
        if dead := self.way.dead():
            self.lose(dead)
            return Busy("event")
        at_ns = self.now_ns() + self.pause_ns
        self.pause_ns = min(2 * self.pause_ns, PAUSE_MAX_NS)
        return Busy("at", at_ns=at_ns)

    def service(self, queue: DriverQueue, why: str) -> None:
        """Take what came on all channels, and what uevents say."""
        devices, news = self.lines.ready()
        for line, flags in news:
            self.take(line, flags)
        for line in self.lines.all:
            if line.owes:
                self.go_on(line)
        if devices:
            self.hear()
        self.look_at_state()

    def take(self, line: RpmsgLine, flags: int) -> None:
        """Hand up what came on a channel; its end is the end of the remote's life."""
        port = line.port
        if port is None:
            return  # another line's end was the end of all
        try:
            # As many as are awaited: more is another event, and none is a read in vain less.
            found = port.receive(line.channel.queue.credits_used or BATCH)
        except PortEnded:
            self.ended(line)
            return
        if found:
            self.received(line.channel, found)
        elif flags & port.over:
            self.ended(line)

    def go_on(self, line: RpmsgLine) -> None:
        """Write what is still to be written."""
        try:
            handle = line.go_on()
        except PortEnded:
            self.ended(line)
            return
        if handle >= 0:
            self.tx_done(line.channel.queue, [handle])

    # -- lives of the remote

    def hear(self) -> None:
        """Read what uevents say. Under the lock."""
        assert self.lines.uevents is not None
        went, came = self.lines.uevents.read()
        # Sysfs decides: uevents may be of the life before, whose devices had the same names.
        if (went or came) and not self.gone and self.way.is_other_life():
            self.lose(self.way.reason(self.lines.all[0].name))
        if came and self.gone:
            self.revive()

    def look_at_state(self) -> None:
        """Notice a processor that crashed and is left so: nothing else tells. Under the lock."""
        now_ns = self.now_ns()
        if now_ns < self.state_ns or self.gone:
            return
        self.state_ns = now_ns + STATE_NS
        if dead := self.way.dead():
            self.lose(dead)

    def ended(self, line: RpmsgLine) -> None:
        """An endpoint ended: so has the remote's life. Under the lock."""
        self.lose(self.way.reason(line.name))

    def lose(self, reason: str) -> None:
        """The remote is gone. Nothing is destroyed: the kernel does that. Under the lock."""
        self.gone = True
        self.lines.drop_all()
        self.link(False, -1, reason)

    def reconnect(self) -> bool:
        """See `Controller.reconnect`."""
        if not self.way.returns:
            return False
        self.decide(self.revive)
        return True

    def revive(self) -> None:
        """Take the remote's next life if it is there, with all channels in use. Under the lock."""
        if self.is_closed() or not self.gone:
            return
        started = [line for line in self.lines.all if line.started]
        try:
            self.way.find_again([line.name for line in started])
            for line in started:
                if line.port is None:
                    self.attach(line)
        except (MailboxError, OSError, TryAgain) as error:
            self.lines.drop_all()
            self.still_lost(str(error))
            return
        self.gone = False
        self.life += 1
        self.pause_ns = PAUSE_MIN_NS
        self.link(True, self.life)


def _patiently(attempt: Callable[[], object]) -> None:
    """Try again where that may help in a moment; without the lock."""
    for left in reversed(range(TRIES)):
        try:
            attempt()
            return
        except TryAgain as again:
            if not left:
                raise again.error from None
        select.select((), (), (), PAUSE_S)
