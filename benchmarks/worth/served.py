"""Firmware whose speed is known: ``python -m benchmarks.worth.served NAME``."""

import sys
from collections.abc import Callable
from time import perf_counter_ns

from mboxio.remote import Remote

__all__ = ["DEPTH", "SERVICES_US", "SLOW", "SLOW_US", "WORKERS"]

SERVICES_US = (0, 50)
SLOW, SLOW_US, WORKERS = "slow", 400, 16
DEPTH = 32


def busy_for(service_us: int) -> Callable[[bytes], bytes]:
    """Return a handler that computes for so long."""

    def handle(message: bytes) -> bytes:
        until_ns = perf_counter_ns() + service_us * 1000
        while perf_counter_ns() < until_ns:
            pass
        return bytes(message)

    return handle if service_us else bytes


def main(name: str) -> None:
    """Serve until killed: one worker that computes, and sixteen that wait."""
    remote = Remote(name, spin_s=1.0)
    for service_us in SERVICES_US:
        remote.channel(f"busy{service_us}", depth=DEPTH, message_bytes=32)
        remote.handler(f"busy{service_us}")(busy_for(service_us))
    remote.channel(SLOW, depth=DEPTH, message_bytes=32)
    remote.handler(SLOW, latency_s=SLOW_US / 1e6, workers=WORKERS)(bytes)
    with remote:
        print("ready", flush=True)
        remote._thread.join()  # type: ignore[union-attr]


if __name__ == "__main__":
    main(sys.argv[1])
