"""Where messages of one host are received: an endpoint for each service, and the name service."""

from mboxio._base.tap import SEEN_MESSAGE, SEEN_NOTIFICATION, tagged
from mboxio.remote.delayed import Delayed
from mboxio.remote.rpmsg.outbox import Outbox
from mboxio.remote.rpmsg.services import RpmsgService, Services
from mboxio.remote.stats import RemoteStats
from mboxio.rpmsg.message import NAME_SERVICE, Announcement

__all__ = ["Endpoint", "Endpoints"]

HOST_SERVICES_MAX = 64


class Endpoint:
    """An address of the processor, in one life of a link.

    Args:
        service: what is served there.
        stats: where to count.

    Attributes:
        first, latest: the sources of messages; -1: none came.
        answers_first: answers go to the first one.
        delayed: answers that are not due yet; their kind is our address.
    """

    def __init__(self, service: RpmsgService, stats: RemoteStats) -> None:
        self.service = service
        self.address = service.address
        self.first = -1
        self.latest = -1
        self.answers_first = service.first
        self.delayed = Delayed(stats)

    def heard(self, source: int, message: bytes) -> None:
        """A message came from there."""
        if self.first < 0:
            self.first = source
        self.latest = source
        service = self.service
        if service.tap is not None:
            service.tap.see(SEEN_MESSAGE, service.number, None, message, tagged(0, 0), 0)

    def answer_to(self, source: int) -> int:
        """Return where the answer to a message goes."""
        return self.first if self.answers_first else source

    def told(self, message: bytes) -> None:
        """Tell who listens of a message that left."""
        service = self.service
        if service.tap is not None:
            service.tap.see(SEEN_NOTIFICATION, service.number, None, message, 0, 0)


class Endpoints:
    """The endpoints of one link; on the serving thread.

    Args:
        services: what there is to serve.
        outbox: through which it is announced and answered.
        stats: where to count.

    Attributes:
        by_address, by_name: the same endpoints twice.
        owed: how many answers are not due yet.
        workers: the most that any service has.
        latest: the one that was spoken to last, or None.
        of_host: what the host announced: names and addresses.
    """

    def __init__(self, services: Services, outbox: Outbox, stats: RemoteStats) -> None:
        self.by_address: dict[int, Endpoint] = {}
        self.by_name: dict[str, Endpoint] = {}
        self.latest: Endpoint | None = None
        self.owed = 0
        self.workers = 1
        self.of_host: dict[str, int] = {}
        self._services = services
        self._outbox = outbox
        self._stats = stats
        self._version = -1

    def clear(self) -> None:
        """A new life: nothing is announced."""
        self.by_address.clear()
        self.by_name.clear()
        self.of_host.clear()
        self.latest = None
        self.owed = 0
        self._version = -1

    def stale(self) -> bool:
        """Return whether services came or went."""
        return self._version != self._services.version

    def sync(self) -> None:
        """Announce what came and what went."""
        self._version = self._services.version
        self.latest = None
        present = self._services.present()
        for name, endpoint in tuple(self.by_name.items()):
            if present.get(name) is not endpoint.service:
                del self.by_name[name], self.by_address[endpoint.address]
                self.owed -= len(endpoint.delayed.due)
                self._stats.dropped += len(endpoint.delayed.due)
                if endpoint.service.announced:
                    self._outbox.announce(Announcement(name, endpoint.address, gone=True))
        for name, service in present.items():
            if name not in self.by_name:
                endpoint = Endpoint(service, self._stats)
                self.by_name[name] = self.by_address[endpoint.address] = endpoint
                self.workers = max(self.workers, service.workers)
                if service.announced:
                    self._outbox.announce(Announcement(name, endpoint.address))

    def delay(self, endpoint: Endpoint, to: int, reply: bytes, now_ns: int) -> None:
        """Have an answer go when the simulated firmware is finished with it."""
        delayed, service = endpoint.delayed, endpoint.service
        before = len(delayed.due)
        delayed.add((endpoint.address, to, reply), service.due_ns(now_ns), service.disturbance)
        self.owed += len(delayed.due) - before

    def send_due(self, now_ns: int) -> None:
        """Send the answers whose time has come; raises RemoteError."""
        for endpoint in self.by_address.values():
            while endpoint.delayed.is_due(now_ns):
                source, to, message = endpoint.delayed.take()
                self.owed -= 1
                self._outbox.send(source, to, message, now_ns)
                endpoint.told(message)

    def next_ns(self, soonest_ns: int | None) -> int | None:
        """Return when the next answer is due, or what is given if that is sooner."""
        if self.owed:
            for endpoint in self.by_address.values():
                due = endpoint.delayed.due
                if due and (soonest_ns is None or due[0][0] < soonest_ns):
                    soonest_ns = due[0][0]
        return soonest_ns

    def partner(self, endpoint: Endpoint) -> int:
        """Return who speaks with a service, else who announced its name; -1: nobody. Any thread."""
        to = endpoint.answer_to(endpoint.latest)
        return self.of_host.get(endpoint.service.name, -1) if to < 0 else to

    def stray(self, to: int, message: bytes) -> None:
        """Take a message to an address that no service has."""
        announced = Announcement.parse(message) if to == NAME_SERVICE else None
        if announced is None or announced.gone:
            if announced is None or self.of_host.pop(announced.name, None) is None:
                self._stats.unknown += 1
        elif len(self.of_host) < HOST_SERVICES_MAX:
            self.of_host[announced.name] = announced.address
