"""The MHU driver, in both layouts and on both sides."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from mboxio import AddressError, Connection, InOrder, MessageTooLong, QueueFull, WrongMessage
from mboxio.controllers.arm_mhu import LAYOUTS, Mhu
from tests.mhu.block import Block

each_layout = pytest.mark.parametrize("layout", LAYOUTS)
each_side = pytest.mark.parametrize("side", [0, 1])
each_way = pytest.mark.parametrize("interrupts", [False, True], ids=["polling", "interrupt"])


@contextmanager
def connected(block: Block, **options: Any) -> Iterator[Connection]:
    try:
        with Connection(Mhu(options=Mhu.Options(**options), region=block)) as connection:
            yield connection
    finally:
        block.close()


@each_layout
@each_side
@each_way
def test_doorbells_ring_both_ways(layout: str, side: int, interrupts: bool) -> None:
    block = Block(layout, side=side, interrupts=interrupts)
    last = block.layout.doorbells - 1
    with connected(block, layout=layout, side=side) as connection:
        assert list(connection._host.channels) == [str(n) for n in range(last + 1)]
        for number in (0, last):
            client = connection.client(number)
            client.send(b"")
            assert block.taken[-1] == 1 << number
            with client.subscribe() as messages:
                block.raise_bits(1 << number)
                assert messages.get(5) == b""
        assert block.bits(block.incoming) == 0


@each_way
def test_doorbells_at_once_are_told_apart(interrupts: bool) -> None:
    block = Block(interrupts=interrupts)
    with connected(block) as connection:
        clients = [connection.client(n) for n in range(4)]
        with clients[1].subscribe() as one, clients[3].subscribe() as three:
            block.raise_bits(0b1010)
            assert (one.get(5), three.get(5)) == (b"", b"")
        stats = connection.stats()
        assert [stats[str(n)].notifications for n in range(4)] == [0, 1, 0, 1]


def test_a_message_is_over_when_the_other_side_took_it() -> None:
    block = Block()
    block.stall()
    with connected(block) as connection:
        client, other = connection.client(2), connection.client(1)
        message = client.post(b"")
        assert not message.done()
        with pytest.raises(QueueFull):
            client.post(b"")
        independent = other.post(b"")
        assert not independent.done()
        assert block.bits(block.outgoing) == 0b110
        block.resume()
        message.result()
        independent.result()


def test_rings_merge_and_a_message_waits_for_them() -> None:
    block = Block()
    block.stall()
    with connected(block) as connection:
        client = connection.client(0, backlog=1)
        client.ring()
        client.ring()
        message = client.post(b"")
        assert block.bits(block.outgoing) == 1
        block.resume()
        message.result()
        assert block.taken == [1, 1], "the ring, then the message"


@each_layout
def test_words_go_whole(layout: str) -> None:
    block = Block(layout)
    with connected(block, layout=layout, words=True) as connection:
        client = connection.client(0)
        client.send(b"\x05\0\0\0")
        assert block.taken == [5]
        with client.subscribe() as messages:
            block.raise_bits(9)
            assert messages.get(5) == b"\x09\0\0\0"


def test_a_word_is_over_when_all_of_its_bits_are_gone() -> None:
    block = Block()
    block.stall()
    with connected(block, words=True) as connection:
        word = connection.client(0).post(b"\x06\0\0\0")
        block.change(block.outgoing, 0, 2)
        assert not word.done()
        block.change(block.outgoing, 0, 4)
        word.result()


def test_a_ring_back_may_be_the_reply() -> None:
    block = Block(answers=True)
    with connected(block, words=True) as connection:
        client = connection.client(0, correlator=InOrder())
        assert client.request(b"\x0a\0\0\0") == b"\x0a\0\0\0"


@pytest.mark.parametrize("message", [b"", b"\0\0\0\0", b"\1\0", b"\x10\0\0\0"])
def test_words_that_the_other_side_could_not_see_are_refused(message: bytes) -> None:
    block = Block()
    with connected(block, words=True) as connection:
        with pytest.raises(WrongMessage, match="from 1 to 0xf"):
            connection.client(0).post(message)
        with pytest.raises(AddressError, match="no doorbell apart"):
            connection.client(0).ring()
    assert block.taken == []


def test_a_doorbell_carries_nothing() -> None:
    with connected(Block()) as connection, pytest.raises(MessageTooLong):
        connection.client(0).post(b"\1")


@pytest.mark.parametrize("wrong", [{"layout": "v9"}, {"side": 2}, {"events": "never"}])
def test_wrong_options_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        Mhu.Options(**wrong)
    with pytest.raises(AddressError, match="REGION"):
        Connection(Mhu())
