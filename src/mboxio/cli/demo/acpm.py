"""``mboxio demo acpm``: PMIC registers through ACPM firmware, with its 63 numbers at work."""

from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack
from time import monotonic
from typing import Any

import click

import mboxio
from mboxio import _build
from mboxio.cli.demo.acpm_firmware import LATENCY_S, PMIC, SENSED, SENSOR, WORKERS, value_of
from mboxio.cli.demo.process import FirmwareProcess, private_folder
from mboxio.cli.demo.screen import Screen
from mboxio.cli.demo.traffic import arrived
from mboxio.cli.shared.options import connected
from mboxio.cli.shared.output import Output
from mboxio.cli.shared.signals import Signals
from mboxio.cli.shared.text import json_line
from mboxio.protocols.acpm_pmic import Operation, Pmic

__all__ = ["run"]

MEASURE_S = 1.5
KILLED_WITH = 20
PATIENCE_S = 5.0
LOOK_S = 0.05


class AcpmShow:
    """What the demo does, and what it found.

    Args:
        connection: the host's one connection, kept for the whole demo.
        firmware: the process at its other end.
        signals: looked at between requests.
        screen: where progress is shown.
    """

    def __init__(
        self,
        connection: mboxio.Connection,
        firmware: FirmwareProcess,
        signals: Signals,
        screen: Screen,
    ) -> None:
        self.began_s = monotonic()
        self.connection = connection
        self.firmware = firmware
        self.signals = signals
        self.screen = screen
        self.client = connection.client(PMIC, timeout_s=PATIENCE_S)
        self.pmic = Pmic(self.client)
        self.messages = connection.client(SENSOR).subscribe()
        self.pending: deque[tuple[Operation[int], int]] = deque()
        self.asked = self.answered = self.failed = self.mispaired = 0
        self.sensed = self.disordered = 0
        self.latest = -1
        self.look_s = 0.0
        self.rates: dict[int, float] = {}
        self.silent = False

    @property
    def depth(self) -> int:
        """As many as slots, reply credits and numbers allow."""
        slots: int = self.client.depth
        return min(slots, 63)

    @property
    def gain(self) -> float:
        """How many times as many reads per second full depth brings."""
        return self.rates[self.depth] / self.rates[1]

    def run(self) -> None:
        """Go through all steps."""
        self.operations()
        self.measure(1)
        self.measure(self.depth)
        self.sensor()
        self.kill()
        self.restart()
        self.drain()

    # -- the steps

    def operations(self) -> None:
        """Each kind of operation once."""
        row = self.screen.row("PMIC")
        self.pmic.write(0x10, 0x21)
        self.pmic.update(0x10, 0xFF, mask=0x80)
        changed = self.pmic.read(0x10)
        self.pmic.bulk_write(0x10, bytes(value_of(0x10 + n) for n in range(8)))
        block = self.pmic.bulk_read(0x10, 8)
        self.asked += 5
        self.answered += 5
        self.mispaired += changed != 0xA1 or block != bytes(value_of(0x10 + n) for n in range(8))
        row.text = f"write, update, read {changed:#04x}; 8 registers written and read at once"
        self.screen.finish(row)

    def measure(self, in_flight: int) -> None:
        """Read registers for a while, so many in flight."""
        row = self.screen.row("reads" if in_flight == 1 else "")
        before, began_s = self.answered, monotonic()
        while (spent_s := monotonic() - began_s) < MEASURE_S:
            self.fill(in_flight)
            self.collect()
            rate = (self.answered - before) / max(spent_s, 1e-3)
            row.text = f"{in_flight:>2} in flight: {rate:>9,.0f} registers/s"
            if self.rates:
                row.share, row.note = 1.0, f"{rate / self.rates[1]:.1f}×"
        self.rates[in_flight] = (self.answered - before) / (monotonic() - began_s)
        self.drain()
        self.screen.finish(row)

    def sensor(self) -> None:
        """What came meanwhile without being asked for."""
        self.hear()
        row = self.screen.row("sensor", f"{self.sensed:,} unsolicited messages (number 0)")
        self.screen.finish(row)

    def kill(self) -> None:
        """Kill the firmware with requests in flight: all of them end."""
        row = self.screen.row("SIGKILL")
        self.fill(KILLED_WITH)
        self.firmware.freeze()
        self.collect()  # what it answered before it stood still makes room
        self.fill(KILLED_WITH)
        self.firmware.kill()
        count, before, began_s = len(self.pending), self.failed, monotonic()
        self.drain()
        spent_ms = (monotonic() - began_s) * 1e3
        row.text = f"{count} reads in flight: all over in {spent_ms:.0f} ms, "
        row.text += f"{self.failed - before} with RemoteGone, held numbers: {len(self.held())}"
        self.screen.finish(row)

    def restart(self) -> None:
        """Start the firmware again: the same client goes on."""
        row = self.screen.row("restart", "the firmware starts again ...")
        self.screen.refresh(True)
        heard = self.sensed
        self.firmware.stop()
        self.firmware.start()
        began_s = monotonic()
        self.mispaired += self.pmic.read(7, queue_timeout_s=PATIENCE_S) != value_of(7)
        self.asked += 1
        self.answered += 1
        spent_ms = (monotonic() - began_s) * 1e3
        before, again_s = self.answered, monotonic()
        while monotonic() - again_s < MEASURE_S:
            self.fill(self.depth)
            self.collect()
        rate = (self.answered - before) / (monotonic() - again_s)
        self.hear()
        self.silent = self.sensed == heard
        row.text = f"same client: reply after {spent_ms:.0f} ms, {rate:,.0f} registers/s"
        self.screen.finish(row)

    # -- meanwhile

    def fill(self, limit: int) -> None:
        """Start reads until so many are under way, or there is no place for more."""
        while len(self.pending) < limit:
            register = self.asked & 0xFF
            try:
                operation = self.pmic.start_read(register)
            except mboxio.QueueFull:
                return
            self.asked += 1
            self.pending.append((operation, value_of(register)))

    def collect(self) -> None:
        """Wait a little for the oldest read; check all that are over."""
        if self.pending and not self.pending[0][0].request.over:
            self.pending[0][0].wait(LOOK_S)
        while self.pending and self.pending[0][0].request.over:
            operation, expected = self.pending.popleft()
            try:
                value = operation.result()
            except mboxio.RemoteGone:
                self.failed += 1
            else:
                self.answered += 1
                self.mispaired += value != expected
        if monotonic() >= self.look_s:
            self.look_s = monotonic() + LOOK_S
            self.signals.check()
            self.hear()
            self.screen.refresh()

    def drain(self) -> None:
        """Wait until nothing is under way."""
        end_s = monotonic() + PATIENCE_S
        while self.pending and monotonic() < end_s:
            self.collect()

    def hear(self) -> None:
        """Take the sensor's messages; their numbers rise within a life."""
        for message in arrived(self.messages):
            if message is None:
                self.latest = -1
                continue
            (number,) = SENSED.unpack(message)
            self.sensed += 1
            self.disordered += number <= self.latest
            self.latest = number

    def held(self) -> tuple[int, ...]:
        """Return the numbers that outlived their requests."""
        return self.connection.stats()[str(PMIC)].held_tags


def broken(show: AcpmShow) -> Iterator[str]:
    """Say what went wrong, in words; nothing if all guarantees were kept."""
    stats = show.connection.stats()[str(PMIC)]
    if show.mispaired or stats.unknown:
        yield f"{show.mispaired} reads got a wrong value, {stats.unknown} replies answer nothing"
    if show.pending or show.asked != show.answered + show.failed:
        yield f"{show.asked - show.answered - show.failed} reads did not end"
    if stats.held_tags or stats.held_slots or stats.held_credits:
        yield f"held: numbers {stats.held_tags}, {stats.held_slots} slots"
    if show.disordered:
        yield f"{show.disordered} sensor messages out of order"
    if show.silent:
        yield "the sensor did not work again"
    if show.gain < 1:
        yield f"{show.gain:.2f} times the reads per second with many in flight"


def found(show: AcpmShow, faults: list[str]) -> dict[str, Any]:
    """Return what the demo found as data."""
    return {
        "operations": show.asked,
        "answered": show.answered,
        "failed": show.failed,
        "mispaired": show.mispaired,
        "unsolicited": show.sensed,
        "per_second": {str(number): round(rate) for number, rate in show.rates.items()},
        "gain": round(show.gain, 2),
        "seconds": round(monotonic() - show.began_s, 3),
        "broken": faults,
    }


def run(as_json: bool) -> None:
    """Run the demo.

    Args:
        as_json: print what was found as one JSON object, and nothing else.

    Raises:
        ClickException: a guarantee was broken.
    """
    console = Output(silent=as_json)
    with ExitStack() as stack:
        signals = stack.enter_context(Signals())
        folder = stack.enter_context(private_folder())
        firmware = FirmwareProcess("demo", folder, signals.check, "mboxio.cli.demo.acpm_firmware")
        stack.callback(firmware.stop)
        firmware.start()
        connection = stack.enter_context(connected("acpm:?at=peer:demo"))
        pace = f"{LATENCY_S * 1e6:.0f} µs a message, {WORKERS} workers"
        title = f"mboxio demo acpm ({_build.short()} build): a PMIC, {pace}"
        screen = stack.enter_context(Screen(console, title))
        show = AcpmShow(connection, firmware, signals, screen)
        show.run()
        faults = list(broken(show))
    if as_json:
        click.echo(json_line({"demo": "acpm", "build": _build.name(), **found(show, faults)}))
    if faults:
        raise click.ClickException(f"broken: {'; '.join(faults)}")
    told = f"{show.asked:,} operations, {show.failed} failed, 0 mispaired, 0 numbers held; "
    told += f"gain {show.gain:.1f}× ({monotonic() - show.began_s:.1f} s)"
    console.print(told, style="bold green", soft_wrap=True)
