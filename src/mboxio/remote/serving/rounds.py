"""Looking at all connections again and again, before anything else is asked."""

from typing import Any

from mboxio._base.native import Monotonic

ROUNDS_PER_TIME = 8
"""Reading the clock costs as much as looking at a ring."""


class RemoteEnd:
    """The remote's end of a connection, which is what a remote serves."""

    closed: bool
    bells: int  # that came since there was anything to do
    asked: bool  # whether there was ever anything to do

    def stirs(self) -> bool:
        """Return, at little cost, whether `serve` may have something to do."""
        return True

    def serve(self, now_ns: int) -> bool:
        """Do what there is to do, a batch per channel; False: there was nothing.

        Args:
            now_ns: the monotonic clock; what is due until then is sent.

        Raises:
            RemoteError: the host broke the protocol; the connection is of no further use.
        """
        raise NotImplementedError

    def arm(self) -> bool:
        """Announce sleep; False: there is something to do, so do not sleep.

        Raises:
            RemoteError: the host broke the protocol.
        """
        raise NotImplementedError

    def shares_cpu(self) -> bool:
        """Return whether the host says that it runs on this thread's CPU. A hint."""
        return False

    def disarm(self) -> None:
        """Announce that we are awake."""
        raise NotImplementedError

    def next_ns(self) -> int | None:
        """Return when `serve` has work even if the host does nothing; None: never."""
        raise NotImplementedError

    def close(self) -> None:
        """Send nothing more; the memory goes with the last reference to this object."""
        raise NotImplementedError

    def abandon(self) -> None:
        """Tell all waiters for answers that the host is gone; on the serving thread."""
        raise NotImplementedError


class RegionEnd(RemoteEnd):
    """The firmware's end of a region."""

    def broken(self) -> None:
        """The host broke the protocol, and nobody else can tell it: be of no further use."""
        self.close()


class Rounds:
    """Serves what is in ``ends``. One thread calls `look`; any may set the flags.

    Attributes:
        ends: list of `RemoteEnd`; changed between two looks only.
        current: the one that raised.
        silent: look at nothing.
        stopping: return at once.
        near: whom we served last runs on our CPU, so to look on would keep it from asking.
        now_ns: the clock as it was read last.
        idle_ns: how long there has been nothing to do.
        waited_ns: how long there was nothing to do before the latest work.
    """

    def __init__(self) -> None:
        self.clock = Monotonic()
        self.ends: list[Any] = []
        self.current: Any = None
        self.silent = False
        self.stopping = False
        self.near = False
        self.now_ns = self.worked_ns = self.clock.now_ns()
        self.idle_ns = self.waited_ns = 0

    def look(self, idle_ns: int, chunk_ns: int) -> bool:
        """Serve all ends until none had any work for ``idle_ns``; False: none had any.

        Args:
            chunk_ns: how long this may take.

        Raises:
            RemoteError: the host of ``current`` broke the protocol.
        """
        began_ns = now_ns = self.clock.now_ns()
        latest: Any = None
        worked = False
        gave_way = True  # it gives way after work only
        rounds = 0
        while not (self.stopping or self.silent):
            busy = False
            for end in self.ends:
                self.current = end
                if end.stirs():
                    now_ns = self.clock.now_ns()
                    if end.serve(now_ns):
                        busy = True
                        latest = end
                        end.bells = 0
                        end.asked = True
            rounds += 1
            if latest is not None and not busy:
                self.near = latest.shares_cpu()
                latest = None
            if busy:
                if not worked:
                    self.waited_ns = now_ns - self.worked_ns
                    worked = True
                self.worked_ns = now_ns
                gave_way = False
            elif idle_ns == 0 or self.near:
                if gave_way:
                    break
                self.clock.give_way()  # on a shared CPU, the host may have asked again then
                gave_way = True
                continue
            elif rounds % ROUNDS_PER_TIME == 0:
                now_ns = self.clock.now_ns()
                if now_ns - self.worked_ns >= idle_ns:
                    break
            if now_ns - began_ns >= chunk_ns:
                break
            if not busy:
                self.clock.relax()
        self.now_ns = now_ns
        self.idle_ns = now_ns - self.worked_ns
        return worked
