"""The hello of a gateway: who it is, which channels there are, and what this user may do there.

It is JSON, as it is said once for each stream, and people read it when something is wrong. What a
version does not know it ignores; what it needs is checked.
"""

import json
import re
from dataclasses import asdict, dataclass
from typing import Any, cast

from mboxio._base.texts import remote_text
from mboxio.far.frames import VERSION, BadFrame

__all__ = [
    "NAME",
    "NOTIFICATIONS",
    "OBSERVE",
    "REQUEST",
    "RIGHTS",
    "Channel",
    "Hello",
    "Said",
    "channel_of",
]

OBSERVE, NOTIFICATIONS, REQUEST = "observe", "notifications", "request"
RIGHTS = (OBSERVE, NOTIFICATIONS, REQUEST)
"""What one may be allowed on a channel: to see that it is there and whether its remote is, to
receive what the remote sends on its own, and to send. None includes another."""

NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
"""Of what a gateway exports."""
CHANNELS_MAX = 256
DEPTH_MAX = 1 << 16
MESSAGE_BYTES_MAX = 1 << 20
TIMEOUT_MAX_S = 1e6
TEXT_MAX = 256


@dataclass(frozen=True, kw_only=True)
class Channel:
    """A channel as it is exported to one user.

    Args:
        name: of the channel.
        depth: messages that may be under way to the mailbox's queue.
        in_flight: requests that may wait for replies.
        message_bytes: longest message in either direction.
        rights: some of `RIGHTS`.
        ties: the mailbox says which request a reply answers.
        rings: there is a doorbell apart from messages.
        timeout_s: default deadline of a request, in seconds.
    """

    name: str
    depth: int
    in_flight: int
    message_bytes: int
    rights: tuple[str, ...]
    ties: bool = True
    rings: bool = False
    timeout_s: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Hello:
    """What the gateway says first.

    Args:
        life: a number of this life of the gateway.
        user: who this user is for the gateway.
        address: of the mailbox, on that machine.
        epoch_source: how its restarts are noticed there, in words; None if they are not.
        up: whether the remote is there.
        epoch: which of its lives it is.
        reason: why it is not there.
        channels: those that the user may at least observe; their numbers are their places here.
        version: of the frames.
    """

    life: int
    user: str
    address: str
    epoch_source: str | None
    up: bool
    epoch: int
    reason: str
    channels: tuple[Channel, ...]
    version: int = VERSION

    def pack(self) -> bytes:
        """Return it as bytes."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def parse(cls, data: bytes) -> "Hello":
        """Take it apart.

        Raises:
            BadFrame: it is none, or of another version.
        """
        try:
            found = json.loads(data)
        except (ValueError, RecursionError):
            raise BadFrame("the hello is no JSON") from None
        said = Said(found, "the hello")
        version = said.number("version", 1 << 16)
        if version != VERSION:
            raise BadFrame(f"the gateway speaks version {version}, and this is version {VERSION}")
        entries = said.list("channels", CHANNELS_MAX)
        channels = tuple(channel_of(Said(each, "a channel of the hello")) for each in entries)
        if len({each.name for each in channels}) != len(channels):
            raise BadFrame("the hello names a channel twice")
        source = found.get("epoch_source")
        return cls(
            life=said.number("life", (1 << 64) - 1),
            user=said.text("user"),
            address=said.text("address"),
            epoch_source=None if source is None else said.text("epoch_source"),
            up=said.flag("up"),
            epoch=said.number("epoch", (1 << 63) - 1),
            reason=said.text("reason"),
            channels=channels,
        )


class Said:
    """An object of JSON from the other side, field by field; each raises BadFrame.

    Args:
        found: what JSON says.
        what: it is, for people.
    """

    def __init__(self, found: Any, what: str) -> None:
        if not isinstance(found, dict):
            raise BadFrame(f"{what} is no object")
        self.found: dict[str, Any] = found
        self.what = what

    def text(self, name: str) -> str:
        """Return a text."""
        value = self.found.get(name)
        if not isinstance(value, str) or len(value) > TEXT_MAX:
            raise BadFrame(f"{self.what}: {name} is no text")
        return remote_text(value.encode(errors="replace"))

    def number(self, name: str, most: int, least: int = 0) -> int:
        """Return a number within limits."""
        value = self.found.get(name)
        if type(value) is not int or not least <= value <= most:
            raise BadFrame(f"{self.what}: {name} is no number from {least} to {most}")
        return value

    def flag(self, name: str) -> bool:
        """Return what is true or false."""
        value = self.found.get(name)
        if not isinstance(value, bool):
            raise BadFrame(f"{self.what}: {name} is neither true nor false")
        return value

    def list(self, name: str, most: int) -> list[Any]:
        """Return a list that is not too long."""
        value: Any = self.found.get(name)
        if type(value) is not list or len(cast("list[object]", value)) > most:
            raise BadFrame(f"{self.what}: {name} is no list of {most} at most")
        return cast("list[object]", value)


def channel_of(said: Said) -> Channel:
    """Return a channel as the gateway describes it; raises BadFrame."""
    timeout_s: Any = said.found.get("timeout_s")
    if type(timeout_s) not in (int, float) or not 0 < timeout_s <= TIMEOUT_MAX_S:
        raise BadFrame("a channel has no time-out")
    rights = said.list("rights", len(RIGHTS))
    if not all(isinstance(each, str) for each in rights):
        raise BadFrame("a channel has rights that are no texts")
    name = said.text("name")
    if not name:
        raise BadFrame("a channel has no name")
    return Channel(
        name=name,
        depth=said.number("depth", DEPTH_MAX, 1),
        in_flight=said.number("in_flight", DEPTH_MAX, 1),
        message_bytes=said.number("message_bytes", MESSAGE_BYTES_MAX, 1),
        rights=tuple(each for each in RIGHTS if each in rights),
        ties=said.flag("ties"),
        rings=said.flag("rings"),
        timeout_s=float(timeout_s),
    )
