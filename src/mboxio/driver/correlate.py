"""Correlators: the optional part of a channel that ties a reply to the request that caused it."""

from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING

from mboxio._base.native import with_word, word_at
from mboxio._base.request import Request
from mboxio._base.states import FOREVER

if TYPE_CHECKING:
    from typing_extensions import Buffer

REPLY, REMOTE_REQUEST, NOTIFICATION = range(3)
VERDICTS_KEPT = 256
"""Verdicts on replies with tags below this are made once."""


class Verdict:
    """The kind of a received message: `Reply`, `RemoteRequest` or `Notification`."""

    __slots__ = ("kind", "message", "tag")

    def __init__(self, kind: int, tag: int, message: bytes | None) -> None:
        self.kind = kind
        self.tag = tag
        self.message = message

    def __repr__(self) -> str:
        return f"{('Reply', 'RemoteRequest', 'Notification')[self.kind]}({self.tag})"


def Reply(tag: int = -1) -> Verdict:
    """The message answers the request with this tag; -1: the oldest one in flight."""
    return Verdict(REPLY, tag, None)


def RemoteRequest(tag: int, message: bytes | None = None) -> Verdict:
    """The remote asks, and will know the answer by ``tag``.

    Args:
        tag: the remote's number for its request.
        message: the payload, where a driver has it apart from the tag and hands the verdict up
            in place of a message.
    """
    if message is not None and type(message) is not bytes:
        message = bytes_of(message, "the message of a RemoteRequest")
    return Verdict(REMOTE_REQUEST, tag, message)


def bytes_of(message: "Buffer", what: str) -> bytes:
    """Return a copy of what is bytes-like; TypeError: it is not (bytes(7) are seven zeros)."""
    try:
        return bytes(memoryview(message))
    except TypeError:
        raise TypeError(f"{what} is bytes, not {type(message).__name__}") from None


Notification = Verdict(NOTIFICATION, -1, None)
"""The message answers nothing and asks nothing: it is for the subscribers."""
NEXT_REPLY = Verdict(REPLY, -1, None)


class Correlator:
    """The contract, and the correlator that ties nothing: every message is a notification.

    An instance belongs to one channel. It is called under the channel's lock and only computes.
    """

    __slots__ = ("busy", "free", "in_flight", "in_flight_max", "in_order", "own_tags", "ties")

    def __init__(
        self, tags: Iterable[int] = (), *, in_order: bool = False, own_tags: bool = False
    ) -> None:
        self.free: deque[int] = deque(tags)
        self.busy: dict[int, Request] = {}
        self.in_flight = 0  # in order: how many replies are to come
        self.in_flight_max = FOREVER
        self.in_order = in_order
        self.own_tags = own_tags
        self.ties = in_order or own_tags or bool(self.free)

    def trust(self, replies_in_order: bool) -> None:
        """Hear whether the hardware of the channel vouches that no reply is lost."""

    def check(self, message: bytes) -> None:
        """Refuse a message that cannot be stamped.

        Raises:
            ValueError: it is too short, or bits of the tag field are set already.
        """

    def stamp(self, message: bytes, tag: int) -> bytes:
        """Return ``message`` with ``tag`` written into it."""
        return message

    def stamp_reply(self, message: bytes, tag: int) -> bytes:
        """Return the answer to the remote's request ``tag`` with that tag written into it."""
        return message

    def classify(self, message: bytes) -> Verdict:
        """Return what a received message is; never raises, whatever the remote wrote."""
        return Notification

    def tag_of(self, message: bytes) -> int:
        """Return the tag that the message brings itself (``own_tags``)."""
        return -1

    # -- the tags in use; a tag is taken with its request and freed by a proof, by nothing else

    def take(self, request: Request) -> bool:
        """Give ``request`` a tag; False if all are in use or held."""
        if self.in_order:
            if self.in_flight >= self.in_flight_max:
                return False
            self.in_flight += 1
            return True
        if self.own_tags:
            tag = self.tag_of(request.data)
            if tag in self.busy:
                return False
        elif self.free:
            tag = self.free.popleft()  # the one that rested longest: late replies meet no request
        else:
            return False
        request.tag = tag
        self.busy[tag] = request
        return True

    def exhausted(self) -> bool:
        """Return whether there are tags, and all are in use or held."""
        if self.in_order:
            return self.in_flight >= self.in_flight_max
        return bool(self.busy) and not (self.free or self.own_tags)

    def find(self, tag: int) -> Request | None:
        """Return the request that holds ``tag``, or None."""
        return self.busy.get(tag)

    def put_back(self, request: Request) -> None:
        """Undo a `take`: the message was never handed over, so its tag is the next one again."""
        if self.in_order:
            self.in_flight -= 1
        else:
            del self.busy[request.tag]
            if not self.own_tags:
                self.free.appendleft(request.tag)

    def give_back(self, request: Request) -> None:
        """Free the tag of ``request``; the longest unused tag is the next to be taken."""
        tag = request.tag
        if self.in_order:
            self.in_flight -= 1
        elif self.busy.get(tag) is request:
            del self.busy[tag]
            if not self.own_tags:
                self.free.append(tag)


class InOrder(Correlator):
    """Replies come in the order of the requests, without a tag.

    One lost reply makes all later ones doubtful: see `OutOfStep`. With several in flight the next
    reply is taken for the lost one before anything can be noticed, so there is one at a time unless
    the hardware vouches for the order (``replies_in_order``) or the caller for the wire.

    Args:
        in_flight: how many requests may await their replies at once; None: one, or any number
            where the hardware loses none.
    """

    __slots__ = ("_given",)

    def __init__(self, in_flight: int | None = None) -> None:
        if in_flight is not None and in_flight < 1:
            raise ValueError("in_flight is 1 or more")
        super().__init__(in_order=True)
        self._given = 0 if in_flight is None else in_flight
        self.in_flight_max = self._given or 1

    def trust(self, replies_in_order: bool) -> None:
        """See `Correlator.trust`."""
        self.in_flight_max = self._given or (FOREVER if replies_in_order else 1)

    def classify(self, message: bytes) -> Verdict:
        """Every message is the oldest request's reply; with none in flight, a notification."""
        return NEXT_REPLY


class Tagged(Correlator):
    """A tag in a bit field of one little-endian 32-bit word of the message.

    Args:
        word: index of the word that holds the field.
        low_bit: lowest bit of the field.
        bits: width of the field; tags run from ``first`` to 2**bits - 1.
        first: smallest tag in use; a received tag below it is a notification.
        request_bit: a bit of the same word that marks the remote's own requests, and our answers
            to them; None if the remote never asks.
    """

    __slots__ = ("_first", "_high", "_low_bit", "_mask", "_offset", "_replies", "_request_bit")

    def __init__(
        self,
        *,
        word: int = 0,
        low_bit: int = 0,
        bits: int = 8,
        first: int = 1,
        request_bit: int | None = None,
    ) -> None:
        if not (0 < bits <= 16 and 0 <= low_bit <= 32 - bits and 0 <= first < 1 << bits):
            raise ValueError("a tag field has 1 to 16 bits inside one 32-bit word")
        super().__init__(range(first, 1 << bits))
        self._offset = 4 * word
        self._low_bit = low_bit
        self._mask = (1 << bits) - 1
        self._first = first
        self._request_bit = 0 if request_bit is None else 1 << request_bit
        self._high = (self._mask << low_bit) | self._request_bit
        self._replies = [Verdict(REPLY, n, None) for n in range(min(1 << bits, VERDICTS_KEPT))]

    def check(self, message: bytes) -> None:
        """See `Correlator.check`."""
        if len(message) < self._offset + 4:
            raise ValueError(f"the tag needs a message of {self._offset + 4} bytes or more")
        if word_at(message, self._offset) & self._high:
            raise ValueError(
                f"bits {self._high:#010x} of the word at byte {self._offset} belong to the tag "
                "and must be 0"
            )

    def stamp(self, message: bytes, tag: int) -> bytes:
        """See `Correlator.stamp`."""
        return self._with(message, tag << self._low_bit)

    def stamp_reply(self, message: bytes, tag: int) -> bytes:
        """See `Correlator.stamp_reply`."""
        return self._with(message, (tag << self._low_bit) | self._request_bit)

    def classify(self, message: bytes) -> Verdict:
        """See `Correlator.classify`."""
        if len(message) < self._offset + 4:
            return Notification
        word = word_at(message, self._offset)
        tag = (word >> self._low_bit) & self._mask
        if word & self._request_bit:
            return Verdict(REMOTE_REQUEST, tag, None)
        if tag < self._first:
            return Notification
        return self._replies[tag] if tag < VERDICTS_KEPT else Verdict(REPLY, tag, None)

    def _with(self, message: bytes, field: int) -> bytes:
        word = (word_at(message, self._offset) & ~self._high) | field
        return with_word(message, self._offset, word)


class ByAddress(Correlator):
    """The message is the address of a buffer, which the remote returns: the address is the tag.

    Args:
        mask: the bits of the little-endian 32-bit word that hold the address.
    """

    __slots__ = ("_mask",)

    def __init__(self, mask: int = 0xFFFF_FFF0) -> None:
        super().__init__(own_tags=True)
        self._mask = mask

    def check(self, message: bytes) -> None:
        """See `Correlator.check`."""
        if len(message) != 4:
            raise ValueError("the message is the address of a buffer: 4 bytes")

    def tag_of(self, message: bytes) -> int:
        """See `Correlator.tag_of`."""
        return int.from_bytes(message[:4], "little") & self._mask

    def classify(self, message: bytes) -> Verdict:
        """See `Correlator.classify`: an address that was not sent is an unknown reply."""
        return Verdict(REPLY, self.tag_of(message), None) if len(message) == 4 else Notification
