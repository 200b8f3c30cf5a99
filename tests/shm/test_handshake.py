"""What a remote may hand over in place of a good memory: refused in one line, nothing leaks."""

import ctypes
import fcntl
import os
import socket
import struct
from collections.abc import Callable, Iterator

import pytest

import mboxio
from mboxio import RemoteError, RemoteGone, RequestTimeout
from mboxio.local.sockets import HELLO, REFUSAL
from mboxio.remote import Greeting
from mboxio.remote.serving.handshake import SEALS, greet, new_memory
from mboxio.ring.layout import ENTRY, MAGIC, TABLE, ChannelSpec
from tests.shm.support import PATIENCE_S, Impostor, answer, until

pytestmark = pytest.mark.once  # sockets are never compiled

SPECS = (ChannelSpec("a", 8, 64), ChannelSpec("b", 8, 64))
NAMES = {"a": (8, 64), "b": (8, 64)}
SIZE = new_memory(SPECS)  # only to know offsets
_, LAYOUT, _descriptor = SIZE
os.close(_descriptor)
del SIZE, _descriptor
# Words of a table entry after the name: flags, reserved, then two rings of these five.
FRONT, REAR, BASE, SLOTS, SLOT_BYTES = range(10, 15)

Greet = Callable[[socket.socket], object]
BAD: dict[str, Greet] = {}


def bad(name: str) -> Callable[[Greet], Greet]:
    def add(function: Greet) -> Greet:
        BAD[name] = function
        return function

    return add


def send(connection: socket.socket, message: bytes, descriptors: list[int]) -> None:
    socket.send_fds(connection, [message], descriptors, socket.MSG_NOSIGNAL)


def spoiled(*changes: tuple[int, int]) -> Greet:
    """Hand over a memory in which some 32-bit words differ."""

    def hand_over(connection: socket.socket) -> None:
        memory, _, descriptor = new_memory(SPECS)
        try:
            for offset, value in changes:
                memory.write(offset, value, 4)
            fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, SEALS)
            send(connection, HELLO, [descriptor])
        finally:
            os.close(descriptor)

    return hand_over


def entry(channel: int, word: int) -> int:
    """Return the offset of a word of a channel's table entry; the name has eight."""
    return TABLE + channel * ENTRY.size + 4 * word


def word(channel: int, number: int, value: int) -> Greet:
    return spoiled((entry(channel, number), value))


def greeting(which: Greeting) -> Greet:
    def hand_over(connection: socket.socket) -> object:
        memory, _, descriptor = new_memory(SPECS)
        try:
            greet(connection, memory, descriptor, which)
        finally:
            os.close(descriptor)
        return memory

    return hand_over


for each in Greeting:
    if each is not Greeting.GOOD:
        BAD[each.value] = greeting(each)

first, second = LAYOUT.channels
BAD |= {
    "size beyond the file": spoiled((12, LAYOUT.size_bytes + 4096)),
    "size of nothing": spoiled((12, 0)),
    "no channel": spoiled((16, 0)),
    "too many channels": spoiled((16, 1025)),
    "more channels than the table": spoiled((16, 0xFFFFFFFF)),
    "table out of range": spoiled((20, 0xFFFFFFC0)),
    "table in the header": spoiled((20, 0)),
    "table unaligned": spoiled((20, TABLE + 4)),
    "rings overlap": word(0, BASE + 5, first.to_remote.base),
    "rings of two channels overlap": word(1, BASE, first.to_remote.base),
    "ring over the header": word(0, BASE, 0),
    "ring over the table": word(0, BASE, TABLE),
    "ring out of range": word(1, BASE + 5, LAYOUT.size_bytes),
    "ring ends out of range": word(1, SLOTS + 5, 65536),
    "ring wraps around": word(1, BASE, 0xFFFFFFC0),
    "sizes that overflow": spoiled((entry(1, SLOTS), 0xFFFF), (entry(1, SLOT_BYTES), 0xFFFFFFF8)),
    "no slots": word(0, SLOTS, 0),
    "one slot": word(0, SLOTS, 1),
    "too many slots": word(0, SLOTS, 0xFFFFFFFF),
    "slots of no bytes": word(0, SLOT_BYTES, 0),
    "odd slots": word(0, SLOT_BYTES, 12),
    "front out of range": word(0, FRONT, LAYOUT.size_bytes),
    "front unaligned": word(0, FRONT, first.to_remote.front + 1),
    "front is rear": word(0, FRONT, first.to_remote.rear),
    "front among the slots": word(0, FRONT, first.to_remote.base),
    "front of another channel": word(1, FRONT, first.to_remote.front),
    "front is the armed word": word(0, FRONT, 64),
    "two channels of one name": spoiled((entry(1, 0), int.from_bytes(b"a", "little"))),
    "a name that is no text": spoiled((entry(0, 0), 0xFFFFFFFF)),
    "a name of control characters": spoiled((entry(0, 0), int.from_bytes(b"a\n\x1b[", "little"))),
    "front index beyond the ring": spoiled((first.to_host.front, 9)),
    "rear index beyond the ring": spoiled((second.to_remote.rear, 0xFFFFFFFF)),
}


@bad("accepts and closes")  # type: ignore[no-redef]
def _(connection: socket.socket) -> None:
    connection.close()


@bad("shuts down")  # type: ignore[no-redef]
def _(connection: socket.socket) -> None:
    connection.shutdown(socket.SHUT_RDWR)


@bad("an empty message")  # type: ignore[no-redef]
def _(connection: socket.socket) -> None:
    connection.send(b"", socket.MSG_NOSIGNAL)


@bad("a hello that goes on")  # type: ignore[no-redef]
def _(connection: socket.socket) -> None:
    connection.send(HELLO + bytes(4096), socket.MSG_NOSIGNAL)


def with_descriptor(message: bytes, opened: Callable[[], list[int]], times: int = 1) -> Greet:
    def hand_over(connection: socket.socket) -> None:
        descriptors = opened()
        try:
            send(connection, message, descriptors[:1] * times)
        finally:
            for descriptor in descriptors:
                os.close(descriptor)

    return hand_over


HUGE = os.MFD_HUGETLB
HUGE_1G = os.MFD_HUGE_1GB


def memfd(size_bytes: int, seals: int = SEALS, flags: int = 0) -> Callable[[], list[int]]:
    def opened() -> list[int]:
        descriptor = os.memfd_create("bad", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING | flags)
        os.ftruncate(descriptor, size_bytes)
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, seals)
        return [descriptor]

    return opened


WRITE_SEAL = getattr(fcntl, "F_SEAL_WRITE", 8)
BAD |= {
    "a pipe": with_descriptor(HELLO, lambda: list(os.pipe())),
    "a folder": with_descriptor(HELLO, lambda: [os.open("/", os.O_RDONLY)]),
    "a device": with_descriptor(HELLO, lambda: [os.open("/dev/null", os.O_RDWR)]),
    "an eventfd": with_descriptor(HELLO, lambda: [os.eventfd(0)]),
    "an ordinary file": with_descriptor(HELLO, lambda: [os.open(__file__, os.O_RDONLY)]),
    "an empty memfd": with_descriptor(HELLO, memfd(0)),
    "a memfd of zeros": with_descriptor(HELLO, memfd(65536)),
    "a memfd that is too short": with_descriptor(HELLO, memfd(TABLE - 1)),
    "a huge memfd": with_descriptor(HELLO, memfd(1 << 40)),
    "a memfd of huge pages": with_descriptor(HELLO, memfd(1 << 21, SEALS, HUGE)),
    "a memfd of huge pages on request": with_descriptor(
        HELLO, memfd(1 << 30, SEALS, HUGE | HUGE_1G)
    ),
    "sealed against growing only": with_descriptor(HELLO, memfd(65536, fcntl.F_SEAL_GROW)),
    "sealed against writing": with_descriptor(HELLO, memfd(65536, SEALS | WRITE_SEAL)),
    "more descriptors than expected": with_descriptor(HELLO, memfd(65536), 17),
    "as many descriptors as the kernel passes": with_descriptor(HELLO, memfd(65536), 253),
    "a descriptor with a wrong hello": with_descriptor(b"MBX2", memfd(65536)),
    "a descriptor with an empty hello": with_descriptor(b"", memfd(65536)),
    "a descriptor with a hello that goes on": with_descriptor(HELLO + HELLO, memfd(65536)),
}


@pytest.fixture(params=BAD)
def impostor(request: pytest.FixtureRequest) -> Iterator[Impostor]:
    with Impostor("t", BAD[request.param]) as listening:
        yield listening


def test_the_header_is_where_these_tests_spoil_it():
    memory, layout, descriptor = new_memory(SPECS)
    os.close(descriptor)
    assert memory.read(0, 4) == MAGIC
    assert struct.unpack("<2I", memory.read_block(12, 8)) == (layout.size_bytes, 2)
    assert memory.read(entry(1, BASE), 4) == layout.channels[1].to_remote.base
    assert memory.read(entry(0, SLOT_BYTES + 5), 4) == layout.channels[0].to_host.slot_bytes


def test_refused_at_connect(impostor):
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        text = refusal()
        assert text.isprintable()  # which a new line is not
        assert len(text) > 20
    until(lambda: impostor.greeted == 3, "all were greeted")
    for connection in impostor.sockets:
        connection.close()
    impostor.kept.clear()
    impostor.sockets.clear()
    assert len(os.listdir("/proc/self/fd")) == before


def refusal() -> str:
    """Return only the text: the traceback of an error holds what it saw."""
    try:
        mboxio.connect("shm:t?connect_timeout_s=0.1")
    except (RemoteGone, RemoteError) as error:
        return str(error)
    raise AssertionError("it was accepted")


@pytest.mark.parametrize("name", BAD)
def test_refused_when_it_comes_back(name):
    good = greeting(Greeting.GOOD)
    with Impostor("t", good) as remote, mboxio.connect("shm:t") as connection:
        client = connection.client("a")
        remote.greet = BAD[name]
        remote.sockets[0].shutdown(socket.SHUT_RDWR)
        until(lambda: lost(client) and remote.greeted >= 3, "it was tried")
        with pytest.raises(RequestTimeout) as raised:
            client.request(b"x", queue_timeout_s=0.02)
        assert (raised.value.stage, raised.value.handed_over) == ("queue", "no")
        with pytest.raises(RemoteGone) as gone:
            client.submit(b"x")
        assert str(gone.value).isprintable()
        remote.greet = good
        until(lambda: not lost(client), "the good one is found")
        assert list(connection._host.channels) == ["a", "b"]


def lost(client: mboxio.Client) -> bool:
    """Tell whether the remote is lost, after some waiting, in which it is looked for."""
    try:
        client.request(b"x", timeout_s=0.005, queue_timeout_s=0.005)
    except (RemoteGone, RequestTimeout):
        pass
    return client._host.lost  # type: ignore[attr-defined]


def test_heals_with_a_remote_that_answers(firmware):
    remote = firmware("t", NAMES)
    with mboxio.connect("shm:t") as connection:
        client = connection.client("a")
        assert client.request(b"12") == b"21"
        for name in ("unsealed", "rings overlap", "a pipe", "accepts and closes"):
            remote.kill()
            with Impostor("t", BAD[name]) as impostor:
                until(lambda: lost(client) and impostor.greeted, "it was tried")
            remote = firmware("t", NAMES)
            until(lambda: not lost(client), "the good one is found")
            message = name.encode()
            assert client.request(message, timeout_s=20, queue_timeout_s=20) == answer(message)


def test_memory_of_huge_pages_is_told_as_that():
    try:
        os.close(os.memfd_create("huge", HUGE))
    except OSError:
        pytest.skip("this kernel has no huge pages")
    with Impostor("t", BAD["a memfd of huge pages"]):
        assert "huge pages" in refusal()


def test_a_hole_in_the_memory_reads_as_zeros():
    """What the remote takes away of ordinary pages comes back when it is read."""
    kept: list[int] = []

    def hand_over(connection: socket.socket) -> object:
        memory, _, descriptor = new_memory(SPECS)
        kept.append(os.dup(descriptor))
        greet(connection, memory, descriptor)
        os.close(descriptor)
        return memory

    with Impostor("t", hand_over), mboxio.connect("shm:t") as connection:
        (descriptor,) = kept
        punch = ctypes.CDLL(None, use_errno=True).fallocate
        size = os.fstat(descriptor).st_size
        keep_size, punch_hole = 1, 2
        offset, length = ctypes.c_long(0), ctypes.c_long(size)
        assert punch(descriptor, keep_size | punch_hole, offset, length) == 0
        os.close(descriptor)
        with pytest.raises(RequestTimeout):
            connection.client("a").request(b"x", timeout_s=0.01)


def test_a_remote_may_say_later_why_it_goes() -> None:
    def greeted(connection: socket.socket) -> object:
        memory, _, descriptor = new_memory([ChannelSpec("a", 8, 64)])
        greet(connection, memory, descriptor)
        os.close(descriptor)
        connection.send(REFUSAL + b"no\x1b[2J more")
        return memory

    with Impostor("t", greeted) as remote, mboxio.connect("shm:t") as connection:
        remote.greet = lambda connection: None
        with pytest.raises(RemoteGone, match=r"it says: no\\x1b\[2J more"):
            connection.client("a", timeout_s=PATIENCE_S).request(b"x")
