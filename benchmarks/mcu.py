"""Firmware on an emulated microcontroller: ``python -m benchmarks.mcu`` prints figures as JSON.

Requests per second by who spins and who sleeps, in turns, the best of many short ones; what both
sides use while nothing is in flight; and how many sleeps ended without the ring that was due.
"""

import json
import os
import select
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import mboxio
from benchmarks.idle import IDLE_S, usage
from mboxio.controllers.firmware_rings.driver import FirmwareRings
from mboxio.controllers.firmware_rings.options import RingsOptions
from mboxio.driver.controller import EVENT
from mboxio.errors import MailboxError, RemoteGone
from tests.mcu.machine import build, running

MESSAGE = b"x" * 32
TURNS = 40
TURN_S = 0.15
RING_S = 1.0
START_S = 20.0
SLEEPS = 300_000
WAYS: dict[str, tuple[bool, str, float]] = {
    # Name: whether the firmware sleeps, the bell, how long the host spins.
    "both spin": (False, "", 50e-6),
    "the host spins": (True, "unix", 50e-6),
    "both sleep": (True, "unix", 0.0),
}
IN_FLIGHT = (1, 8)


class Doubting(FirmwareRings):
    """Counts the looks that found something of which the bell did not tell."""

    unrung = 0
    looks = 0

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.empty: set[Any] = set()  # queues without a message when the sleep was announced

    def arm(self, queue: Any) -> bool:
        """See `Controller.arm`."""
        found = super().arm(queue)
        self.empty.discard(queue) if found else self.empty.add(queue)
        return found

    def service(self, queue: Any, why: str) -> None:
        """See `Controller.service`; a ring that is only late comes within a second."""
        asleep = queue.context is not None and self.linked and self.is_armed
        if asleep and queue in self.empty and queue.context.consumer.pending():
            self.looks += 1
            if why is not EVENT:  # the firmware has to ring, unless this look was just quicker
                ready, _, _ = select.select(self.bell.descriptors(), (), (), RING_S)
                self.unrung += not ready
        super().service(queue, why)


def connect(machine: Any, way: str, kind: type[FirmwareRings] = FirmwareRings) -> mboxio.Connection:
    """Reach a machine once its firmware is up."""
    _, bell, spin_s = WAYS[way]
    where = f"unix:{machine.wire}" if bell else ""
    options = RingsOptions(at=machine.ram, bell=where, spin_s=spin_s, timeout_s=20.0)
    until_s = time.monotonic() + START_S
    while True:
        try:
            return mboxio.Connection(kind(options=options))
        except RemoteGone:
            if time.monotonic() > until_s:
                raise
            time.sleep(0.02)


def rate(client: mboxio.Client, in_flight: int) -> float:
    """Return requests per second in one short turn."""
    done, began_s = 0, time.perf_counter()
    while time.perf_counter() - began_s < TURN_S:
        if in_flight == 1:
            for _ in range(100):
                client.request(MESSAGE)
            done += 100
        else:
            done += sum(1 for _ in client.map([MESSAGE] * 1000, window=in_flight))
    return done / (time.perf_counter() - began_s)


def rates(elves: dict[bool, str]) -> dict[str, dict[int, int]]:
    """Measure all ways in turns; the best of each."""
    best: dict[str, dict[int, int]] = {way: dict.fromkeys(IN_FLIGHT, 0) for way in WAYS}
    for _ in range(TURNS):
        for way, (sleeps, _, _) in WAYS.items():
            with (
                running("mps2-an385", firmware=elves[sleeps]) as machine,
                connect(machine, way) as connection,
                connection.client("echo0", backlog=32) as client,
            ):
                rate(client, 1)
                for count in IN_FLIGHT:
                    best[way][count] = max(best[way][count], round(rate(client, count)))
    return best


def idle(machine: Any, pid: int) -> dict[str, float]:
    """Return the share of a CPU that host and emulator use, in percent; someone subscribes."""
    with connect(machine, "both sleep") as connection, connection.client("echo0") as client:
        client.request(MESSAGE)
        time.sleep(1.0)
        pids = {"host": os.getpid(), "QEMU": pid}
        before = {side: usage(each).cpu_ms for side, each in pids.items()}
        time.sleep(IDLE_S)
        return {
            side: round((usage(each).cpu_ms - before[side]) / IDLE_S / 10, 2)
            for side, each in pids.items()
        }


def unrung(machine: Any, in_flight: int, requests: int) -> dict[str, int]:
    """Ask with both sides asleep; return how many replies no ring announced."""
    failed = 0
    with connect(machine, "both sleep", Doubting) as connection:
        driver: Any = connection._host.controller
        client = connection.client("echo0", backlog=32)
        for _ in range(requests // 1000):
            try:
                for _reply in client.map([MESSAGE] * 1000, window=in_flight):
                    pass
            except MailboxError:
                failed += 1
        done = connection.stats()["echo0"].done
    counts = {"sleeps": driver.looks, "without a ring": driver.unrung, "failed": failed}
    return {"requests": done, **counts}


def emulator(machine: Any) -> int:
    """Return the process that has the machine's folder in its command."""
    for each in Path("/proc").iterdir():
        if each.name.isdigit():
            command = (each / "cmdline").read_bytes()
            if b"qemu-system" in command.split(b"\0")[0] and machine.folder.encode() in command:
                return int(each.name)
    raise RuntimeError("no QEMU")


def main() -> None:
    """Measure everything."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        elves: dict[bool, str] = {}
        for sleeps in (False, True):
            build(folder / str(sleeps), "BOARDS=mps2-an385", *(() if sleeps else ("SPIN=1",)))
            elves[sleeps] = str(folder / str(sleeps) / "mps2-an385.elf")
        found: dict[str, Any] = {"requests/s": rates(elves)}
        machine = stack.enter_context(running("mps2-an385", firmware=elves[True]))
        found["idle, % of a CPU"] = idle(machine, emulator(machine))
        found["sleeps"] = {count: unrung(machine, count, SLEEPS // 2) for count in IN_FLIGHT}
    json.dump(found, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
