"""The firmware of ``mboxio demo rpmsg``: ``python -m mboxio.cli.demo.rpmsg_firmware NAME``.

It ends with its standard input, so it does not outlive the demo, however that ends.
"""

import sys

from mboxio.cli.demo.firmware import answer_to
from mboxio.remote.rpmsg import RpmsgRemote

__all__ = ["ADC", "BUFFERS", "LATE", "LATENCY_S", "LOADER", "WORKERS", "started"]

ADC, LOADER, LATE = "adc", "loader", "filter"
"""The services: one that works, one that starts another, and that one."""
BUFFERS = 32
LATENCY_S = 200e-6
WORKERS = 16


def started(name: bytes) -> bytes:
    """Return what the loader answers."""
    return b"started " + name


def build(name: str) -> RpmsgRemote:
    """Declare the services of the demo."""
    remote = RpmsgRemote(f"peer:{name}", num=BUFFERS)

    def load(message: bytes) -> bytes:
        remote.service(message.decode(), answer_to)
        return started(message)

    remote.service(LOADER, load)
    remote.service(ADC, answer_to, latency_s=LATENCY_S, workers=WORKERS)
    return remote


def main() -> None:
    """Serve until the standard input ends."""
    with build(sys.argv[1]):
        print("ready", flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
