"""The property interface of a Raspberry Pi's firmware: typed values over any of its mailboxes.

::

    from mboxio.protocols.rpi_property import RpiProperty
    from mboxio.protocols.rpi_tags import MAC_ADDRESS, Clock, clock_rate

    with mboxio.open("vcio:") as client:
        board = RpiProperty(client)
        print(board.read(MAC_ADDRESS), board.read(clock_rate(Clock.ARM)))

The values are in `mboxio.protocols.rpi_tags`. Several go in one message, and several messages may
be in flight.
"""

import enum
import errno
from collections.abc import Generator, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from mboxio._base.timeouts import DEFAULT
from mboxio.errors import RemoteError, WrongMessage
from mboxio.protocols.rpi_buffer import FAILURE, Answer, Ask, encode, take_apart
from mboxio.protocols.rpi_tags import RUNS_CODE, Property

if TYPE_CHECKING:
    from mboxio.client.asynchronous import AsyncClient
    from mboxio.client.blocking import Client, Request

__all__ = [
    "UNKNOWN",
    "AsyncRpiProperty",
    "Reading",
    "RpiProperty",
    "Unknown",
    "UnknownTag",
]

T = TypeVar("T")
C = TypeVar("C", bound="Client | AsyncClient")

ROUNDS_MAX = 3
"""How often what did not fit is asked for again; it may have grown meanwhile."""


class UnknownTag(RemoteError):
    """The firmware does not know this tag, or has nothing to say to it."""

    default_errno = errno.EOPNOTSUPP


class Unknown(enum.Enum):
    """What stands in a list of values where the firmware does not know the tag."""

    UNKNOWN = "unknown to this firmware"

    def __bool__(self) -> bool:
        return False


UNKNOWN = Unknown.UNKNOWN


# -- the conversation, apart from how messages travel


class Exchange:
    """What is to be asked, and asked again, until every property has a value.

    Firmware that does not know a tag says of the whole message that it failed. Answers in it count;
    what has none is asked again by itself, unless it is the only one and so the one unknown.

    Args:
        properties: what to ask.
        allow: names out of `RUNS_CODE` that may be asked.
        message_bytes: the longest message that the channel carries.

    Raises:
        WrongMessage: a tag would have the GPU run code and was not allowed by its name.
    """

    def __init__(
        self, properties: Sequence[Property[Any]], allow: frozenset[str], message_bytes: int
    ) -> None:
        for each in properties:
            for name, tag in RUNS_CODE.items():
                if each.tag == tag and name not in allow:
                    raise WrongMessage(
                        f"{each} has the GPU run what it is given: allow {name!r} if you mean it",
                        handed_over="no",
                    )
        self.properties = properties
        self.message_bytes = message_bytes
        self.values: list[Any] = [UNKNOWN] * len(properties)
        self.round = 0
        self.answered = False  # the firmware can read what it is given
        self.alone: list[tuple[int, Ask]] = []  # what remains to be asked by itself
        self.refused: list[Property[Any]] = []  # what failed by itself
        self.asked = [
            (index, Ask(each.tag, each.request, max(each.answer_bytes, each.room_bytes)))
            for index, each in enumerate(properties)
        ]

    def message(self) -> bytes:
        """Return what to send."""
        return encode([ask for _, ask in self.asked])

    def take(self, reply: bytes) -> bool:
        """Take an answer; False if there is another message to send.

        Raises:
            RemoteError: the answer is none, or too short for a value; or the firmware refused.
        """
        again: list[tuple[int, Ask]] = []
        missing: list[tuple[int, Ask]] = []
        whole, answers = take_apart(reply, [ask for _, ask in self.asked])
        self.answered |= whole
        for (index, ask), answer in zip(self.asked, answers, strict=True):
            each = self.properties[index]
            self.answered |= answer.length_bytes is not None
            if not whole and answer.length_bytes is None:
                missing.append((index, ask))
            elif answer.partial and not each.answer_bytes:
                again.append((index, self.larger(each, ask, answer.length_bytes or 0)))
            else:
                self.values[index] = value_of(each, answer)
        self.miss(missing)
        self.asked = again or self.alone[:1]
        if again:
            self.round += 1
        else:
            del self.alone[:1]
        if not self.asked and self.refused and not self.answered:
            raise refusal(self.refused)
        return not self.asked

    def miss(self, missing: list[tuple[int, Ask]]) -> None:
        """Take note of tags without an answer in a message that failed."""
        if len(missing) == 1:
            self.refused.append(self.properties[missing[0][0]])
            return
        for index, ask in missing:
            if ask.tag in RUNS_CODE.values():
                raise refusal([self.properties[index]])  # it may have run
        self.alone += missing

    def larger(self, each: Property[Any], ask: Ask, length_bytes: int) -> Ask:
        """Make the question for an answer that did not fit."""
        larger = Ask(ask.tag, ask.value, length_bytes)
        needed = len(encode([larger]))
        if self.round + 1 >= ROUNDS_MAX or needed > self.message_bytes:
            raise RemoteError(
                f"{each}: the answer has {length_bytes} bytes, more than the {ask.size_bytes} that "
                f"were asked for; the channel carries messages of {self.message_bytes} bytes"
            )
        return larger


def refusal(properties: Sequence[Property[Any]]) -> RemoteError:
    """Return the error for a message that failed, and nothing in it was answered."""
    names = ", ".join(str(each) for each in properties)
    tags = "this tag" if len(properties) == 1 else "these tags"
    return RemoteError(
        f"{names}: the firmware does not know {tags}, or could not read the request (0x80000001)",
        status=FAILURE,
    )


def value_of(each: Property[T], answer: Answer) -> T | Unknown:
    """Return the value of a property, or `UNKNOWN`."""
    if answer.length_bytes is None or (each.answer_bytes and not answer.length_bytes):
        return UNKNOWN
    if len(answer.value) < each.answer_bytes:
        raise RemoteError(f"{each}: {len(answer.value)} bytes, not {each.answer_bytes} or more")
    return each.decode(answer.value)


def known(each: Property[T], value: T | Unknown) -> T:
    """Return the value, or raise `UnknownTag`."""
    if isinstance(value, Unknown):
        raise UnknownTag(f"this firmware does not know {each}")
    return value


# -- clients


class Reading:
    """Values on their way; `RpiProperty.submit` makes it. It has one waiter.

    Args:
        board: whose client asks again what did not fit.
        exchange: what was asked.
        request: the message in flight.
        timeout_s: of each further message.
    """

    def __init__(
        self,
        board: "Base[Any]",
        exchange: Exchange,
        request: "Request[bytes]",
        timeout_s: float | None,
    ) -> None:
        self.board = board
        self.exchange = exchange
        self.request = request
        self.timeout_s = timeout_s

    def result(self) -> list[Any]:
        """Wait for the values, in the order asked; `UNKNOWN` stands where the tag is unknown.

        Raises:
            RemoteError: the firmware refused or lied.
            RequestTimeout, RemoteGone, ClosedError: as for any request.
        """
        reply = self.request.result()
        while not self.exchange.take(reply):
            reply = self.again()
        return self.exchange.values

    def __await__(self) -> Generator[Any, None, list[Any]]:
        reply: bytes = yield from self.request.__await__()
        while not self.exchange.take(reply):
            answer: Generator[Any, None, bytes] = self.again().__await__()
            reply = yield from answer
        return self.exchange.values

    def again(self) -> Any:
        """Ask for what did not fit, with the client's own verb, which waits for a slot."""
        return self.board.client.request(self.exchange.message(), timeout_s=self.timeout_s)


class Base(Generic[C]):
    """What both clients share.

    Args:
        client: of a channel that carries property buffers: ``bcm2835:/property`` or ``vcio:``.
        allow: names out of `RUNS_CODE`: what nobody does by accident.

    Raises:
        ValueError: no such name.
    """

    def __init__(self, client: C, *, allow: Iterable[str] = ()) -> None:
        self.client = client
        self.allow = frozenset((allow,) if isinstance(allow, str) else allow)
        if not self.allow <= RUNS_CODE.keys():
            raise ValueError(f"allow= takes names out of {', '.join(RUNS_CODE)}")

    def submit(self, *properties: Property[Any], timeout_s: float | None = DEFAULT) -> Reading:
        """Ask for several values in one message and return at once; many may be in flight.

        Raises:
            WrongMessage: a tag that has the GPU run code.
            QueueFull, MessageTooLong, RemoteGone, ClosedError: nothing was accepted.
        """
        exchange = self.exchange(properties)
        request: Request[bytes] = self.client.submit(exchange.message(), timeout_s=timeout_s)
        return Reading(self, exchange, request, timeout_s)

    def exchange(self, properties: Sequence[Property[Any]]) -> Exchange:
        """Plan what to say."""
        return Exchange(properties, self.allow, self.client.message_bytes)


class RpiProperty(Base["Client"]):
    """Typed values over a blocking client. Any number of threads may use it; see `Base`."""

    def read(self, wanted: Property[T], *, timeout_s: float | None = DEFAULT) -> T:
        """Ask for one value.

        Args:
            wanted: which; ``mboxio.protocols.rpi_tags`` lists them.
            timeout_s: for each message, in seconds.

        Raises:
            UnknownTag: the firmware does not know it.
            RemoteError: the firmware refused or lied.
            WrongMessage: the tag has the GPU run code.
            RequestTimeout, RemoteGone, ClosedError: as for any request.
        """
        value: T | Unknown = self.read_all(wanted, timeout_s=timeout_s)[0]
        return known(wanted, value)

    def read_all(self, *properties: Property[Any], timeout_s: float | None = DEFAULT) -> list[Any]:
        """Ask for several values in one message; `UNKNOWN` stands where the tag is unknown.

        Arguments and errors as for `read`.
        """
        exchange = self.exchange(properties)
        while not exchange.take(self.client.request(exchange.message(), timeout_s=timeout_s)):
            pass  # what did not fit is asked for again
        return exchange.values


class AsyncRpiProperty(Base["AsyncClient"]):
    """Typed values over an async client: the same verbs, awaited; see `Base`."""

    async def read(self, wanted: Property[T], *, timeout_s: float | None = DEFAULT) -> T:
        """Ask for one value; as `RpiProperty.read`."""
        value: T | Unknown = (await self.read_all(wanted, timeout_s=timeout_s))[0]
        return known(wanted, value)

    async def read_all(
        self, *properties: Property[Any], timeout_s: float | None = DEFAULT
    ) -> list[Any]:
        """Ask for several values in one message; as `RpiProperty.read_all`."""
        exchange = self.exchange(properties)
        while not exchange.take(await self.client.request(exchange.message(), timeout_s=timeout_s)):
            pass  # what did not fit is asked for again
        return exchange.values
