"""What can be typed at the prompt: the commands, and how a line is taken apart."""

import shlex
import time
from collections.abc import Callable
from dataclasses import dataclass

import click

from mboxio.cli.shared.messages import shown_as, took
from mboxio.cli.shared.output import Column, laid_out
from mboxio.cli.shared.payload import read_payload
from mboxio.cli.shared.settings import FORMS, limit
from mboxio.cli.shared.text import WORD_MAX, printable
from mboxio.cli.shell.session import Session

__all__ = ["COMMANDS", "Command", "Leave", "run"]

SHOWN = tuple(form for form in FORMS if form != "raw")
"""Forms of output: raw bytes have no place between a prompt and what comes in."""
COUNT_MAX = 1_000_000


class Leave(Exception):
    """The user has finished."""


class Wrong(click.ClickException):
    """A line that means nothing; nothing was sent."""

    exit_code = 2


@dataclass(frozen=True)
class Command:
    """One that can be typed.

    Args:
        usage: its name and arguments.
        summary: what it does.
        run: does it; gets the words after its name.
    """

    usage: str
    summary: str
    run: Callable[[Session, list[str]], None]


def run(session: Session, line: str) -> None:
    """Do what a line says; an empty one, or one that begins with a #, says nothing.

    Raises:
        Leave: that was the last.
        Wrong, ClickException, MailboxError: it could not be done.
        Cancelled: Ctrl-C.
    """
    try:
        words = [] if line.lstrip().startswith("#") else shlex.split(line)
    except ValueError as error:
        raise Wrong(f"{error}: quote marks come in pairs") from None
    if not words:
        return
    name, *rest = words
    meant = [each for each in COMMANDS if each == name] or [
        each for each in COMMANDS if each.startswith(name)
    ]
    if len(meant) != 1:
        text = f"{name!r} may be {' or '.join(meant)}" if meant else f"no command {name!r}"
        raise Wrong(f"{printable(text)}; help lists them")
    COMMANDS[meant[0]].run(session, rest)


def _help(session: Session, words: list[str]) -> None:
    shown = [COMMANDS[each] for each in words if each in COMMANDS] or list(COMMANDS.values())
    widest = max(len(each.usage) for each in shown)
    lines = [f"  {each.usage:<{widest}}  {each.summary}" for each in shown]
    width = session.width()
    if width is not None and max(map(len, lines)) > width:
        lines = [line for each in shown for line in (f"  {each.usage}", f"      {each.summary}")]
    session.say("\n".join(lines))


def _channels(session: Session, words: list[str]) -> None:
    directions = {(True, False): "send-only", (False, True): "listen-only"}
    rows = [
        (
            "*" if each.name == session.channel else "",
            str(each.number),
            printable(each.name, WORD_MAX),
            str(each.queue.depth),
            str(each.message_bytes),
            directions.get((each.can_send, each.can_receive), "both"),
            "yes" if each.name in session.listeners else "",
        )
        for each in session.connection._host.channels.values()
    ]
    columns = [
        Column("", right=False),
        Column("number"),
        Column("channel", right=False),
        Column("depth"),
        Column("bytes"),
        Column("directions", right=False),
        Column("listening", right=False),
    ]
    session.say("\n".join(laid_out(columns, rows, session.width())))


def _use(session: Session, words: list[str]) -> None:
    session.channel = session.require(_one(words, "use CHANNEL"))


def _request(session: Session, words: list[str]) -> None:
    data = _message(session, words)
    began_s = time.perf_counter()
    reply = session.request(data)
    seconds = time.perf_counter() - began_s
    lines = shown_as(reply, session.form, session.order)
    if session.typed:
        lines.append(f"({took(seconds)}, {len(reply)} bytes)")
    session.say("\n".join(lines))


def _send(session: Session, words: list[str]) -> None:
    session.send(_message(session, words))


def _message(session: Session, words: list[str]) -> bytes:
    form = None
    if words and words[0] in ("--hex", "--text", "--word"):
        form, words = words[0][2:], words[1:]
    elif words and words[0].startswith("--") and words[0] != "--":
        raise Wrong(f"{words[0]!r}: write --hex, --word or --text, or -- before the message")
    if words and words[0] == "--":
        words = words[1:]
    try:
        return read_payload(" ".join(words), form, session.order)
    except ValueError as error:
        raise Wrong(str(error)) from None


def _listen(session: Session, words: list[str]) -> None:
    name = session.require(words[0]) if words else session.channel
    session.listen(name)
    session.say(printable(f"listening to {name}"))


def _unlisten(session: Session, words: list[str]) -> None:
    session.unlisten(session.require(words[0]) if words else session.channel)


def _wait(session: Session, words: list[str]) -> None:
    usage = "wait [COUNT [SECONDS]]"
    try:
        count = int(words[0]) if words else 1
        seconds = float(words[1]) if len(words) > 1 else 1.0
    except ValueError:
        raise Wrong(f"write {usage}") from None
    if len(words) > 2 or not 0 < count <= COUNT_MAX or not 0 <= seconds <= COUNT_MAX:
        raise Wrong(f"write {usage}")
    session.wait(count, seconds)


def _out(session: Session, words: list[str]) -> None:
    form = _one(words, f"out {'|'.join(SHOWN)}")
    if form not in SHOWN:
        raise Wrong(f"{form!r} is not one of {', '.join(SHOWN)}")
    session.form = form


def _timeout(session: Session, words: list[str]) -> None:
    try:
        session.timeout_s = limit(_one(words, "timeout SECONDS|none"))
    except ValueError as error:
        raise Wrong(str(error)) from None


def _stats(session: Session, words: list[str]) -> None:
    only = {session.require(each) for each in words}
    for name, counts in session.connection.stats().items():
        if not only or name in only:
            told = ", ".join(f"{key} {value}" for key, value in counts._asdict().items() if value)
            session.say(printable(f"{name}: {told or 'nothing yet'}"))


def _reconnect(session: Session, words: list[str]) -> None:
    session.reconnect(None)


def _leave(session: Session, words: list[str]) -> None:
    raise Leave


def _one(words: list[str], usage: str) -> str:
    if len(words) != 1:
        raise Wrong(f"write {usage}")
    return words[0]


COMMANDS = {
    each.usage.partition(" ")[0]: each
    for each in (
        Command("channels", "show the channels", _channels),
        Command("help [COMMAND]", "show this", _help),
        Command("listen [CHANNEL]", "show what the remote says on its own", _listen),
        Command("out FORM", f"show messages as {', '.join(SHOWN)}", _out),
        Command("quit", "leave; so does Ctrl-D", _leave),
        Command("reconnect", "connect again", _reconnect),
        Command("request [--hex|--word] MESSAGE", "send it and show the reply", _request),
        Command("send [--hex|--word] MESSAGE", "send it one way", _send),
        Command("stats [CHANNEL]", "show the counts that are not zero", _stats),
        Command("timeout SECONDS|none", "limit the wait for replies", _timeout),
        Command("unlisten [CHANNEL]", "stop showing that", _unlisten),
        Command("use CHANNEL", "talk to another channel", _use),
        Command("wait [COUNT [SECONDS]]", "wait for messages of the remote", _wait),
    )
}
"""By name; a line may shorten it as long as it stays clear."""
