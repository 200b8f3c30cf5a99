"""``mboxio demo rpi``: the mailbox of a Raspberry Pi in QEMU, with 1 and 8 messages in flight."""

from collections import deque
from contextlib import ExitStack
from time import monotonic

import click

from mboxio import _build
from mboxio.cli.demo.process import private_folder
from mboxio.cli.demo.qemu import standing_still
from mboxio.cli.demo.screen import Screen
from mboxio.cli.shared.options import connected
from mboxio.cli.shared.output import Output
from mboxio.cli.shared.signals import Signals
from mboxio.cli.shared.text import json_line
from mboxio.protocols import rpi_tags as tags
from mboxio.protocols.rpi_property import UNKNOWN, Reading, RpiProperty
from mboxio.protocols.rpi_words import in_json, in_words

__all__ = ["run"]

MACHINE = "raspi3b"
REGISTERS, POOL = "@0x3f00b880+0x40", "@0x100000"
IN_FLIGHT = (1, 8)
MEASURE_S = 1.0
UNWIRED = 2
"""A channel on which QEMU has nobody."""
SILENCE_S = 0.1

CLOCKS = [tags.clock_rate(clock) for clock in list(tags.Clock)[:8]]


def run(as_json: bool) -> None:
    """Start QEMU, read the board's values, and measure.

    Args:
        as_json: print what was found as one JSON object, and nothing else.

    Raises:
        ClickException: there is no QEMU, or a reply went astray.
    """
    console = Output(silent=as_json)
    with ExitStack() as stack:
        signals = stack.enter_context(Signals())
        folder = stack.enter_context(private_folder())
        where = stack.enter_context(standing_still(MACHINE, folder, signals.check))
        address = f"bcm2835:?at={where}{REGISTERS}&pool={where}{POOL}"
        connection = stack.enter_context(connected(address))
        title = f"mboxio demo rpi ({_build.short()} build): QEMU's {MACHINE}, no guest, over qtest"
        screen = stack.enter_context(Screen(console, title))
        board = RpiProperty(connection.client("property"))
        began_s = monotonic()
        values = board.read_all(*tags.OVERVIEW)
        spent_ms = 1e3 * (monotonic() - began_s)
        for each, value in zip(tags.OVERVIEW, values, strict=True):
            if value is not UNKNOWN:
                screen.finish(screen.row("board", f"{each.name:<22} {in_words(each.name, value)}"))
        known = sum(value is not UNKNOWN for value in values)
        text = f"{len(values)} tags in one message: {spent_ms:.1f} ms, {known} known to QEMU"
        screen.finish(screen.row("message", text))
        expected = board.read_all(*CLOCKS)
        rates = {n: measure(board, n, expected, screen, signals) for n in IN_FLIGHT}
        silent = connection.client(UNWIRED).submit(bytes(4), timeout_s=SILENCE_S)
        text = f"channel {UNWIRED} has nobody: {type(silent.exception()).__name__},"
        alive = board.read(tags.BOARD_REVISION)
        screen.finish(screen.row("silence", f"{text} and property still says {alive:#x}"))
        stats = connection.stats()["property"]
    strays = stats.unknown + stats.late
    if as_json:
        known_values = {
            each.name: in_json(value)
            for each, value in zip(tags.OVERVIEW, values, strict=True)
            if value is not UNKNOWN
        }
        rounded = {str(number): round(rate) for number, rate in rates.items()}
        found = {"requests": stats.done, "failed": stats.failed, "astray": strays}
        more = {"board": known_values, "per_second": rounded}
        click.echo(json_line({"demo": "rpi", "build": _build.name(), **found, **more}))
    if strays or stats.failed:
        raise click.ClickException(f"{strays} replies went astray, {stats.failed} requests failed")
    one, many = rates[IN_FLIGHT[0]], rates[IN_FLIGHT[1]]
    console.print()
    text = f"{stats.done} requests, each with its own reply; {many / one:.1f}× with 8 in flight"
    console.print(text, style="bold green", soft_wrap=True)


def measure(
    board: RpiProperty, in_flight: int, expected: list[object], screen: Screen, signals: Signals
) -> float:
    """Ask for one clock after the other for a while; returns how many answers came per second."""
    row = screen.row("flight", f"{in_flight} in flight: ...")
    pending: deque[tuple[int, Reading]] = deque()
    sent = answered = 0
    began_s = monotonic()
    while (spent_s := monotonic() - began_s) < MEASURE_S or pending:
        while len(pending) < in_flight and spent_s < MEASURE_S:
            pending.append((sent % len(CLOCKS), board.submit(CLOCKS[sent % len(CLOCKS)])))
            sent += 1
        which, reading = pending.popleft()
        if reading.result() != [expected[which]]:
            raise click.ClickException(f"{CLOCKS[which]} got the reply of another request")
        answered += 1
        signals.check()
        row.share = min(1.0, spent_s / MEASURE_S)
        screen.refresh()
    rate = answered / (monotonic() - began_s)
    row.text, row.share = (
        f"{in_flight} in flight: {rate:,.0f} requests/s, {1e3 / rate:.2f} ms each",
        None,
    )
    screen.finish(row)
    return rate
