"""``mboxio demo``: many requests in flight, and firmware that dies, on one screen."""

from contextlib import ExitStack
from importlib import import_module

import click

from mboxio import _build
from mboxio.cli.demo.process import FirmwareProcess, private_folder
from mboxio.cli.demo.requests import RequestsShow
from mboxio.cli.demo.screen import Screen
from mboxio.cli.demo.verdict import COLUMNS, broken, found, table
from mboxio.cli.shared.options import connected
from mboxio.cli.shared.output import Output
from mboxio.cli.shared.signals import Signals
from mboxio.cli.shared.text import json_line

__all__ = ["demo"]


DEMOS = {
    "requests": "mboxio.cli.demo.command:requests",
    "acpm": "mboxio.cli.demo.acpm:run",
    "far": "mboxio.cli.demo.far.show:run",
    "mcu": "mboxio.cli.demo.mcu:run",
    "rpi": "mboxio.cli.demo.rpi:run",
    "rpmsg": "mboxio.cli.demo.rpmsg:run",
}
"""What can be shown: a name, and the function that does it."""


@click.command()
@click.argument("name", type=click.Choice(list(DEMOS)), default="requests")
@click.option("--json", "as_json", is_flag=True, help="Print the results as one JSON object.")
def demo(name: str, as_json: bool) -> None:
    """Watch many requests in flight and firmware that dies.

    It takes some seconds, needs nothing and leaves nothing behind. The exit code is 1 if any
    guarantee was broken. With the name acpm it is a PMIC behind ACPM firmware, with far a board
    behind a gateway, with rpi the mailbox of a Raspberry Pi, in QEMU, with rpmsg services over
    shared rings, with mcu firmware on a Cortex-M3, in QEMU.
    """
    module, _, function = DEMOS[name].partition(":")
    getattr(import_module(module), function)(as_json)


def requests(as_json: bool) -> None:
    """RequestsShow many requests in flight, and firmware that is killed."""
    console = Output(silent=as_json)
    with ExitStack() as stack:
        signals = stack.enter_context(Signals())
        folder = stack.enter_context(private_folder())
        firmware = FirmwareProcess("demo", folder, signals.check)
        stack.callback(firmware.stop)
        firmware.start()
        connection = stack.enter_context(connected("shm:demo"))
        title = f"mboxio demo ({_build.short()} build): a host program and its firmware"
        screen = stack.enter_context(Screen(console, title))
        show = RequestsShow(connection, firmware, signals, screen)
        show.run()
    faults = broken(show)
    if as_json:
        click.echo(json_line({"demo": "requests", "build": _build.name(), **found(show, faults)}))
    console.print()
    console.table(COLUMNS, table(show))
    if faults:
        raise click.ClickException(f"broken: {'; '.join(faults)}")
    kept = "held: 0; every request ended once, with its own reply or its error"
    console.print(f"{kept} ({show.spent_s:.1f} s)", style="bold green", soft_wrap=True)
