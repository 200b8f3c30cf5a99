"""Firmware that is reset and hosts that are killed in traffic, on an emulated microcontroller.

``python -m benchmarks.mcu_lives 500`` does each so often and prints figures as JSON: how many
requests had another's reply or no end, and how long it took until the next one was answered.
"""

import json
import subprocess
import sys
from collections.abc import Callable
from time import perf_counter
from typing import Any

import mboxio
from mboxio.errors import MailboxError
from tests.firmware_rings.test_lives import HOST, first_reply
from tests.mcu.machine import running

IN_FLIGHT = 8
PATIENCE_S = 20.0


class Count:
    """What became of requests."""

    def __init__(self) -> None:
        self.back_ms: list[float] = []
        self.answered = self.failed = self.wrong = self.without_end = 0

    def take(self, request: Any, expected: bytes) -> None:
        """Wait for the end of one."""
        if not request.wait(PATIENCE_S):
            self.without_end += 1
            return
        try:
            reply = request.result()
        except MailboxError:
            self.failed += 1
            return
        self.answered += reply == expected
        self.wrong += reply != expected

    def back(self, began_s: float) -> None:
        """Note how long ago that was."""
        self.back_ms.append(1e3 * (perf_counter() - began_s))

    def told(self) -> dict[str, float]:
        """Return it as data."""
        waits = sorted(self.back_ms)
        found = {f"p{share}": waits[len(waits) * share // 100] for share in (50, 95, 99)}
        back = {name: round(each, 1) for name, each in found.items()}
        counts = {name: each for name, each in vars(self).items() if name != "back_ms"}
        return {"times": len(waits), **counts, **back, "max": round(waits[-1], 1)}


def asked(client: mboxio.Client, name: str) -> list[tuple[bytes, Any]]:
    """Have as many in flight as fit."""
    texts = [b".%s %d" % (name.encode(), number) for number in range(IN_FLIGHT)]
    return [(text, client.submit(text)) for text in texts]


def resets(machine: Any, address: str, times: int) -> Count:
    """Reset the machine with requests in flight."""
    count = Count()
    with mboxio.connect(address, wait_s=PATIENCE_S) as connection:
        client = connection.client("echo0", backlog=2 * IN_FLIGHT)
        for life in range(times):
            sent = asked(client, f"life {life}")
            began_s = perf_counter()
            machine.reset()
            text = b".back %d" % life
            count.wrong += first_reply(client, text) != text
            count.back(began_s)
            for expected, request in sent:
                count.take(request, expected)
        count.wrong += connection.stats()["echo0"].unknown
    return count


def kills(machine: Any, address: str, times: int) -> Count:
    """Kill a host with requests in flight, and be the next one."""
    count = Count()
    for life in range(times):
        command = [sys.executable, str(HOST), address]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as host:
            assert host.stdout is not None
            host.stdout.readline()
            host.kill()
        began_s = perf_counter()
        with mboxio.connect(address, wait_s=PATIENCE_S) as connection:
            client = connection.client("echo0", backlog=2 * IN_FLIGHT)
            text = b".back %d" % life
            count.wrong += first_reply(client, text) != text
            count.back(began_s)
            for expected, request in asked(client, f"host {life}"):
                count.take(request, expected)
            count.wrong += connection.stats()["echo0"].unknown
    return count


def main(times: int) -> None:
    """Do all of it, in turn on one machine."""
    ways: dict[str, Callable[[Any, str, int], Count]] = {"resets": resets, "hosts killed": kills}
    with running("mps2-an385") as machine:
        address = f"rings:?at={machine.ram}&bell=unix:{machine.wire}"
        mboxio.connect(address, wait_s=PATIENCE_S).close()
        found = {name: way(machine, address, times).told() for name, way in ways.items()}
    json.dump(found, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 500)
