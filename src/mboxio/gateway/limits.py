"""How much users of a gateway may take of it, and what it has counted."""

import math
from dataclasses import dataclass, field, fields

__all__ = ["Counts", "Limits"]


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The limits of a gateway.

    Args:
        sessions: at the same time, of all users.
        user_sessions: at the same time, of one user.
        channels: of one session, in use at the same time.
        in_flight: requests of one session that are not over.
        notes_bytes_s: unsolicited messages of one session, in bytes a second.
        idle_s: a session in which nothing was asked for so long ends, in seconds; 0: it does not.
        frozen_s: after how long a user counts as lost whose machine does not answer, in seconds.
    """

    sessions: int = 256
    user_sessions: int = 64
    channels: int = 64
    in_flight: int = 256
    notes_bytes_s: float = 8 << 20
    idle_s: float = 0.0
    frozen_s: float = 2.0

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            least = 0 if each.name == "idle_s" else 1e-3
            if not least <= value < math.inf:
                raise ValueError(f"{each.name}={value}: write a number from {least:g} on")


@dataclass
class Counts:
    """What a gateway has counted for one export.

    Args:
        sessions: users that are attached now.
        attached: sessions that began.
        refused: that were not allowed to, or over a limit.
        broken: that ended because the user broke the protocol.
        requests: messages taken from users.
        denied: messages refused for want of a right, or as dangerous.
        failed: messages that ended with an error.
        notifications: unsolicited messages passed on.
        notifications_lost: those that users were too slow for.
    """

    sessions: int = field(default=0)
    attached: int = 0
    refused: int = 0
    broken: int = 0
    requests: int = 0
    denied: int = 0
    failed: int = 0
    notifications: int = 0
    notifications_lost: int = 0
