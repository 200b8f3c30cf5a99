"""The link of RPMsg: both sides, against a model, and against a side that lies."""

from collections import deque
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from mboxio.errors import MessageTooLong, RemoteError
from mboxio.rpmsg.message import HEADER_BYTES
from tests.rpmsg.support import ACCESSES, ADDRESS, Pair
from tests.tools import examples

NUM, BUFFER_BYTES = 4, 64
ROOM = BUFFER_BYTES - HEADER_BYTES


def each_access(function: Any) -> Any:
    return pytest.mark.parametrize("access", ACCESSES)(function)


class BothSides(RuleBasedStateMachine):
    """Whatever both sides do in turn, messages arrive once, whole and in their order."""

    access: Any = ACCESSES[-1]

    def __init__(self) -> None:
        super().__init__()
        self.pair = Pair(NUM, 16, BUFFER_BYTES, self.access)
        self.to_remote: deque[tuple[int, int, bytes]] = deque()
        self.to_host: deque[tuple[int, int, bytes]] = deque()
        self.lent: list[int] = []
        self.count = 0

    def message(self, length: int) -> tuple[int, int, bytes]:
        self.count += 1
        return self.count, 0xFFFF_FFF0 - self.count, bytes([self.count % 251]) * length

    @rule(length=st.integers(0, ROOM))
    def host_sends(self, length: int) -> None:
        sent = self.message(length)
        free = self.pair.host.free()
        head = self.pair.host.send(*sent)
        assert (head >= 0) == (free > 0)
        if head >= 0:
            self.to_remote.append(sent)
            self.lent.append(head)

    @rule(length=st.integers(0, ROOM))
    def remote_sends(self, length: int) -> None:
        sent = self.message(length)
        free = self.pair.remote.free()
        head = self.pair.remote.send(*sent)
        assert (head >= 0) == (free > 0)
        if head >= 0:
            self.to_host.append(sent)

    @rule(release=st.booleans())
    def remote_receives(self, release: bool) -> None:
        remote = self.pair.remote
        assert (remote.pending() > 0) == bool(self.to_remote)
        assert remote.news() == bool(self.to_remote)
        message = remote.receive()
        if message is None:
            assert not self.to_remote
        else:
            assert (remote.source, remote.destination, message) == self.to_remote.popleft()
        if release:
            remote.release()

    @rule(release=st.booleans())
    def host_receives(self, release: bool) -> None:
        host = self.pair.host
        assert (host.pending() > 0) == bool(self.to_host)
        message = host.receive()
        if message is None:
            assert not self.to_host
        else:
            assert (host.source, host.destination, message) == self.to_host.popleft()
        if release:
            host.release()

    @rule()
    def host_hears_what_was_taken(self) -> None:
        while (head := self.pair.host.sent()) >= 0:
            assert head == self.lent.pop(0)

    @precondition(lambda self: not self.to_remote)
    @rule()
    def remote_joins_again(self) -> None:
        """A remote that starts again continues where the rings stand; what it held is offered."""
        self.pair.remote.release()
        self.pair.remote = self.pair.join()

    @rule()
    def too_long(self) -> None:
        with pytest.raises(MessageTooLong):
            self.pair.host.send(1, 2, bytes(ROOM + 1))
        if self.pair.remote.free():
            with pytest.raises(MessageTooLong):
                self.pair.remote.send(1, 2, bytes(ROOM + 1))

    @invariant()
    def no_buffer_is_lost(self) -> None:
        host = self.pair.host
        assert host.free() + len(self.lent) == NUM


TestBothSides = BothSides.TestCase
TestBothSides.settings = settings(max_examples=examples(60), stateful_step_count=60, deadline=None)


def begin_at(pair: Pair, index: int) -> None:
    """Put a pair of empty rings where it is after so many messages to the remote."""
    ring = pair.host.outgoing
    pair.words.store16(ring.available + 2, index)
    pair.words.store16(ring.used + 2, index)
    ring.made = ring.seen = index
    pair.remote = pair.join()


@each_access
def test_indices_wrap_at_sixteen_bits(access: Any) -> None:
    pair = Pair(NUM, 16, BUFFER_BYTES, access)
    begin_at(pair, 0xFF00)
    for number in range(200):
        for _ in range(3):
            assert pair.host.send(1, 2, number.to_bytes(4, "little")) >= 0
        for _ in range(3):
            assert pair.remote.receive() == number.to_bytes(4, "little")
        pair.remote.release()
        while pair.host.sent() >= 0:
            pass
    assert pair.host.free() == NUM


@each_access
def test_the_layout_is_that_of_the_specification(access: Any) -> None:
    pair = Pair(4, 16, 64, access)
    outgoing = pair.layouts[1]
    head = pair.host.send(0x400, 0x35, b"abc")
    descriptor = pair.memory[outgoing.base + 16 * head :][:16]
    assert descriptor[:8] == (ADDRESS + pair.pool_at + (4 + head) * 64).to_bytes(8, "little")
    assert descriptor[8:] == bytes((19, 0, 0, 0, 0, 0, 0, 0))
    assert pair.memory[outgoing.available : outgoing.available + 6] == bytes((0, 0, 1, 0, head, 0))
    where = pair.pool_at + (4 + head) * 64
    assert pair.memory[where : where + 19] == (b"\x00\x04\0\0\x35\0\0\0\0\0\0\0\x03\0\0\0abc")
    assert pair.remote.receive() == b"abc"
    pair.remote.release()
    assert pair.memory[outgoing.used : outgoing.used + 12] == bytes(
        (0, 0, 1, 0, head, 0, 0, 0, 19, 0, 0, 0)
    )


@each_access
def test_a_remote_joins_a_host_that_filled_the_used_part_itself(access: Any) -> None:
    """rpmsg-lite's host says so that all buffers to send in are free."""
    pair = Pair(NUM, 16, BUFFER_BYTES, access)
    outgoing = pair.layouts[1]
    pair.words.store16(outgoing.used + 2, NUM)
    remote = pair.join()
    assert remote.pending() == 0
    pair.words.store16(outgoing.available + 4, 0)
    pair.words.store16(outgoing.available + 2, 1)
    assert remote.pending() == 1
    assert remote.receive() == b""
    remote.release()
    assert pair.words.load16(outgoing.used + 2) == NUM + 1


@pytest.mark.parametrize("side", ["host", "remote"])
@each_access
def test_a_lie_is_noticed_and_stays(access: Any, side: str) -> None:
    pair = Pair(NUM, 16, BUFFER_BYTES, access)
    incoming, outgoing = pair.layouts
    if side == "host":
        pair.words.store16(incoming.used + 2, NUM + 1)
        liar: Any = pair.host
    else:
        pair.words.store16(outgoing.available + 2, NUM + 1)
        liar = pair.remote
    for _ in range(2):
        with pytest.raises(RemoteError, match="moved by 5"):
            liar.receive()


@each_access
def test_lengths_that_lie(access: Any) -> None:
    """No byte is read that was not filled, whatever stands in the header."""
    pair = Pair(NUM, 16, BUFFER_BYTES, access)
    pair.remote.send(1, 2, b"abcd")
    pair.words.store32(pair.pool_at + 12, 5)
    with pytest.raises(RemoteError, match="a message of 5 bytes in 4"):
        pair.host.receive()
    pair = Pair(NUM, 16, BUFFER_BYTES, access)
    pair.host.send(1, 2, b"abcd")
    pair.words.store64(pair.layouts[1].base + 16 * 0, ADDRESS - 8)
    with pytest.raises(RemoteError, match="no memory"):
        pair.remote.receive()


@given(seed=st.integers(0, 1 << 32))
@settings(max_examples=examples(40), deadline=None)
def test_whatever_is_scribbled(seed: int) -> None:
    """Any word of the memory may change at any time: nothing is read outside, nothing hangs."""
    random = Random(seed)
    pair = Pair(NUM, 16, BUFFER_BYTES, ACCESSES[seed % len(ACCESSES)])
    for _ in range(300):
        link: Any = random.choice((pair.host, pair.remote))
        if random.random() < 0.2:
            width = random.choice((1, 2, 4))
            offset = random.randrange(0, len(pair.memory), width)
            pair.region.write(offset, random.getrandbits(8 * width), width)
        try:
            if random.random() < 0.5:
                link.send(random.getrandbits(32), random.getrandbits(32), bytes(8))
            else:
                message = link.receive()
                assert message is None or len(message) <= ROOM
                link.release()
            link.sent()
        except (RemoteError, MessageTooLong):
            pair = Pair(NUM, 16, BUFFER_BYTES, ACCESSES[seed % len(ACCESSES)])
