"""``mboxio demo rpmsg``: services over shared rings; one comes late, the others come back."""

from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from time import monotonic
from typing import Any

import mboxio
from mboxio import _build
from mboxio.cli.demo.process import PATIENCE_S, FirmwareProcess, private_folder
from mboxio.cli.demo.rpmsg_firmware import ADC, LATE, LATENCY_S, LOADER, WORKERS, started
from mboxio.cli.demo.screen import Screen, show_end
from mboxio.cli.demo.traffic import PowerTraffic, measured, ticking
from mboxio.cli.shared.options import connected
from mboxio.cli.shared.output import Output
from mboxio.cli.shared.signals import Signals
from mboxio.rpmsg.message import Announcement

__all__ = ["run"]

MEASURE_S = 1.5
MANY = 16
ANNOUNCEMENTS = "announcements"
# Each request has a source address of its own, to which the firmware answers.
ADDRESS = "virtio-rpmsg:?at=peer:demo&replies=source"
LINUX = "the same against the rings of a real kernel: make test-linux"


class RpmsgShow:
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
        self.announcements = connection.client(ANNOUNCEMENTS).subscribe()
        self.rates: dict[int, float] = {}
        self.loader = connection.client(LOADER, timeout_s=PATIENCE_S)
        self.adc = PowerTraffic(connection, ticking(signals.check, screen.refresh), ADC, 1)

    @property
    def gain(self) -> float:
        """How many times as many requests per second many in flight bring."""
        return self.rates[MANY] / self.rates[1] if self.rates[1] else 0.0

    def run(self) -> None:
        """Go through all steps."""
        names = [each for each in self.connection.stats() if each != ANNOUNCEMENTS]
        self.screen.finish(self.screen.row("services", f"announced: {', '.join(names)}"))
        self.measure(1)
        self.measure(MANY)
        self.late()
        self.kill()
        self.restart()
        self.adc.drain(PATIENCE_S)

    # -- the steps

    def measure(self, in_flight: int) -> None:
        """Send requests for a while, so many in flight."""
        name, first = ("", self.rates[1]) if self.rates else (ADC, 0.0)
        self.rates[in_flight] = measured(self.adc, self.screen, name, in_flight, MEASURE_S, first)

    def late(self) -> None:
        """Have the firmware start a service while we are connected, and use it."""
        row = self.screen.row("late", f"{LATE} is started ...")
        began_s = monotonic()
        name = LATE.encode()
        self.adc.once(partial(self.loader.request, name), started(name))
        found = None
        while found is None or found.name != LATE:
            found = Announcement.parse(self.announcements.get(PATIENCE_S))
        with self.connection.client(LATE, timeout_s=PATIENCE_S) as client:
            self.adc.once(partial(client.request, b"late"), b"etal")
        spent_ms = (monotonic() - began_s) * 1e3
        row.text = f"{LATE} was started, announced, and answered: {spent_ms:.1f} ms"
        self.screen.finish(row)

    def kill(self) -> None:
        """Kill the firmware with requests in flight: all of them end."""
        row = self.screen.row("SIGKILL")
        self.adc.fill(MANY)
        self.firmware.freeze()
        self.adc.collect()  # what it answered before it stood still makes room
        self.adc.fill(MANY)
        self.firmware.kill()
        count, before = len(self.adc.pending), self.adc.failed
        spent_s = self.adc.drain(PATIENCE_S)
        row.text = f"{count} requests in flight: all over in {spent_s * 1e3:.0f} ms, "
        row.text += f"{self.adc.failed - before} failed"
        self.screen.finish(row)

    def restart(self) -> None:
        """Start the firmware again: the same client goes on."""
        row = self.screen.row("restart", "the firmware starts again ...")
        self.screen.refresh(True)
        self.firmware.stop()
        self.firmware.start()
        spent_s = self.adc.first_reply()
        rate = self.adc.run(MANY, MEASURE_S)
        row.text = f"same client: reply after {spent_s * 1e3:.0f} ms, {rate:,.0f} requests/s"
        self.screen.finish(row)


def broken(show: RpmsgShow) -> Iterator[str]:
    """Say what went wrong, in words; nothing if all guarantees were kept."""
    yield from show.adc.broken(show.connection.stats()[ADC])
    if show.gain < 1:
        yield f"{show.gain:.2f} times the requests per second with many in flight"


def found(show: RpmsgShow, faults: list[str]) -> dict[str, Any]:
    """Return what the demo found as data."""
    return {
        **show.adc.counted(),
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
        firmware = FirmwareProcess("demo", folder, signals.check, "mboxio.cli.demo.rpmsg_firmware")
        stack.callback(firmware.stop)
        firmware.start()
        connection = stack.enter_context(connected(ADDRESS))
        pace = f"{LATENCY_S * 1e6:.0f} µs a message, {WORKERS} workers"
        title = f"mboxio demo rpmsg ({_build.short()} build): services on shared rings, {pace}"
        screen = stack.enter_context(Screen(console, title))
        show = RpmsgShow(connection, firmware, signals, screen)
        show.run()
        faults = list(broken(show))
    told = f"{show.adc.sent:,} requests, {show.adc.failed} failed, 0 mispaired, 0 held; "
    told += f"gain {show.gain:.1f}× ({monotonic() - show.began_s:.1f} s)"
    show_end(console, as_json, "rpmsg", found(show, faults), told)
    console.print(LINUX, soft_wrap=True)
