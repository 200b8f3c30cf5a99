"""A message whose end is not as recorded, in words."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from mboxio._base.texts import printable
from mboxio.capture.event import Source
from mboxio.see.replay.outcome import Outcome

__all__ = ["Difference", "Wording", "explain"]

ROWS_MAX = 8
SENT_ROWS_MAX = 2
ROW_BYTES = (16, 8, 4)
INDENT = "  "
LABEL = 10
OFFSET = 10
ABSENT = "--"


@dataclass(frozen=True, slots=True)
class Difference:
    """A message that ended in another way than when it was recorded.

    Args:
        number: which it is of those that are sent, from 1.
        count: how many those are.
        is_request: whether it expects a reply.
        source: the channel of the recording.
        channel: where it was sent now.
        after_ns: when it left, in nanoseconds of the recording after the first.
        message: its bytes, without a tag.
        recorded: how it ended.
        received: how it ended now.
    """

    number: int
    count: int
    is_request: bool
    source: Source
    channel: str
    after_ns: int
    message: bytes
    recorded: Outcome
    received: Outcome

    @property
    def differing(self) -> list[int]:
        """The places of the bytes that differ, if both have a reply."""
        one, other = self.recorded.reply, self.received.reply
        if one is None or other is None:
            return []
        both = min(len(one), len(other))
        places = [at for at in range(both) if one[at] != other[at]]
        return places + list(range(both, max(len(one), len(other))))


class Wording(NamedTuple):
    """What a message and its replies say, each in a line; empty where that is not known."""

    sent: str = ""
    recorded: str = ""
    received: str = ""


NO_WORDS = Wording()


def explain(difference: Difference, columns: int = 80, words: Wording = NO_WORDS) -> Iterator[str]:
    """Yield lines for people.

    Args:
        difference: what to explain.
        columns: of the terminal.
        words: what is decoded of it.
    """
    kind = "request" if difference.is_request else "message"
    yield printable(
        f"{kind} {difference.number} of {difference.count} on {difference.channel},"
        f" {difference.after_ns / 1e9:.6f} s after the first"
    )
    fitting = (each for each in ROW_BYTES if len(INDENT) + LABEL + OFFSET + 3 * each - 1 <= columns)
    width = next(fitting, ROW_BYTES[-1])
    yield from _said("sent", words.sent)
    yield from _dumped("" if words.sent else "sent", difference.message, width)
    places = difference.differing
    if not places:
        for label in ("recorded", "received"):
            outcome: Outcome = getattr(difference, label)
            yield from _said(label, getattr(words, label))
            yield f"{INDENT}{label:<{LABEL}}{printable(str(outcome))}"
            if outcome.reply:
                yield from _dumped("", outcome.reply, width)
        return
    yield from _said("recorded", words.recorded)
    yield from _said("received", words.received)
    one, other = difference.recorded.reply or b"", difference.received.reply or b""
    if len(one) != len(other):
        yield f"{INDENT}{'recorded':<{LABEL}}{difference.recorded}"
        yield f"{INDENT}{'received':<{LABEL}}{difference.received}"
    verb = "byte differs" if len(places) == 1 else "bytes differ"
    yield f"{INDENT}{len(places)} {verb}, the first at {places[0]}"
    rows = list(dict.fromkeys(at // width for at in places))
    for row in rows[:ROWS_MAX]:
        yield _row("recorded", row, width, one, len(other))
        yield _row("received", row, width, other, len(one))
        marks = ("^^" if row * width + at in set(places) else "  " for at in range(width))
        yield f"{'':{len(INDENT) + LABEL + OFFSET}}{' '.join(marks)}".rstrip()
    if len(rows) > ROWS_MAX:
        yield f"{INDENT}{len(rows) - ROWS_MAX} more lines differ"


def _said(label: str, text: str) -> Iterator[str]:
    if text:
        yield f"{INDENT}{label:<{LABEL}}{printable(text)}"


def _row(label: str, row: int, width: int, message: bytes, other_bytes: int) -> str:
    start = row * width
    end = min(start + width, max(len(message), other_bytes))
    shown = [f"{message[at]:02x}" if at < len(message) else ABSENT for at in range(start, end)]
    return f"{INDENT}{label:<{LABEL}}{start:08x}  {' '.join(shown)}"


def _dumped(label: str, message: bytes, width: int) -> Iterator[str]:
    if not message:
        yield f"{INDENT}{label:<{LABEL}}no bytes"
    for start in range(0, min(len(message), SENT_ROWS_MAX * width), width):
        row = message[start : start + width].hex(" ")
        yield f"{INDENT}{label if not start else '':<{LABEL}}{start:08x}  {row}"
    if (more := len(message) - SENT_ROWS_MAX * width) > 0:
        yield f"{INDENT}{'':<{LABEL}}and {more} more bytes"
