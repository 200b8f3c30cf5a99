"""Firmware that restarts, and hosts that do: nothing of an old life reaches a new one."""

from pathlib import Path
from typing import Any

import pytest

import mboxio
from mboxio import AddressError, RemoteError, RemoteGone, RequestTimeout
from mboxio.controllers.acpm import layout as acpm
from mboxio.controllers.acpm.layout import AcpmSpec
from mboxio.controllers.rings import Lane
from mboxio.regions.files import MappedFile

from .support import BASE, MS, Board, Far, numbered, own, silence, submit, tag_of


def test_a_descriptor_that_changed_is_another_life() -> None:
    board = Board(boot_word=0, timeout_s=1.0)
    with board.connect() as connection, connection.client(0) as client:
        requests = submit(client, range(20))
        old = board.far[0].take()[:10]
        board.far[0].answer(*old[:5])
        board.boot(2)
        board.clock.advance(11 * MS)
        ends = [request.exception() for request in requests]
        assert all(isinstance(end, RemoteGone) for end in ends)
        assert "descriptor in SRAM changed" in str(ends[0])
        fresh = client.request
        board.clock.call_at(board.clock.now_ns() + 60 * MS, board.far[0].serve)
        assert own(fresh(numbered(100), queue_timeout_s=1.0, timeout_s=1.0), 100)
        stats = connection.stats()["0"]
        assert (stats.done, stats.failed, stats.held_tags) == (1, 20, ())
        assert connection._host.life.epoch == 2


def test_a_descriptor_is_used_when_nobody_writes_it_any_more() -> None:
    board = Board()
    with board.connect() as connection, connection.client(0) as client:
        board.region.write(BASE + acpm.COUNT, 0, 4)  # as firmware begins
        board.clock.advance(20 * MS)
        connection._host.pump.look()
        with pytest.raises(RemoteGone):
            client.submit(numbered(1))
        board.boot(2)
        board.clock.advance(50 * MS)
        client._host.life.seek()
        assert connection._host.lost, "one look could be half-written"
        board.clock.advance(50 * MS)
        client._host.life.seek()
        assert not connection._host.lost
        request = client.submit(numbered(2))  # type: ignore[unreachable]
        board.far[0].serve()
        assert own(request.result(), 2)


def test_firmware_with_other_channels_is_refused_until_the_old_ones_are_back() -> None:
    board = Board()
    with board.connect() as connection, connection.client(0) as client:
        other = Board(AcpmSpec(8, 32), region=board.region)
        for _ in range(8):
            board.clock.advance(200 * MS)
            client._host.life.seek()
        with pytest.raises(RemoteGone, match="other channels"):
            client.submit(numbered(1))
        board.boot(3)
        for _ in range(8):
            board.clock.advance(2000 * MS)
            client._host.life.seek()
        request = client.submit(numbered(2))
        board.far[0].serve()
        assert own(request.result(), 2)
        assert other.far


def test_what_the_old_life_left_for_the_host_is_counted_and_given_to_nobody() -> None:
    board = Board()
    with board.connect() as connection, connection.client(0) as client:
        with client.subscribe() as messages:
            requests = submit(client, range(3))
            board.far[0].serve()
            board.far[0].put(b"\0\0\0\0from the old")
            connection.remote_restarted()
            assert all(isinstance(each.exception(), RemoteGone) for each in requests)
            with pytest.raises(RemoteGone):
                messages.get(0)
            with pytest.raises(RequestTimeout):
                messages.get(0)
        stats = connection.stats()["0"]
        assert (stats.unknown, stats.notifications, stats.unclaimed) == (3, 1, 1)
        again = submit(client, range(10, 13))
        board.far[0].serve()
        assert all(own(request.result(), 10 + n) for n, request in enumerate(again))


def test_messages_that_the_new_life_may_still_answer_hold_their_numbers() -> None:
    """They lie in the ring, so they will be taken; their tags are not used until then."""
    board = Board()
    with board.connect() as connection, connection.client(0) as client:
        old = submit(client, range(5))
        connection.remote_restarted()
        assert connection.stats()["0"].held_tags == tuple(sorted(request.tag for request in old))
        assert connection.stats()["0"].held_slots == 5
        new = submit(client, range(10, 12))
        assert board.far[0].serve() == 7
        assert all(own(request.result(), 10 + n) for n, request in enumerate(new))
        stats = connection.stats()["0"]
        assert (stats.late, stats.held_tags, stats.held_slots) == (5, (), 0)
        assert len(client._channel.correlator.free) == 63


def test_a_host_that_died_is_not_mistaken_for_the_next_one() -> None:
    """The new host program finds messages of the old one in the ring, and replies to it."""
    board = Board()
    first = board.connect()
    with first, first.client(0) as client:
        submit(client, range(10))
        answered = board.far[0].take()
        board.far[0].answer(*answered[:2])
        submit(client, range(10, 15))
    used = {tag_of(message) for message in answered}
    with board.connect() as connection, connection.client(0) as client:
        stats = connection.stats()["0"]
        assert stats.unknown == 2, "what came for the old one"
        assert len(stats.held_tags) == 5 + len(answered[2:])
        assert stats.held_slots == 5
        requests = submit(client, range(100, 120))
        assert not used & {request.tag for request in requests}, "the longest unused come first"
        board.far[0].answer(*answered[2:])
        board.far[0].serve()
        assert all(own(request.result(), 100 + n) for n, request in enumerate(requests))
        assert connection.stats()["0"].held_tags == ()


@pytest.mark.parametrize(
    ("field", "value"), [("front", 64), ("front", 0xFFFFFFFF), ("rear", 64), ("rear", 40)]
)
def test_an_index_that_lies_stops_its_channel_alone(field: str, value: int) -> None:
    board = Board(AcpmSpec(64, 16), AcpmSpec(64, 16))
    with (
        board.connect() as connection,
        connection.client(0) as client,
        connection.client(1) as other,
    ):
        requests = submit(client, range(3))
        where = board.layout.channels[0]
        word = where.to_host.front if field == "front" else where.to_remote.rear
        board.region.write(word, value, 4)
        errors = [request.exception() for request in requests]
        assert all(isinstance(error, RemoteError) for error in errors)
        assert field in str(errors[0])
        with pytest.raises(RemoteError):
            client.submit(numbered(4))
        request = other.submit(numbered(5))
        board.far[1].serve()
        assert own(request.result(), 5)
        board.boot(2)
        connection.remote_restarted()
        request = client.submit(numbered(6))
        board.far[0].serve()
        assert own(request.result(), 6)


def test_a_restart_that_left_nonsense_is_waited_out() -> None:
    board = Board()
    with board.connect() as connection, connection.client(0) as client:
        board.region.write(board.layout.channels[0].to_host.front, 99, 4)
        connection.remote_restarted()
        with pytest.raises(RemoteGone):
            client.submit(numbered(1))
        board.boot(2)
        for _ in range(4):
            board.clock.advance(2000 * MS)
            connection._host.life.seek()
        request = client.submit(numbered(2))
        board.far[0].serve()
        assert own(request.result(), 2)


def test_half_written_entries_are_never_delivered() -> None:
    """The firmware died between the payload and the front."""
    board = Board()
    with board.connect() as connection, connection.client(0) as client:
        request = client.submit(numbered(1))
        (message,) = board.far[0].take()
        slot = board.layout.channels[0].to_host.base
        board.region.write_block(slot, message[:8])
        assert not request.done()
        board.boot(2)
        connection.remote_restarted()
        assert isinstance(request.exception(), RemoteGone)
        second = client.submit(numbered(2))
        assert not second.done()
        board.far[0].serve()
        assert own(second.result(), 2)


def test_only_channels_in_use_are_touched() -> None:
    """The others may belong to a driver of the kernel."""
    board = Board(AcpmSpec(8, 16), AcpmSpec(8, 16))
    with board.connect() as connection, connection.client(0) as client:
        board.far[1].put(b"\0\0\0\0for another")
        request = client.submit(numbered(1))
        board.far[0].serve()
        assert own(request.result(), 1)
        ring = board.layout.channels[1].to_host
        assert (board.region.read(ring.front, 4), board.region.read(ring.rear, 4)) == (1, 0)


def test_a_channel_without_messages_has_no_clients() -> None:
    board = Board(AcpmSpec(8, 16), AcpmSpec(8, 16))
    board.region.write(board.layout.array + acpm.ENTRY_BYTES + acpm.SLOT_BYTES, 0, 4)
    with board.connect() as connection:
        with pytest.raises(AddressError, match="carries no messages"):
            connection.client(1)
        connection.client(0).close()


def test_a_channel_starts_again_where_it_stopped() -> None:
    board = Board()
    with board.connect() as connection:
        with connection.client(0) as client:
            (request,) = silence(board, client, 1)
        assert connection.stats()["0"].held_tags == (request.tag,)
        with connection.client(0) as client:
            second = client.submit(numbered(2))
            assert second.tag != request.tag
            board.far[0].serve()
            assert own(second.result(), 2)
            assert connection.stats()["0"].held_tags == (request.tag,)


def test_files_are_shared_with_whoever_maps_them(tmp_path: Path) -> None:
    path = f"{tmp_path}/sram.bin"
    board = Board()
    with open(path, "wb") as file:
        file.write(bytes(board.layout.size_bytes))
    with MappedFile(path) as region:
        acpm.write(region, board.layout)
        far = Far(region, board.layout.channels[0])
        address = f"acpm:/0?at=file:{path}&base={BASE:#x}"
        with mboxio.open(address) as client:
            request = client.submit(numbered(1))
            far.serve()
            assert own(request.result(), 1)
        window = f"@0+{board.layout.size_bytes:#x}"
        with mboxio.open(f"acpm:/0?at=file:{path}{window}&base={BASE:#x}") as client:
            assert client._channel.name == "0"
        del far


@pytest.mark.parametrize(
    ("address", "text"),
    [
        ("acpm:/0", "say where the SRAM is"),
        ("acpm:/0?at=nowhere:x", "is no region"),
        ("acpm:/0?at=file:/nowhere", "No such file"),
        ("acpm:/0?at=peer:a+b", "is no name"),
        ("acpm:/0?at=file:x&bas=1", "no option 'bas'; there are: at, base"),
    ],
)
def test_wrong_addresses(address: str, text: str) -> None:
    with pytest.raises(AddressError, match=text):
        mboxio.open(address)


def test_a_spinner_that_finds_the_rings_gone_has_no_news() -> None:
    """It looks without the lock, and another thread may have noticed the next life."""
    gone: Any = None
    for only_replies in (False, True):
        assert not Lane(gone, gone, False).news(only_replies)
    assert not Lane(gone, gone, False).shares_cpu()
