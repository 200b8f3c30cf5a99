"""A remote in a process of its own, which does what it is told line by line.

The settings are its only argument. It answers every line on standard input with one on standard
output, and ends with its input, so that it never outlives who started it.
"""

import ast
import sys
import threading
import time
from collections import Counter
from random import Random
from typing import Any

from mboxio import QueueFull, RemoteError
from mboxio.local.sockets import ring_doorbell
from mboxio.remote import Faults, Remote

PAUSE_S = 0.0002


def answer(message: bytes) -> bytes:
    """What the firmware replies: nothing that the host could have made by mistake."""
    return message[::-1]


class Firmware:
    """The commands; each returns what can be written as a Python literal.

    Args:
        name: where to serve.
        channels: depth and longest message of each, by name.
        mute: channels where nothing is answered.
        gated: channels whose handler waits for `open_gate` (and everybody else with it).
        failing: channels where every request is answered with an error.
        standby: wait for a line before serving.
    """

    def __init__(
        self,
        name: str,
        channels: dict[str, tuple[int, int]],
        mute: tuple[str, ...] = (),
        gated: tuple[str, ...] = (),
        failing: tuple[str, ...] = (),
        standby: bool = False,
    ) -> None:
        self.standby = standby
        self.remote = Remote(name)
        self.taken: Counter[str] = Counter()
        self.messages: dict[str, list[bytes]] = {}
        self.gate = threading.Event()
        self.flooding: threading.Thread | None = None
        self.flooded = 0
        for channel, (depth, message_bytes) in channels.items():
            self.remote.channel(channel, depth=depth, message_bytes=message_bytes)
            self.messages[channel] = []
            self.remote.handler(channel)(
                self.handler(channel, channel in mute, channel in gated, channel in failing)
            )

    def handler(self, channel: str, mute: bool, gated: bool, failing: bool) -> Any:
        """Make the handler of one channel."""

        def handle(message: bytes) -> bytes | None:
            self.taken[channel] += 1
            if message.startswith(b"keep"):
                self.messages[channel].append(message)
            if gated:
                self.gate.wait()
            if failing:
                raise RemoteError("refused", status=5)
            return None if mute else answer(message)

        return handle

    def stats(self) -> dict[str, int]:
        """Return all counts of the remote."""
        counts = self.remote.stats()
        return {field: getattr(counts, field) for field in counts.__slots__}

    def counts(self) -> dict[str, int]:
        """Return how many messages each channel took."""
        return dict(self.taken)

    def kept(self, channel: str) -> list[bytes]:
        """Return the messages that began with ``keep``, in order."""
        return self.messages[channel]

    def hosts(self) -> int:
        """Return how many hosts are connected."""
        return len(self.remote.connections)

    def notify(self, channel: str, first: int, count: int) -> None:
        """Send numbered unsolicited messages, as fast as the host takes them."""
        for number in range(first, first + count):
            while not self.remote.notify(channel, number.to_bytes(8, "little")):
                time.sleep(PAUSE_S)

    def ask(self, channel: str, count: int) -> list[tuple[bytes, bytes, int]]:
        """Ask the host, many questions at once; return question, reply and status of each."""
        replies: list[tuple[bytes, bytes, int]] = []
        over = threading.Semaphore(0)

        def ask(question: bytes) -> None:
            def answered(reply: bytes, status: int) -> None:
                replies.append((question, reply, status))
                over.release()

            self.remote.ask(channel, question, answered)

        for number in range(count):
            while True:
                try:
                    ask(b"%s %d" % (channel.encode(), number))
                    break
                except QueueFull:
                    time.sleep(PAUSE_S)
        for _ in range(count):
            over.acquire()
        return replies

    def open_gate(self) -> None:
        """Let gated handlers go on."""
        self.gate.set()

    def silence(self, silent: bool) -> None:
        """See `Remote.silence`."""
        self.remote.silence(silent)

    def restart(self) -> None:
        """See `Remote.restart`."""
        self.remote.restart()

    def faults(self, settings: dict[str, Any]) -> None:
        """See `Faults`."""
        self.remote.faults = Faults(**settings)

    def scribble(self, seed: int, count: int) -> int:
        """Write random words all over the memory of every host; return how many were written."""
        random = Random(seed)
        written = 0
        for number in range(count):
            written += len(self.remote.scribble(random))
            if number % 16 == 0:
                time.sleep(PAUSE_S)
        return written

    def flood(self, channel: str) -> None:
        """Send messages and doorbells without end, from now on."""

        def flood() -> None:
            while not self.gate.is_set():
                self.flooded += self.remote.notify(channel, self.flooded.to_bytes(8, "little"))
                for _, host in self.remote._hosts():
                    for _ in range(8):
                        ring_doorbell(host.socket)

        self.gate.clear()
        self.flooding = threading.Thread(target=flood)
        self.flooding.start()

    def end_flood(self) -> int:
        """Stop flooding; return how many messages were put into the ring."""
        self.gate.set()
        assert self.flooding is not None
        self.flooding.join()
        return self.flooded

    def run(self) -> None:
        """Serve and obey."""
        if self.standby and not sys.stdin.readline():
            return
        with self.remote:
            print("ready", flush=True)
            for line in sys.stdin:
                command, *arguments = ast.literal_eval(line)
                if command == "exit":
                    break
                try:
                    outcome = ("done", getattr(self, command)(*arguments))
                except Exception as error:
                    outcome = ("failed", repr(error))
                print(repr(outcome), flush=True)
            self.gate.set()


if __name__ == "__main__":
    Firmware(**ast.literal_eval(sys.argv[1])).run()
