"""An SRAM with firmware in it that does what the test says, when the test says it."""

from collections.abc import Iterable
from typing import Any

from mboxio import Client, Connection
from mboxio.controllers.acpm import Acpm, AcpmOptions
from mboxio.controllers.acpm.layout import AcpmSpec, plan, write
from mboxio.regions import Memory, Region
from mboxio.regions.interrupts import Doorbell
from mboxio.remote.acpm.sram import with_number_of
from mboxio.ring import MESSAGE, consumer, producer
from mboxio.sim import VirtualClock

MS = 1_000_000
BASE = 0x100


class Bell(Doorbell):
    """Counts; fails when told to."""

    def __init__(self) -> None:
        self.rings = 0
        self.error: Exception | None = None

    def ring(self) -> None:
        if self.error is not None:
            raise self.error
        self.rings += 1


class Board:
    """The SRAM, the host's connection to it, and the firmware's end of one channel.

    Args:
        specs: its channels; by default one with 63 messages in flight.
        region: where it lies; by default normal memory.
        options: what else an address would say.
    """

    def __init__(
        self,
        *specs: AcpmSpec,
        region: Region | None = None,
        boot: int = 1,
        clock: Any = None,
        **options: Any,
    ) -> None:
        self.layout = plan(specs or (AcpmSpec(64, 16),), BASE)
        self.region = region or Memory(bytearray(self.layout.size_bytes))
        self.clock = clock or VirtualClock()
        self.bell = Bell()
        self.region.doorbell = self.bell
        self.options = AcpmOptions(**{"base": BASE, "timeout_s": 0.01, **options})
        self.boot(boot)

    def boot(self, number: int = 1) -> None:
        """Describe the SRAM, as starting firmware does, and begin a life."""
        write(self.region, self.layout, number)
        self.far = [Far(self.region, channel) for channel in self.layout.channels]

    def connect(self) -> Connection:
        driver = Acpm(options=self.options, region=self.region)
        return Connection(driver, address="acpm:", clock=self.clock)


class Far:
    """The firmware's end of one channel."""

    def __init__(self, region: Region, channel: Any) -> None:
        self.taking = consumer(region, channel.to_remote)
        self.giving = producer(region, channel.to_host)

    def take(self) -> list[bytes]:
        """Take all messages out of the ring."""
        return [message for _, _, message in self.taking.pop_batch(self.taking.slots)]

    def put(self, message: bytes) -> None:
        """Put an entry into the ring to the host."""
        assert self.giving.push(MESSAGE, 0, message), "the ring to the host is full"

    def answer(self, *messages: bytes) -> None:
        """Answer messages that were taken."""
        for message in messages:
            self.put(reply_to(message))

    def serve(self) -> int:
        """Answer everything that waits."""
        taken = self.take()
        self.answer(*taken)
        return len(taken)


def reply_to(message: bytes) -> bytes:
    """What this firmware replies: the body backwards, under the number of the message."""
    return with_number_of(bytes(4) + message[:3:-1], message)


def tag_of(message: bytes) -> int:
    """The number in bits 21:16 of word 0."""
    return message[2] & 0x3F


def numbered(number: int) -> bytes:
    """A message that no other request has."""
    return bytes(4) + number.to_bytes(8, "big") + b"body"


def own(reply: bytes, number: int) -> bool:
    """Tell whether a reply answers `numbered` (number)."""
    return reply[4:] == numbered(number)[:3:-1]


def submit(client: Client, numbers: Iterable[int]) -> list[Any]:
    """Submit numbered requests."""
    return [client.submit(numbered(number)) for number in numbers]


def silence(board: Board, client: Client, count: int, number: int = 0) -> list[Any]:
    """Let requests time out that the firmware takes and never answers."""
    requests = submit(client, range(number, number + count))
    board.far[0].take()
    board.clock.advance(11 * MS)
    assert all(request.done() for request in requests)
    return requests
