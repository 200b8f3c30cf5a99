"""The steps of the demo."""

from collections.abc import Callable
from time import monotonic

import mboxio
from mboxio.cli.demo.firmware import DEPTH
from mboxio.cli.demo.process import PATIENCE_S, FirmwareProcess
from mboxio.cli.demo.screen import Row, Screen
from mboxio.cli.demo.traffic import (
    BACKLOG,
    CLIENT_BACKLOG,
    CLIENTS,
    AnsweringHost,
    Legacy,
    PowerTraffic,
    Sensor,
    TrafficEnds,
)
from mboxio.cli.shared.signals import Signals

__all__ = ["RequestsShow"]

MEASURE_S = 1.2
DRAIN_S = 0.8
LOOK_S = 0.05
FULL = DEPTH + CLIENTS * CLIENT_BACKLOG
"""In flight and in the backlogs of the clients."""
SAFE = {"no": " (safe to repeat)"}


class RequestsShow:
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
        self.power = PowerTraffic(connection, self.tick)
        self.sensor = Sensor(connection)
        self.host = AnsweringHost(connection)
        self.legacy = Legacy(connection)
        self.look_s = 0.0
        self.measuring: Callable[[], None] = nothing
        self.rates: dict[int, float] = {}
        self.silent: list[str] = []
        self.one = screen.row("power", f"{CLIENTS} clients,  1 in flight:")
        self.many = screen.row("", f"{CLIENTS} clients, {DEPTH} in flight:")
        self.sensing, self.asking = screen.row("sensor"), screen.row("host")
        self.draining = screen.row("legacy")

    @property
    def gain(self) -> float:
        """How many times as many requests per second many in flight bring."""
        return self.rates[DEPTH] / self.rates[1] if self.rates[1] else 0.0

    @property
    def spent_s(self) -> float:
        """How long it took so far."""
        return monotonic() - self.began_s

    def run(self) -> None:
        """Go through all steps; then the connection is closed.

        Raises:
            MailboxError: the firmware is gone where it should not be.
        """
        self.measure(self.one, 1)
        self.measure(self.many, DEPTH)
        self.drain_backlog()
        self.kill()
        self.restart()
        self.finish()

    # -- the steps

    def measure(self, row: Row, in_flight: int) -> None:
        """Send requests for a while, so many in flight."""
        before, began_s = self.power.answered, monotonic()

        def describe() -> None:
            rate = (self.power.answered - before) / max(monotonic() - began_s, 1e-3)
            self.rates[in_flight] = rate
            best = max(self.rates.values(), default=0.0) or 1.0
            row.text = f"{CLIENTS} clients, {in_flight:>2} in flight: {rate:>9,.0f} requests/s"
            self.one.share, row.share = self.rates[1] / best, rate / best
            row.note = f"{self.gain:.1f}×" if row is self.many else ""

        self.measuring = describe
        self.power.run(in_flight, MEASURE_S)
        describe()
        self.measuring = nothing
        self.screen.finish(row)

    def drain_backlog(self) -> None:
        """One-way messages with a backlog drain beside the requests of another channel."""
        self.legacy.fill()
        self.power.run(DEPTH, DRAIN_S)
        self.wait_for_legacy()
        self.describe()
        for row in (self.sensing, self.asking, self.draining):
            self.screen.finish(row)

    def kill(self) -> None:
        """Kill the firmware in full traffic: everything pending ends, and says how."""
        row = self.screen.row("SIGKILL")
        self.legacy.fill()
        self.power.fill(FULL)
        self.firmware.freeze()
        self.power.collect()  # what it answered before it stood still makes room
        self.power.fill(FULL)
        self.firmware.kill()
        requests, messages = len(self.power.pending), len(self.legacy.due)
        before = self.power.answered
        spent_s = self.power.drain(PATIENCE_S)
        self.wait_for_legacy()
        self.describe()
        row.text = f"{requests} requests and {messages} one-way messages pending: all over in "
        row.text += f"{spent_s * 1e3:.0f} ms"
        self.screen.finish(row)
        if answered := self.power.answered - before:
            text = f"power  {answered:>3} answered before it died"
            self.screen.finish(self.screen.row("", text))
        for name, ends in (("power", self.power.ends), ("legacy", self.legacy.ends)):
            for text in told(ends):
                self.screen.finish(self.screen.row("", f"{name:<7}{text}"))

    def restart(self) -> None:
        """Start the firmware again: the same connection and the same clients go on."""
        row = self.screen.row("restart", "the firmware starts again ...")
        self.screen.refresh(True)
        before = (self.sensor.received, self.host.answered, self.legacy.tx_done)
        self.firmware.stop()
        self.firmware.start()
        spent_s = self.power.first_reply()
        self.legacy.fill()
        rate = self.power.run(DEPTH, MEASURE_S)
        row.text = f"same connection, same clients: reply after {spent_s * 1e3:.0f} ms, "
        row.text += f"{rate:,.0f} requests/s"
        self.tick()
        after = (self.sensor.received, self.host.answered, self.legacy.tx_done)
        names = ("sensor", "host", "legacy")
        self.silent = [
            f"channel {name} did not work again"
            for name, was, now in zip(names, before, after, strict=True)
            if now == was
        ]
        self.screen.finish(row)

    def finish(self) -> None:
        """Let everything end that is under way; take the library's counts."""
        self.power.drain(PATIENCE_S)
        self.wait_for_legacy()
        self.stats = self.connection.stats()
        # The remote goes on asking; what it asked and what was answered agree when that is over.
        self.connection.close()
        self.asked = self.connection.stats()["host"]

    # -- meanwhile

    def tick(self) -> None:
        """Between two requests: take what came, and redraw now and then."""
        if monotonic() < self.look_s:
            return
        self.signals.check()
        self.sensor.look()
        self.legacy.look()
        self.describe()
        self.screen.refresh()
        self.look_s = monotonic() + LOOK_S

    def wait_for_legacy(self) -> None:
        """Wait until all one-way messages are over."""
        end_s = monotonic() + PATIENCE_S
        while self.legacy.due and monotonic() < end_s:
            if self.legacy.pending:
                self.legacy.pending[0].wait(LOOK_S)
            self.tick()
        self.legacy.look()

    def describe(self) -> None:
        """Say how things stand on the channels without requests."""
        sensor, host, legacy = self.sensor, self.host, self.legacy
        self.sensing.text = f"{sensor.received:,} unsolicited messages, {sensor.lost} lost"
        self.asking.text = f"{host.answered:,} requests of the remote answered"
        self.draining.text = f"one-way, depth 1, backlog {BACKLOG}: {legacy.tx_done} TX done"
        self.draining.share = legacy.queued / BACKLOG
        self.draining.note = f"{legacy.queued:>2} queued"
        self.measuring()


def nothing() -> None:
    """Nothing is being measured."""


def told(ends: TrafficEnds) -> list[str]:
    """Return how requests failed: which stage was stuck, and whether they had left."""
    return [
        f"{count:>3} {kind}, stage {stage}, handed over: {handed}{SAFE.get(handed, '')}"
        for (kind, stage, handed), count in sorted(ends.items(), key=lambda item: -item[1])
    ]
