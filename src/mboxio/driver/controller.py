"""The driver's door: what the author of a controller implements. What it calls is in `services`.

Ops go down (the core calls the driver), reports go up. Unless its docstring says otherwise an op

* is called by one thread at a time, under the controller's lock, from any thread;
* must not wait, sleep, log or run user code, and takes as long as its register accesses;
* may call the reports of `Services`: inside an op they leave a note that is acted on afterwards.
"""

from collections.abc import Callable
from typing import Any

from mboxio.driver.contracts import (
    DriverChannel,
    DriverQueue,
    TreeNode,
    TreeReader,
    TreeSpecifier,
)
from mboxio.driver.correlate import bytes_of
from mboxio.driver.services import Services
from mboxio.errors import AddressError

EVENT, LOOK, POLL = "event", "look", "poll"
"""Why `Controller.service` is called: the wait source fired, a thread looks, the poll timer."""


class Outcome:
    """The outcome of `Controller.send`: `SENT`, `ACCEPTED`, `Done` or `Busy`."""

    __slots__ = ("reply", "retry", "retry_ns")

    def __init__(self, reply: bytes | None = None, retry: str = "", retry_ns: int = 0) -> None:
        self.reply = reply
        self.retry = retry
        self.retry_ns = retry_ns


SENT = Outcome()
"""The message was handed over; TX done is reported later."""


ACCEPTED = Outcome()
"""A thread or another machine has the message and will hand it over. It has not left.

`Controller.handed_over` reports when it leaves; the time of the reply runs from then on, and until
then that of the queue. TX done without an error and a reply say so as well.
"""


def Done(reply: bytes = b"") -> Outcome:
    """The message was handed over and everything about it is over, the reply included."""
    return Outcome(reply=reply if type(reply) is bytes else bytes_of(reply, "the reply of Done()"))


def Busy(retry: str = "tx_done", *, at_ns: int = 0) -> Outcome:
    """The hardware takes nothing now, and nothing was handed over.

    Args:
        retry: try again on ``tx_done``, on the next ``event``, or ``at`` a time.
        at_ns: that time on the controller's clock.
    """
    if retry not in ("tx_done", "event", "at"):
        raise ValueError("retry is tx_done, event or at")
    return Outcome(retry=retry, retry_ns=at_ns)


def expects_reply(handle: int) -> bool:
    """Tell from a handle whether the client awaits an answer to this message."""
    return bool(handle & 1)


class Probe:
    """The check of a queue that a spinner makes before it takes the lock and looks.

    It is asked without the lock, changes nothing, and what it says is a hint. This one knows
    nothing; a driver may give its queues others: ``queue.probe = ...``.
    """

    __slots__ = ()

    def news(self, only_replies: bool) -> bool:
        """Return, at little cost, whether ``service`` may find something.

        Args:
            only_replies: news of slots are none.
        """
        return True

    def shares_cpu(self) -> bool:
        """Return whether the remote runs on this thread's CPU, where it cannot answer meanwhile."""
        return False


class Controller(Services):
    """A driver: it knows registers and rings, and nothing of clients or requests.

    A subclass overrides ``open``, ``send``, ``service`` and what else it needs. Handles are
    integers that the core makes: valid before ``send`` is called, never used again while held.
    """

    # -- ops

    def stack(self, connect: Callable[[str], Any]) -> None:
        """Take what reaches another controller by its address, to stand on that one.

        Called before ``open`` where this driver was made from an address. What ``connect`` returns
        is the driver's to close.
        """

    def expect(self, channel: str) -> None:
        """Hear which channel the address names, before ``open``; empty if it names none.

        For controllers whose channels come and go: ``open`` may then wait for this one, by an
        error that says ``not_yet``. Others leave it to the look-up that follows.
        """

    def open(self) -> None:
        """Reach the hardware and declare queues and channels.

        Called once, on the thread of the user who connects, without the lock; may block for a
        bounded time. Raises `RemoteGone` or `AddressError` where nothing can be reached.
        """

    def close(self) -> None:
        """Let go of everything. Called once, without the lock, after all channels stopped.

        Also called after a failed ``open``, so it copes with half of everything.
        """

    def start(self, channel: DriverChannel) -> None:
        """The first client takes the channel. Without the lock; an exception refuses the client.

        It may ask for channels of other controllers.
        """

    def stop(self, channel: DriverChannel) -> None:
        """The last client left the channel. Without the lock. Not called if ``start`` failed."""

    def claim(self, channel: DriverChannel) -> None:
        """A client is about to answer what the remote asks here. Without the lock.

        Raises:
            AddressError: somebody else does; the client is refused.
        """

    def disclaim(self, channel: DriverChannel) -> None:
        """Nobody here answers what the remote asks on this channel any more."""

    def check(self, channel: DriverChannel, message: bytes) -> None:
        """Refuse a message that can never be sent. Called without the lock, before it is accepted.

        Raises:
            WrongMessage: says what is wrong with it.
        """

    def send(self, channel: DriverChannel, handle: int, message: bytes) -> Outcome:
        """Hand one message to the hardware and ring the doorbell: data, index, doorbell.

        Returns:
            `SENT`, `ACCEPTED`, ``Done(reply)`` or ``Busy(retry)``.

        Raises:
            Exception: whether the message left is unknown: the request ends failed, and slot, tag
                and credit stay held until their proof. `RemoteGone` also loses the link.
        """
        raise NotImplementedError(f"{type(self).__name__} cannot send")

    def reply(
        self, channel: DriverChannel, handle: int, tag: int, message: bytes, status: int
    ) -> Outcome:
        """Answer the remote's request ``tag``; only for wires with a field of their own for it.

        Args:
            status: 0, or an errno if the handler failed; then ``message`` is a text.
        """
        return self.send(channel, handle, message)

    def ring(self, channel: DriverChannel) -> None:
        """Ring the doorbell without a message. Rings may merge into one.

        Raises:
            AddressError: there is no doorbell of its own.
        """
        raise AddressError(f"channel {channel.name!r} has no doorbell apart from its messages")

    def service(self, queue: DriverQueue, why: str) -> None:
        """Do a bounded amount of work: clear causes, drain RX, report TX progress.

        Args:
            queue: the queue to look at; a driver with one event source may do all at once.
            why: `EVENT`, `LOOK` or `POLL`.

        Raises:
            RemoteError: the remote lied; this queue stops until a new epoch, others go on.
        """

    def arm(self, queue: DriverQueue) -> bool:
        """Ask to be woken by the wait source from now on: announce the sleep, look again.

        Returns:
            True if something is there already and ``service`` should be called in place of
            sleeping.
        """
        return False

    def abort(self, channel: DriverChannel, handle: int) -> bool:
        """Try to take a message back whose request ended without its reply.

        Returns:
            True only as a proof that the remote is finished with it and will not answer.
        """
        return False

    def xlate(self, specifier: TreeSpecifier) -> str | int:
        """Say which channel an entry of a device tree means. Without the lock, after ``open``.

        The base takes the first cell for the number of the channel.

        Args:
            specifier: has ``cells``, and ``nodes``: where a cell is the phandle of a child of
                this controller's node, that child, by the number of the cell.

        Returns:
            The name or number of a channel.

        Raises:
            AddressError: none; ``errno`` is EINVAL, or EBUSY where all that it may be are taken.
        """
        if not specifier.cells:
            raise AddressError("the entry has no cells, and so no number of a channel")
        return specifier.cells[0]

    @classmethod
    def tree_options(
        cls, tree: TreeReader, node: TreeNode, specifier: TreeSpecifier | None
    ) -> dict[str, str]:
        """Say which options of an address a node of a device tree means; before there is a driver.

        The base reaches the first registers through ``/dev/mem``: ``at=devmem:@ADDRESS+SIZE``.

        Args:
            tree, node: a ``DeviceTree``, and the node with this controller's ``compatible``.
            specifier: as for `xlate`, where a channel is opened; else None.

        Raises:
            AddressError: the node lacks something.
        """
        for each in tree.regions(node):
            if each.cpu is not None:
                return {"at": f"devmem:@{each.cpu:#x}+{each.size_bytes:#x}"}
            break
        raise AddressError(f"{node.path} has no registers that the CPU can reach")

    def unlink(self) -> None:
        """This life has ended in an access: an op raised `RemoteGone`, as the core knows already.

        Look at nothing of it any more, as after ``link(False, ...)``; `reconnect` is called next.
        Not inside an op.
        """

    def reconnect(self) -> bool:
        """Start to reach a lost remote again; called without the lock, with growing pauses.

        Returns:
            False if this controller cannot. Success is reported by ``link``.
        """
        return False

    def restarted(self) -> None:
        """The user says that the remote was restarted: what it knew is void, look at it again.

        Nothing is in flight or held any more. Where the new life cannot be used, report
        ``link(False, ...)``; `reconnect` is called then.
        """

    def forked(self) -> None:
        """The process is a forked child: close descriptors, say nothing to the remote."""
