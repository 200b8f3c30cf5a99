"""``mboxio demo mcu``: firmware on a Cortex-M3 in QEMU, over mapped RAM and as through a probe."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from time import monotonic
from typing import Any

import mboxio
from mboxio import _build
from mboxio.cli.demo.microcontroller import BOARDS, Microcontroller, running
from mboxio.cli.demo.process import PATIENCE_S, private_folder
from mboxio.cli.demo.screen import Screen, show_end
from mboxio.cli.demo.traffic import Asking, measured, ticking
from mboxio.cli.shared.options import connected
from mboxio.cli.shared.output import Output
from mboxio.cli.shared.signals import Signals

__all__ = ["run"]

BOARD = BOARDS["mps2-an385"]
CHANNEL = "echo0"
MANY = 8
MEASURE_S = 1.2
BEAT_S = 0.5
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
        self.screen = screen
        self.client: mboxio.Client | None = None
        self.asking = Asking(self.submit, ticking(signals.check, screen.refresh))
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
        rates = self.rates[way]
        name, first = ("", rates[1]) if rates else (way, 0.0)
        rates[in_flight] = measured(self.asking, self.screen, name, in_flight, MEASURE_S, first)

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
        asking = self.asking
        asking.fill(MANY)
        count, failed, began_s = len(asking.pending), asking.failed, monotonic()
        self.machine.reset()
        self.machine.tell("cont")
        asking.drain(PATIENCE_S)
        over_ms = 1e3 * (monotonic() - began_s)
        self.first_reply()
        self.back_ms = 1e3 * (monotonic() - began_s)
        if (lost := asking.failed - failed) != count:
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
        self.asking.sent += 1
        self.asking.pending.append((request, request.result, b""))
        self.asking.drain(PATIENCE_S)
        self.noticed_ms = 1e3 * (monotonic() - began_s)
        error = request.exception() if request.over else None
        if not isinstance(error, mboxio.RemoteGone):
            self.faults.append(f"a hang ended with {type(error).__name__}")
        self.machine.reset()
        self.first_reply()
        row.text = f"noticed by the heartbeat after {self.noticed_ms:.0f} ms; reset: it works again"
        self.screen.finish(row)

    # -- meanwhile

    def submit(self, number: int) -> tuple[mboxio.Request[bytes], Callable[[], bytes], bytes]:
        """See `Asking`; where it has answered, its place may not be free yet."""
        assert self.client is not None
        message = b".%d" % number
        request = self.client.submit(message)
        return request, request.result, message

    def request(self, message: bytes, expected: bytes) -> None:
        """Send one; it waits for a firmware that is lost."""
        assert self.client is not None
        ask = partial(self.client.request, message, queue_timeout_s=PATIENCE_S)
        self.asking.once(ask, expected)

    def first_reply(self) -> None:
        """Send one request to firmware that starts."""
        self.request(b".first", b".first")

    def check_held(self, connection: mboxio.Connection) -> None:
        """See to it that every request got its reply, and nothing is left of any."""
        self.faults += self.asking.broken(connection.stats()[CHANNEL])


def answer_to(question: bytes, questions: list[bytes]) -> bytes:
    """Answer the firmware: the number that it sent, plus one."""
    questions.append(question)
    return ((int.from_bytes(question, "little") + 1) & 0xFFFF_FFFF).to_bytes(4, "little")


def broken(show: McuShow) -> Iterator[str]:
    """Say what went wrong, in words; nothing if all guarantees were kept."""
    yield from show.faults
    if show.gain(PROBE) < 1:  # in mapped memory it is this program's own pace that is measured
        yield f"{show.gain(PROBE):.2f} times the requests per second with {MANY} in flight"


def found(show: McuShow, faults: list[str]) -> dict[str, Any]:
    """Return what the demo found as data."""
    return {
        **show.asking.counted(),
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
    told = f"{show.asking.sent:,} requests, {show.asking.failed} failed, 0 mispaired, 0 held; gain "
    told += f"{show.gain(MAPPED):.1f}× in mapped RAM, {show.gain(PROBE):.1f}× as through a probe "
    told += f"({monotonic() - show.began_s:.1f} s)"
    show_end(console, as_json, "mcu", found(show, faults), told)
