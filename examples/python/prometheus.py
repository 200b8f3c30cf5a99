"""What a program with mailboxes tells Prometheus: python prometheus.py [PORT]."""

import sys
import threading

from prometheus_client import CollectorRegistry, generate_latest, start_http_server

import mboxio
from mboxio.see.metrics import MailboxCollector


def main(port: str = "") -> None:
    registry = CollectorRegistry()  # a program that has metrics takes prometheus_client.REGISTRY
    with mboxio.open("loopback:") as client:
        registry.register(MailboxCollector(client))
        client.request(b"hello")
        if port:  # curl 127.0.0.1:PORT/metrics
            start_http_server(int(port), "127.0.0.1", registry)
            threading.Event().wait()
        for line in generate_latest(registry).decode().splitlines():
            if line.startswith("mboxio_requests_total") and not line.endswith(" 0.0"):
                print(line)


if __name__ == "__main__":
    main(*sys.argv[1:])
