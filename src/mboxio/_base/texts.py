"""Texts of others: they are shown, and never obeyed by a terminal nor as long as they please.

What a remote says goes through `remote_text` where it comes in. `MailboxError` shows its message by
`printable`, whatever it was made of.
"""

__all__ = ["LINE_MAX", "REMOTE_MAX", "printable", "remote_text"]

LINE_MAX = 2000
"""A line has at most this many characters; an error may list the channels of a controller."""
REMOTE_MAX = 200
"""At most this many characters of a line come from a remote."""
UTF8_BYTES_MAX = 4


def printable(text: str, limit: int = LINE_MAX) -> str:
    """Return one line that a terminal shows as it is, whoever wrote the text.

    Control characters, C0 and C1 (decoded from UTF-8, they are the same to many terminals), the
    controls of writing direction, separators of lines, lone surrogates and whatever else has no
    look of its own are shown as escapes. What is longer than ``limit`` is cut, and says so.
    """
    left = len(text) - limit
    if left <= 0 and text.isprintable():
        return text
    words = " ".join(text[:limit].split("\n"))
    shown = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in words)
    return f"{shown}... ({left} more characters)" if left > 0 else shown


def remote_text(said: str | bytes | bytearray) -> str:
    """Return what a remote said as a part of one line, at most `REMOTE_MAX` characters.

    The rest of a longer one is not even decoded.
    """
    if not isinstance(said, str):
        said = said[: (REMOTE_MAX + 1) * UTF8_BYTES_MAX].decode("utf-8", "replace")
    shown = printable(said[: REMOTE_MAX + 1])
    return shown if len(shown) <= REMOTE_MAX else shown[: REMOTE_MAX - 3] + "..."
