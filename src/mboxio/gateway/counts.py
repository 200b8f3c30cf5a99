"""What a gateway has counted: of each export, by user and by channel."""

from collections import Counter
from dataclasses import dataclass, field

__all__ = ["Counts", "Used", "UserCounts"]


@dataclass
class Used:
    """What one user did on one channel, in all his sessions.

    Args:
        requests: messages taken from him.
        denied: those that he may not send.
        failed: those that ended with an error, refused ones among them.
        over: those that are.
        taken_bytes: of those messages.
        told_bytes: of replies and unsolicited messages.
        notifications: unsolicited messages passed on.
        notifications_lost: those that he was too slow for.
    """

    requests: int = 0
    denied: int = 0
    failed: int = 0
    over: int = 0
    taken_bytes: int = 0
    told_bytes: int = 0
    notifications: int = 0
    notifications_lost: int = 0

    @property
    def in_flight(self) -> int:
        """Messages that are not over."""
        return self.requests - self.over


@dataclass
class UserCounts:
    """What one user did at one export.

    Args:
        sessions: that he has now.
        attached: sessions that began.
        ended: those that are over: ``closed``, ``lost`` (the stream broke), ``broken`` (he broke
            the protocol), ``denied`` (the allow-list changed), ``idle`` or ``stopped``
            (the gateway was).
        limited: how often he met a limit, by its name in `Limits`.
        channels: by name.
    """

    sessions: int = 0
    attached: int = 0
    ended: Counter[str] = field(default_factory=Counter[str])
    limited: Counter[str] = field(default_factory=Counter[str])
    channels: dict[str, Used] = field(default_factory=dict[str, Used])


@dataclass
class Counts:
    """What a gateway has counted for one export. Written by its loop, read by any thread.

    Args:
        refusals: sessions that did not begin: ``denied``, or over a limit (``limit``).
        users: those who attached, by name; the allow-list bounds how many.
    """

    refusals: Counter[str] = field(default_factory=Counter[str])
    users: dict[str, UserCounts] = field(default_factory=dict[str, UserCounts])

    def user(self, name: str) -> UserCounts:
        """Return what a user did, from now on."""
        return self.users.setdefault(name, UserCounts())

    def used(self, user: str, channel: str) -> Used:
        """Return what a user did on a channel, from now on."""
        return self.user(user).channels.setdefault(channel, Used())

    @property
    def sessions(self) -> int:
        """Sessions that there are now."""
        return sum(each.sessions for each in list(self.users.values()))
