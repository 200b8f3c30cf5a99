"""What went wrong in the ACPM driver of Linux, one test for each fix and each thing unfixed.

The defects are those of drivers/firmware/samsung/exynos-acpm.c since it was merged, and of the
proposals around it. Time is virtual: what takes seconds there takes none here.
"""

import errno
import random
import threading
from typing import Any

import pytest

from mboxio import (
    Connection,
    DriverError,
    MessageTooLong,
    QueueFull,
    RemoteError,
    ReplyTooLong,
    RequestTimeout,
)
from mboxio._base.clock import SYSTEM
from mboxio.controllers.acpm import Acpm
from mboxio.controllers.acpm import layout as acpm
from mboxio.controllers.acpm.layout import AcpmSpec
from mboxio.protocols.acpm_pmic import Pmic
from mboxio.remote.acpm.pmic import PmicModel
from mboxio.remote.acpm.sram import with_number_of
from mboxio.sim.words_only import WordsOnly

from .support import BASE, MS, Board, numbered, own, reply_to, silence, submit, tag_of

TAGS = 63
MORE_THAN_TAGS = AcpmSpec(80, 16)


# -- found and fixed there


def test_a_reply_that_another_thread_drained_is_no_time_out() -> None:
    """The ring was judged empty before the replies that somebody else had saved were looked at."""
    board = Board()
    with board.connect() as connection, connection.client(0) as client:
        first, second = submit(client, (1, 2))
        board.far[0].serve()
        assert own(second.result(), 2)  # takes both out of the ring
        assert board.region.read(board.layout.channels[0].to_host.rear, 4) == 2
        board.clock.advance(20 * MS)
        assert own(first.result(), 1)


def test_time_outs_are_deadlines_and_not_counted_in_looks() -> None:
    """Looks were counted, each taken for 20 us; however long one took."""
    board = Board()
    with board.connect() as connection, connection.client(0) as client:
        request = client.submit(numbered(1))
        for _ in range(10_000):
            assert not request.done()
        before = board.clock.now_ns()
        with pytest.raises(RequestTimeout):
            request.result()
        assert board.clock.now_ns() - before == pytest.approx(10 * MS, abs=MS // 10)


def test_the_timer_starts_at_the_doorbell() -> None:
    """A queued message's timer ran while it waited for the messages before it."""
    board = Board(AcpmSpec(2, 16))  # one slot
    with board.connect() as connection, connection.client(0, backlog=1) as client:
        client._timeout_ns, client._queue_timeout_ns = 10 * MS, 1000 * MS
        first = client.submit(numbered(1), timeout_s=0.5)
        second = client.submit(numbered(2))
        assert second.status == "queued"
        board.clock.advance(100 * MS)
        board.far[0].serve()
        assert own(first.result(), 1)
        board.clock.advance(8 * MS)
        assert not second.done(), "its time began when it was queued"
        board.far[0].serve()
        assert own(second.result(), 2)


def test_the_firmwares_error_codes_are_mapped() -> None:
    board = Board()
    model = PmicModel(refused=[(0, 0, 7)])
    with board.connect() as connection, connection.client(0) as client:
        operation = Pmic(client).start_read(7)
        for message in board.far[0].take():
            reply = model(message)
            assert reply is not None
            board.far[0].put(with_number_of(reply, message))
        with pytest.raises(RemoteError, match="refused to read register 0x07") as caught:
            operation.result()
        assert (caught.value.status, caught.value.errno) == (1, errno.EACCES)


def test_lengths_are_explicit() -> None:
    """A length in bytes was taken for one in words."""
    board = Board(AcpmSpec(8, 16))
    with board.connect() as connection, connection.client(0) as client:
        with pytest.raises(MessageTooLong):
            client.submit(bytes(17))
        client.submit(b"\1\2\0\0\5")
        (message,) = board.far[0].take()
        assert message == b"\1\2\1\0\5" + bytes(11), "padded with zeros, the number in place"
        with pytest.raises(ValueError, match="4 bytes"):
            client.submit(b"\1\2\0")


def test_the_length_of_a_reply_is_that_of_its_own_request() -> None:
    """Saved replies were cut to, or overran by, the length that the draining thread expected."""
    board = Board()
    with board.connect() as connection, connection.client(0) as client:
        long, short = bytearray(64), bytearray(15)
        plain = client.submit(numbered(1))
        first = client.submit(numbered(2), into=long)
        second = client.submit(numbered(3), into=short)
        board.far[0].serve()
        with pytest.raises(ReplyTooLong):
            second.result()  # drains for all
        assert short == bytes(15)
        assert first.result() == 16
        assert own(bytes(long[:16]), 2)
        assert long[16:] == bytes(48)
        assert len(plain.result()) == 16


def test_a_failed_open_leaves_nothing_behind() -> None:
    """Mailbox channels leaked when the set-up failed half-way."""
    closed: list[str] = []

    class Below:
        def close(self) -> None:
            closed.append("below")

    board = Board(mbox="some:")
    board.region.write(BASE + acpm.COUNT, 0, 4)
    driver = Acpm(options=board.options, region=board.region, connect=lambda address: Below())
    with pytest.raises(RemoteError, match="0 channels"):
        Connection(driver)
    assert closed == ["below"]


class Recorded(WordsOnly):
    """Device memory that remembers in which order it was accessed."""

    def __init__(self, size_bytes: int) -> None:
        super().__init__(size_bytes)
        self.order: list[tuple[str, int]] = []

    def read_words(self, offset: int, count: int) -> list[int]:
        self.order.extend(("read", offset + 4 * n) for n in range(count))
        return super().read_words(offset, count)

    def write_words(self, offset: int, words: Any) -> None:
        self.order.extend(("write", offset + 4 * n) for n in range(len(words)))
        super().write_words(offset, words)


def test_a_reply_is_copied_before_the_rear_moves() -> None:
    """Without a barrier the firmware could overwrite a slot that was still being read."""
    region = Recorded(0x4000)
    board = Board(AcpmSpec(8, 16), region=region)
    ours, theirs = board.layout.channels[0].to_remote, board.layout.channels[0].to_host
    with board.connect() as connection, connection.client(0) as client:
        region.order.clear()
        rung: list[int] = []
        board.bell.ring = lambda: rung.append(len(region.order))  # type: ignore[method-assign]
        request = client.submit(numbered(1))
        payload = max(region.order.index(("write", ours.base + at)) for at in range(0, 16, 4))
        assert payload < region.order.index(("write", ours.front)) < rung[0]
        board.far[0].serve()
        region.order.clear()
        assert own(request.result(), 1)
        rear = region.order.index(("write", theirs.rear))
        reads = [region.order.index(("read", theirs.base + at)) for at in range(0, 16, 4)]
        assert max(reads) < rear


def test_a_reply_that_is_there_when_time_is_up_is_no_time_out() -> None:
    """The state of a request was judged by its owner and by the drain at once."""
    board = Board()
    with board.connect() as connection, connection.client(0) as client:
        request = client.submit(numbered(1))
        board.far[0].serve()
        board.clock.jump(50 * MS)  # the host was busy elsewhere
        assert own(request.result(), 1)
        assert connection.stats()["0"].timed_out == 0


def test_only_the_reply_frees_a_number_whoever_drains() -> None:
    """A number was freed by its owner while the drain still used it."""
    board = Board()
    with board.connect() as connection, connection.client(0) as client:
        tags = client._channel.correlator
        (request,) = silence(board, client, 1)
        assert request.tag in tags.busy
        assert request.tag not in tags.free
        other = client.submit(numbered(2))
        board.far[0].serve()
        assert own(other.result(), 2)
        assert request.tag in tags.busy
        assert len(tags.free) == TAGS - 1


def test_numbers_are_taken_by_one_thread_at_a_time() -> None:
    """Two threads could claim the same number."""
    board = Board(clock=SYSTEM, timeout_s=20.0)
    seen: list[int] = []
    wrong: list[int] = []
    stop = threading.Event()
    with board.connect() as connection:

        def serve() -> None:
            while not stop.is_set():
                taken = board.far[0].take()
                seen.extend(tag_of(message) for message in taken)
                board.far[0].answer(*taken)

        def ask(client: Any, first: int) -> None:
            for number in range(first, first + 50):
                if not own(client.request(numbered(number)), number):
                    wrong.append(number)

        clients = [connection.client(0) for _ in range(4)]
        threads = [
            threading.Thread(target=ask, args=(client, 1000 * n))
            for n, client in enumerate(clients)
        ]
        firmware = threading.Thread(target=serve)
        firmware.start()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        stop.set()
        firmware.join()
        assert not wrong
        assert len(seen) == 200
        assert len(clients[0]._channel.correlator.free) == TAGS


def test_63_numbers_in_use_are_a_full_queue_and_no_endless_loop() -> None:
    """The search for a free number went on for ever when there was none."""
    board = Board(MORE_THAN_TAGS)
    with board.connect() as connection, connection.client(0) as client:
        requests = submit(client, range(TAGS))
        assert {request.tag for request in requests} == set(range(1, 64))
        before = board.clock.now_ns()
        with pytest.raises(QueueFull, match="all tags are in use") as caught:
            client.submit(numbered(99))
        assert board.clock.now_ns() == before, "it waited"
        assert (caught.value.reason, caught.value.handed_over) == ("tags", "no")
        board.far[0].serve()
        assert all(own(request.result(), n) for n, request in enumerate(requests))


# -- not fixed there


def test_the_late_reply_of_a_timed_out_request_is_not_given_to_the_next() -> None:
    """Freeing the number at the time-out would have done that; not freeing it ever leaks it."""
    board = Board()
    with board.connect() as connection, connection.client(0) as client:
        late = client.submit(numbered(0))
        (held,) = board.far[0].take()
        board.clock.advance(11 * MS)
        with pytest.raises(RequestTimeout) as caught:
            late.result()
        assert (caught.value.stage, caught.value.handed_over) == ("reply", "yes")
        assert connection.stats()["0"].held_tags == (late.tag,)
        used: set[int] = set()
        for number in range(1, 3 * TAGS):
            request = client.submit(numbered(number))
            used.add(request.tag)
            board.far[0].serve()
            if number == TAGS:
                board.far[0].answer(held)  # in the middle of other traffic
            assert own(request.result(), number)
            if number < TAGS:
                assert request.tag != late.tag
        assert late.tag in used, "the number came back into use"
        stats = connection.stats()["0"]
        assert (stats.late, stats.unknown, stats.held_tags) == (1, 0, ())
        assert stats.freed_by == {"tx_done": 0, "reply": 1} or stats.freed_by == {"reply": 1}


@pytest.mark.parametrize("seed", range(3))
def test_a_thousand_time_outs_whose_replies_come_late_free_all_63_numbers(seed: int) -> None:
    """A number whose request timed out was lost, also if its reply came after all."""
    order = random.Random(seed)
    board = Board()
    with board.connect() as connection, connection.client(0) as client:
        timed_out = number = 0
        waiting: list[bytes] = []
        while timed_out < 1000:
            count = order.randint(1, TAGS - len(waiting))
            requests = silence_all(board, client, count, number, waiting)
            number += count
            assert all(isinstance(each.exception(), RequestTimeout) for each in requests)
            timed_out += count
            order.shuffle(waiting)
            keep = order.randint(0, TAGS // 2)
            board.far[0].answer(*waiting[keep:])
            del waiting[keep:]
            connection._host.pump.look()
            assert len(connection.stats()["0"].held_tags) == len(waiting)
        board.far[0].answer(*waiting)
        connection._host.pump.look()
        stats = connection.stats()["0"]
        assert stats.late == stats.timed_out == timed_out
        assert (stats.unknown, stats.held_tags, stats.held_credits) == (0, (), 0)
        assert sorted(client._channel.correlator.free) == list(range(1, 64))
        requests = submit(client, range(TAGS))
        board.far[0].serve()
        assert all(own(request.result(), n) for n, request in enumerate(requests))


def silence_all(
    board: Board, client: Any, count: int, number: int, waiting: list[bytes]
) -> list[Any]:
    requests = submit(client, range(number, number + count))
    waiting.extend(board.far[0].take())
    board.clock.advance(11 * MS)
    assert all(request.done() for request in requests)
    return requests


@pytest.mark.parametrize("spec", [MORE_THAN_TAGS, AcpmSpec(64, 16)], ids=["tags", "tags and slots"])
def test_63_silent_time_outs_are_a_full_queue_until_a_proof_of_death(spec: AcpmSpec) -> None:
    """After 63 of them every further message was refused, for ever."""
    board = Board(spec)
    with board.connect() as connection, connection.client(0) as client:
        requests = silence(board, client, TAGS)
        assert {type(request.exception()) for request in requests} == {RequestTimeout}
        before = board.clock.now_ns()
        with pytest.raises(QueueFull) as caught:
            client.submit(numbered(99))
        assert board.clock.now_ns() == before, "it waited"
        assert caught.value.reason == "tags"
        assert sorted(caught.value.held_tags) == list(range(1, 64))  # type: ignore[attr-defined]
        assert str(list(range(1, 5)))[1:-1] in str(caught.value), "the numbers are named"
        connection.remote_restarted()
        stats = connection.stats()["0"]
        assert (stats.held_tags, stats.held_credits) == ((), 0)
        assert stats.freed_by["epoch"] == TAGS
        request = client.submit(numbered(100))
        board.far[0].serve()
        assert own(request.result(), 100)


def test_an_entry_with_sequence_0_does_not_wedge_the_channel() -> None:
    """The drain stopped there with EIO and left the entry in its place."""
    board = Board()
    with board.connect() as connection, connection.client(0) as client:
        with client.subscribe() as messages:
            request = client.submit(numbered(1))
            board.far[0].put(b"\0\0\0\0unsolicited")
            board.far[0].serve()
            assert own(request.result(), 1)
            assert messages.get(0) == b"\0\0\0\0unsolicited\0"
        request = client.submit(numbered(2))
        board.far[0].serve()
        assert own(request.result(), 2)


def test_a_doorbell_failure_after_the_front_moved_does_not_leak_the_number() -> None:
    """The message is in the ring, so nobody knows; its number was lost."""
    board = Board()
    with board.connect() as connection, connection.client(0) as client:
        board.bell.error = OSError(errno.EIO, "the doorbell is out of reach")
        request = client.submit(numbered(1))
        error = request.exception()
        assert isinstance(error, DriverError)
        assert error.handed_over == "unknown"
        assert "out of reach" in str(error)
        assert connection.stats()["0"].held_tags == (request.tag,)
        board.bell.error = None
        second = client.submit(numbered(2))  # its doorbell has the firmware find both
        board.far[0].serve()
        assert own(second.result(), 2)
        stats = connection.stats()["0"]
        assert (stats.late, stats.held_tags, stats.held_slots) == (1, (), 0)
        assert len(client._channel.correlator.free) == TAGS


def test_a_request_without_a_deadline_can_be_cancelled() -> None:
    """The proposed request mechanism had a wait without a time-out and no cancel."""
    board = Board()
    with board.connect() as connection, connection.client(0) as client:
        request = client.submit(numbered(1), timeout_s=None)
        (message,) = board.far[0].take()
        board.clock.advance(10_000_000 * MS)
        assert not request.done()
        assert request.cancel()
        assert connection.stats()["0"].held_tags == (request.tag,)
        board.far[0].put(reply_to(message))
        connection._host.pump.look()
        assert connection.stats()["0"].held_tags == ()
