"""Metrics of a gateway for Prometheus: who uses what of it, and who is refused."""

from collections.abc import Generator, Iterable
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from mboxio.errors import AddressError
from mboxio.gateway.counts import Counts
from mboxio.gateway.server import Gateway
from mboxio.see.metrics import MailboxCollector

__all__ = ["GatewayCollector", "metrics_served"]

Family = CounterMetricFamily | GaugeMetricFamily

USER = {
    "attached": "Sessions that began.",
    "sessions": "Sessions that there are now.",
}
CHANNEL = {
    "requests": "Messages taken from users.",
    "denied": "Messages that their users may not send.",
    "failed": "Messages that ended with an error, refused ones among them.",
    "in_flight": "Messages that are not over.",
    "taken_bytes": "Bytes of messages taken from users.",
    "told_bytes": "Bytes of replies and unsolicited messages for users.",
    "notifications": "Unsolicited messages passed on.",
    "notifications_lost": "Unsolicited messages that users were too slow for.",
}
GAUGES = frozenset({"sessions", "in_flight"})
HOST = "127.0.0.1"


class GatewayCollector(Collector):
    """Gives Prometheus the counts of a gateway. It has no thread; it may be asked from any.

    Args:
        gateway: whose they are.
    """

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway

    def describe(self) -> Iterable[Family]:
        """Return the names of all metrics; when it is registered."""
        return _families().values()

    def collect(self) -> Iterable[Family]:
        """Return the metrics as they are now."""
        families = _families()
        _add_refusals(families, "", self.gateway.elsewhere)
        for export, counts in self.gateway.stats().items():
            _add_refusals(families, export, counts)
            for user, his in list(counts.users.items()):
                for name in USER:
                    families[name].add_metric((export, user), getattr(his, name))
                for how, count in list(his.ended.items()):
                    families["ended"].add_metric((export, user, how), count)
                for limit, count in list(his.limited.items()):
                    families["limited"].add_metric((export, user, limit), count)
                for channel, used in list(his.channels.items()):
                    for name in CHANNEL:
                        families[name].add_metric((export, user, channel), getattr(used, name))
        return families.values()


def _add_refusals(families: dict[str, Family], export: str, counts: Counts) -> None:
    """Add who was refused; an empty name stands for all that is not exported."""
    for why in ("denied", "limit"):
        families["refused"].add_metric((export, why), counts.refusals[why])


def _families() -> dict[str, Family]:
    """Return all metrics without values."""
    user, channel = ("export", "user"), ("export", "user", "channel")
    described = [
        ("refused", "Sessions that did not begin.", ("export", "reason")),
        ("ended", "Sessions by how they ended.", (*user, "how")),
        ("limited", "How often a limit was met.", (*user, "limit")),
        *((name, text, user) for name, text in USER.items()),
        *((name, text, channel) for name, text in CHANNEL.items()),
    ]
    return {
        name: (GaugeMetricFamily if name in GAUGES else CounterMetricFamily)(
            f"mboxio_gateway_{name}", text, labels=labels
        )
        for name, text, labels in described
    }


@contextmanager
def metrics_served(gateway: Gateway, where: str) -> Generator[str]:
    """Serve the metrics of a gateway and of its mailboxes over HTTP.

    Args:
        gateway: whose they are.
        where: ``[HOST:]PORT``; the host is 127.0.0.1 if left out. Port 0 is a free one.

    Yields:
        Their address.

    Raises:
        AddressError: nothing can listen there.
    """
    host, _, port = where.rpartition(":")
    host = host.strip("[]") or HOST
    registry = CollectorRegistry()
    registry.register(GatewayCollector(gateway))
    registry.register(MailboxCollector(*(each.connection for each in gateway.exports.values())))
    try:
        if not (port.isascii() and port.isdigit()):
            raise ValueError("write [HOST:]PORT")
        server, thread = start_http_server(int(port), host, registry)
    except (OSError, OverflowError, ValueError) as error:
        told = getattr(error, "strerror", None) or error
        raise AddressError(f"metrics cannot be served at {where}: {told}") from None
    try:
        shown = f"[{host}]" if ":" in host else host
        yield f"http://{shown}:{server.server_port}/metrics"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
