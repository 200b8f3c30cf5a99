"""What a gateway exports to one user: what he sees before he attaches to anything."""

from dataclasses import dataclass
from typing import Any

from mboxio.far.hello import CHANNELS_MAX, Channel, Said, channel_of

__all__ = ["Exported", "Listing"]

EXPORTS_MAX = 1024
SESSIONS_MAX = 1 << 16


@dataclass(frozen=True)
class Exported:
    """One mailbox of a gateway.

    Args:
        name: what it is called there.
        up: whether its remote is there.
        reason: why it is not.
        sessions: users that are attached to it now.
        channels: those that the user may at least observe.
    """

    name: str
    up: bool
    reason: str
    sessions: int
    channels: tuple[Channel, ...]


@dataclass(frozen=True)
class Listing:
    """The answer of a gateway to one user.

    Args:
        user: who he is for the gateway.
        exports: what he may use.
    """

    user: str
    exports: tuple[Exported, ...]

    @classmethod
    def of(cls, found: Any) -> "Listing":
        """Take apart what JSON says; raises BadFrame."""
        said = Said(found, "the listing")
        entries = (Said(each, "an export") for each in said.list("exports", EXPORTS_MAX))
        return cls(said.text("user"), tuple(map(_export, entries)))


def _export(said: Said) -> Exported:
    entries = said.list("channels", CHANNELS_MAX)
    return Exported(
        name=said.text("name"),
        up=said.flag("up"),
        reason=said.text("reason"),
        sessions=said.number("sessions", SESSIONS_MAX),
        channels=tuple(channel_of(Said(each, "a channel")) for each in entries),
    )
