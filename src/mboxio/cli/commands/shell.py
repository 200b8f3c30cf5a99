"""``mboxio shell``: a prompt, or a script from stdin."""

import sys
from collections.abc import Callable

import click

from mboxio.cli.completion.addresses import last_address_argument
from mboxio.cli.shared.options import timeout_option, wait_option
from mboxio.cli.shared.payload import endian, endian_option
from mboxio.cli.shared.settings import setting
from mboxio.cli.shared.text import printable
from mboxio.cli.shell.commands import SHOWN
from mboxio.cli.shell.script import run_script
from mboxio.cli.shell.session import Session

__all__ = ["shell"]

INSTALL = 'pip install prompt_toolkit, or pip install ".[shell]" in a checkout of mboxio'


@click.command()
@last_address_argument
@timeout_option("each reply")
@click.option(
    "--out",
    type=click.Choice(SHOWN),
    metavar="FORM",
    help=f"Form of each message: {', '.join(SHOWN)}.",
)
@wait_option
@endian_option
def shell(address: str, timeout_s: float | None, out: str | None, wait_s: float | None) -> None:
    """Type requests at a prompt, or run a script of them.

    What the remote says on its own appears above the prompt. Ctrl-C cancels a request, Ctrl-D
    leaves, help lists the commands. Unless stdin and stdout are a terminal, commands are read from
    stdin; the first that fails ends it with its exit code.
    """
    typed = sys.stdin.isatty() and sys.stdout.isatty()
    run = _prompt() if typed else None
    found = setting("out")
    form = out or (found.text if found and found.text in SHOWN else "dump" if typed else "hex")
    with Session(address, wait_s, timeout_s, form, endian(), _say, typed) as session:
        if run is None:
            run_script(session, sys.stdin)
            return
        if session.connection._host.find_channel(session.channel).can_receive:
            session.listen(session.channel)
        session.say(f"connected to {session.connection.address}; help lists the commands")
        run(session)


def _prompt() -> Callable[[Session], None]:
    """Import the prompt; a script does without its library."""
    try:
        from mboxio.cli.shell.prompt import run_prompt
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("prompt_toolkit", "wcwidth"):
            raise
        raise click.UsageError(f"mboxio shell needs {error.name}: {INSTALL}") from None
    return run_prompt


def _say(text: str) -> None:
    """Print lines at once: what comes in from the remote does not stand between them."""
    lines = (printable(line, max(len(line), 1)) for line in text.split("\n"))
    click.echo("\n".join(lines))
