"""Firmware in another process that dies, misbehaves and comes back."""

import os
import random
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import mboxio
from mboxio import Connection, RemoteError, RemoteGone, RequestTimeout

from .processes import PATIENCE_S, FirmwareProcess
from .support import numbered, own, submit

KILLS = int(os.environ.get("MBOXIO_ACPM_KILLS", "6"))
"""How often a process is killed; `make recovery` takes its time."""
RESTARTS = 100
IN_FLIGHT = 20
REVERSE: dict[str, Any] = {"slots": 32, "slot_bytes": 16}
each_mode = pytest.mark.parametrize("polled", [False, True], ids=["interrupts", "polled"])


def connect(address: str = "acpm:?at=peer:board", **options: Any) -> Connection:
    tail = "".join(f"&{name}={value}" for name, value in {"timeout_s": 20, **options}.items())
    return mboxio.connect(address + tail)


def until(condition: Any, what: str) -> None:
    """Wait for something that another process or thread does."""
    end_s = time.monotonic() + PATIENCE_S
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < end_s, f"in vain: {what}"
        pause.wait(0.001)


def works_again(client: Any, number: int) -> int:
    """Ask until a new life answers, because the old one may not be known to be over yet."""
    while True:
        try:
            reply = client.request(numbered(number), timeout_s=20, queue_timeout_s=20)
            assert own(reply, number)
            return number + 1
        except (RemoteError, RemoteGone):
            number += 1


@pytest.mark.timeout(max(60, 5 * KILLS))
@each_mode
def test_killed_and_restarted_with_20_requests_in_flight(sockets: str, polled: bool) -> None:
    """Every request ends; none gets the reply of another, or of another life."""
    slow = {**REVERSE, "polled": polled, "latency_s": 500e-6, "workers": 8}
    ends: Counter[str] = Counter()
    number = 0
    firmware = FirmwareProcess("peer:board", ("reverse", slow))
    try:
        with connect() as connection, connection.client(0) as client:
            for _ in range(KILLS):
                numbers = range(number, number + IN_FLIGHT)
                number += IN_FLIGHT
                requests = submit(client, numbers)
                if random.random() < 0.5:
                    requests[0].wait(PATIENCE_S)
                firmware.kill()
                for each, request in zip(numbers, requests, strict=True):
                    assert request.wait(PATIENCE_S), f"{request!r} did not end"
                    error = request.exception()
                    if error is None:
                        assert own(request.result(), each), "the reply of another request"
                    else:
                        assert isinstance(error, RemoteGone), error
                    ends[type(error).__name__] += 1
                firmware = FirmwareProcess("peer:board", ("reverse", slow))
                number = works_again(client, number)
            stats = connection.stats()["0"]
            assert (stats.held_tags, stats.held_slots, stats.held_credits) == ((), 0, 0)
            assert (stats.unknown, stats.in_flight, stats.late) == (0, 0, 0)
            assert ends["RemoteGone"] > 0
            assert stats.done + stats.failed == number
            assert connection._host.life.epoch == KILLS + 1
    finally:
        firmware.kill()


def test_restarted_in_the_same_sram_with_20_requests_in_flight(tmp_path: Path) -> None:
    """A file has no connection that could end: the descriptor, or its boot word, tells."""
    path = tmp_path / "sram.bin"
    slow = {**REVERSE, "latency_s": 500e-6, "workers": 8}
    with (
        FirmwareProcess(f"file:{path}", ("reverse", slow)) as firmware,
        connect(f"acpm:?at=file:{path}", boot_word=0) as connection,
        connection.client(0) as client,
    ):
        number = 0
        for _ in range(RESTARTS):
            numbers = range(number, number + IN_FLIGHT)
            number += IN_FLIGHT
            requests = submit(client, numbers)
            firmware.do("restart")
            for each, request in zip(numbers, requests, strict=True):
                assert request.wait(PATIENCE_S)
                error = request.exception()
                assert isinstance(error, RemoteGone) or own(request.result(), each), error
            number = works_again(client, number)
        stats = connection.stats()["0"]
        assert (stats.held_tags, stats.held_slots, stats.in_flight) == ((), 0, 0)
        assert stats.done + stats.failed == number
        assert connection._host.life.epoch > 1


def test_the_users_word_after_a_crash_that_nothing_tells_of(tmp_path: Path) -> None:
    path = tmp_path / "sram.bin"
    with (
        FirmwareProcess(f"file:{path}", ("reverse", REVERSE)) as firmware,
        connect(f"acpm:?at=file:{path}") as connection,
        connection.client(0) as client,
    ):
        assert own(client.request(numbered(0)), 0)
        for number in range(1, RESTARTS):
            firmware.do("silence", True)
            requests = submit(client, range(1000, 1000 + IN_FLIGHT))
            firmware.do("restart")
            connection.remote_restarted()
            firmware.do("silence", False)
            ends = {type(request.exception()) for request in requests}
            assert ends == {RemoteGone}
            assert own(client.request(numbered(number), queue_timeout_s=PATIENCE_S), number)
        stats = connection.stats()["0"]
        assert (stats.held_tags, stats.unknown, stats.late) == ((), 0, 0)


@each_mode
def test_replies_that_are_late_missing_and_out_of_order(sockets: str, polled: bool) -> None:
    faults = {
        "seed": 5,
        "late_probability": 0.2,
        "late_s": 0.06,
        "missing_probability": 0.03,
        "reorder_probability": 0.3,
        "reorder_s": 0.005,
    }
    with FirmwareProcess("peer:board", ("reverse", {**REVERSE, "polled": polled})) as firmware:
        firmware.do("misbehave", faults)
        # One in 33 replies never comes and keeps its number: fewer than there are numbers. What
        # finds no room waits for it, so firmware that stands still for longer than the time-out
        # costs what is in the ring and no more.
        with (
            connect(timeout_s=0.03) as connection,
            connection.client(0, backlog=400, queue_timeout_s=PATIENCE_S) as client,
        ):
            requests = submit(client, range(400))
            ends = Counter(end_of(request, number) for number, request in enumerate(requests))
            assert set(ends) == {"reply", "RequestTimeout"}

            def settled() -> bool:
                """Tell whether the host knows of all replies that the firmware did give."""
                missing = firmware.do("stats")["missing"]
                connection._host.pump.look()
                stats = connection.stats()["0"]
                return stats.done + stats.late + missing == 400

            until(settled, "the late replies free their numbers")
            stats = connection.stats()["0"]
            assert len(stats.held_tags) == firmware.do("stats")["missing"]
            assert stats.done == ends["reply"]
            firmware.do("restart")
            firmware.do("misbehave", {})
            works_again(client, 1000)
            assert connection.stats()["0"].held_tags == ()


def test_replies_that_come_twice(sockets: str) -> None:
    """The second one is nobody's, as long as its number is not in use again."""
    with FirmwareProcess("peer:board", ("reverse", REVERSE)) as firmware:
        firmware.do("misbehave", {"duplicate_probability": 1.0})
        with connect() as connection, connection.client(0) as client:
            for number in range(200):
                assert own(client.request(numbered(number)), number)

            def counted() -> bool:
                connection._host.pump.look()
                return connection.stats()["0"].unknown == 200

            until(counted, "the second replies")


def end_of(request: Any, number: int) -> str:
    """Wait for a request and say how it ended; its reply is its own."""
    assert request.wait(PATIENCE_S)
    error = request.exception()
    if error is None:
        assert own(request.result(), number), "the reply of another request"
        return "reply"
    return type(error).__name__


def test_a_firmware_that_takes_nothing_any_more(sockets: str) -> None:
    with (
        FirmwareProcess("peer:board", ("reverse", REVERSE)) as firmware,
        connect(timeout_s=0.02) as connection,
        connection.client(0) as client,
    ):
        firmware.do("silence", True)
        request = client.submit(numbered(1))
        error = request.exception() if request.wait(PATIENCE_S) else None
        assert isinstance(error, RequestTimeout)
        assert error.stage == "tx_done"
        assert connection.stats()["0"].held_slots == 1
        firmware.do("silence", False)

        def freed() -> bool:
            connection._host.pump.look()
            return connection.stats()["0"].held_slots == 0

        until(freed, "the message is taken")
        assert own(client.request(numbered(2), timeout_s=20), 2)


@pytest.mark.parametrize("field", ["front", "rear"])
def test_a_firmware_that_lies_about_an_index(sockets: str, field: str) -> None:
    with (
        FirmwareProcess("peer:board", ("reverse", REVERSE)) as firmware,
        connect() as connection,
        connection.client(0) as client,
    ):
        assert own(client.request(numbered(1)), 1)
        firmware.do("lie", 0, field, 32)
        connection._host.pump.look()
        with pytest.raises(RemoteError, match=f"{field} 32 is impossible"):
            client.submit(numbered(2))
        firmware.do("restart")

        works_again(client, 50)


def test_a_busy_notification_channel_beside_requests(sockets: str) -> None:
    """Notifications that fill their ring disturb no request, also of their own channel."""
    with (
        FirmwareProcess("peer:board", ("reverse", REVERSE), ("reverse", REVERSE)) as firmware,
        connect() as connection,
        connection.client(0) as client,
    ):
        got: list[bytes] = []
        sensor = connection.client(1)
        with client.subscribe() as mine, sensor.subscribe() as theirs:
            for number in range(60):
                for channel in (0, 1):
                    while not firmware.do("put", channel, b"\0\0\0\0" + bytes([number])):
                        connection._host.pump.look()
                assert own(client.request(numbered(number)), number)
            for messages in (mine, theirs):
                got = [messages.get(PATIENCE_S) for _ in range(60)]
                assert [each[4] for each in got] == list(range(60))


def test_nobody_serves(sockets: str) -> None:
    with pytest.raises(RemoteGone, match="nobody serves peer:board; start the remote"):
        connect()


def test_two_hosts_have_an_sram_each(sockets: str) -> None:
    with (
        FirmwareProcess("peer:board", ("reverse", REVERSE)),
        connect() as first,
        connect() as second,
        first.client(0) as one,
        second.client(0) as other,
    ):
        for number in range(20):
            assert own(one.request(numbered(number)), number)
            assert own(other.request(numbered(1000 + number)), 1000 + number)
