"""The firmware of the demo, a process of its own: ``python -m mboxio.cli.demo.firmware NAME``.

It ends with its standard input, so it does not outlive the demo, however that ends.
"""

import select
import struct
import sys

from mboxio.errors import QueueFull, RemoteGone
from mboxio.remote import Remote

__all__ = ["DEPTH", "QUESTION", "SENSED", "answer_to"]

DEPTH = 32
LATENCY_S = 200e-6
WORKERS = 16
LEGACY_LATENCY_S = 20e-3
PACE_S = 4e-3

SENSED = struct.Struct("<Q")
"""An unsolicited message: its number in this life of the firmware."""
QUESTION = struct.Struct("<QQQ")
"""A request of the firmware: its number, and how many answers were right and wrong so far."""


def answer_to(message: bytes) -> bytes:
    """Return what either side answers: a reply that nobody could take for another's."""
    return message[::-1]


class Asking:
    """Asks the host, one request at a time, and checks what it answers."""

    def __init__(self, remote: Remote) -> None:
        self.remote = remote
        self.number = self.right = self.wrong = 0
        self.waiting = False

    def ask(self) -> None:
        """Ask the next question unless one is open."""
        if self.waiting:
            return
        question = QUESTION.pack(self.number, self.right, self.wrong)

        def answered(reply: bytes, status: int) -> None:
            self.waiting = False
            if not status:
                self.right += reply == answer_to(question)
                self.wrong += reply != answer_to(question)

        self.waiting = True
        try:
            self.remote.ask("host", question, answered)
            self.number += 1
        except (QueueFull, RemoteGone):
            self.waiting = False


def build(name: str) -> Remote:
    """Declare the four channels of the demo."""
    remote = Remote(name)
    remote.channel("power", depth=DEPTH, message_bytes=32)
    remote.handler("power", latency_s=LATENCY_S, workers=WORKERS)(answer_to)
    remote.channel("sensor", depth=64, message_bytes=32, host_sends=False)
    remote.channel("host", depth=8, message_bytes=32)
    remote.channel("legacy", depth=1, message_bytes=32, legacy=True)
    remote.handler("legacy", latency_s=LEGACY_LATENCY_S)(answer_to)
    return remote


def main() -> None:
    """Serve until the standard input ends."""
    with build(sys.argv[1]) as remote:
        print("ready", flush=True)
        asking = Asking(remote)
        number = 0
        while not select.select([sys.stdin], [], [], PACE_S)[0]:
            if remote.stats().requests:  # the host is up and has a handler
                remote.notify("sensor", SENSED.pack(number))
                number += 1
                asking.ask()


if __name__ == "__main__":
    main()
