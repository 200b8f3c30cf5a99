"""The command ``mboxio`` and its subcommands: how they fail and with which exit code."""

import os
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import click

from mboxio import AddressError, MailboxError, WrongMessage, __version__
from mboxio.cli.bench import bench
from mboxio.cli.demo import demo
from mboxio.cli.listen import listen
from mboxio.cli.listing import info, list_channels
from mboxio.cli.logs import logged_in_lines
from mboxio.cli.request import request, send
from mboxio.cli.rpi import rpi
from mboxio.cli.serve import serve
from mboxio.cli.text import printable, register_plain

__all__ = ["app"]

INTERRUPTED, BROKEN_PIPE = 130, 141
"""As a shell reports a process that died of SIGINT or SIGPIPE."""


class WrongAddress(click.ClickException):
    """A failure that is the fault of the command's arguments."""

    exit_code = 2


class App(click.Group):
    """Every error is one line on stderr; nobody meets a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a subcommand; what it raises becomes an exit code."""
        # Nothing may reach click as it is: a RemoteGone is an OSError with EPIPE, which click
        # takes for a closed pipe and drops.
        try:
            super().invoke(ctx)
            sys.stdout.flush()
        except MailboxError as error:
            wrong = isinstance(error, AddressError | WrongMessage)
            raise (WrongAddress if wrong else click.ClickException)(str(error)) from None
        except KeyboardInterrupt:
            raise click.exceptions.Exit(INTERRUPTED) from None
        except BrokenPipeError:
            _abandon_stdout()
            raise click.exceptions.Exit(BROKEN_PIPE) from None
        except OSError as error:
            _abandon_stdout()
            where = f"{error.filename}: " if error.filename else ""
            raise click.ClickException(f"{where}{error.strerror or error}") from None

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> NoReturn:
        """Run and exit."""
        # A message may hold what the encoding of the output cannot say.
        plain = register_plain()
        for stream in (sys.stdout, sys.stderr):
            reconfigure = getattr(stream, "reconfigure", None)
            if reconfigure is not None:
                reconfigure(errors=plain)
        try:
            with logged_in_lines():
                code = super().main(args, "mboxio", complete_var, standalone_mode=False, **extra)
        except click.exceptions.NoArgsIsHelpError as error:
            error.show()
            code = error.exit_code
        except click.ClickException as error:
            click.echo(_line(error), err=True)
            code = error.exit_code
        except click.Abort:
            code = INTERRUPTED
        sys.exit(code)


def _line(error: click.ClickException) -> str:
    text = printable(error.format_message())
    if isinstance(error, click.UsageError) and error.ctx is not None:
        text = f"{text.rstrip('.')} (see: {error.ctx.command_path} --help)"
    return f"mboxio: {text}"


def _abandon_stdout() -> None:
    """Nobody reads what is left in the buffer, and the interpreter shall not try it again."""
    try:
        stdout = sys.stdout.fileno()
    except OSError:
        return  # it is no file
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stdout)
    os.close(nowhere)


@click.group(cls=App, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="mboxio", message="%(prog)s %(version)s")
def app() -> None:
    """Talk to firmware through hardware mailboxes.

    An ADDRESS is controller:name/channel?option=value, for example shm:demo/pmic.

    Exit codes: 0 done, 1 the remote failed, 2 the command or an address is wrong.
    """


for command in (demo, serve, request, send, listen, bench, rpi, list_channels, info):
    app.add_command(command)
