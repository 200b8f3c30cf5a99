"""``mboxio info`` and ``mboxio list``: what there is."""

import dataclasses
import platform
from importlib.metadata import entry_points
from typing import Any

import click
from click.shell_completion import CompletionItem

import mboxio
from mboxio import AddressError, Controller, _build
from mboxio.address import catalogue
from mboxio.cli.commands.here import show_machine
from mboxio.cli.commands.tree import show_tree
from mboxio.cli.completion.addresses import ADDRESS, expanded
from mboxio.cli.gateway.exported import show_exported
from mboxio.cli.machine.gateways import is_elsewhere
from mboxio.cli.machine.machine import Machine
from mboxio.cli.shared.options import allowed, connected, wait_option
from mboxio.cli.shared.output import Column, Output
from mboxio.cli.shared.text import WORD_MAX, json_line, printable
from mboxio.client import open as registry

__all__ = ["info", "list_channels"]


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Machine-readable.")
@click.option("--verbose", is_flag=True, help="Also list the compiled modules.")
def info(as_json: bool, verbose: bool) -> None:
    """Show the version, the build and the controllers."""
    about = {
        "version": mboxio.__version__,
        "build": _build.describe() if verbose else _build.summary(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "platform": platform.platform(),
    }
    controllers = dict(sorted(catalogue.found().items()))
    broken = {name: fault for name in controllers if (fault := _fault(name))}
    if as_json:
        click.echo(json_line({**about, "controllers": controllers, "broken": broken}))
        return
    for name, text in about.items():
        click.echo(printable(f"{name:<12} {text}"))
    click.echo("controllers")
    packages = _packages()
    width = max(map(len, controllers)) + 1
    for name, where in controllers.items():
        origin = f"  (installed: {packages[name]})" if name in packages else ""
        mark = f"  BROKEN: {broken[name]}" if name in broken else ""
        click.echo(printable(f"  {name + ':':<{width}}  {where}{origin}{mark}"))


def _packages() -> dict[str, str]:
    """Return which package brings a controller, for those that others wrote."""
    return {
        each.name: each.dist.name if each.dist else "unknown"
        for each in entry_points(group=catalogue.GROUP)
        if each.name not in catalogue.BUILT_IN
    }


def _fault(name: str) -> str | None:
    """Return why a controller cannot be used; it may be anybody's, and fail in any way."""
    try:
        kind = catalogue.load(name)
    except (Exception, SystemExit) as error:
        told = str(error) or "it says nothing"
        return told if isinstance(error, AddressError) else f"{type(error).__name__}: {told}"
    if not (isinstance(kind, type) and issubclass(kind, Controller)):
        return f"{kind!r} is not a subclass of mboxio.Controller"
    return None


def _complete(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem[str]]:
    """Complete an address; after --dtb there may be more files."""
    if ctx.params.get("files"):
        return [CompletionItem(incomplete, "file")]
    return ADDRESS.shell_complete(ctx, param, incomplete)


@click.command("list")
@click.argument(
    "addresses", nargs=-1, metavar="[ADDRESS | --dtb FILE...]", shell_complete=_complete
)
@click.option(
    "--dtb",
    "files",
    multiple=True,
    type=click.Path(),
    metavar="FILE",
    help="Show the mailboxes of this device tree.",
)
@click.option(
    "--json", "as_json", is_flag=True, help="Machine-readable; with --dtb, one line for each FILE."
)
@wait_option
def list_channels(
    addresses: tuple[str, ...], files: tuple[str, ...], as_json: bool, wait_s: float | None
) -> None:
    """List a controller's channels, or what this machine has.

    Without an ADDRESS it lists remotes, devices and nodes of the device tree, and for those that
    cannot be used the reason and what to try. With the address of a gateway, grpc:HOST, it lists
    what is exported there and what you may do. A FILE is a device tree: a .dtb, or
    /proc/device-tree on a board that runs.
    """
    if files:
        for file in (*files, *addresses):
            show_tree(file, as_json)
        return
    if not addresses:
        show_machine(Machine(), as_json)
        return
    address, *more = addresses
    if more:
        raise click.UsageError(f"Got unexpected extra argument ({more[0]})")
    _list_channels(expanded(address), as_json, wait_s)


def _list_channels(address: str, as_json: bool, wait_s: float | None) -> None:
    whole, _ = registry.resolve(address, allowed())
    if is_elsewhere(whole):
        show_exported(whole, as_json, wait_s)
        return
    with connected(str(dataclasses.replace(whole, channel="")), wait_s) as connection:
        channels = [_describe(channel) for channel in connection._host.channels.values()]
    if as_json:
        click.echo(json_line(channels))
        return
    directions = {(True, False): "send-only", (False, True): "listen-only"}
    rows = [
        (
            str(each["number"]),
            printable(each["channel"], WORD_MAX),
            str(each["depth"]),
            str(each["message_bytes"]),
            directions.get((each["send"], each["listen"]), "both"),
        )
        for each in channels
    ]
    columns = (
        Column("number"),
        Column("channel", right=False),
        Column("depth"),
        Column("message bytes"),
        Column("directions", right=False),
    )
    Output().table(columns, rows)


def _describe(channel: Any) -> dict[str, Any]:
    return {
        "number": channel.number,
        "channel": channel.name,
        "depth": channel.queue.depth,
        "message_bytes": channel.message_bytes,
        "send": channel.can_send,
        "listen": channel.can_receive,
    }
