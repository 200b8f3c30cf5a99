"""``mboxio list --dtb``: the mailboxes that a device tree describes."""

import os
from collections.abc import Iterator
from itertools import islice

import click
from rich.console import Console, ConsoleOptions, RenderableType
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from mboxio.address import by_tree as dt
from mboxio.cli.shared.output import Output
from mboxio.cli.shared.text import json_line, printable
from mboxio.devicetree import DeviceTree, MailboxConsumer, Node, Provider, Specifier, describe
from mboxio.devicetree.overlay import HOW

__all__ = ["show_tree"]

HEX_FROM = 0x10000
CONTINUED = " "
GAP = 2
"""Between two columns of a table."""
ROWS_MAX = 1000
"""Lines that a table lays out in a second; the largest boards have some hundred."""
NARROW = 10
"""A column with names has so much room on the narrowest screen."""


class BreakingName:
    """A name that breaks between its pieces where it is too long for its column."""

    def __init__(self, pieces: list[str], style: str = "") -> None:
        self.pieces = pieces
        self.style = style

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        line = ""
        for piece in self.pieces:
            if line.strip() and len(line) + len(piece) > options.max_width:
                yield Text(line, self.style)
                line = CONTINUED
            line += piece
        yield Text(line, self.style, overflow="fold")

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        first, *others = map(len, self.pieces)
        least = max(first, *(len(CONTINUED) + other for other in others), 1)
        return Measurement(least, max(least, first + sum(others))).with_maximum(options.max_width)


def _path(node: Node) -> BreakingName:
    names = printable(node.path).split("/")
    return BreakingName([f"/{name}" for name in names[1:]], "cyan" if node.enabled else "dim")


def _compatible(node: Node) -> BreakingName:
    vendor, comma, model = printable(next(iter(node.compatible), "-")).partition(",")
    return BreakingName([vendor + comma, model])


def show_tree(file: str, as_json: bool) -> None:
    """Print what a device tree says about mailboxes, and which of them have a driver here."""
    tree = DeviceTree.open(file)
    if as_json:
        found = describe(tree, os.path.basename(file.rstrip("/")))
        click.echo(json_line(found))
        return
    output = Output()
    providers, consumers = tree.providers(), tree.consumers()
    model = next(iter(tree.root.strings("model")), None) or file
    title = Text(printable(model), style="bold")
    title.append(f"  {', '.join(map(printable, tree.root.compatible))}", "not bold dim")
    output.print(title)
    output.print(f"{_count(providers, 'provider')}, {_count(consumers, 'consumer')}")
    if tree.overlay is not None:
        output.print(Text(printable(f"{tree.overlay}: {HOW}"), "yellow"))
    output.print()
    if providers:
        output.print(_fitted(_providers(providers), output, 0, 1))
        output.print()
    if consumers:
        output.print(_fitted(_consumers(consumers), output, 0, 3))
        output.print()
    lines = sum(len(each.channels) + (each.error is not None) for each in consumers)
    if max(len(providers), lines) > ROWS_MAX:
        output.print(f"Of each table the first {ROWS_MAX:,} lines; --json has all.")


def _count(things: list[Provider] | list[MailboxConsumer], name: str) -> str:
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
    for each in providers[:ROWS_MAX]:
        node = each.node
        cpu = next((region.cpu for region in each.reg), None)
        driver = dt.driver(node, driven)
        table.add_row(
            _path(node),
            _compatible(node),
            "-" if each.cells is None else str(each.cells),
            "-" if cpu is None else f"{cpu:#x}",
            _driver(node, driver),
            style=_style(node),
        )
    return table


def _fitted(table: Table, console: Console, *names: int) -> Table:
    """Narrow the columns with names: between their pieces, and further only if that is too wide."""
    widths: list[int] = []
    least: list[int] = []
    for column in table.columns:
        sizes = [Measurement.get(console, console.options, cell) for cell in column.cells]
        header = len(str(column.header))
        widths.append(max(header, *(size.maximum for size in sizes)))
        least.append(max(header, *(size.minimum for size in sizes)))
    room = console.width - GAP * (len(widths) - 1)
    for floor in (least, [NARROW] * len(widths)):
        while sum(widths) > room:
            wide = [at for at in names if widths[at] > floor[at]]
            if not wide:
                break
            widths[max(wide, key=widths.__getitem__)] -= 1
    for column, width in zip(table.columns, widths, strict=True):
        column.width = width
    return table


def _driver(node: Node, name: str | None) -> Text:
    if not node.enabled:
        return Text("disabled")
    return Text(name, "green") if name else Text("-", "dim")


def _consumers(consumers: list[MailboxConsumer]) -> Table:
    table = _table("consumer", "channel", "cells", "provider")
    for row, style in islice(_rows(consumers), ROWS_MAX):
        table.add_row(*row, style=style)
    return table


def _rows(consumers: list[MailboxConsumer]) -> Iterator[tuple[tuple[RenderableType, ...], str]]:
    for each in consumers:
        path: RenderableType = _path(each.node)
        style = _style(each.node)
        for specifier in each.channels:
            name = f" {printable(specifier.name)}" if specifier.name else ""
            provider = specifier.provider
            shown = Text("empty", "dim") if provider is None else _path(provider)
            yield (path, f"{specifier.index}{name}", " ".join(_cells(specifier)), shown), style
            path = ""
        if each.error is not None:
            broken = Text(printable(str(each.error)), "red")
            yield (path, f"{len(each.channels)}", "", broken), style


def _cells(specifier: Specifier) -> Iterator[str]:
    for number, cell in enumerate(specifier.cells):
        node = specifier.nodes.get(number)
        if node is not None:
            yield printable(node.name)
        else:
            yield str(cell) if cell < HEX_FROM else f"{cell:#x}"


def _style(node: Node) -> str:
    return "" if node.enabled else "dim"
