"""A processor that speaks RPMsg: one link and its endpoints, without sockets, threads or files.

Whoever has the memory and the doorbell is a `HostSide`, makes a `Processor` with it and calls
`serve` whenever the host rang, and at `next_ns` if that comes first::

    services = Services()
    services.service("rpmsg-raw", handler)
    processor = Processor(services, host)
    while True:
        processor.serve(monotonic_ns())          # RemoteError: the host lied; see `Processor.serve`
        wait_for_a_ring(processor.next_ns())     # a deadline of that clock, or None

It announces its services when the host is ready, and those that come later; it answers; and it
notices that the host begins again. Services come and go from any thread, which then has to see that
`serve` is called: `Services.tell` is there for that.
"""

from mboxio.errors import RemoteError
from mboxio.remote.rpmsg.endpoints import Endpoints
from mboxio.remote.rpmsg.outbox import Outbox
from mboxio.remote.rpmsg.services import Services
from mboxio.remote.stats import RemoteStats
from mboxio.rpmsg.link import RemoteLink
from mboxio.rpmsg.message import Announcement

__all__ = ["DRIVER_OK", "HostSide", "Processor"]

DRIVER_OK = 4
"""The bit of a device's status that says that the host is ready, and the rings may be touched."""
BATCH = 16
LOOKS_PER_STATUS = 16
"""Most looks are for messages: the status costs more than the rings, and changes once in a life."""


class HostSide:
    """The host, as a processor reaches it."""

    def ready(self) -> bool:
        """Return whether the host is ready; on the serving thread."""
        raise NotImplementedError

    def join(self) -> RemoteLink:
        """Return the link as the rings stand now; on the serving thread, after `ready`.

        Raises:
            RemoteError: the host lied.
        """
        raise NotImplementedError

    def ring(self, queue: int) -> None:
        """Ring the host for queue 0 or 1; it does not block, and any thread may call it."""
        raise NotImplementedError


class Processor:
    """The far side of one RPMsg link.

    One thread calls `serve`, `stirs`, `quiet` and `next_ns`; any may call the others.

    Args:
        services: what it offers; several processors may offer the same.
        host: who uses them.
        stats: where to count.

    Attributes:
        link: None until the host is ready.
        outbox: what is sent on it.
        endpoints: where its messages are received.
        broken: the host lied, and did not reset its device yet.
        silent: takes nothing and answers nothing.
        leaking: never gives the host's buffers back.
    """

    def __init__(
        self,
        services: Services,
        host: HostSide,
        stats: RemoteStats | None = None,
    ) -> None:
        self.stats = stats or RemoteStats()
        self.outbox = Outbox(self.stats)
        self.endpoints = Endpoints(services, self.outbox, self.stats)
        self.link: RemoteLink | None = None
        self.closed = self.broken = False
        self.silent = self.leaking = False
        self._looks = 0
        self._host = host

    # -- on the serving thread

    def stirs(self) -> bool:
        """Return, at little cost, whether `serve` may have something to do."""
        link = self.link
        if self.closed or self.silent:
            return False
        if link is None or self.broken:
            return self._host.ready() != self.broken or (link is not None and link.was_reset())
        if link.incoming.news() or self.endpoints.owed > 0 or self._changed(link):
            return True
        self._looks += 1
        return self._looks % LOOKS_PER_STATUS == 0 and not self._host.ready()

    def serve(self, now_ns: int) -> bool:
        """Do what there is to do, a batch at most; False: there was nothing.

        Args:
            now_ns: the monotonic clock; what is due until then is sent.

        Raises:
            RemoteError: the host broke the protocol. Until it resets its device, nothing more is
                done; `broken` tells.
        """
        if self.closed or self.silent:
            return False
        if not self._host.ready():
            return self._drop()
        if self.broken and (self.link is None or not self.link.was_reset()):
            return False
        try:
            if self.link is None or self.link.was_reset():
                self._begin()
            return self._serve(now_ns)
        except RemoteError:
            self.broken = True
            raise

    def quiet(self) -> bool:
        """Return whether there is nothing to do before the host rings, or `next_ns`.

        Raises:
            RemoteError: the host broke the protocol.
        """
        link = self.link
        if self.closed or self.silent:
            return True
        if link is None or self.broken:
            return self._host.ready() == self.broken and (link is None or not link.was_reset())
        if self._changed(link) or not self._host.ready():
            return False
        return self._room() <= 0 or not link.pending()

    def next_ns(self) -> int | None:
        """Return when `serve` has work even if the host does nothing; None: never."""
        if self.closed or self.silent or self.link is None or self.broken:
            return None
        soonest_ns = self.outbox.retry_ns if self.outbox.waiting else None
        return self.endpoints.next_ns(soonest_ns)

    # -- any thread

    def put(
        self,
        source: int,
        destination: int,
        message: bytes,
        *,
        length: int | None = None,
        filled: int | None = None,
    ) -> bool:
        """Send a message from any address to any; False: the host is not ready, or has no buffer.

        Args:
            source, destination: the addresses in its header.
            message: what is sent.
            length: what the header is to say instead of its length.
            filled: what the ring is to say instead of how many bytes of the buffer were written.

        Raises:
            MessageTooLong: longer than a buffer.
            RemoteError: the host broke the protocol.
        """
        if self.closed or self.broken:
            return False
        if not self.outbox.put(source, destination, message, length, filled):
            return False
        self._host.ring(0)
        return True

    def notify(self, name: str, message: bytes, to: int | None = None) -> bool:
        """Send an unsolicited message of a service; see `RpmsgRemote.notify`.

        Where nobody has spoken yet, it goes to the service of that name which the host announced.
        """
        endpoint = self.endpoints.by_name.get(name)
        if endpoint is None:
            return False
        to = self.endpoints.partner(endpoint) if to is None else to
        if to < 0 or not self.put(endpoint.address, to, message):
            return False
        endpoint.told(message)
        return True

    def announce(self, *announcements: Announcement) -> None:
        """Announce what need not exist; it waits for buffers, and `serve` has to be called."""
        self.outbox.announce(*announcements)

    def close(self) -> None:
        """Do nothing more."""
        self.closed = True
        self.outbox.begin(None)

    # -- inside

    def _drop(self) -> bool:
        """Forget a link that the host has given up; False: there was none."""
        had = self.link is not None
        self.link = None
        self.broken = False
        self.outbox.begin(None)
        return had

    def _begin(self) -> None:
        """Join the rings of a host that is ready."""
        self._drop()
        link = self._host.join()
        self.endpoints.clear()
        self.stats.links += 1
        self.link = link
        self.outbox.begin(link)

    def _serve(self, now_ns: int) -> bool:
        endpoints = self.endpoints
        if endpoints.stale():
            endpoints.sync()
        link, outbox = self.link, self.outbox
        sent = outbox.sent
        taken = 0
        try:
            if link is not None and link.head >= 0 and not self.leaking:  # they were kept
                taken = link.release()
            if outbox.waiting:
                outbox.flush(now_ns)
            room = self._room()
            if room > 0:
                taken += self._take(min(room, BATCH), now_ns)
            if endpoints.owed:
                endpoints.send_due(now_ns)
        finally:
            if taken and not self.leaking:
                self._host.ring(1)
            if outbox.sent != sent:
                self._host.ring(0)
        return taken > 0 or outbox.sent != sent

    def _changed(self, link: RemoteLink) -> bool:
        """Return whether there is something to do besides messages."""
        if self.endpoints.stale() or (self.outbox.waiting and link.outgoing.news()):
            return True
        return link.was_reset() or (link.head >= 0 and not self.leaking)

    def _room(self) -> int:
        """Return how many messages may be taken: a host that reads nothing is not read either."""
        slots = 0 if self.link is None else self.link.slots
        owed = self.endpoints.owed + len(self.outbox.waiting)
        return 2 * max(slots, BATCH, self.endpoints.workers) - owed

    def _take(self, limit: int, now_ns: int) -> int:
        """Take up to `limit` messages and answer them; return how many there were."""
        link, stats, endpoints, outbox = self.link, self.stats, self.endpoints, self.outbox
        taken = 0
        while taken < limit and link is not None:
            try:
                message = link.receive()
            except RemoteError:
                if not taken:
                    raise
                break  # what came before the lie is answered; the next call raises it
            if message is None:
                break
            taken += 1
            source = link.source
            endpoint = endpoints.latest
            if endpoint is None or endpoint.address != link.destination:
                endpoint = endpoints.by_address.get(link.destination)
                endpoints.latest = endpoint
            if not self.leaking:
                link.release()
            if endpoint is None:
                endpoints.stray(link.destination, message)
                continue
            stats.messages += 1
            endpoint.heard(source, message)
            service = endpoint.service
            try:
                made = service.handler(message)
                reply = made if made is None or type(made) is bytes else service.answer_of(made)
            except Exception as error:
                stats.failures += 1
                service.failed(error)
                continue
            if reply is None:
                continue
            if endpoint.answers_first:
                source = endpoint.first
            if service.latency_ns or service.disturbance is not None:
                endpoints.delay(endpoint, source, reply, now_ns)
            else:
                outbox.send(endpoint.address, source, reply, now_ns)
                if service.tap is not None:
                    endpoint.told(reply)
        return taken
