"""The threads that sleep on the descriptors of a wait source, and how they are woken."""

import os
import select
from collections.abc import Sequence
from typing import Protocol

from mboxio._base.clock import Clock, Parker
from mboxio._base.native import sleep_on
from mboxio._base.states import FOREVER
from mboxio._os.descriptors import eventfd
from mboxio.driver.controller import EVENT, LOOK, Probe

EVENTS_PER_DOUBT = 64
"""One event in 64 is checked for being of use; after a useless one, each. A check costs as much as
a look, which is little when it is spread over 64 events."""
USELESS_MAX = 16
"""Events in a row that may be of no use, by chance or by a race. From the next one on, sleepers are
deaf to the descriptors for a while."""
# In 4 ms a flood fills the socket, and further doorbells are dropped before they cost us anything.
DEAF_MIN_NS, DEAF_MAX_NS = 62_500, 4_000_000


def deaf_for_ns(useless: int) -> int:
    """Return how long to hear nothing after this many useless events in a row, over the limit."""
    return min(DEAF_MIN_NS << min(useless - USELESS_MAX, 16), DEAF_MAX_NS)


class Relieved(Protocol):
    """The service thread, which a waiter may relieve."""

    parker: Parker

    def attend(self, change: int) -> None:
        """See `Worker.attend`."""

    def ring(self) -> None:
        """See `Worker.ring`."""


class Probed(Protocol):
    """A queue."""

    probe: Probe


class Sleepers:
    """The descriptors of a pump, and a kick for each who may sleep on them.

    Two may sleep at once for a moment, a waiter and the service thread that it relieved: with one
    descriptor one could swallow the other's kick.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.worker: Relieved = None  # type: ignore[assignment]  # until the connection has one
        self.descriptors: tuple[int, ...] = ()
        self.pollers: dict[int, select.poll] = {}
        self.kick_fds = [-1, -1]
        self.asleep = 0  # how many sleep on descriptors
        self.closed = False
        self.events = 0  # since one was checked
        self.useless = 0  # events, lately
        self.passed = 0  # messages, when one was checked
        self.deaf_ns = 0  # how long the next sleep hears nothing but its kick

    def doubted(self, queues: Sequence[Probed]) -> bool:
        """Return whether to check if an event is of use, which costs as much as another look."""
        self.events += 1
        if not self.useless and self.events < EVENTS_PER_DOUBT:
            return False
        self.events = 0
        # A driver without a probe of its own cannot tell before it looks.
        return Probe not in [type(queue.probe) for queue in queues]

    def was_useless(self, passed: int) -> None:
        """There was no news when an event was checked: a flood of these is heard ever less.

        One whose news another look has taken comes late, and not in vain. But a flood may have
        messages beside it, so they halve the count, and the next event is checked as well.

        Args:
            passed: how many messages have, ever, in both directions.
        """
        moved = passed != self.passed
        self.useless = max(1, self.useless // 2) if moved else self.useless + 1
        self.passed = passed
        if self.useless > USELESS_MAX:
            self.deaf_ns = deaf_for_ns(self.useless)

    def hint(self) -> str:
        """Ask the descriptors without waiting, for callers who never sleep on them."""
        if not self.descriptors:
            return LOOK
        return EVENT if self.poller(-1).poll(0) else LOOK

    def poller(self, kick_fd: int) -> "select.poll":
        """Return the poll object for the descriptors of now, and for a sleeper's kick unless -1.

        Each is used by one thread at a time: by the one sleeper on that kick, or under the lock.
        """
        poller = self.pollers.get(kick_fd)
        if poller is None:
            poller = select.poll()
            watched = self.descriptors if kick_fd < 0 else (*self.descriptors, kick_fd)
            for descriptor in watched:
                poller.register(descriptor, select.POLLIN)
            self.pollers[kick_fd] = poller
        return poller

    def kick_fd_for(self, parker: Parker) -> int:
        """Return the descriptor that wakes this sleeper. Under the lock."""
        which = 1 if parker is self.worker.parker else 0
        below = parker.below
        while below is not None:  # its thread sleeps already, on a kick and poll object of its own
            which = max(which, 1) + 1
            below = below.below
        while which >= len(self.kick_fds):
            self.kick_fds.append(-1)
        if self.kick_fds[which] < 0:
            self.kick_fds[which] = eventfd()
        return self.kick_fds[which]

    def reserve(self) -> None:
        """Make the kicks of a waiter and of the service thread, so that no later sleep lacks one.

        Raises:
            MailboxError: there are no descriptors left.
        """
        for which in range(2):
            if self.kick_fds[which] < 0:
                self.kick_fds[which] = eventfd()

    def woke(self, parker: Parker) -> None:
        """A sleeper is awake. The last one after the end closes the kicks. Under the lock."""
        if parker.kick_fd >= 0:
            parker.kick_fd = -1
            self.asleep -= 1
            if self.closed:
                self.close()

    def lay_down(self, parker: Parker) -> None:
        """Make a thread's next sleep one on the descriptors. Under the lock."""
        parker.kick_fd = self.kick_fd_for(parker)
        parker.poller = self.poller(parker.kick_fd)
        parker.watched = (*self.descriptors, parker.kick_fd)
        if self.deaf_ns:
            parker.wake_ns = min(parker.wake_ns, self.clock.now_ns() + self.deaf_ns)
            parker.watched = (parker.kick_fd,)
            parker.poller = select.poll()
            parker.poller.register(parker.kick_fd, select.POLLIN)
            self.deaf_ns = 0
        self.asleep += 1

    def close(self) -> None:
        """Close the kick descriptors, once no thread sleeps on them. Under the lock."""
        self.closed = True
        if self.asleep:
            return  # the last one to wake closes them: a closed descriptor's number is used again
        for which, kick_fd in enumerate(self.kick_fds):
            if kick_fd >= 0:
                os.close(kick_fd)
            self.kick_fds[which] = -1

    def forked(self) -> None:
        """The sleepers stayed behind in the parent process."""
        self.asleep = 0
        self.close()


def doze(clock: Clock, parker: Parker) -> str:
    """Sleep as the parker says; returns `EVENT` if a descriptor is readable.

    It holds nothing of the connection, so that a forgotten one can go during the sleep.
    """
    kick_fd = parker.kick_fd
    if kick_fd < 0:
        clock.park(parker, parker.wake_ns)
        return LOOK
    left_ns = FOREVER
    if parker.wake_ns != FOREVER:
        left_ns = parker.wake_ns - (parker.now_ns or clock.now_ns())
    why = LOOK
    for descriptor in sleep_on(parker.poller, parker.watched, left_ns):
        if descriptor == kick_fd:
            try:
                os.eventfd_read(kick_fd)  # one read takes all kicks that came
            except BlockingIOError:
                continue  # read by an earlier sleep
        else:
            why = EVENT
    return why
