"""``mboxio demo acpm``: PMIC registers through ACPM firmware, with its 63 numbers at work."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from time import monotonic
from typing import Any

import mboxio
from mboxio import _build
from mboxio.cli.demo.acpm_firmware import LATENCY_S, PMIC, SENSED, SENSOR, WORKERS, value_of
from mboxio.cli.demo.process import PATIENCE_S, FirmwareProcess, private_folder
from mboxio.cli.demo.screen import Screen, show_end
from mboxio.cli.demo.traffic import Asking, arrived, measured, ticking
from mboxio.cli.shared.options import connected
from mboxio.cli.shared.output import Output
from mboxio.cli.shared.signals import Signals
from mboxio.protocols.acpm_pmic import Pmic

__all__ = ["run"]

MEASURE_S = 1.5
KILLED_WITH = 20


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
        self.screen = screen
        self.client = connection.client(PMIC, timeout_s=PATIENCE_S)
        self.pmic = Pmic(self.client)
        self.messages = connection.client(SENSOR).subscribe()
        self.asking = Asking(self.read, ticking(signals.check, self.hear, screen.refresh))
        self.sensed = self.disordered = 0
        self.latest = -1
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
        self.asking.drain(PATIENCE_S)

    # -- the steps

    def operations(self) -> None:
        """Each kind of operation once."""
        row = self.screen.row("PMIC")
        block = bytes(value_of(0x10 + n) for n in range(8))
        once, pmic = self.asking.once, self.pmic
        once(partial(pmic.write, 0x10, 0x21), None)
        once(partial(pmic.update, 0x10, 0xFF, mask=0x80), None)
        once(partial(pmic.read, 0x10), 0xA1)
        once(partial(pmic.bulk_write, 0x10, block), None)
        once(partial(pmic.bulk_read, 0x10, 8), block)
        row.text = "write, update, read; 8 registers written and read at once"
        self.screen.finish(row)

    def measure(self, in_flight: int) -> None:
        """Read registers for a while, so many in flight."""
        name, first = ("", self.rates[1]) if self.rates else ("reads", 0.0)
        self.rates[in_flight] = measured(
            self.asking, self.screen, name, in_flight, MEASURE_S, first, "registers"
        )

    def sensor(self) -> None:
        """What came meanwhile without being asked for."""
        self.hear()
        row = self.screen.row("sensor", f"{self.sensed:,} unsolicited messages (number 0)")
        self.screen.finish(row)

    def kill(self) -> None:
        """Kill the firmware with requests in flight: all of them end."""
        row = self.screen.row("SIGKILL")
        asking = self.asking
        asking.fill(KILLED_WITH)
        self.firmware.freeze()
        asking.collect()  # what it answered before it stood still makes room
        asking.fill(KILLED_WITH)
        self.firmware.kill()
        count, before = len(asking.pending), asking.failed
        spent_ms = 1e3 * asking.drain(PATIENCE_S)
        row.text = f"{count} reads in flight: all over in {spent_ms:.0f} ms, "
        row.text += f"{asking.failed - before} with RemoteGone, held numbers: {len(self.held())}"
        self.screen.finish(row)

    def restart(self) -> None:
        """Start the firmware again: the same client goes on."""
        row = self.screen.row("restart", "the firmware starts again ...")
        self.screen.refresh(True)
        heard = self.sensed
        self.firmware.stop()
        self.firmware.start()
        first = partial(self.pmic.read, 7, queue_timeout_s=PATIENCE_S)
        spent_ms = 1e3 * self.asking.once(first, value_of(7))
        rate = self.asking.run(self.depth, MEASURE_S)
        self.hear()
        self.silent = self.sensed == heard
        row.text = f"same client: reply after {spent_ms:.0f} ms, {rate:,.0f} registers/s"
        self.screen.finish(row)

    # -- meanwhile

    def read(self, number: int) -> tuple[mboxio.Request[bytes], Callable[[], int], int]:
        """See `Asking`."""
        register = number & 0xFF
        operation = self.pmic.start_read(register)
        return operation.request, operation.result, value_of(register)

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
    yield from show.asking.broken(show.connection.stats()[str(PMIC)])
    if show.disordered:
        yield f"{show.disordered} sensor messages out of order"
    if show.silent:
        yield "the sensor did not work again"
    if show.gain < 1:
        yield f"{show.gain:.2f} times the reads per second with many in flight"


def found(show: AcpmShow, faults: list[str]) -> dict[str, Any]:
    """Return what the demo found as data."""
    return {
        **show.asking.counted(),
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
    told = f"{show.asking.sent:,} operations, {show.asking.failed} failed, 0 mispaired, "
    told += "0 numbers held; "
    told += f"gain {show.gain:.1f}× ({monotonic() - show.began_s:.1f} s)"
    show_end(console, as_json, "acpm", found(show, faults), told)
