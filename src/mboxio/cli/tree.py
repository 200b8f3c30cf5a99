"""``mboxio list --dtb``: the mailboxes that a device tree describes."""

import json
import os
from collections.abc import Iterator

import click
from rich.console import Console, ConsoleOptions
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from mboxio import dt
from mboxio.cli.options import Output, printable
from mboxio.devicetree import Consumer, DeviceTree, Node, Provider, Specifier, describe

__all__ = ["show_tree"]

HEX_FROM = 0x10000
CONTINUED = " "
GAP = 2
"""Between two columns of a table."""


class Path:
    """The path of a node; where it is too long for its column it breaks before a slash."""

    def __init__(self, node: Node) -> None:
        self.style = "cyan" if node.enabled else "dim"
        names = printable(node.path).split("/")
        self.parts = [f"/{name}" for name in names[1:]]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        line = ""
        for part in self.parts:
            if line.strip() and len(line) + len(part) > options.max_width:
                yield Text(line, self.style)
                line = CONTINUED
            line += part
        yield Text(line, self.style, overflow="fold")

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        least = max(len(part) for part in self.parts) + len(CONTINUED)
        most = max(least, sum(len(part) for part in self.parts))
        return Measurement(least, most).with_maximum(options.max_width)


def show_tree(file: str, as_json: bool) -> None:
    """Print what a device tree says about mailboxes, and which of them have a driver here."""
    tree = DeviceTree.open(file)
    if as_json:
        found = describe(tree, os.path.basename(file))
        click.echo(json.dumps(found, separators=(",", ":")))
        return
    output = Output()
    providers, consumers = tree.providers(), tree.consumers()
    model = next(iter(tree.root.strings("model")), None) or file
    title = Text(printable(model), style="bold")
    title.append(f"  {', '.join(map(printable, tree.root.compatible))}", "not bold dim")
    output.print(title)
    output.print(f"{_count(providers, 'provider')}, {_count(consumers, 'consumer')}")
    output.print()
    if providers:
        output.print(_fitted(_providers(providers), output))
        output.print()
    if consumers:
        output.print(_consumers(consumers))
        output.print()


def _count(things: list[Provider] | list[Consumer], name: str) -> str:
    disabled = sum(not each.node.enabled for each in things)
    plural = "" if len(things) == 1 else "s"
    return f"{len(things)} {name}{plural}" + (f" ({disabled} disabled)" if disabled else "")


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _providers(providers: list[Provider]) -> Table:
    driven = dt.drivers()
    table = _table("provider", "compatible", "cells", "address", "driver")
    for each in providers:
        node = each.node
        cpu = next((region.cpu for region in each.reg), None)
        driver = dt.driver(node, driven)
        table.add_row(
            Path(node),
            printable(next(iter(node.compatible), "-")),
            "-" if each.cells is None else str(each.cells),
            "-" if cpu is None else f"{cpu:#x}",
            _driver(node, driver),
            style=_style(node),
        )
    return table


def _fitted(table: Table, console: Console) -> Table:
    """Give the paths the room that the other columns leave, but no less than they need."""
    paths, *others = (
        [Measurement.get(console, console.options, cell) for cell in column.cells]
        for column in table.columns
    )
    room = console.width - sum(GAP + max(cell.maximum for cell in cells) for cells in others)
    whole = max(cell.maximum for cell in paths)
    table.columns[0].width = max(min(room, whole), max(cell.minimum for cell in paths))
    return table


def _driver(node: Node, name: str | None) -> Text:
    if not node.enabled:
        return Text("disabled")
    return Text(name, "green") if name else Text("-", "dim")


def _consumers(consumers: list[Consumer]) -> Table:
    table = _table("consumer", "channel", "cells", "provider")
    for each in consumers:
        path: Path | str = Path(each.node)
        for specifier in each.channels:
            name = f" {printable(specifier.name)}" if specifier.name else ""
            provider = specifier.provider
            table.add_row(
                path,
                f"{specifier.index}{name}",
                " ".join(_cells(specifier)),
                Text("empty", "dim") if provider is None else Path(provider),
                style=_style(each.node),
            )
            path = ""
        if each.error is not None:
            broken = Text(printable(str(each.error)), "red")
            table.add_row(path, f"{len(each.channels)}", "", broken, style=_style(each.node))
    return table


def _cells(specifier: Specifier) -> Iterator[str]:
    for number, cell in enumerate(specifier.cells):
        node = specifier.nodes.get(number)
        if node is not None:
            yield printable(node.name)
        else:
            yield str(cell) if cell < HEX_FROM else f"{cell:#x}"


def _style(node: Node) -> str:
    return "" if node.enabled else "dim"
