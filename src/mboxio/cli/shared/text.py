"""Texts for people: what the remote says is shown, and never obeyed by a terminal."""

import codecs
import json

import click

from mboxio._base.texts import LINE_MAX, printable

__all__ = ["LINE_MAX", "WORD_MAX", "json_line", "note", "printable", "register_plain", "word"]

WORD_MAX = 200
"""Characters of a name at most."""

PLAIN = {"×": "x", "µ": "u", "°": "", "…": "...", "→": ">", "←": "<", "·": "-"}
"""What stands for our own characters where the encoding of the output lacks them."""


def word(text: str) -> str:
    r"""Return a name as one word, for lines that programs take apart: a space becomes \x20."""
    left = len(text) - WORD_MAX
    shown = printable(text[:WORD_MAX]).replace(" ", r"\x20")
    return f"{shown}...({left})" if left > 0 else shown or "-"


def json_line(found: object) -> str:
    """Return JSON in ASCII, also without DEL, which JSON need not escape."""
    return json.dumps(found).replace("\x7f", r"\u007f")


def note(text: str) -> None:
    """Tell the user something beside the output: one line on stderr."""
    click.echo(f"mboxio: {printable(text)}", err=True)


def register_plain() -> str:
    """Have a way of encoding that never fails; returns its name, for ``errors=``."""

    def plain(error: UnicodeError) -> tuple[str, int]:
        if not isinstance(error, UnicodeEncodeError):
            raise error
        bad = error.object[error.start : error.end]
        return "".join(PLAIN.get(each, ascii(each)[1:-1]) for each in bad), error.end

    codecs.register_error("mboxio._base.plain", plain)
    return "mboxio._base.plain"
