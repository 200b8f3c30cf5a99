"""The lives of the remote: what ends with one, and how the next is looked for."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from mboxio._base.deputies import deputise
from mboxio._base.gate import Gate, complain, is_foreign
from mboxio._base.native import COMPILED
from mboxio._base.request import Request
from mboxio._base.states import FOREVER
from mboxio._base.tap import SEEN_LINK, Tap
from mboxio._host.pace import RetryPace
from mboxio._queue import refusals
from mboxio._queue.backlog import BY_SUBMIT
from mboxio._queue.channel import Channel
from mboxio._queue.queue import Queue
from mboxio._queue.refusals import HOW
from mboxio.driver.controller import Controller
from mboxio.errors import AccessDenied, MailboxError, RemoteGone

__all__ = ["Life"]


class Turnstile(Protocol):
    """A lock that one may look at in passing."""

    def acquire(self, blocking: bool = True) -> bool:
        """See `threading.Lock`."""
        ...

    def release(self) -> None:
        """See `threading.Lock`."""


class Reaching(Protocol):
    """The pump, which sleeps until the next try."""

    reconnect_ns: int

    @property
    def watch(self) -> Callable[[tuple[int, ...]], None]:
        """See `Pump.watch`."""
        ...

    def kick(self) -> None:
        """See `Pump.kick`."""

    def look(self) -> None:
        """See `Pump.look`."""


class Housed(Protocol):
    """The connection whose remote lives."""

    gate: Gate
    address: str
    controller: Controller
    closed: bool

    @property
    def admin(self) -> Turnstile:
        """Held while clients come and go, and during a try."""
        ...

    @property
    def pump(self) -> Reaching:
        """Who tries when it is time."""
        ...

    @property
    def queues(self) -> Sequence[Queue]:
        """All queues."""
        ...

    @property
    def channels(self) -> Mapping[str, Channel]:
        """All channels, by name."""
        ...


class Life:
    """The life of the remote that this connection knows, and the search for the next one.

    The end of a life is a proof of death: everything in flight ends, and nothing is held any more.
    Whether the remote is lost stands in the gate (`Gate.lost`), where every message looks.

    Args:
        host: the connection.
    """

    def __init__(self, host: Housed) -> None:
        self.host = host
        self.gate = host.gate
        self.address = host.address
        self.number = 0  # of lives that ended
        self.epoch = -1  # of the driver's; -1 while the remote is lost
        self.lost_reason = ""
        self.kind: type[MailboxError] = RemoteGone  # of what ends with a life
        self.pace = RetryPace()
        self.trying = False

    @property
    def denied(self) -> bool:
        """Whether the remote refuses this user: waiting for its next life is in vain."""
        return self.kind is AccessDenied

    def require(self, channel: Channel, waits: bool) -> None:
        """Raise that the remote is lost, unless it may come back while the caller waits.

        Raises:
            RemoteGone, AccessDenied: it is lost, for everybody or for this user.
        """
        if self.gate.lost and (not waits or self.denied):
            raise refusals.gone(channel, self.lost_reason, self.kind)

    # -- what the driver reports, under the lock

    def take_link(self, up: bool, epoch: int, reason: str, sought: bool = True) -> None:
        """The remote is there, or it is lost; both ends of a life end all that is in flight.

        A lost one is looked for if it is ``sought``, else with the next message.
        """
        if self.host.closed:
            return
        lost = self.gate.lost
        # Up with another epoch: it was quicker to come back than its loss to be noticed.
        died = (not up and not lost) or (up and self.epoch not in (-1, epoch))
        if died:
            self.end(reason or "it restarted")
        if not up:
            self.gate.lost = True
            self.lost_reason = reason
            self.epoch = -1
            if not lost:  # a driver may say so at every look, and each try is followed by one
                self.tell(self.gate.tap)
                if sought:
                    self.want()
                self.tell_ports(False)
            return
        self.gate.lost = False
        self.kind = RemoteGone
        new = self.epoch != epoch
        self.epoch = epoch
        if lost:
            self.host.pump.reconnect_ns = self.pace.found(self.host)
        if lost or new:
            self.tell(self.gate.tap)
        self.start_queues()
        if lost or died:
            self.tell_ports(True)

    def take_denied(self, reason: str) -> None:
        """The remote refuses this user, and no try will change that: whoever waits ends, too."""
        if self.host.closed:
            return
        self.kind = AccessDenied
        if self.gate.lost:
            self.end(reason)
        self.take_link(False, -1, reason)

    def take_gone(self, reason: str) -> None:
        """A driver met the end of what it reaches the remote by; it may watch something new."""
        if not (self.host.closed or self.gate.lost):
            self.host.pump.watch(())
            self.host.controller.unlink()
            self.take_link(False, -1, reason)

    def restart(self) -> None:
        """The user vouches for a new life, where nothing else can. Under the lock."""
        if not self.gate.lost:
            self.end("the user said that it restarted")
            self.host.controller.restarted()
            self.start_queues()

    def end(self, reason: str) -> None:
        """This life is over: its requests end, nothing of it is kept. Under the lock."""
        self.number += 1  # first: answers to the old life's questions are known by it
        for queue in self.host.queues:
            queue.answers.clear()
            for request in queue.in_flight():
                self.fail(request, reason)
            for client in list(queue.line):
                for request in list(client._backlog.line):
                    # Callers that wait stay for the next life, if there can be one.
                    if request._queued_by == BY_SUBMIT or self.denied:
                        self.fail(request, reason)
            queue.forget_all("epoch")
        for channel in self.host.channels.values():
            channel.asked = 0
            channel.resync("epoch")
            gone = self.kind(f"channel {channel.name!r}: {HOW[self.kind]}: {reason}")
            for subscription in channel.subscriptions:
                subscription.put(gone)

    def fail(self, request: Request, reason: str) -> None:
        """End one request with the life of the remote."""
        channel: Channel = request._owner._channel
        channel.fail(request, channel.error(self.kind, request, f"{HOW[self.kind]}: {reason}"))

    def start_queues(self) -> None:
        """Let every queue go on: the new life has not lied yet."""
        for queue in self.host.queues:
            queue.fault = None
            queue.mark_dirty()

    def listen(self, tap: Tap) -> None:
        """Tell one more from now on, first how the link is. Under the lock."""
        self.gate.add_tap(tap)
        self.tell(tap)

    def tell(self, tap: Tap | None) -> None:
        """Tell who listens whether the remote is there, and in which life. Under the lock."""
        if tap is None:
            return
        reason = self.lost_reason.encode() if self.gate.lost else None
        for channel in self.host.channels.values():
            tap.see(SEEN_LINK, channel.number, None, reason, self.epoch, 0)

    def numbers_of(self, queue: Queue) -> list[int]:
        """Return the numbers of the channels that use a queue."""
        return [each.number for each in self.host.channels.values() if each.queue is queue]

    def passed(self) -> int:
        """Return how many messages have passed, ever, in both directions."""
        return sum(each.counts.passed() for each in self.host.channels.values())

    def tell_ports(self, up: bool) -> None:
        """Tell layers above about the link."""
        for channel in self.host.channels.values():
            for client in channel.clients:
                if client._ports is not None and client._ports.link is not None:
                    self.gate.post(client._ports.link, up)

    # -- the search for the next one

    def want(self) -> None:
        """The remote is needed: try at the next occasion. Under the lock."""
        pump = self.host.pump
        if self.gate.lost and pump.reconnect_ns == FOREVER:
            pump.reconnect_ns = self.pace.lost(self.host)
            pump.kick()

    def seek(self) -> None:
        """Make the caller's own try to reach a lost remote; does not wait for it."""
        if self.gate.forked:
            return
        self.gate.call(self.want)
        self.try_again()
        self.host.pump.look()

    def try_again(self) -> None:
        """Try to reach the remote if a try is due; pauses grow. Without the lock."""
        host = self.host
        if self.gate.forked or self.gate.lock.mine():  # `reconnect` is never called under the lock
            return
        taken: list[bool] = []
        try:
            # In one step for signal handlers: none raises between the lock and its entry here.
            taken.extend(map(host.admin.acquire, (False,)))
            if not taken[0]:  # looking for a remote never waits
                # Another thread is at it, or opens or closes clients.
                self.gate.call(self.plan, True)
                return
            # Asked under `admin`: another thread may have tried since, or is still at it below on
            # this stack, where `admin` lets us in again.
            early = self.gate.clock.now_ns() < host.pump.reconnect_ns
            if self.trying or not self.gate.lost or host.closed or early:
                return
            able = True
            self.trying = True
            self.gate.call(self.plan, True)  # the next try, for all who look
            try:
                able = host.controller.reconnect()
            except Exception as error:
                if is_foreign(error):
                    raise
                complain("reconnect() of %r raised", host.controller, error)
            finally:
                self.trying = False
            if not able:
                self.gate.call(self.plan, False)
        finally:
            if taken and taken[0]:
                host.admin.release()

    def plan(self, able: bool) -> None:
        """Choose the time of the next try. Under the lock."""
        self.host.pump.reconnect_ns = (
            self.pace.tried(self.host) if able and self.gate.lost else FOREVER
        )


if not COMPILED:
    deputise(Life, "seek", "try_again")
