"""The prompt, by prompt_toolkit: history, completion, and lines that appear above it."""

import os
import signal
from collections.abc import Iterable
from types import FrameType

import click
from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.patch_stdout import patch_stdout

from mboxio import MailboxError
from mboxio.cli.shared.settings import own_file
from mboxio.cli.shared.text import note, printable
from mboxio.cli.shell import commands
from mboxio.cli.shell.session import Cancelled, Session

__all__ = ["run_prompt"]

ON_CHANNELS = ("listen", "stats", "unlisten", "use")
"""Commands whose argument is a channel."""


class WordCompleter(Completer):
    """Completes commands, channels and forms.

    Args:
        session: whose channels these are.
    """

    def __init__(self, session: Session) -> None:
        self.session = session

    def get_completions(
        self, document: Document, complete_event: CompleteEvent
    ) -> Iterable[Completion]:
        """See `Completer`."""
        *before, begun = document.text_before_cursor.lstrip().split(" ")
        if not before:
            known: Iterable[str] = commands.COMMANDS
        elif len(before) > 1:
            return
        elif before[0] in ON_CHANNELS:
            known = self.session.names()
        elif before[0] in ("request", "send"):
            known = ("--hex", "--text", "--word")
        else:
            known = {"out": commands.SHOWN, "help": tuple(commands.COMMANDS)}.get(before[0], ())
        for each in known:
            if each.startswith(begun) and each.isprintable():
                yield Completion(each, -len(begun))


def run_prompt(session: Session) -> None:
    """Ask for line after line until Ctrl-D; Ctrl-C ends a line or a command."""
    asked: PromptSession[str] = PromptSession(
        history=_history(), completer=WordCompleter(session), complete_while_typing=False
    )
    before = {number: signal.signal(number, _end) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        with patch_stdout():
            while True:
                try:
                    line = asked.prompt(lambda: _prompt(session))
                except EOFError:
                    return
                except KeyboardInterrupt:
                    continue  # the line is given up
                try:
                    commands.run(session, line)
                except commands.Leave:
                    return
                except (Cancelled, KeyboardInterrupt):
                    session.say("cancelled")
                except click.ClickException as error:
                    session.say(printable(error.format_message()))
                except MailboxError as error:
                    session.say(printable(str(error)))
                session.look()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _prompt(session: Session) -> str:
    whole = session.connection.address.partition("?")[0]
    gone = " (gone)" if session.gone or session.connection._host.lost else ""
    return printable(f"{whole}/{session.channel}{gone}> ")


def _end(number: int, frame: FrameType | None) -> None:
    """Leave the prompt, which sets the terminal right; an event loop lets no other kind through."""
    raise SystemExit(128 + number)


def _history() -> History:
    """Return the lines of earlier sessions, from a file that only this user can read."""
    path = own_file("XDG_STATE_HOME", os.path.join(".local", "state"), "history")
    if not path:
        return InMemoryHistory()
    try:
        os.makedirs(os.path.dirname(path), 0o700, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))
    except OSError as error:
        note(f"no history is kept: {path}: {error.strerror}")
        return InMemoryHistory()
    return FileHistory(path)
