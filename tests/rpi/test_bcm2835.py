"""The mailbox driver against a VideoCore that tells the truth, and one that does not."""

import threading
from pathlib import Path
from typing import Any

import pytest

from mboxio import (
    AddressError,
    Connection,
    MessageTooLong,
    QueueFull,
    RemoteError,
    RequestTimeout,
    WrongMessage,
)
from mboxio.controllers.bcm2835 import Bcm2835, physical_address
from mboxio.protocols.rpi_buffer import Ask, decode, encode
from mboxio.sim import VirtualClock
from mboxio.sim.videocore import VideoCore
from tests.rpi.bench import connected, driver

RATE = 0x30002


def asking(clock: int) -> tuple[bytes, list[Ask]]:
    asks = [Ask(RATE, clock.to_bytes(4, "little"), 8)]
    return encode(asks), asks


class Counting(VideoCore):
    """Answers with the number of the clock that was asked for, so that replies can be told."""

    def answer(self, word: int) -> None:
        offset = (word & ~15) - self.bus_address
        if self.memory.read_words(offset + 8, 1) == [RATE]:
            (clock,) = self.memory.read_words(offset + 20, 1)
            self.values[RATE] = clock.to_bytes(4, "little") + (1000 + clock).to_bytes(4, "little")
        super().answer(word)


def rate_of(reply: bytes, asks: list[Ask]) -> int:
    return int.from_bytes(decode(reply, asks)[0].value[4:], "little")


@pytest.mark.parametrize("interrupts", [False, True], ids=["polling", "interrupt"])
@pytest.mark.parametrize("levels", [False, True], ids=["no levels", "levels"])
def test_eight_in_flight_get_their_own_replies(interrupts: bool, levels: bool) -> None:
    core = Counting(levels=levels, interrupts=interrupts)
    with connected(core) as connection:
        client = connection.client("property")
        for _ in range(3):
            core.stall()
            sent = [(clock, *asking(clock)) for clock in range(8)]
            pending = [(clock, client.submit(data), asks) for clock, data, asks in sent]
            with pytest.raises(QueueFull):
                client.submit(asking(9)[0])
            core.resume()
            for clock, request, asks in reversed(pending):
                assert rate_of(request.result(), asks) == 1000 + clock
        stats = connection.stats()["property"]
        assert (stats.late, stats.unknown, stats.held_slots) == (0, 0, 0)


def test_channels_have_the_numbers_of_the_wire() -> None:
    core = VideoCore()
    with connected(core) as connection:
        names = [channel.name for channel in connection._host.channels.values()]
        assert names == [*map(str, range(8)), "property", *map(str, range(9, 16))]
        assert connection._host.find_channel(8).name == "property"


def test_a_word_is_answered_by_the_same_word_and_others_are_notifications() -> None:
    core = VideoCore()
    core.on_word = lambda word: word
    with connected(core) as connection:
        client = connection.client(2)
        assert client.request(b"\x40\x33\x22\x11") == b"\x40\x33\x22\x11"
        assert core.taken == [0x11223342]
        with client.subscribe() as messages:
            core.say(0x55555552)
            assert messages.get(5) == b"\x50\x55\x55\x55"


def test_a_one_way_word_is_done_when_it_was_taken() -> None:
    core = VideoCore(levels=False)
    core.stall()
    with connected(core) as connection:
        client = connection.client(3)
        words = [client.post(bytes([16 * n, 0, 0, 0])) for n in range(8)]
        assert not any(word.done() for word in words)
        with pytest.raises(QueueFull):
            client.post(b"\x10\0\0\0")
        core.resume()
        for word in words:
            word.result()
        assert core.taken == [16 * n + 3 for n in range(8)]


def test_levels_tell_how_many_left() -> None:
    core = VideoCore(levels=True)
    core.stall()
    with connected(core) as connection:
        words = [connection.client(3).post(bytes([16 * n, 0, 0, 0])) for n in range(4)]
        core.step()
        core.step()
        assert words[1].wait(5)
        assert [word.done() for word in words] == [True, True, False, False]
        core.resume()


def test_a_full_fifo_takes_no_word_and_all_go_on_later() -> None:
    core = VideoCore(interrupts=True)
    core.stall()
    with connected(core, slots=4) as connection:
        words, property_ = connection.client(3), connection.client("property", backlog=2)
        posted = [words.post(bytes([16 * n, 0, 0, 0])) for n in range(8)]
        data, _ = asking(3)
        with pytest.raises(QueueFull, match="hardware"):
            connection.client("property").submit(data)
        waiting = [property_.submit(data) for _ in range(2)]
        core.resume()
        for request in [*posted, *waiting]:
            request.result()


def test_answers_that_find_no_place_come_later() -> None:
    core = VideoCore()
    core.on_word = lambda word: word
    with connected(core) as connection:
        client = connection.client(4, backlog=100)
        requests = [client.submit((16 * n).to_bytes(4, "little")) for n in range(40)]
        assert [int.from_bytes(each.result(), "little") for each in requests] == [
            16 * n for n in range(40)
        ]


@pytest.mark.parametrize("interrupts", [False, True], ids=["polling", "interrupt"])
def test_a_silent_channel_times_out_and_the_others_work(interrupts: bool) -> None:
    core = Counting(interrupts=interrupts)
    # Sleeping on an interrupt is outside of virtual time.
    with connected(core, clock=None if interrupts else VirtualClock()) as connection:
        silent = connection.client(5)
        for n in range(20):
            with pytest.raises(RequestTimeout) as caught:
                silent.request((16 * n).to_bytes(4, "little"), timeout_s=0.002)
            assert interrupts or caught.value.stage == "reply"
        data, asks = asking(7)
        assert rate_of(connection.client("property").request(data), asks) == 1007
        core.on_word = lambda word: word
        assert connection.client(6).request(b"\x10\0\0\0") == b"\x10\0\0\0"


# -- what the remote may do wrong


def test_a_late_reply_frees_its_buffer_and_nobody_else_gets_it() -> None:
    core = Counting()
    core.stall()
    clock = VirtualClock()
    with connected(core, slots=2, clock=clock) as connection:
        client = connection.client("property")
        lost = client.submit(asking(1)[0], timeout_s=1)
        assert isinstance(lost.exception(), RequestTimeout)
        stats = connection.stats()["property"]
        assert stats.held_memory == 1
        data, asks = asking(2)
        second = client.submit(data, timeout_s=None)
        with pytest.raises(QueueFull, match="credits"):
            client.submit(data)
        core.resume()
        assert rate_of(second.result(), asks) == 1002
        stats = connection.stats()["property"]
        assert (stats.late, stats.held_memory, stats.freed_by["reply"]) == (1, 0, 1)
        assert rate_of(client.request(data), asks) == 1002


def test_addresses_that_were_not_lent_are_counted_and_nothing_is_read() -> None:
    core = Counting()
    core.stall()
    with connected(core) as connection:
        client = connection.client("property")
        data, asks = asking(3)
        request = client.submit(data)
        mine = core.to_core[0] & ~15
        for address in (0x1000, mine + 16, mine + 256, 0xFFFFFFF0, 0):
            core.say(address | 8)
        assert not request.done()
        core.resume()
        assert rate_of(request.result(), asks) == 1003
        assert connection.stats()["property"].unknown == 5


def test_an_address_with_no_answer_behind_it_ends_nothing() -> None:
    core = Counting()
    core.stall()
    with connected(core) as connection:
        client = connection.client("property")
        data, asks = asking(3)
        request = client.submit(data)
        core.say(core.to_core[0])  # the buffer still holds the request
        assert not request.done()
        assert connection.stats()["property"].unknown == 1
        core.resume()
        assert rate_of(request.result(), asks) == 1003


def test_the_same_address_twice_answers_one_request() -> None:
    core = Counting()
    with connected(core, slots=1) as connection:
        client = connection.client("property")
        data, asks = asking(1)
        request = client.submit(data)
        core.say(core.taken[0], core.taken[0])
        assert rate_of(request.result(), asks) == 1001
        core.stall()
        second = client.submit(asking(2)[0])
        core.say(core.taken[0])  # the buffer is lent to the second one now
        assert not second.done()
        core.resume()
        assert rate_of(second.result(), asks) == 1002
        stats = connection.stats()["property"]
        assert stats.done == 2
        assert stats.unknown + stats.late == 3


def test_words_of_somebody_before_us_answer_nothing() -> None:
    core = Counting()
    core.say(*(core.bus_address + 256 * n | 8 for n in range(20)))
    with connected(core) as connection:
        data, asks = asking(5)
        assert rate_of(connection.client("property").request(data), asks) == 1005
        assert connection.stats()["property"].unknown == 0


@pytest.mark.parametrize(("status", "reads"), [(0, 1024), (0xFFFFFFFF, 0)])
def test_what_is_no_mailbox_is_told_at_once(status: int, reads: int) -> None:
    class Nothing(VideoCore):
        def status(self, fifo: Any) -> int:
            return status

    says = f"this is no mailbox: after {reads} reads its status is {status:#010x}"
    with pytest.raises(AddressError, match=says):
        Connection(driver(Nothing()))


def test_a_restart_vouched_for_by_the_user_frees_the_buffers() -> None:
    core = Counting()
    core.mute = True
    with connected(core, slots=2) as connection:
        client = connection.client("property")
        requests = [client.submit(asking(n)[0]) for n in range(2)]
        connection.remote_restarted()
        assert all(request.exception() for request in requests)
        core.mute = False
        data, asks = asking(9)
        for _ in range(4):
            assert rate_of(client.request(data), asks) == 1009


# -- what the user may do wrong


@pytest.mark.parametrize(
    "message", [b"", b"hello", bytes(12), encode([]) + bytes(4), b"\x0c\0\0\0\1\0\0\0\0\0\0\0"]
)
def test_what_is_no_property_buffer_is_refused(message: bytes) -> None:
    core = VideoCore()
    with connected(core) as connection:
        for verb in (connection.client(8).request, connection.client(8).post):
            with pytest.raises(WrongMessage, match="begins with its size"):
                verb(message)
        assert core.taken == []


@pytest.mark.parametrize("message", [b"", b"\1\0\0\0", b"\0\0\0"])
def test_what_is_no_word_is_refused(message: bytes) -> None:
    core = VideoCore()
    with connected(core) as connection:
        for verb in (connection.client(3).request, connection.client(3).post):
            with pytest.raises(WrongMessage, match="a word of 4 bytes"):
                verb(message)
        with pytest.raises(MessageTooLong):
            connection.client(3).post(bytes(8))
        assert core.taken == []


def test_property_says_that_it_needs_a_pool() -> None:
    core = VideoCore()
    with Connection(Bcm2835(region=core.registers)) as connection:
        with pytest.raises(AddressError, match="pool=REGION"):
            connection.client("property")
        connection.client(3).post(b"\x10\0\0\0").result()


def test_raw_words_on_channel_8_are_the_clients_own_buffers() -> None:
    core = Counting()
    options = Bcm2835.Options(raw=True)
    with Connection(Bcm2835(options=options, region=core.registers)) as connection:
        data, asks = asking(4)
        words = [int.from_bytes(data[n : n + 4], "little") for n in range(0, len(data), 4)]
        core.memory.write_words(0x40, words)
        address = (core.bus_address + 0x40).to_bytes(4, "little")
        assert connection.client(8).request(address) == address
        reply = b"".join(
            word.to_bytes(4, "little") for word in core.memory.read_words(0x40, len(words))
        )
        assert rate_of(reply, asks) == 1004


@pytest.mark.parametrize(
    ("pool", "address"),
    [
        ("devmem:0x100000+0x1000", 0x100000),
        ("devmem:@0x100000+0x1000", 0x100000),
        ("devmem:owned=take@0x100000+0x1000", 0x100000),
        ("qtest:/tmp/q@0x200000", 0x200000),
        ("gdb:localhost:3333,verify=yes@4096", 4096),
        ("file:ram", 0),
    ],
)
def test_the_name_of_a_pool_says_where_it_is(pool: str, address: int) -> None:
    assert physical_address(pool) == address


def test_a_pool_without_an_address_in_its_name_wants_one() -> None:
    with pytest.raises(AddressError, match="bus=ADDRESS"):
        physical_address("uio:0/1")


@pytest.mark.parametrize("more", [{"bus": 0xFFFF_F000}, {}])
def test_a_pool_that_the_videocore_cannot_address_is_refused(
    tmp_path: Path, more: dict[str, int]
) -> None:
    with (tmp_path / "ram").open("wb") as ram:
        ram.truncate((1 << 30) + 8192)  # sparse
    where = "@0+0x2000" if more else "@0x3ffff000+0x2000"
    options = Bcm2835.Options(pool=f"file:{tmp_path}/ram{where}", **more)  # type: ignore[arg-type]
    with pytest.raises(AddressError, match="the VideoCore cannot address"):
        Connection(Bcm2835(options=options, region=VideoCore().registers))


def test_the_bus_address_of_a_pool_may_be_said(tmp_path: Path) -> None:
    """The memory is a file, which the VideoCore has mapped somewhere."""
    (tmp_path / "ram").write_bytes(bytes(8192))
    core = VideoCore()
    core.mute = True
    options = Bcm2835.Options(pool=f"file:{tmp_path}/ram@0x1000", bus=0x4800_0000)
    with Connection(Bcm2835(options=options, region=core.registers)) as connection:
        connection.client("property").submit(asking(3)[0])
        assert core.taken == [0x4800_0008]
    assert (tmp_path / "ram").read_bytes()[0x1000:].startswith(asking(3)[0])


def test_an_interrupt_that_is_not_there_is_not_promised() -> None:
    with pytest.raises(AddressError, match="no interrupt"):
        Connection(driver(VideoCore(), events="irq"))
    with pytest.raises(ValueError, match="neither irq nor poll"):
        driver(VideoCore(), events="maybe")


def test_polling_can_be_forced() -> None:
    core = Counting(interrupts=True)
    with connected(core, events="poll") as connection:
        assert connection._host.pump.descriptors == ()
        data, asks = asking(4)
        assert rate_of(connection.client("property").request(data), asks) == 1004
        assert core.config == 0


def test_the_interrupt_is_off_after_close() -> None:
    core = VideoCore(interrupts=True)
    with connected(core):
        assert core.config == 1
    assert core.config == 0


def test_a_lying_answer_is_a_remote_error_of_one_request() -> None:
    core = Counting()
    with connected(core) as connection:
        client = connection.client("property")
        data, asks = asking(1)
        core.fails = True
        with pytest.raises(RemoteError, match="0x80000001"):
            decode(client.request(data), asks)
        core.fails = False
        assert rate_of(client.request(data), asks) == 1001


def test_many_threads_get_their_own_replies() -> None:
    core = Counting(interrupts=True)
    wrong: list[int] = []
    with connected(core) as connection:
        client = connection.client("property")

        def work(clock: int) -> None:
            data, asks = asking(clock)
            for _ in range(30):
                if rate_of(client.request(data), asks) != 1000 + clock:
                    wrong.append(clock)

        threads = [threading.Thread(target=work, args=(n,)) for n in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert wrong == []
