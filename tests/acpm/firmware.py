"""ACPM firmware as a process: ``python firmware.py SETTINGS``, a literal of `Firmware`'s arguments.

It takes commands as literals from its input, one a line, answers each with a line, and ends with
its input, so that it never outlives who started it.
"""

import ast
import sys
from random import Random
from typing import Any

from mboxio.remote import Faults
from mboxio.remote.acpm import AcpmRemote
from mboxio.remote.acpm.pmic import PmicModel
from mboxio.remote.acpm.sram import with_number_of

HANDLERS: dict[str, Any] = {
    "echo": bytes,
    "reverse": lambda message: with_number_of(bytes(4) + message[:3:-1], message),
    "pmic": PmicModel(),
    "mute": lambda message: None,
}


class Firmware:
    """The commands; each returns what can be written as a Python literal.

    Args:
        address: what to serve.
        channels: the handler of each channel and what else `AcpmRemote.channel` takes.
    """

    def __init__(self, address: str, *channels: tuple[str, dict[str, Any]]) -> None:
        self.remote = AcpmRemote(address)
        self.messages: list[bytes] = []
        for name, settings in channels:
            self.remote.channel(self.recorded(HANDLERS[name]), **settings)

    def recorded(self, handler: Any) -> Any:
        """Remember what came, with number 0."""

        def handle(message: bytes) -> Any:
            if len(self.messages) < 100:
                self.messages.append(message[:2] + bytes([message[2] & 0xC0]) + message[3:])
            return handler(message)

        return handle

    def taken(self) -> list[bytes]:
        """Return the first messages that came."""
        return self.messages

    def stats(self) -> dict[str, int]:
        """Return all counts of the remote."""
        counts = self.remote.stats()
        return {field: getattr(counts, field) for field in counts.__slots__}

    def hosts(self) -> int:
        """Return how many hosts are connected."""
        return len(self.remote.srams)

    def put(self, channel: int, message: bytes) -> int:
        """See `AcpmRemote.put`."""
        return self.remote.put(channel, message)

    def silence(self, silent: bool) -> None:
        """See `AcpmRemote.silence`."""
        self.remote.silence(silent)

    def restart(self) -> None:
        """See `AcpmRemote.restart`."""
        self.remote.restart()

    def misbehave(self, settings: dict[str, Any]) -> None:
        """See `AcpmRemote.faults`."""
        self.remote.faults = Faults(**settings)

    def lie(self, channel: int, field: str, value: int) -> None:
        """See `AcpmRemote.lie`."""
        self.remote.lie(channel, field, value)

    def scribble(self, seed: int, count: int) -> None:
        """Write random words all over the SRAMs."""
        random = Random(seed)
        for _ in range(count):
            self.remote.scribble(random)

    def stop(self) -> None:
        """Serve no more."""
        self.remote.stop()

    def begin(self) -> None:
        """Serve as at the beginning, also after `stop`."""
        self.remote.stop()
        self.remote.silence(False)
        self.messages.clear()
        self.remote.start()

    def run(self) -> None:
        """Serve and obey."""
        with self.remote:
            print("ready", flush=True)
            for line in sys.stdin:
                command, *arguments = ast.literal_eval(line)
                try:
                    outcome = ("done", getattr(self, command)(*arguments))
                except Exception as error:
                    outcome = ("failed", repr(error))
                print(repr(outcome), flush=True)


if __name__ == "__main__":
    Firmware(*ast.literal_eval(sys.argv[1])).run()
