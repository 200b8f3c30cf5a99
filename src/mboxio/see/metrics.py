"""Metrics for Prometheus: what connections and remotes have counted, read when it is asked for.

It needs ``prometheus_client``: ``pip install 'mboxio[metrics]'``.
"""

import weakref
from collections.abc import Iterable, Iterator
from threading import Lock
from typing import Protocol, cast

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from mboxio._host.host import Host
from mboxio._queue.stats import ChannelStats
from mboxio.errors import ForkedError
from mboxio.remote.stats import RemoteStats

__all__ = ["MailboxCollector"]

Family = CounterMetricFamily | GaugeMetricFamily
Labels = tuple[str, ...]

OUTCOMES = ("done", "failed", "timed_out", "cancelled", "closed")
COUNTERS = {
    "sent": ("messages_sent", "Messages that left."),
    "late": ("late_replies", "Replies for requests that were over."),
    "unknown": ("unknown_replies", "Replies that answer nothing known."),
    "notifications": ("notifications", "Unsolicited messages."),
    "unclaimed": ("notifications_unclaimed", "Unsolicited messages that met no subscriber."),
    "messages_lost": ("notifications_lost", "Messages that subscribers were too slow for."),
    "remote_requests": ("remote_requests", "Requests of the remote."),
    "remote_requests_refused": ("remote_requests_refused", "Those that nothing here answers."),
}
GAUGES = {
    "in_flight": ("in_flight", "Requests that are with the hardware."),
    "queued": ("queued", "Requests that wait in backlogs."),
    "out_of_step": ("out_of_step", "1: an in-order channel has lost a reply."),
}
REMOTE_COUNTERS = {
    "connections": "Hosts that were accepted.",
    "refused": "Hosts that were not accepted.",
    "lies": "Connections ended because the host broke the protocol.",
    "messages": "One-way messages taken.",
    "requests": "Requests taken.",
    "replies": "Replies and errors sent.",
    "failures": "Handlers that raised.",
    "notifications": "Unsolicited messages sent.",
    "notifications_lost": "Unsolicited messages that met a full ring.",
    "asked": "Requests of the remote's own.",
    "answered": "Those that were answered.",
    "unknown": "Answers to nothing known.",
}


class HasHost(Protocol):
    """A connection, or a client."""

    @property
    def _host(self) -> object:
        """The side of it that counts."""
        ...


class HasStats(Protocol):
    """A remote."""

    @property
    def address(self) -> str:
        """What hosts connect to."""
        ...

    def stats(self) -> RemoteStats:
        """See `mboxio.remote.Remote.stats`."""
        ...


class MailboxCollector(Collector):
    """Gives Prometheus the counts of connections and remotes.

    It has no thread and keeps nothing alive: it asks for `stats` when it is scraped. Connections
    that are closed, and those that belong to the parent of a forked process, drop out. Several with
    one address are added up. All methods may be called from any thread.

        >>> import mboxio
        >>> from prometheus_client import CollectorRegistry, generate_latest
        >>> from mboxio.see.metrics import MailboxCollector
        >>> registry = CollectorRegistry()  # or the one that there is: prometheus_client.REGISTRY
        >>> with mboxio.open("loopback:") as client:
        ...     registry.register(MailboxCollector(client))
        ...     _ = client.request(b"hello")
        ...     text = generate_latest(registry).decode()
        >>> 'outcome="done"} 1.0' in text
        True

    Args:
        places: connections, clients of them, and remotes.
    """

    def __init__(self, *places: HasHost | HasStats) -> None:
        self._lock = Lock()
        self._places: list[weakref.ref[HasHost | HasStats]] = []
        self._sent: weakref.WeakKeyDictionary[Host, dict[str, int]] = weakref.WeakKeyDictionary()
        for each in places:
            self.add(each)

    def add(self, place: HasHost | HasStats) -> None:
        """Also give the counts of this one."""
        with self._lock:
            self._places = [each for each in self._places if each() is not None]
            self._places.append(weakref.ref(place))

    def describe(self) -> Iterable[Family]:
        """Return the names of all metrics, without asking anything; when it is registered."""
        return _Families().all()

    def collect(self) -> Iterable[Family]:
        """Return the metrics as they are now."""
        families = _Families()
        with self._lock:
            places = [found for each in self._places if (found := each()) is not None]
        hosts: dict[int, Host] = {}
        remotes: dict[int, HasStats] = {}
        for each in places:
            host: Host | None = getattr(each, "_host", None)
            if host is not None:
                hosts[id(host)] = host
            else:
                remotes[id(each)] = cast("HasStats", each)
        for host in hosts.values():
            try:
                if not host.closed:
                    families.add_host(host, self._sent.setdefault(host, {}))
            except ForkedError:
                continue  # it is counted in the parent
        for remote in remotes.values():
            families.add_remote(remote.address, remote.stats())
        return families.all()


class _Families:
    """The metrics of one scrape."""

    def __init__(self) -> None:
        self.families: dict[str, Family] = {}
        self.sums: dict[str, dict[Labels, float]] = {}
        channel = ("address", "channel")
        self._counter("requests", "Requests by how they ended.", (*channel, "outcome"))
        self._counter("freed", "What outlived its request and was freed.", (*channel, "proof"))
        for name, text in COUNTERS.values():
            self._counter(name, text, channel)
        for name, text in GAUGES.values():
            self._gauge(name, text, channel)
        text = "What outlived its request and waits for a proof."
        self._gauge("held", text, (*channel, "resource"))
        self._gauge("link_up", "1: the remote is there; 0: it is lost.", ("address",))
        for name, text in REMOTE_COUNTERS.items():
            self._counter(f"remote_side_{name}", text, ("address",))

    def _counter(self, name: str, text: str, labels: Labels) -> None:
        self.families[name] = CounterMetricFamily(f"mboxio_{name}", text, labels=labels)
        self.sums[name] = {}

    def _gauge(self, name: str, text: str, labels: Labels) -> None:
        self.families[name] = GaugeMetricFamily(f"mboxio_{name}", text, labels=labels)
        self.sums[name] = {}

    def put(self, name: str, value: float, *labels: str) -> None:
        """Add a value to those with the same labels."""
        sums = self.sums[name]
        sums[labels] = sums.get(labels, 0) + value

    def add_host(self, host: Host, sent: dict[str, int]) -> None:
        """Add what a connection has counted.

        Args:
            host: of the connection.
            sent: by channel, what was told before: a message may turn out to have never left, and
                a counter that falls would look like one that began again.
        """
        for channel, stats in host.stats().items():
            sent[channel] = max(stats.sent, sent.get(channel, 0))
            self._add_channel(host.address, channel, stats._replace(sent=sent[channel]))
        up = 0 if host.gate.lost else 1
        self.sums["link_up"][(host.address,)] = min(
            up, self.sums["link_up"].get((host.address,), 1)
        )

    def _add_channel(self, address: str, channel: str, stats: ChannelStats) -> None:
        for outcome in OUTCOMES:
            self.put("requests", getattr(stats, outcome), address, channel, outcome)
        for field, (name, _) in (COUNTERS | GAUGES).items():
            self.put(name, getattr(stats, field), address, channel)
        for proof, number in stats.freed_by.items():
            self.put("freed", number, address, channel, proof)
        self.put("held", stats.held_slots, address, channel, "slot")
        self.put("held", stats.held_credits, address, channel, "credit")
        self.put("held", len(stats.held_tags), address, channel, "tag")
        self.put("held", stats.held_memory, address, channel, "memory")

    def add_remote(self, address: str, stats: RemoteStats) -> None:
        """Add what a remote has counted."""
        for name in REMOTE_COUNTERS:
            self.put(f"remote_side_{name}", getattr(stats, name), address)

    def all(self) -> Iterator[Family]:
        """Yield every metric with its values."""
        for name, family in self.families.items():
            for labels, value in self.sums[name].items():
                family.add_metric(labels, value)
            yield family
