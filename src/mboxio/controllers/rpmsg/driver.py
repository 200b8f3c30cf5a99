"""RPMsg services of remote processors: ``rpmsg:SERVICE``.

The kernel speaks RPMsg with the firmware, and hands out endpoints as character devices: a write
is a message, and a read brings one. A connection is one vdev; its channels are services. An
endpoint is opened when the first client takes its channel, and closed when the last one leaves.

Nothing ever waits in the kernel: a write that waits for a buffer cannot be interrupted there, and
stops every poll on the endpoint.
"""

import errno
import select
from collections.abc import Callable
from functools import partial

from mboxio.controllers.replies import correlator_of
from mboxio.controllers.rpmsg.endpoints import TryAgain
from mboxio.controllers.rpmsg.lines import RpmsgLine
from mboxio.controllers.rpmsg.nodes.ports import PortEnded
from mboxio.controllers.rpmsg.nodes.system import System
from mboxio.controllers.rpmsg.options import RpmsgOptions
from mboxio.controllers.rpmsg.traffic import PAUSE_MIN_NS, RpmsgTraffic
from mboxio.controllers.rpmsg.ways import way_of
from mboxio.driver.capabilities import Capabilities, TxDone
from mboxio.driver.contracts import DriverChannel, DriverQueue
from mboxio.errors import MailboxError, RemoteGone, WrongMessage

__all__ = ["Rpmsg"]

REPLY_CREDITS = 1 << 16
"""More than are ever awaited: the kernel keeps all. They are counted so that a thread that waits
for a reply looks at the state of the processor now and then."""
TRIES, PAUSE_S = 200, 5e-3
"""To open an endpoint, while another program makes one or udev is not ready."""
FLUSH_S = 1e-3


class Rpmsg(RpmsgTraffic):
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
        super().__init__(way_of(name, "", self.options, self.system))
        self.life = 0
        self.queue: DriverQueue | None = None

    # -- opening and closing

    def expect(self, channel: str) -> None:
        """See `Controller.expect`: a service that is named has to be there."""
        self.way = way_of(self.name, channel, self.options, self.system)

    def open(self) -> None:
        """Find the services, and declare them."""
        names = self.way.find()
        descriptor = self.lines.open(self.system if self.way.hears else None)
        self.queue = self.add_queue(
            Capabilities(
                depth=self.way.depth(),
                reply_credits=REPLY_CREDITS,
                message_bytes=self.options.message_bytes,
                tx_done=TxDone.POLL if self.way.flushes else TxDone.IRQ,
                poll_s=FLUSH_S,
                epoch_source="the endpoint ends, or devices of the kernel go and come",
                timeout_s=self.options.timeout_s,
                look_first=False,
            )
        )
        for name in names:
            self.add_line(name)
        self.watch(descriptor)
        self.life = 1
        self.link(True, self.life)

    def add_line(self, name: str) -> None:
        """Make the channel of a service."""
        assert self.queue is not None
        correlator = correlator_of(self.options.replies)
        channel = self.add_channel(name, self.queue, correlator=correlator)
        channel.context = RpmsgLine(channel, self.options.greeting())
        self.lines.all.append(channel.context)

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

    def check(self, channel: DriverChannel, message: bytes) -> None:
        """Refuse what the endpoint cannot carry, and what is for a service that was taken back."""
        line: RpmsgLine = channel.context
        if line.taken_back:
            self.require(line)
        port = line.port
        if port is not None and port.streams:
            port.check(message)

    def require(self, line: RpmsgLine) -> None:
        """Refuse messages to a service that was taken back, unless the remote is gone as well."""
        self.locked(self.welcome)  # it may have come back, and nobody has looked
        if line.taken_back and not self.gone:
            known = ", ".join(self.way.known()) or "none"
            raise WrongMessage(
                f"service {line.name!r} was taken back; there are: {known}",
                errno=errno.EHOSTUNREACH,
            )

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
        elif went or came:
            self.welcome()

    def look_around(self) -> None:
        """Notice a processor that crashed and is left so: nothing else tells. Under the lock."""
        if self.gone:
            return
        if dead := self.way.dead():
            self.lose(dead)
        elif self.lines.uevents is None or self.lines.uevents.fileno() < 0:
            self.welcome()

    def welcome(self) -> None:
        """Make channels of services that came, and give those that came back to theirs."""
        if not self.way.grows or self.gone or self.is_closed():
            return
        self.way.look()
        known = self.way.known()
        names = {line.name for line in self.lines.all}
        for name in known:
            if name not in names:
                self.add_line(name)
        for line in self.lines.all:
            if line.port is not None and self.way.is_taken_back(line.name):
                self.take_back(line)  # an endpoint that was made outlives its service
            elif line.taken_back and line.started and line.name in known:
                try:
                    self.attach(line)
                except (MailboxError, OSError, TryAgain):
                    self.lines.drop(line)  # its node is not ready: the next look finds it

    def ended(self, line: RpmsgLine) -> None:
        """An endpoint ended: the service was taken back, or the remote's life is over."""
        if not self.way.is_taken_back(line.name):
            self.lose(self.way.reason(line.name))
        else:
            self.take_back(line)

    def take_back(self, line: RpmsgLine) -> None:
        """Nobody will answer what was asked of a service that is gone. Under the lock."""
        port = self.lines.release(line)
        line.taken_back = True
        if port is not None:
            self.way.end(port)
        text = f"service {line.name!r} was taken back".encode()
        for request in line.channel.queue.in_flight():
            if request._owner._channel is line.channel and request._tied:
                self.complete(line.channel, request.handle, errno.EHOSTUNREACH, text)

    def lose(self, reason: str) -> None:
        """The remote is gone. Under the lock."""
        self.unlink()
        self.link(False, -1, reason)

    def unlink(self) -> None:
        """See `Controller.unlink`. Nothing is destroyed: the kernel does that."""
        self.gone = True
        self.lines.drop_all()

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
            self.way.find_again([line.name for line in started], self.now_ns())
            for line in started:
                line.taken_back = self.way.grows and line.name not in self.way.known()
                if line.port is None and not line.taken_back:
                    self.attach(line)
        except (MailboxError, OSError, TryAgain) as error:
            self.lines.drop_all()
            self.still_lost(str(error))
            return
        self.gone = False
        self.life += 1
        self.pause_ns = PAUSE_MIN_NS
        self.link(True, self.life)
        self.welcome()


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
