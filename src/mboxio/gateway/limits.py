"""How much users of a gateway may take of it."""

import math
from dataclasses import dataclass, fields

__all__ = ["Limits"]


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
