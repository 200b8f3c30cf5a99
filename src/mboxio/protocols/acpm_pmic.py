"""PMIC registers through ACPM: a typed client, blocking or awaited, with many operations at once.

A message is four words::

    0   31:22 0   21:16 number of the message   15:12 bus   11:8 kind   7:0 register
    1   31:24 result   23:16 mask   15:8 value or count   7:0 function
    2 3 data of bulk operations, four registers a word, the first in the lowest byte; else
        word 3 is the time in milliseconds

A reply has the same words, with the result, the value and the data filled in. Source: Linux,
drivers/firmware/samsung/exynos-acpm-pmic.c (facts only).
"""

import errno
import struct
from collections.abc import Callable, Generator
from time import monotonic_ns
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar, cast

from mboxio.client.asynchronous import AsyncClient
from mboxio.client.blocking import Client
from mboxio.client.verbs import Request, Verbs
from mboxio.errors import RemoteError

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["BULK_MAX", "AsyncPmic", "Fields", "Operation", "Pmic", "take_apart"]

READ, WRITE, UPDATE, BULK_READ, BULK_WRITE = range(5)
READ_REFUSED, WRITE_REFUSED = 1, 2
ERRNOS = {READ_REFUSED: errno.EACCES, WRITE_REFUSED: errno.EACCES}
"""What the firmware's results mean; every other one is EIO, as in Linux."""
BULK_MAX = 8
"""Most registers in one bulk operation."""
VERBS = ("read", "write", "update", "bulk-read", "bulk-write")
WORDS = struct.Struct("<4I")
KINDS = BUSES = 16

T = TypeVar("T")


def encode(
    function: int, bus: int, kind: int, register: int, value: int = 0, mask: int = 0
) -> bytes:
    """Return the message of an operation on one register, or of a bulk read (value is the count).

    Raises:
        ValueError: a number is out of range; the text says which.
    """
    for name, number, limit in (
        ("bus", bus, BUSES),
        ("kind", kind, KINDS),
        ("register", register, 256),
        ("value", value, 256),
        ("mask", mask, 256),
    ):
        if not 0 <= number < limit:
            raise ValueError(f"{name} is {number}, not 0 to {limit - 1}")
    now_ms = 0 if function == BULK_READ else monotonic_ns() // 1_000_000 & 0xFFFFFFFF
    where = bus << 12 | kind << 8 | register
    return WORDS.pack(where, mask << 16 | value << 8 | function, 0, now_ms)


def encode_bulk_write(bus: int, kind: int, register: int, data: "Buffer") -> bytes:
    """Return the message that writes several registers.

    Raises:
        ValueError: a number is out of range; the text says which.
    """
    values = bytes(memoryview(data))
    check_count(len(values), register)
    head = encode(BULK_WRITE, bus, kind, register, len(values))
    return head[:8] + values.ljust(BULK_MAX, b"\0")


def check_count(count: int, register: int) -> None:
    """Refuse what no bulk operation can do.

    Raises:
        ValueError: too many or no registers, or they go beyond the last one.
    """
    if not 1 <= count <= BULK_MAX:
        raise ValueError(f"a bulk operation takes 1 to {BULK_MAX} registers, not {count}")
    if register + count > 256:
        raise ValueError(f"{count} registers from {register:#x} on go beyond 0xff")


class Fields(NamedTuple):
    """What is in a message, or in a reply to one."""

    number: int
    bus: int
    kind: int
    register: int
    function: int
    value: int
    mask: int
    result: int
    data: bytes


def take_apart(message: bytes) -> Fields:
    """Return the fields of a message or a reply.

    Raises:
        ValueError: it is too short.
    """
    if len(message) < WORDS.size:
        raise ValueError(f"a PMIC message of {len(message)} bytes, not {WORDS.size}")
    where, what, low, high = WORDS.unpack_from(message)
    return Fields(
        where >> 16 & 0x3F,
        where >> 12 & 0xF,
        where >> 8 & 0xF,
        where & 0xFF,
        what & 0xFF,
        what >> 8 & 0xFF,
        what >> 16 & 0xFF,
        what >> 24,
        struct.pack("<2I", low, high),
    )


def check(reply: bytes, message: bytes, channel: str) -> tuple[int, bytes]:
    """Return the value and the data of a reply.

    Raises:
        RemoteError: the firmware refused or failed; ``status`` is its result and ``errno`` what
            that means. Or the reply is too short.
    """
    if len(reply) < WORDS.size:
        raise RemoteError(
            f"channel {channel!r}: a PMIC reply of {len(reply)} bytes, not {WORDS.size}",
            channel=channel,
        )
    _, what, low, high = WORDS.unpack_from(reply)
    result = what >> 24
    if result:
        asked = take_apart(message)
        number = ERRNOS.get(result, errno.EIO)
        failed = "refused" if number == errno.EACCES else "failed"
        raise RemoteError(
            f"channel {channel!r}: the PMIC {failed} to {VERBS[asked.function]} register "
            f"{asked.register:#04x} of kind {asked.kind} on bus {asked.bus}: "
            f"result {result} ({errno.errorcode[number]})",
            status=result,
            errno=number,
            channel=channel,
        )
    return what >> 8 & 0xFF, struct.pack("<2I", low, high)


class Operation(Generic[T]):
    """An operation under way: the request, and what its reply means.

    Attributes:
        request: to wait for, cancel or watch.
    """

    def __init__(
        self, request: Request[bytes], message: bytes, decode: Callable[[int, bytes], T]
    ) -> None:
        self.request = request
        self._message = message
        self._decode = decode

    def done(self) -> bool:
        """Return whether it is over."""
        return self.request.done()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until it is over; False if that takes longer than ``timeout_s`` seconds."""
        return bool(self.request.wait(timeout_s))

    def cancel(self) -> bool:
        """End it; False if it was over. The firmware may carry it out all the same."""
        return bool(self.request.cancel())

    def result(self) -> T:
        """Wait for it and return what was read.

        Raises:
            RemoteError: the firmware refused or failed; see ``status`` and ``errno``.
            MailboxError: as `Client.request`.
        """
        return self._meaning(self.request.result())

    def __await__(self) -> Generator[Any, None, T]:
        reply = yield from self.request.__await__()
        return self._meaning(reply)

    def _meaning(self, reply: bytes) -> T:
        return self._decode(*check(reply, self._message, self.request._owner._channel.name))


class _Registers:
    """Operations that return at once; see `Pmic`."""

    def __init__(self, client: Verbs, *, kind: int = 0, bus: int = 0) -> None:
        encode(READ, bus, kind, 0)  # raises
        if client.message_bytes < WORDS.size:
            raise ValueError(
                f"channel {client.name!r} carries {client.message_bytes} bytes, "
                f"a PMIC message has {WORDS.size}"
            )
        self.client = client
        self.kind = kind
        self.bus = bus

    def start_read(self, register: int, **deadlines: float | None) -> Operation[int]:
        """Start to read a register."""
        return self._start(encode(READ, self.bus, self.kind, register), _value, deadlines)

    def start_write(self, register: int, value: int, **deadlines: float | None) -> Operation[None]:
        """Start to write a register."""
        message = encode(WRITE, self.bus, self.kind, register, value)
        return self._start(message, _nothing, deadlines)

    def start_update(
        self, register: int, value: int, mask: int, **deadlines: float | None
    ) -> Operation[None]:
        """Start to change those bits of a register that are set in ``mask``."""
        message = encode(UPDATE, self.bus, self.kind, register, value, mask)
        return self._start(message, _nothing, deadlines)

    def start_bulk_read(
        self, register: int, count: int, **deadlines: float | None
    ) -> Operation[bytes]:
        """Start to read up to `BULK_MAX` registers, from ``register`` on."""
        check_count(count, register)
        message = encode(BULK_READ, self.bus, self.kind, register, count)
        return self._start(message, lambda _, data: data[:count], deadlines)

    def start_bulk_write(
        self, register: int, data: "Buffer", **deadlines: float | None
    ) -> Operation[None]:
        """Start to write up to `BULK_MAX` registers, from ``register`` on."""
        message = encode_bulk_write(self.bus, self.kind, register, data)
        return self._start(message, _nothing, deadlines)

    def _start(
        self, message: bytes, decode: Callable[[int, bytes], T], deadlines: dict[str, Any]
    ) -> Operation[T]:
        request: Request[bytes] = cast("Any", self.client).submit(message, **deadlines)
        return Operation(request, message, decode)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} kind {self.kind} on bus {self.bus}, {self.client!r}>"


class Pmic(_Registers):
    """The registers of a PMIC behind a blocking client of an ACPM channel.

    The verbs wait; those that begin with ``start_`` return an `Operation` at once, so that
    several are under way. They take ``timeout_s`` and ``queue_timeout_s`` as `Client.request`
    and `Client.submit` do, and raise what those raise. Any number of threads may use it.

    Args:
        client: of the channel that the firmware serves the PMIC on.
        kind: which part of the PMIC (Linux calls it the type).
        bus: which of the buses of the firmware the PMIC is on (Linux calls it the channel).

    Raises:
        ValueError: a number is out of range, or the channel carries no such messages.
    """

    client: Client

    def __init__(self, client: Client, *, kind: int = 0, bus: int = 0) -> None:
        super().__init__(client, kind=kind, bus=bus)

    def read(self, register: int, **deadlines: float | None) -> int:
        """Read a register."""
        return self._do(encode(READ, self.bus, self.kind, register), deadlines)[0]

    def write(self, register: int, value: int, **deadlines: float | None) -> None:
        """Write a register."""
        self._do(encode(WRITE, self.bus, self.kind, register, value), deadlines)

    def update(self, register: int, value: int, mask: int, **deadlines: float | None) -> None:
        """Change those bits of a register that are set in ``mask``."""
        self._do(encode(UPDATE, self.bus, self.kind, register, value, mask), deadlines)

    def bulk_read(self, register: int, count: int, **deadlines: float | None) -> bytes:
        """Read up to `BULK_MAX` registers, from ``register`` on."""
        check_count(count, register)
        message = encode(BULK_READ, self.bus, self.kind, register, count)
        return self._do(message, deadlines)[1][:count]

    def bulk_write(self, register: int, data: "Buffer", **deadlines: float | None) -> None:
        """Write up to `BULK_MAX` registers, from ``register`` on."""
        self._do(encode_bulk_write(self.bus, self.kind, register, data), deadlines)

    def _do(self, message: bytes, deadlines: dict[str, Any]) -> tuple[int, bytes]:
        reply: bytes = cast("Any", self.client).request(message, **deadlines)
        return check(reply, message, self.client.name)


class AsyncPmic(_Registers):
    """The registers of a PMIC behind an async client: the verbs of `Pmic`, awaited."""

    client: AsyncClient

    def __init__(self, client: AsyncClient, *, kind: int = 0, bus: int = 0) -> None:
        super().__init__(client, kind=kind, bus=bus)

    async def read(self, register: int, **deadlines: float | None) -> int:
        """Read a register."""
        return (await self._do(encode(READ, self.bus, self.kind, register), deadlines))[0]

    async def write(self, register: int, value: int, **deadlines: float | None) -> None:
        """Write a register."""
        await self._do(encode(WRITE, self.bus, self.kind, register, value), deadlines)

    async def update(self, register: int, value: int, mask: int, **deadlines: float | None) -> None:
        """Change those bits of a register that are set in ``mask``."""
        await self._do(encode(UPDATE, self.bus, self.kind, register, value, mask), deadlines)

    async def bulk_read(self, register: int, count: int, **deadlines: float | None) -> bytes:
        """Read up to `BULK_MAX` registers, from ``register`` on."""
        check_count(count, register)
        message = encode(BULK_READ, self.bus, self.kind, register, count)
        return (await self._do(message, deadlines))[1][:count]

    async def bulk_write(self, register: int, data: "Buffer", **deadlines: float | None) -> None:
        """Write up to `BULK_MAX` registers, from ``register`` on."""
        await self._do(encode_bulk_write(self.bus, self.kind, register, data), deadlines)

    async def _do(self, message: bytes, deadlines: dict[str, Any]) -> tuple[int, bytes]:
        reply: bytes = await cast("Any", self.client).request(message, **deadlines)
        return check(reply, message, self.client.name)


def _value(value: int, data: bytes) -> int:
    return value


def _nothing(value: int, data: bytes) -> None:
    return None
