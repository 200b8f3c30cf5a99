"""What ``mboxio replay`` prints: differences, and how many there were."""

import os
import sys

import click

from mboxio.capture.event import Event, Kind
from mboxio.cli.shared.text import json_line, note
from mboxio.see.decoding.decoders import Decoders
from mboxio.see.replay import Rerun
from mboxio.see.replay.difference import Difference, Wording, explain
from mboxio.see.replay.outcome import Outcome

__all__ = ["Shower", "sum_up"]

WIDE = 80
WORDS_ALONE = "acpm"
"""A protocol of which no more is known than that it has words."""


class Shower:
    """Prints differences.

    Args:
        as_json: an object a line.
        decoders: say what messages mean, where the protocol is known.
    """

    def __init__(self, as_json: bool, decoders: Decoders) -> None:
        self.as_json = as_json
        self.decoders = decoders

    def show(self, difference: Difference) -> None:
        """Print one."""
        words = self.words_of(difference)
        if self.as_json:
            found = {each: text for each, text in words._asdict().items() if text}
            click.echo(json_line({**_as_json(difference), **({"decoded": found} if found else {})}))
        else:
            width = os.get_terminal_size().columns if sys.stdout.isatty() else WIDE
            click.echo("\n".join(explain(difference, width, words)))

    def words_of(self, difference: Difference) -> Wording:
        """Return what it says."""
        sent = recorded = received = ""
        kind = Kind.REQUEST if difference.is_request else Kind.MESSAGE
        for reply in (difference.recorded.reply, difference.received.reply):
            sent = self.decoded(difference, kind, difference.message)
            said = "" if reply is None else self.decoded(difference, Kind.REPLY, reply)
            recorded, received = received, said
        return Wording(sent, recorded, received)

    def decoded(self, difference: Difference, kind: Kind, message: bytes) -> str:
        """Return what a message says in a line; empty: that is not known."""
        if self.decoders.protocol_of(difference.source) == WORDS_ALONE:
            return ""  # they stand there anyway
        event = Event(0, kind, difference.source, difference.number, message=message)
        found = self.decoders.decode(event)
        return "" if found is None else "; ".join([found.text, *found.lines])


def _as_json(difference: Difference) -> dict[str, object]:
    def told(outcome: Outcome) -> dict[str, object]:
        reply = None if outcome.reply is None else outcome.reply.hex()
        return {
            "end": outcome.end,
            "reply": reply,
            "status": outcome.status,
            "why": outcome.why or None,
        }

    return {
        "number": difference.number,
        "channel": difference.channel,
        "seconds": difference.after_ns / 1e9,
        "message": difference.message.hex(),
        "recorded": told(difference.recorded),
        "received": told(difference.received),
        "differing": difference.differing,
    }


def sum_up(rerun: Rerun, show_all: bool, as_json: bool) -> None:
    """Print how it went."""
    if as_json:
        found = {
            "messages": rerun.count,
            "sent": rerun.sent,
            "same": rerun.same,
            "different": rerun.different,
            "notifications": {"recorded": rerun.said, "received": rerun.heard},
            "stopped": rerun.stopped or None,
        }
        click.echo(json_line(found))
        return
    others = rerun.sent - rerun.same - rerun.different
    parts = [f"{rerun.sent} of {rerun.count} messages sent", f"{rerun.same} as recorded"]
    parts += [f"{rerun.different} different"] if rerun.different else []
    parts += [f"{others} not compared"] if others else []
    if rerun.said and not rerun.different:
        parts.append(f"{rerun.heard} of {rerun.said} unsolicited messages came")
    click.echo(", ".join(parts))
    if rerun.stopped:
        note(f"stopped: {rerun.stopped}")
    elif rerun.different and not show_all and rerun.sent < rerun.count:
        note("stopped at the first difference; --all goes on")
