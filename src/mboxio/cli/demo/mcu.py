"""``mboxio demo mcu``: firmware on a Cortex-M3 in QEMU, over mapped RAM and as through a probe."""

from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack
from time import monotonic
from typing import Any

import click

import mboxio
from mboxio import _build
from mboxio.cli.demo.microcontroller import BOARDS, Microcontroller, running
from mboxio.cli.demo.process import private_folder
from mboxio.cli.demo.screen import Screen
from mboxio.cli.shared.options import connected
from mboxio.cli.shared.output import Output
from mboxio.cli.shared.signals import Signals
from mboxio.cli.shared.text import json_line

__all__ = ["run"]

BOARD = BOARDS["mps2-an385"]
CHANNEL = "echo0"
MANY = 8
MEASURE_S = 1.2
PATIENCE_S = 10.0
BEAT_S = 0.5
LOOK_S = 0.05
MAPPED, PROBE = "mapped", "probe"


class McuShow:
    """What the demo does, and what it found.

    Args:
        machine: the microcontroller.
        signals: looked at between requests.
        screen: where progress is shown.
    """

    def __init__(self, machine: Microcontroller, signals: Signals, screen: Screen) -> None:
        self.began_s = monotonic()
        self.machine = machine
        self.signals = signals
        self.screen = screen
        self.client: mboxio.Client | None = None
        self.pending: deque[tuple[mboxio.Request[bytes], bytes]] = deque()
        self.asked = self.answered = self.failed = self.mispaired = 0
        self.look_s = 0.0
        self.rates: dict[str, dict[int, float]] = {MAPPED: {}, PROBE: {}}
        self.back_ms = self.noticed_ms = 0.0
        self.faults: list[str] = []

    def gain(self, way: str) -> float:
        """How many times as many requests per second many in flight bring."""
        rates = self.rates[way]
        return rates[MANY] / rates[1] if rates.get(1) else 0.0

    def run(self) -> None:
        """Go through all steps."""
        machine = self.machine
        wire = f"rings:?at={machine.ram}&bell=unix:{machine.wire}&beat_s={BEAT_S}"
        with connected(wire, PATIENCE_S) as connection:
            self.use(connection)
            self.measure(MAPPED, 1)
            self.measure(MAPPED, MANY)
            self.speak()
            self.reset()
            self.hang()
            self.check_held(connection)
        register, value = machine.board.bell
        bell = f"bell=write:{register:#x}%3D{value}&bell_at={machine.access}"
        with connected(f"rings:?at={machine.probe}&{bell}", PATIENCE_S) as connection:
            self.use(connection)
            self.measure(PROBE, 1)
            self.measure(PROBE, MANY)
            self.check_held(connection)

    def use(self, connection: mboxio.Connection) -> None:
        """From now on, ask by this one."""
        self.client = connection.client(CHANNEL, timeout_s=PATIENCE_S)

    # -- the steps

    def measure(self, way: str, in_flight: int) -> None:
        """Send requests for a while, so many in flight."""
        row = self.screen.row(way if in_flight == 1 else "")
        before, began_s = self.answered, monotonic()
        while (spent_s := monotonic() - began_s) < MEASURE_S:
            self.fill(in_flight)
            self.collect()
            rate = (self.answered - before) / max(spent_s, 1e-3)
            row.text = f"{in_flight} in flight: {rate:>9,.0f} requests/s"
            if in_flight == MANY:
                row.share, row.note = 1.0, f"{rate / self.rates[way][1]:.1f}×"
        self.rates[way][in_flight] = (self.answered - before) / (monotonic() - began_s)
        self.drain()
        self.screen.finish(row)

    def speak(self) -> None:
        """Have the firmware say something unasked, and ask a question of its own."""
        row = self.screen.row("unasked")
        assert self.client is not None
        with self.client.subscribe() as messages:
            self.request(b"News", b"News")
            heard = messages.get(PATIENCE_S)
        questions: list[bytes] = []
        self.client.on_request(lambda question: answer_to(question, questions))
        self.request(b"Q", b"right")
        if heard != b"News" or len(questions) != 1:
            self.faults.append(f"the firmware said {heard!r} and asked {questions}")
        row.text = "a notification came, and a question of the firmware was answered"
        self.screen.finish(row)

    def reset(self) -> None:
        """Reset the machine with requests in flight: all end, and the same client goes on."""
        row = self.screen.row("reset")
        self.machine.tell("stop")  # else all is answered before the reset comes
        self.fill(MANY)
        count, failed, began_s = len(self.pending), self.failed, monotonic()
        self.machine.reset()
        self.machine.tell("cont")
        self.drain()
        over_ms = 1e3 * (monotonic() - began_s)
        self.first_reply()
        self.back_ms = 1e3 * (monotonic() - began_s)
        if (lost := self.failed - failed) != count:
            self.faults.append(f"{count} requests in flight at a reset, {lost} failed")
        row.text = f"{count} requests in flight: all over in {over_ms:.0f} ms with RemoteGone, "
        row.text += f"same client: reply after {self.back_ms:.0f} ms"
        self.screen.finish(row)

    def hang(self) -> None:
        """Have the firmware hang with a request: its heart stands still, and that is noticed."""
        row = self.screen.row("hang", "the firmware hangs ...")
        self.screen.refresh(True)
        assert self.client is not None
        began_s = monotonic()
        request = self.client.submit(b"H")
        self.asked += 1
        self.pending.append((request, b""))
        self.drain()
        self.noticed_ms = 1e3 * (monotonic() - began_s)
        error = request.exception() if request.over else None
        if not isinstance(error, mboxio.RemoteGone):
            self.faults.append(f"a hang ended with {type(error).__name__}")
        self.machine.reset()
        self.first_reply()
        row.text = f"noticed by the heartbeat after {self.noticed_ms:.0f} ms; reset: it works again"
        self.screen.finish(row)

    # -- meanwhile

    def fill(self, limit: int) -> None:
        """Send requests until so many are in flight, or there is no place for more."""
        assert self.client is not None
        while len(self.pending) < limit:
            message = b".%d" % self.asked
            try:
                request = self.client.submit(message)
            except mboxio.QueueFull:
                return  # answered, and its place is not free yet
            self.asked += 1
            self.pending.append((request, message))

    def collect(self) -> None:
        """Wait a little for the oldest request; check all that are over."""
        if self.pending and not self.pending[0][0].over:
            self.pending[0][0].wait(LOOK_S)
        while self.pending and self.pending[0][0].over:
            request, expected = self.pending.popleft()
            try:
                reply = request.result()
            except mboxio.RemoteGone:
                self.failed += 1
            else:
                self.answered += 1
                self.mispaired += reply != expected
        if monotonic() >= self.look_s:
            self.look_s = monotonic() + LOOK_S
            self.signals.check()
            self.screen.refresh()

    def drain(self) -> None:
        """Wait until nothing is in flight."""
        end_s = monotonic() + PATIENCE_S
        while self.pending and monotonic() < end_s:
            self.collect()

    def request(self, message: bytes, expected: bytes) -> None:
        """Send one; it waits for a firmware that is lost."""
        assert self.client is not None
        self.asked += 1
        reply = self.client.request(message, queue_timeout_s=PATIENCE_S)
        self.answered += 1
        self.mispaired += reply != expected

    def first_reply(self) -> None:
        """Send one request to firmware that starts."""
        self.request(b".first", b".first")

    def check_held(self, connection: mboxio.Connection) -> None:
        """See to it that nothing is left of requests that are over."""
        stats = connection.stats()[CHANNEL]
        if stats.unknown or stats.held_slots or stats.held_tags:
            self.faults.append(
                f"{stats.unknown} replies answer nothing, held: {stats.held_slots} slots,"
                f" tags {stats.held_tags}"
            )


def answer_to(question: bytes, questions: list[bytes]) -> bytes:
    """Answer the firmware: the number that it sent, plus one."""
    questions.append(question)
    return ((int.from_bytes(question, "little") + 1) & 0xFFFF_FFFF).to_bytes(4, "little")


def broken(show: McuShow) -> Iterator[str]:
    """Say what went wrong, in words; nothing if all guarantees were kept."""
    yield from show.faults
    if show.mispaired:
        yield f"{show.mispaired} wrong replies"
    if show.pending or show.asked != show.answered + show.failed:
        yield f"{show.asked - show.answered - show.failed} requests did not end"
    if show.gain(PROBE) < 1:  # in mapped memory it is this program's own pace that is measured
        yield f"{show.gain(PROBE):.2f} times the requests per second with {MANY} in flight"


def found(show: McuShow, faults: list[str]) -> dict[str, Any]:
    """Return what the demo found as data."""
    return {
        "requests": show.asked,
        "answered": show.answered,
        "failed": show.failed,
        "mispaired": show.mispaired,
        "per_second": {
            way: {str(number): round(rate) for number, rate in rates.items()}
            for way, rates in show.rates.items()
        },
        "gain": {way: round(show.gain(way), 2) for way in show.rates},
        "back_after_reset_s": round(show.back_ms / 1e3, 4),
        "hang_noticed_s": round(show.noticed_ms / 1e3, 4),
        "seconds": round(monotonic() - show.began_s, 3),
        "broken": faults,
    }


def run(as_json: bool) -> None:
    """Run the demo.

    Args:
        as_json: print what was found as one JSON object, and nothing else.

    Raises:
        ClickException: there is no QEMU, or a guarantee was broken.
    """
    console = Output(silent=as_json)
    with ExitStack() as stack:
        signals = stack.enter_context(Signals())
        folder = stack.enter_context(private_folder())
        machine = stack.enter_context(running(folder, signals.check, BOARD))
        title = f"mboxio demo mcu ({_build.short()} build): a Cortex-M3 in QEMU ({BOARD.machine})"
        screen = stack.enter_context(Screen(console, title))
        show = McuShow(machine, signals, screen)
        show.run()
        faults = list(broken(show))
    if as_json:
        click.echo(json_line({"demo": "mcu", "build": _build.name(), **found(show, faults)}))
    if faults:
        raise click.ClickException(f"broken: {'; '.join(faults)}")
    told = f"{show.asked:,} requests, {show.failed} failed, 0 mispaired, 0 held; gain "
    told += f"{show.gain(MAPPED):.1f}× in mapped RAM, {show.gain(PROBE):.1f}× as through a probe "
    console.print(f"{told}({monotonic() - show.began_s:.1f} s)", style="bold green", soft_wrap=True)
