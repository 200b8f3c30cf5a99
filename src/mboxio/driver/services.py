"""The driver's door, other half: what the author of a controller calls and does not override."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from mboxio._base.request import Lent
from mboxio._base.tap import SEEN_DOORBELL
from mboxio.driver.capabilities import Capabilities
from mboxio.driver.contracts import DriverChannel, DriverHost, DriverQueue
from mboxio.driver.correlate import Correlator, Verdict
from mboxio.driver.reporting import Misreported, each_of, handle_of, message_of, reported
from mboxio.errors import MailboxError

__all__ = ["Services"]

T = TypeVar("T")


class Services:
    """What a controller declares, reports and asks for; see `Controller` for what it does."""

    host: DriverHost
    """The connection this driver is attached to; set before ``open``."""

    # -- what open() declares with

    def add_queue(self, capabilities: Capabilities, name: str = "") -> DriverQueue:
        """Declare a queue of the hardware; returns the `Queue` that ops are called with."""
        return self.host.add_queue(capabilities, name)

    def add_channel(
        self,
        name: str,
        queue: DriverQueue,
        *,
        correlator: Correlator | None = None,
        can_send: bool = True,
        can_receive: bool = True,
        context: object = None,
    ) -> DriverChannel:
        """Declare a channel on a queue, also at run time. Channels are numbered from 0.

        Args:
            name: unique on this controller.
            queue: from `add_queue`; several channels may share one.
            correlator: ties replies to requests unless the client brings its own.
            can_send, can_receive: False for listen-only and send-only channels.
            context: anything of the driver's; it is ``channel.context``.
        """
        return self.host.add_channel(name, queue, correlator, can_send, can_receive, context)

    def watch(self, *descriptors: int) -> None:
        """Declare the descriptors that become readable on events; replaces the earlier ones."""
        self.host.watch(descriptors)

    def now_ns(self) -> int:
        """Return the time of the connection's clock, for `Busy`."""
        return self.host.gate.clock.now_ns()

    def lend(self, queue: DriverQueue, handle: int, memory: Lent) -> None:
        """Say that a message lends memory to the remote. Only inside ``send`` and ``reply``.

        Call it before the remote can know of the memory. ``memory.give_back()`` is called under
        the lock when the remote is finished with it: at the reply, another proof of death, or at
        once if ``send`` then says `Busy`. Until then the memory counts as held.
        """
        queue.window.lend(handle, memory)

    # -- reports: from any thread, at any time, also from inside ops

    def received(self, channel: DriverChannel, messages: Iterable[bytes | Verdict]) -> None:
        """Hand up a batch of received messages in their order.

        A driver that knows what a message is may hand up a ``RemoteRequest(tag, message)``.
        """
        try:
            longest = channel.message_bytes
            batch = [
                each if type(each) is bytes and len(each) <= longest else reported(channel, each)
                for each in each_of(messages)
            ]
        except Misreported as error:
            self.host.gate.call(channel.queue.take_fault, error)
        else:
            self.host.gate.call(channel.take_batch, batch)

    def tx_done(self, queue: DriverQueue, handles: Iterable[int] | int, status: int = 0) -> None:
        """Report that messages left their slots.

        Args:
            handles: handles, or a number n: the n oldest messages that were handed over.
            status: 0, or an errno: the remote has not seen the message and never will.
        """
        try:
            # A copy: from inside an op this is acted on later, and the driver goes on meanwhile.
            done = (
                handles
                if isinstance(handles, int)
                else [each if type(each) is int else handle_of(each) for each in handles]
            )
        except Misreported as error:
            self.host.gate.call(queue.take_fault, error)
        else:
            self.host.gate.call(queue.take_tx_done, done, status)

    def handed_over(self, queue: DriverQueue, handles: Iterable[int]) -> None:
        """Report that messages leave now for which ``send`` said `ACCEPTED`."""
        self.host.gate.call(queue.take_handed_over, list(handles))  # a copy, as in `tx_done`

    def complete(
        self, channel: DriverChannel, handle: int, status: int, reply: bytes = b""
    ) -> None:
        """Report the end of one request on hardware that matches replies itself.

        Args:
            status: 0, or the remote's error number; then ``reply`` may hold a text.
        """
        try:
            number = handle if type(handle) is int else handle_of(handle)
            message = reply
            if type(reply) is not bytes or len(reply) > channel.message_bytes:
                message = message_of(channel, reply)
        except Misreported as error:
            self.host.gate.call(channel.queue.take_fault, error)
        else:
            self.host.gate.call(channel.take_completion, number, status, message)

    def failed(self, channel: DriverChannel, handle: int, error: MailboxError) -> None:
        """Report the end of one request that another program decided about, and with what error.

        For drivers behind which another core is. It is also the proof that nobody there knows of
        the message any more.

        Args:
            error: with which it ends; its ``stage`` and ``handed_over`` are believed.
        """
        self.host.gate.call(channel.take_failure, handle, error)

    def missed(self, channel: DriverChannel, count: int) -> None:
        """Report that unsolicited messages are lost at this place of their order."""
        self.host.gate.call(channel.take_missed, count)

    def link(self, up: bool, epoch: int, reason: str = "", sought: bool = True) -> None:
        """Report that the remote is there in this epoch, or that it is lost (``up`` False).

        Losing the link and a new epoch are proofs of death: everything in flight ends.

        Args:
            sought: a lost remote is looked for from now on; else when somebody sends a message.
        """
        self.host.gate.call(self.host.life.take_link, up, epoch, reason, sought)

    def denied(self, reason: str) -> None:
        """Report that the remote refuses this user, and that no try will change that.

        It is lost as after ``link(False, -1, reason)``, but everything ends with `AccessDenied`,
        also what waits for the next life, and whatever is asked from now on.
        """
        self.host.gate.call(self.host.life.take_denied, reason)

    def left_behind(
        self, channel: DriverChannel, tag: int, lent: Callable[[int], Lent] | None = None
    ) -> None:
        """Report a message that an earlier user of the hardware left there.

        It holds its slot, a reply credit and its tag until their proofs come, as if its request
        had timed out. Called in the order of the queue, before anything is sent. Those that the
        remote has taken and not answered are the oldest; `tx_done` follows them.

        Args:
            tag: what its reply will be known by; -1 if no reply can be taken for another's.
            lent: takes the handle of the message, and returns the memory that the remote still has.
        """
        self.host.gate.call(self.host.adopt, channel, tag, lent)

    def fault(self, queue: DriverQueue, error: Exception) -> None:
        """Report that the remote broke the rules on this queue: it stops until a new epoch."""
        self.host.gate.call(queue.take_fault, error)

    def event(self) -> None:
        """Ask to be serviced soon; for drivers without descriptors."""
        self.host.gate.call(self.host.take_event)

    def rang(self, channel: DriverChannel) -> None:
        """Report that the remote was rung, for who looks at the traffic. Under the lock."""
        tap = self.host.gate.tap
        if tap is not None:
            tap.see(SEEN_DOORBELL, channel.number, None, None, 0, 0)

    # -- the connection, as a driver may ask for it

    def declared_channels(self) -> Mapping[str, DriverChannel]:
        """Return all channels by name, in the order in which they were declared."""
        return self.host.channels

    def declared_queues(self) -> Sequence[DriverQueue]:
        """Return all queues, in the order in which they were declared."""
        return self.host.queues

    def is_lost(self) -> bool:
        """Return whether the remote is gone, as `link` reported last."""
        return self.host.lost

    def is_closed(self) -> bool:
        """Return whether the connection has ended; asked under the lock."""
        return self.host.closed

    def still_lost(self, reason: str) -> None:
        """Say why a lost remote cannot be used yet; clients are told. Under the lock."""
        self.host.life.lost_reason = reason

    # -- the lock

    def locked(self, function: Callable[..., T], *args: Any) -> T:
        """Return ``function(*args)``, called under the lock. Not from inside an op.

        Raises:
            WouldDeadlock: the calling thread has the lock already.
            ForkedError: the process is a child of the one that connected.
        """
        result: T = self.host.gate.run(function, *args)
        return result

    def decide(self, function: Callable[..., object], *args: Any) -> None:
        """Call ``function(*args)`` under the lock: now, or from inside an op after it.

        From any thread. What it raises comes out here, or is logged where it was called later.
        """
        self.host.gate.call(function, *args)

    def undisturbed(self, function: Callable[..., T], *args: Any) -> T:
        """Return ``function(*args)``, begun again if a signal handler raises in it. Under the lock.

        What the handler raised comes out when the lock is released.
        """
        result: T = self.host.gate.undisturbed(function, *args)
        return result

    def put_off(self, error: BaseException) -> bool:
        """Keep what a signal handler raised until the lock is released. Under the lock.

        Returns:
            False if the error is that of the code that it comes out of.
        """
        return self.host.gate.defer(error)
