"""Which conversations of a capture are played."""

import os
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any, BinaryIO, TypeAlias, cast

from mboxio.capture.event import Event
from mboxio.capture.reading import Capture, read
from mboxio.see.replay.conversation import Conversation, conversations
from mboxio.see.replay.wire import carries_addresses

__all__ = ["Recording", "Selection", "Unplayable", "select"]

Recording: TypeAlias = "str | os.PathLike[str] | BinaryIO | Iterable[Event]"
"""A file, ``-`` for stdin, a stream, or events."""


class Unplayable(ValueError):
    """A recording that cannot be played, or not without more being said; one line for people."""


@dataclass(frozen=True, slots=True)
class Selection:
    """What of a recording is played.

    Args:
        name: of the recording, for errors.
        conversations: no two have a channel of the same name.
        warnings: what makes them incomplete, a line each.
    """

    name: str
    conversations: list[Conversation]
    warnings: list[str] = field(default_factory=list[str])


def select(recording: Recording, channels: Collection[str] | None = None) -> Selection:
    """Read a recording, and choose what is played.

    Args:
        recording: see `Recording`.
        channels: their names, or addresses with channels, such as ``shm:demo/pmic``; None: all.

    Raises:
        Unplayable: there is nothing to play, or not all of it is there, or it is not clear which.
        OSError, CaptureError: it cannot be read.
    """
    if isinstance(recording, str | os.PathLike) or hasattr(recording, "read"):
        with read(cast("str | BinaryIO", recording)) as capture:
            return select(capture, channels)
    name = recording.name if isinstance(recording, Capture) else "the recording"
    events: Any = recording
    made = conversations(events)
    found = _chosen(made, channels, name)
    warnings = [*(recording.warnings if isinstance(recording, Capture) else ()), *_unsure(found)]
    return Selection(name, found, warnings)


def _chosen(
    made: list[Conversation], channels: Collection[str] | None, what: str
) -> list[Conversation]:
    found = [each for each in made if each.exchanges]
    if not found:
        raise Unplayable(f"{what} holds no messages")
    if channels is not None:
        known = {name for each in found for name in (each.source.channel, str(each.source))}
        if missing := [name for name in channels if name not in known]:
            there = ", ".join(dict.fromkeys(str(each.source) for each in found))
            raise Unplayable(f"{what} has no channel {missing[0]!r}; there are: {there}")
        wanted = set(channels)
        found = [each for each in found if wanted & {each.source.channel, str(each.source)}]
    # Both sides may have been recorded: the host knows more of what became of a message.
    seen = {each.source.channel for each in found if each.source.side != "remote"}
    found = [
        each for each in found if each.source.side != "remote" or each.source.channel not in seen
    ]
    addresses: dict[str, str] = {}
    for each in found:
        channel, address = each.source.channel, each.source.address
        if channel in addresses:
            raise Unplayable(
                f"{what} has channel {channel!r} of {addresses[channel]} and of {address}: choose "
                f"one, such as {each.source}"
            )
        addresses[channel] = address
        _require_whole(each, what)
    return found


def _require_whole(conversation: Conversation, what: str) -> None:
    source = conversation.source
    if carries_addresses(source.address, source.channel):
        raise Unplayable(
            f"{what}: messages on {source} are addresses of buffers, and what lay there was not"
            " recorded"
        )
    for number, each in enumerate(conversation.exchanges, 1):
        if each.is_cut:
            raise Unplayable(
                f"{what}: message {number} on {source} was cut when it was recorded: record"
                " without a limit (snap length)"
            )


def _unsure(found: Iterable[Conversation]) -> list[str]:
    """Return what makes the conversations incomplete, a line each."""
    lines: list[str] = []
    for each in found:
        if each.lost:
            lines.append(f"{each.source}: events lost when it was recorded: {each.lost}")
        if each.strays:
            lines.append(f"{each.source}: replies to messages that are not in it: {each.strays}")
        if each.unsent:
            lines.append(
                f"{each.source}: messages that never left, and are left out: {each.unsent}"
            )
    return lines
