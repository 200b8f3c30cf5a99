"""``mboxio new-driver``: a package for a controller of one's own."""

from pathlib import Path

import click

from mboxio.cli.shared.text import json_line, printable
from mboxio.cli.skeleton.package import WrongName, write_package

__all__ = ["new_driver"]


@click.command("new-driver")
@click.argument("name")
@click.option(
    "--into",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=".",
    help="Folder in which the new one is made; default: this one.",
)
@click.option("--json", "as_json", is_flag=True, help="Machine-readable.")
def new_driver(name: str, into: Path, as_json: bool) -> None:
    """Write a package for a driver of your own.

    It is a new folder NAME with an entry point, a driver, a model of its hardware, and tests that
    run the conformance suite and pass. Then replace the hardware by yours, step by step.
    """
    try:
        written = write_package(name, into)
    except WrongName as error:
        raise click.UsageError(str(error)) from None
    if as_json:
        click.echo(json_line({"name": name, "files": [str(each) for each in written]}))
        return
    for each in written:
        click.echo(printable(str(each)))
    click.echo(printable(f'next: cd {into / name}; pip install -e ".[test]"; pytest'))
