"""Pools: where slots lie, who has them, and what brings them back."""

from typing import Any

import pytest

from mboxio import SENT, Busy, Capabilities, Connection, Controller, Outcome, RequestTimeout
from mboxio.regions import Kind, Memory, Region
from mboxio.regions.pool import Pool
from mboxio.sim import VirtualClock
from mboxio.sim.words_only import WordsOnly


class ByBuffer(Controller):
    """The wire carries the bus address of a buffer; the test plays the remote."""

    def __init__(self, region: Region, slots: int = 2) -> None:
        self.region = region
        self.slots = slots
        self.posted: list[int] = []
        self.fail_after_lending = False
        self.busy_after_lending = False

    def open(self) -> None:
        self.pool = Pool(self.region, 0xC000_0000, slot_bytes=16, count=self.slots)
        self.queue = self.add_queue(
            Capabilities(depth=8, reply_credits=self.slots, matches_replies=True)
        )
        self.main = self.add_channel("main", self.queue)

    def send(self, channel: Any, handle: int, message: bytes) -> Outcome:
        slot = self.pool.take(handle)
        assert slot is not None, "credits are as many as slots"
        self.lend(self.queue, handle, slot)
        slot.write(message)
        if self.fail_after_lending:
            raise OSError("the bus hangs")
        if self.busy_after_lending:
            return Busy("at", at_ns=self.now_ns() + 3600 * 10**9)
        self.posted.append(slot.bus_address)
        return SENT

    def answer(self, address: int) -> None:
        slot = self.pool.find(address)
        assert slot is not None
        self.complete(self.main, slot.handle, 0, slot.read(4))


@pytest.fixture(params=[Kind.NORMAL, Kind.DEVICE, Kind.REMOTE], ids=lambda kind: kind.value)
def region(request) -> Region:
    return Memory(bytearray(64)) if request.param is Kind.NORMAL else WordsOnly(64, request.param)


def test_messages_travel_through_memory_and_slots_come_back(region: Region) -> None:
    driver = ByBuffer(region)
    with Connection(driver) as connection:
        client = connection.client(0)
        first, second = client.submit(b"one!"), client.submit(b"two!")
        assert driver.posted == [0xC000_0000, 0xC000_0010]
        driver.answer(driver.posted[1])
        driver.answer(driver.posted[0])
        assert (first.result(), second.result()) == (b"one!", b"two!")
        assert not driver.pool.lent
        assert len(driver.pool.free) == 2


def test_4_a_slot_stays_lent_after_a_time_out_until_the_reply(region: Region) -> None:
    driver = ByBuffer(region)
    with Connection(driver, clock=VirtualClock()) as connection:
        request = connection.client(0).submit(b"lost", timeout_s=1.0)
        assert isinstance(request.exception(), RequestTimeout)
        assert connection.stats()["main"].held_memory == 1
        assert [*driver.pool.lent] == driver.posted
        driver.answer(driver.posted[0])
        assert connection.stats()["main"].held_memory == 0
        assert connection.stats()["main"].late == 1
        assert not driver.pool.lent


def test_4_a_slot_stays_lent_until_the_remote_is_dead(region: Region) -> None:
    driver = ByBuffer(region)
    with Connection(driver) as connection:
        connection.client(0).submit(b"lost").cancel()
        assert connection.stats()["main"].held_memory == 1
        connection.remote_restarted()
        assert connection.stats()["main"].held_memory == 0
        assert not driver.pool.lent


def test_a_freed_slot_serves_the_message_that_waits_at_once(region: Region) -> None:
    driver = ByBuffer(region, slots=1)
    with Connection(driver) as connection:
        client = connection.client(0, backlog=1)
        first, second = client.submit(b"one!"), client.submit(b"two!")
        driver.answer(driver.posted[0])
        assert first.result() == b"one!"
        driver.answer(driver.posted[1])
        assert second.result() == b"two!"


def test_a_slot_whose_message_may_have_left_stays_lent(region: Region) -> None:
    driver = ByBuffer(region)
    driver.fail_after_lending = True
    with Connection(driver) as connection:
        request = connection.client(0).submit(b"x")
        assert request.handed_over == "unknown"
        assert connection.stats()["main"].held_memory == 1
        assert len(driver.pool.lent) == 1


def test_a_message_that_was_refused_lends_nothing(region: Region) -> None:
    driver = ByBuffer(region)
    driver.busy_after_lending = True
    with Connection(driver) as connection:
        connection.client(0, backlog=1).submit(b"x")
        assert not driver.pool.lent
        assert connection.stats()["main"].held_memory == 0


def test_memory_of_the_user_and_of_the_driver_come_back_together(region: Region) -> None:
    class Lent:
        returned = False

        def give_back(self) -> None:
            self.returned = True

    driver, lent = ByBuffer(region), Lent()
    with Connection(driver) as connection:
        connection.client(0).submit(b"mine", lent=lent)
        driver.answer(driver.posted[0])
        assert lent.returned
        assert not driver.pool.lent


def test_only_a_message_that_is_being_sent_can_lend(region: Region) -> None:
    driver = ByBuffer(region)
    with Connection(driver), pytest.raises(ValueError, match="is not being sent"):
        driver.lend(driver.queue, 7, object())  # type: ignore[arg-type]


def test_slots_are_aligned_as_the_remote_sees_them() -> None:
    pool = Pool(WordsOnly(64), 0x1004, slot_bytes=10, alignment=16)
    taken = [pool.take(handle) for handle in range(4)]
    assert [slot.bus_address for slot in taken if slot] == [0x1010, 0x1020, 0x1030]
    assert [slot.offset for slot in taken if slot] == [12, 28, 44]
    assert taken[3] is None
    assert "3 of 3 slots lent" in repr(pool)


def test_a_slot_comes_back_once_and_goes_to_the_end_of_the_line() -> None:
    pool = Pool(Memory(bytearray(32)), 0, slot_bytes=16)
    first = pool.take(1)
    assert first is not None
    assert pool.find(0) is first
    assert "lent to 1" in repr(first)
    first.give_back()
    first.give_back()
    assert pool.find(0) is None
    assert len(pool.free) == 2
    second = pool.take(3)
    assert second is not None
    assert second.offset == 16


def test_the_remote_cannot_name_what_it_was_not_lent() -> None:
    pool = Pool(Memory(bytearray(32)), 0x100, slot_bytes=16)
    pool.take(1)
    assert [pool.find(address) for address in (0x0, 0x108, 0x110, -1)] == [None] * 4


def test_a_slot_is_not_overrun() -> None:
    slot = Pool(Memory(bytearray(32)), 0, slot_bytes=16).take(1)
    assert slot is not None
    with pytest.raises(IndexError):
        slot.write(bytes(17))
    with pytest.raises(IndexError):
        slot.read(17)
    slot.write(b"12345")
    assert slot.read(8) == b"12345\0\0\0"


@pytest.mark.parametrize(
    ("bus_address", "more"),
    [
        (0, {"slot_bytes": 128}),
        (0, {"slot_bytes": 16, "count": 5}),
        (0, {"slot_bytes": 16, "count": 0}),
        (0, {"slot_bytes": 0}),
        (0, {"slot_bytes": 16, "alignment": 2}),
        (0, {"slot_bytes": 16, "alignment": 24}),
        (2, {"slot_bytes": 16}),
    ],
)
def test_a_pool_that_cannot_be_is_refused(bus_address: int, more: dict[str, int]) -> None:
    with pytest.raises(ValueError):
        Pool(WordsOnly(64), bus_address, **more)
