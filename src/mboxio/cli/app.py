"""The command ``mboxio`` and its subcommands: how they fail and with which exit code."""

import os
import shutil
import sys
from collections.abc import Iterable, Sequence
from importlib import import_module
from typing import Any, NoReturn

import click
from click.shell_completion import CompletionItem, add_completion_class

from mboxio import MailboxError, __version__
from mboxio.cli.shared.failures import is_wrong
from mboxio.cli.shared.logs import logged_in_lines
from mboxio.cli.shared.text import printable, register_plain

__all__ = ["app"]

INTERRUPTED, BROKEN_PIPE = 130, 141
"""As a shell reports a process that died of SIGINT or SIGPIPE."""
COMPLETE = "_MBOXIO_COMPLETE"
"""The variable with which a shell asks what a line may go on with; click chose its name."""
HELP_MAX, HELP_MIN = 78, 20
"""Columns of a help text."""
BESIDE_MIN, BELOW = 26, 4
"""Columns that an explanation needs beside its option, and how far it is indented below it."""


COMMANDS = {
    "bench": ("commands.bench:bench", "Measure latency and requests per second."),
    "completion": ("commands.completion:completion", "Print the completion script of a shell."),
    "decode": ("see.decode:decode", "Print what a capture says, an event a line."),
    "demo": ("demo.command:demo", "Watch many requests in flight and firmware that dies."),
    "doctor": ("commands.doctor:doctor", "Check build, permissions and environment."),
    "gateway": ("gateway.command:gateway", "Let other machines use mailboxes of this one."),
    "info": ("commands.listing:info", "Show the version, the build and the controllers."),
    "list": (
        "commands.listing:list_channels",
        "List a controller's channels, or what this machine has.",
    ),
    "listen": ("commands.listen:listen", "Print unsolicited messages until Ctrl-C."),
    "monitor": ("see.monitor:monitor", "Watch channels, and where requests are stuck."),
    "new-driver": ("commands.new_driver:new_driver", "Write a package for a driver of your own."),
    "record": ("see.record:record", "Record what happens to messages."),
    "replay": ("see.replay:replay", "Play a capture again, to a remote or in its place."),
    "request": ("commands.request:request", "Send a message and print the reply."),
    "rpi": ("commands.rpi:rpi", "Ask the firmware of a Raspberry Pi about the board."),
    "rpmsg": ("rpmsg.command:rpmsg", "Show remote processors, services, and what is missing."),
    "send": ("commands.request:send", "Send a one-way message, and wait until it is taken."),
    "serve": ("commands.serve:serve", "Serve an address, as its firmware, until Ctrl-C."),
    "shell": ("commands.shell:shell", "Type requests at a prompt, or run a script of them."),
    "sim": ("sim.command:sim", "Simulate boards in virtual time, around the real core."),
    "timeline": ("see.timeline:timeline", "Show captures on a line of time, also as a picture."),
    "wireshark": ("see.wireshark:wireshark", "Have Wireshark understand captures."),
}
"""Where a command is, and its summary: what is not run need not be imported."""


class Formatter(click.HelpFormatter):
    """Help texts that can be read on a narrow terminal: no number is cut in two."""

    def write_dl(
        self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2
    ) -> None:
        """Write a list of options; what has no room beside its option stands below it."""
        rows = list(rows)
        widest = min(max(len(term) for term, _ in rows), col_max)
        if self.width - widest - col_spacing < BESIDE_MIN:
            col_max = BELOW - col_spacing
        super().write_dl(rows, col_max, col_spacing)


class Context(click.Context):
    """One that explains itself so."""

    formatter_class = Formatter


class WrongAddress(click.ClickException):
    """A failure that is the fault of the command's arguments."""

    exit_code = 2


class App(click.Group):
    """Every error is one line on stderr, never a traceback."""

    context_class = Context

    def list_commands(self, ctx: click.Context | None = None) -> list[str]:
        """Return the names of the commands."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context | None, cmd_name: str) -> click.Command | None:
        """Import a command; None: there is none of this name."""
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(import_module(f"mboxio.cli.{module}"), name)
        command.context_class = Context
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem[str]]:
        """Complete a command, without importing all of them, or an option."""
        items = [
            CompletionItem(name, help=summary)
            for name, (_, summary) in COMMANDS.items()
            if name.startswith(incomplete)
        ]
        return items + click.Command.shell_complete(self, ctx, incomplete)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a subcommand; what it raises becomes an exit code."""
        # Nothing may reach click as it is: a RemoteGone is an OSError with EPIPE, which click
        # takes for a closed pipe and drops.
        try:
            super().invoke(ctx)
            sys.stdout.flush()
        except MailboxError as error:
            kind = WrongAddress if is_wrong(error) else click.ClickException
            raise kind(str(error)) from None
        except KeyboardInterrupt:
            raise click.exceptions.Exit(INTERRUPTED) from None
        except OSError as error:
            raise _failed_output(error) from None

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
        if COMPLETE in os.environ:
            from mboxio.cli.completion.shells import Bash

            add_completion_class(Bash)  # in place of click's
        columns = shutil.get_terminal_size().columns - 2
        extra["terminal_width"] = max(min(columns, HELP_MAX), HELP_MIN)
        try:
            with logged_in_lines():
                code = self.run(args, complete_var, extra)
        except click.exceptions.NoArgsIsHelpError as error:
            error.show()
            code = error.exit_code
        except click.ClickException as error:
            click.echo(_line(error), err=True)
            code = error.exit_code
        except click.Abort:
            code = INTERRUPTED
        sys.exit(code)

    def run(self, args: Sequence[str] | None, complete_var: str | None, extra: Any) -> int:
        """Run, also what click prints before a command is invoked; returns the exit code."""
        try:
            code = super().main(args, "mboxio", complete_var, standalone_mode=False, **extra)
            sys.stdout.flush()  # a help text
        except click.exceptions.Exit as end:
            return end.exit_code
        except OSError as error:
            failure = _failed_output(error)
            if isinstance(failure, click.ClickException):
                raise failure from None
            return failure.exit_code
        return code or 0

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands; unlike click, with their summaries in full."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in COMMANDS.items()])


def _line(error: click.ClickException) -> str:
    text = printable(error.format_message())
    if isinstance(error, click.UsageError) and error.ctx is not None:
        text = f"{text.rstrip('.')} (see: {error.ctx.command_path} --help)"
    return f"mboxio: {text}"


def _failed_output(error: OSError) -> click.ClickException | click.exceptions.Exit:
    """Return how to end when a file, most often stdout, cannot be used."""
    _abandon_stdout()
    if isinstance(error, BrokenPipeError):
        return click.exceptions.Exit(BROKEN_PIPE)
    where = f"{error.filename}: " if error.filename else ""
    return click.ClickException(f"{where}{error.strerror or error}")


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
@click.option(
    "--allow",
    "kinds",
    metavar="KINDS",
    help="Controllers and regions that an ADDRESS may reach, such as shm,peer; default: all.",
)
def app(kinds: str | None) -> None:
    """Talk to firmware through hardware mailboxes.

    An ADDRESS is controller:name/channel?option=value (for example shm:demo/pmic). Trust it like a
    command: it can open files, devices and connections. Use --allow for one from somebody else.

    Exit codes: 0 done; 1 the remote failed; 2 the command, an address or a message is wrong;
    130 Ctrl-C (143 SIGTERM); 141 the reader of the output has gone.
    """
