"""Front ends that lie, stop or die: the back end says so, keeps nothing, and serves the next."""

import fcntl
import os
import struct
import tempfile
from collections.abc import Callable, Iterator
from random import Random

import pytest

from mboxio.errors import RemoteError
from mboxio.remote.rpmsg import vhost_user as wire
from tests.rpmsg.front_end import GUEST, NUM, SIZE, USER, FrontEnd


@pytest.fixture
def front(monkeypatch: pytest.MonkeyPatch) -> Iterator[FrontEnd]:
    """One to misbehave; afterwards nothing is left open, and the next one is served."""
    monkeypatch.setattr(wire, "REQUEST_S", 0.05)
    before = len(os.listdir("/proc/self/fd"))
    with FrontEnd() as made:
        yield made
    del made
    with FrontEnd() as following:
        following.set_up()
        assert following.serve()
        assert following.echo(b"the next one") == b"the next one"
    del following
    assert len(os.listdir("/proc/self/fd")) == before


def test_the_truth(front: FrontEnd) -> None:
    front.set_up()
    for number in range(3 * NUM):
        assert front.serve()
        assert front.echo(b"%d" % number) == b"%d" % number


def a_pipe(front: FrontEnd, request: int) -> None:
    ends = os.pipe()
    front.say(request, struct.pack("<II4Q", 1, 0, GUEST, 4096, USER, 0), ends[:1])
    for each in ends:
        os.close(each)


def memory(*region: int, count: int = -1, times: int = 1) -> Callable[[FrontEnd], None]:
    def lie(front: FrontEnd) -> None:
        front.table((region[0], region[1], region[2], region[3]), fds=(front.memory,) * times)

    def miscount(front: FrontEnd) -> None:
        front.table(
            (region[0], region[1], region[2], region[3]), fds=(front.memory,) * times, count=count
        )

    return lie if count < 0 else miscount


def two(first: int, second: int) -> Callable[[FrontEnd], None]:
    def lie(front: FrontEnd) -> None:
        regions = (first, 8192, USER, 0), (second, 8192, USER + SIZE, 0)
        front.table(*regions, fds=(front.memory, front.memory))

    return lie


def say(request: int, payload: bytes, flags: int = 1) -> Callable[[FrontEnd], None]:
    return lambda front: front.say(request, payload, flags=flags)


def a_file(front: FrontEnd) -> None:
    with tempfile.TemporaryFile() as file:
        front.say(wire.SET_VRING_KICK, wire.NUMBER.pack(0), (file.fileno(),))


def a_pipe_without_a_writer(front: FrontEnd) -> None:
    reading, writing = os.pipe()
    front.say(wire.SET_VRING_KICK, wire.NUMBER.pack(0), (reading,))
    os.close(reading)
    os.close(writing)


LIES: dict[str, tuple[Callable[[FrontEnd], None], str]] = {
    "another version": (say(wire.SET_OWNER, b"", flags=2), "flags 0x2"),
    "a length without end": (
        lambda front: front.raw(wire.HEADER.pack(wire.SET_OWNER, 1, 1 << 31)),
        "2147483648 bytes",
    ),
    "a pipe as memory": (lambda front: a_pipe(front, wire.SET_MEM_TABLE), "no region"),
    "memory that is shorter": (memory(GUEST, SIZE + 1, USER, 0), "no region of 65537"),
    "memory of nothing": (memory(GUEST, 0, USER, 0), "no region of 0"),
    "memory beyond everything": (memory(GUEST, (1 << 64) - 1, USER, 0), "no region"),
    "an offset at the end": (memory(GUEST, 4096, USER, SIZE), "no region"),
    "an offset beyond numbers": (memory(GUEST, 4096, USER, (1 << 64) - 4096), "no region"),
    "an offset inside a page": (memory(GUEST, 4096, USER, 8), "no region"),
    "memory around the end": (memory((1 << 64) - 4096, 8192, USER, 0), "cannot lie"),
    "memory that overlaps": (two(GUEST, GUEST + 4096), "cannot lie"),
    "a descriptor missing": (memory(GUEST, 4096, USER, 0, times=0), "1 regions, 0 descr"),
    "a descriptor too many": (memory(GUEST, 4096, USER, 0, times=2), "1 regions, 2 descr"),
    "a great many descriptors": (memory(GUEST, 4096, USER, 0, times=60), "more descriptors"),
    "a region that is not said": (memory(GUEST, 4096, USER, 0, times=2, count=2), "length"),
    "a number that is cut": (say(wire.SET_VRING_NUM, b"\0" * 7), "another length"),
    "a number that is longer": (say(wire.SET_VRING_NUM, b"\0" * 9), "another length"),
    "no number at all": (say(wire.GET_VRING_BASE, b""), "another length"),
    "a third queue": (say(wire.SET_VRING_NUM, wire.STATE.pack(2, 16)), "no queue 2"),
    "a kick of no queue": (say(wire.SET_VRING_KICK, wire.NUMBER.pack(0xFF)), "no queue 255"),
    "a file as a kick": (a_file, "no eventfd, pipe or socket"),
    "a kick that nobody can ring": (a_pipe_without_a_writer, "nobody can ring"),
    "half a header": (lambda front: front.raw(b"\1\0\0"), "stopped in the middle"),
    "half a request": (
        lambda front: front.raw(wire.HEADER.pack(wire.SET_VRING_NUM, 1, 8) + b"abc"),
        "stopped in the middle",
    ),
}


@pytest.mark.parametrize("name", LIES)
def test_a_lie(front: FrontEnd, name: str) -> None:
    lie, why = LIES[name]
    front.say(wire.SET_OWNER)
    lie(front)
    with pytest.raises(RemoteError, match=why):
        front.serve()


@pytest.mark.parametrize("length", [0, 1, 11, 12, 15])
def test_who_hangs_up_in_a_request(front: FrontEnd, length: int) -> None:
    front.set_up()
    assert front.serve()
    front.raw((wire.HEADER.pack(wire.SET_VRING_NUM, 1, 8) + bytes(8))[:length], (front.memory,))
    front.ours.close()
    if length:
        with pytest.raises(RemoteError, match="in the middle"):
            front.serve()
    else:
        assert not front.serve()


RINGS: dict[str, tuple[int, int, int]] = {
    "outside of memory": (USER + SIZE, USER + SIZE + 4096, USER + SIZE + 256),
    "at the end of memory": (USER + SIZE - 16, USER + SIZE + 4080, USER + SIZE + 240),
    "in parts": (USER, USER + 0x2000, USER + 256),
    "not aligned": (USER + 4, USER + 4 + 4096, USER + 4 + 256),
    "beyond numbers": ((1 << 64) - 8, 4088, 248),
}


@pytest.mark.parametrize("name", RINGS)
def test_a_ring_that_cannot_be(front: FrontEnd, name: str) -> None:
    front.set_up()
    front.addresses(1, RINGS[name])
    with pytest.raises(RemoteError, match=r"lied|legacy"):
        front.serve()
    assert front.processor.broken
    assert front.serve()  # nothing more is done, and nothing hangs


@pytest.mark.parametrize("num", [0, 3, 1 << 16, (1 << 32) - 1])
def test_a_number_of_descriptors_that_cannot_be(front: FrontEnd, num: int) -> None:
    front.set_up()
    front.say(wire.SET_VRING_NUM, wire.STATE.pack(1, num))
    with pytest.raises(RemoteError, match=r"lied|legacy"):
        front.serve()


def test_indices_and_descriptors_that_lie(front: FrontEnd) -> None:
    front.set_up()
    assert front.serve()
    ring = front.layouts[1]
    front.region.write(ring.available + 2, 1000, 2)
    os.eventfd_write(front.kicks[1], 1)
    with pytest.raises(RemoteError, match="available index moved by 1000"):
        front.serve()


def test_a_buffer_outside_of_memory(front: FrontEnd) -> None:
    front.set_up()
    assert front.serve()
    assert front.host.send(1, 0x400, b"x") >= 0
    head = front.region.read(front.layouts[1].available + 4, 2)
    front.region.write(front.layouts[1].base + 16 * head, GUEST + SIZE - 8, 8)
    os.eventfd_write(front.kicks[1], 1)
    with pytest.raises(RemoteError, match="no memory"):
        front.serve()


def test_requests_that_nobody_knows(front: FrontEnd) -> None:
    """They fail where that can be said, and harm nothing."""
    front.set_up()
    for request in (0, 99, 0xFFFF_FFFF):
        front.say(request, bytes(8), (front.memory,))
        front.say(request, bytes(8), (front.memory,), flags=1 | wire.NEED_REPLY)
        assert front.serve()
        header, answer = front.ours.recv(12), front.ours.recv(8)
        assert wire.HEADER.unpack(header) == (request, wire.VERSION | wire.REPLY, 8)
        assert wire.NUMBER.unpack(answer) != (0,)
    assert front.echo(b"still") == b"still"


def test_a_call_that_nobody_hears(front: FrontEnd) -> None:
    """A pipe that is full rings already, and one that nobody reads ends the link, no more."""
    front.set_up()
    reading, writing = os.pipe()
    front.say(wire.SET_VRING_CALL, wire.NUMBER.pack(1), (writing,))
    assert front.serve()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
    assert os.write(writing, bytes(4096)) == 4096  # full
    assert front.echo(b"nobody hears") == b"nobody hears"
    os.close(reading)
    os.close(writing)
    assert front.echo(b"the last") == b"the last"
    assert not front.backend.ready()
    assert front.processor.link is None


def test_a_kick_that_another_takes(front: FrontEnd) -> None:
    """It was readable, and is not any more: nobody waits for it."""
    front.set_up()
    assert front.serve()
    assert front.backend.hear([front.backend.descriptors()[1]])
    assert front.echo(b"on") == b"on"


def test_who_takes_no_replies(front: FrontEnd) -> None:
    def ask() -> None:
        for _ in range(100_000):
            front.say(wire.GET_FEATURES)
            assert front.serve()

    with pytest.raises(RemoteError, match="stopped in the middle"):
        ask()


def test_descriptors_are_not_inherited(front: FrontEnd) -> None:
    front.set_up()
    assert front.serve()
    backend = front.backend
    kept = [each.kick for each in backend._vrings] + [each.call for each in backend._vrings]
    assert not any(os.get_inheritable(each) for each in kept)


@pytest.mark.parametrize("seed", range(20))
def test_whatever_is_said(front: FrontEnd, seed: int) -> None:
    """Any requests with any payload: a refusal or nothing, and never another error."""
    random = Random(seed)
    front.set_up()
    for _ in range(100):
        words = [0, 1, 2, NUM, SIZE, GUEST, USER, random.getrandbits(64), 1 << 63]
        payload = b"".join(
            wire.NUMBER.pack(random.choice(words)) for _ in range(random.randrange(0, 7))
        )
        payload = payload[: random.randrange(len(payload) + 1)]
        fds = (front.memory, front.kicks[0], front.calls[1])[: random.randrange(4)]
        front.say(random.randrange(30), payload, fds, flags=random.choice((1, 1, 1, 9, 0)))
        try:
            if not front.serve():
                break
        except RemoteError:
            if random.random() < 0.5:
                continue
            break
        finally:
            front.ours.setblocking(False)
            try:
                front.ours.recv(1 << 16)
            except BlockingIOError:
                pass
            front.ours.setblocking(True)
