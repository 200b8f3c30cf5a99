"""What happened to a message, as captures keep it and readers get it."""

from dataclasses import dataclass
from enum import IntEnum

from mboxio._base.states import STATE_NAMES

__all__ = ["HANDED_OVER", "HOLDS", "OUTCOMES", "Event", "Kind", "Source", "held"]


class Kind(IntEnum):
    """What happened.

    The numbers are those of the files and never change; a reader meets unknown ones, of later
    versions, and passes them over.
    """

    REQUEST = 1
    """A message that expects a reply left; at the remote: came."""
    MESSAGE = 2
    """A one-way message left; at the remote: came."""
    REPLY = 3
    """The reply to a request came, ``status`` is the remote's error; at the remote: left."""
    ANSWER = 4
    """The answer to a request of the remote left; at the remote: came."""
    REMOTE_REQUEST = 5
    """The remote asks; at the remote: it left."""
    NOTIFICATION = 6
    """An unsolicited message came; at the remote: left."""
    QUEUED = 7
    """A message waits for its place in the hardware's queue."""
    TX_DONE = 8
    """A message left its slot, as the host noticed; with a status it never reached the remote."""
    ENDED = 9
    """A request ended otherwise than by its reply or TX done; ``message`` says why."""
    LINK = 10
    """The remote is there (``outcome`` 1, ``status`` its epoch) or lost (0, ``message`` why)."""
    LATE = 11
    """A reply came for a request that was over."""
    UNKNOWN = 12
    """A reply came that answers nothing we know."""
    REFUSED = 13
    """A message was not accepted; ``message`` says why."""
    BUSY = 14
    """The driver took a message back: the hardware had no room; it will be tried again."""
    FREED = 15
    """What an ended request still held was freed; ``message`` names the proof, ``status`` what, see
    `held`."""
    LOST = 16
    """Nothing happened: it tells of events that were lost, if no other follows."""
    LEFT = 17
    """A message that the driver had accepted before was handed over now."""
    STOPPED = 18
    """The queue stopped, since the remote lied or the driver failed; ``message`` says why."""
    OUT_OF_STEP = 19
    """An in-order channel lost a reply: no later one can be tied to a request."""
    DOORBELL = 20
    """The remote was rung; at the remote: the host was."""
    OVERFLOW = 21
    """A subscriber reads too slowly: ``status`` messages were thrown away for it so far."""


OUTCOMES = STATE_NAMES
"""The states of a request, by number, as in an event's ``outcome``; from "done" on it is over."""

HANDED_OVER = ("no", "yes", "unknown", "accepted")
"""Whether a message left, by number, as in an event's ``handed_over``."""

HOLDS = ("slot", "reply credit", "tag", "memory")
"""What a request may hold, by bit, as in the ``status`` of a `Kind.FREED`."""


def held(status: int) -> str:
    """Return what a `Kind.FREED` freed, in words."""
    return ", ".join(name for bit, name in enumerate(HOLDS) if status >> bit & 1)


@dataclass(frozen=True, slots=True)
class Source:
    """A channel, as one side of it sees it; a network interface to Wireshark.

    Args:
        address: of the controller, as its user wrote it.
        channel: its name; ``""`` if it has none.
        side: ``host`` or ``remote``: where the events were seen.
        number: of the channel.
        depth: of its queue: how many messages the hardware takes; 0 if unknown.
        message_bytes: how long one may be; 0 if unknown.
    """

    address: str
    channel: str
    side: str = "host"
    number: int = 0
    depth: int = 0
    message_bytes: int = 0

    def __str__(self) -> str:
        return f"{self.address}/{self.channel}" if self.channel else self.address


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a message or a channel.

    Args:
        time_ns: nanoseconds since 1970 by the clock of the connection, which runs evenly.
        kind: what happened.
        source: where.
        number: of the request, from its birth on, within one recording; 0 if it has none, as at
            the remote: there a reply belongs to the latest request of its source with its tag.
        tag: on the wire, or the handle where the wire matches replies; None if there is none.
        status: an error number, 0 for none, or what the kind says.
        outcome: the request's state after it, see `OUTCOMES`, or what the kind says.
        handed_over: whether the message left, see `HANDED_OVER`.
        expects_reply: whether it is a request.
        message: the bytes on the wire, or a text in UTF-8 where the kind says so.
        length: of the whole message; ``message`` is shorter if a limit cut it.
        lost: how many events right before this one were lost, since nobody wrote them in time.
    """

    time_ns: int
    kind: Kind
    source: Source
    number: int = 0
    tag: int | None = None
    status: int = 0
    outcome: int = 0
    handed_over: int = 0
    expects_reply: bool = False
    message: bytes = b""
    length: int = -1
    lost: int = 0

    def __post_init__(self) -> None:
        if self.length < 0:
            object.__setattr__(self, "length", len(self.message))

    @property
    def is_cut(self) -> bool:
        """Whether a limit cut the message."""
        return self.length > len(self.message)

    @property
    def ends_request(self) -> bool:
        """Whether the request is over with it; its slot may come back later, with TX done."""
        if self.kind is Kind.ENDED:
            return bool(self.number) and self.outcome >= _DONE
        return bool(self.number) and self.kind in _ANSWERING and self.outcome == _DONE


_DONE = OUTCOMES.index("done")
_ANSWERING = frozenset({Kind.REPLY, Kind.TX_DONE})
