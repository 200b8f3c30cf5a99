"""A script: lines from a file or a pipe, plain output, and the first failure ends it."""

from typing import TextIO

import click

from mboxio import MailboxError
from mboxio.cli.shared.failures import is_wrong
from mboxio.cli.shell import commands
from mboxio.cli.shell.session import Cancelled, Session

__all__ = ["run_script"]

INTERRUPTED = 130


class FailedLine(click.ClickException):
    """The remote failed in a line of a script."""


class WrongLine(click.ClickException):
    """A line of a script is wrong."""

    exit_code = 2


def run_script(session: Session, lines: TextIO) -> None:
    """Run line after line.

    Raises:
        FailedLine, WrongLine: the first that failed; it says which.
        Exit: Ctrl-C.
    """
    for number, line in enumerate(lines, 1):
        try:
            commands.run(session, line)
        except commands.Leave:
            return
        except Cancelled:
            raise click.exceptions.Exit(INTERRUPTED) from None
        except click.ClickException as error:
            kind = WrongLine if error.exit_code == WrongLine.exit_code else FailedLine
            raise kind(f"line {number}: {error.format_message()}") from None
        except MailboxError as error:
            kind = WrongLine if is_wrong(error) else FailedLine
            raise kind(f"line {number}: {error}") from None
