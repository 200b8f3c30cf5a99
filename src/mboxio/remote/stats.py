"""What a remote counts: plain numbers, because every message touches them."""

__all__ = ["RemoteStats"]


class RemoteStats:
    """What a remote has counted since it was made; all connections together.

    Attributes:
        connections: hosts that were accepted; ``refused`` were not.
        lies: connections ended because the host broke the protocol.
        messages: one-way messages taken; ``requests`` likewise.
        replies: replies and errors put into rings.
        failures: handlers that raised.
        notifications: unsolicited messages put into rings; ``notifications_lost`` met a full one.
        asked: requests of the remote; ``answered`` of them were.
        unknown: answers of a host to nothing that we know of, messages to addresses nobody has.
        links: lives of RPMsg links; ``announcements`` were sent on them.
        dropped: answers that no buffer was waited for, or whose service went away.
        late, duplicate, missing, reordered, oversize: replies that `Faults` spoiled.
    """

    __slots__ = (
        "connections",
        "refused",
        "lies",
        "messages",
        "requests",
        "replies",
        "failures",
        "notifications",
        "notifications_lost",
        "asked",
        "answered",
        "unknown",
        "links",
        "announcements",
        "dropped",
        "late",
        "duplicate",
        "missing",
        "reordered",
        "oversize",
    )

    def __init__(self) -> None:
        self.connections = self.refused = self.lies = 0
        self.messages = self.requests = self.replies = self.failures = 0
        self.notifications = self.notifications_lost = 0
        self.asked = self.answered = self.unknown = 0
        self.links = self.announcements = self.dropped = 0
        self.late = self.duplicate = self.missing = self.reordered = self.oversize = 0

    def copy(self) -> "RemoteStats":
        """Return the counts as they are now."""
        copied = RemoteStats()
        for name in self.__slots__:
            setattr(copied, name, getattr(self, name))
        return copied

    def __repr__(self) -> str:
        counts = ((name, getattr(self, name)) for name in self.__slots__)
        return f"RemoteStats({', '.join(f'{name}={count}' for name, count in counts if count)})"
