"""What a processor sends: at once where a buffer is free, else in order as buffers come."""

from mboxio._base.native import Mutex
from mboxio.errors import MessageTooLong
from mboxio.remote.failures import log
from mboxio.remote.rpmsg.lies import spoilt
from mboxio.remote.stats import RemoteStats
from mboxio.rpmsg.link import RemoteLink
from mboxio.rpmsg.message import NAME_SERVICE, Announcement

__all__ = ["Outbox"]

RETRY_NS = 10_000_000
"""How often to look for a buffer, should no ring tell of one."""
WRONG_LENGTH = 0xFFFF


class Outbox:
    """Queue 0 of a processor, and what waits for its buffers. Any thread.

    Args:
        stats: where to count.

    Attributes:
        link: what is sent on; None: the host is not ready.
        dropping: answers that find no buffer are dropped, as by firmware that only tries to send.
        sent: counts what went by `send` and `flush`.
        retry_ns: when to call `flush` at the latest, if something waits.
    """

    def __init__(self, stats: RemoteStats) -> None:
        self.link: RemoteLink | None = None
        self.dropping = False
        self.sent = 0
        self.retry_ns = 0
        self.waiting: list[tuple[int, int, bytes]] = []
        self._stats = stats
        self._guard = Mutex()

    def begin(self, link: RemoteLink | None) -> None:
        """Send on another link from now on; what waited is of no use there."""
        self._guard.acquire()
        self.link = link
        self.waiting.clear()
        self._guard.release()

    def send(self, source: int, destination: int, message: bytes, now_ns: int) -> None:
        """Send an answer; where there is no buffer, it waits, and all that come after it.

        Args:
            source: our address; a negative one lies about the length of the message.
            destination: the host's.
            message: what is sent; if it is too long, it is logged and counted as a failure.
            now_ns: the monotonic clock.

        Raises:
            RemoteError: the host broke the protocol.
        """
        if not self._guard.try_acquire():
            self._guard.acquire()
        try:
            if not self.waiting and self._put(source, destination, message):
                self.sent += 1
            elif self.dropping:
                self._stats.dropped += 1
            else:
                self.waiting.append((source, destination, message))
                self.retry_ns = now_ns + RETRY_NS
        finally:
            self._guard.release()

    def flush(self, now_ns: int) -> None:
        """Send what waits, as far as there are buffers; raises RemoteError."""
        waiting = self.waiting
        gone = 0
        self._guard.acquire()
        try:
            while gone < len(waiting):
                source, destination, message = waiting[gone]
                if not self._put(source, destination, message):
                    break
                gone += 1
            self.retry_ns = now_ns + RETRY_NS
        finally:
            del waiting[:gone]
            self.sent += gone
            self._guard.release()

    def announce(self, *announcements: Announcement) -> None:
        """Have the host told of services, as soon as it takes it."""
        self._guard.acquire()
        for each in announcements:
            self.waiting.append((each.address, NAME_SERVICE, each.pack()))
        self._guard.release()

    def put(
        self, source: int, destination: int, message: bytes, length: int | None, filled: int | None
    ) -> bool:
        """See `Processor.put`."""
        self._guard.acquire()
        try:
            link = self.link
            if link is None or self.waiting:
                return False  # what waits was there first
            if length is None and filled is None:
                return link.send(source, destination, message) >= 0
            return spoilt(link, source, destination, message, length, filled)
        finally:
            self._guard.release()

    def _put(self, source: int, destination: int, message: bytes) -> bool:
        link = self.link
        if link is None:
            return True  # gone, with everybody who could read it
        try:
            if source < 0:
                sent = spoilt(link, -source, destination, message, WRONG_LENGTH, None)
            else:
                sent = link.send(source, destination, message) >= 0
        except MessageTooLong as error:
            self._stats.failures += 1
            log.warning("an answer from address %#x is not sent: %s", abs(source), error)
            return True
        if sent and destination == NAME_SERVICE:
            self._stats.announcements += 1
        elif sent:
            self._stats.replies += 1
        return sent
