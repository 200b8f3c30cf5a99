"""`map`: order, window, flow control, and every way in which it may end."""

import asyncio
import gc
from collections.abc import Iterator
from typing import Any

import pytest

from mboxio import (
    ClosedError,
    Connection,
    MessageTooLong,
    RemoteError,
    RequestTimeout,
    WouldDeadlock,
)
from mboxio.sim import VirtualClock
from tests.hardening.support import reached

from .manual import Manual

DEPTH = 4
TOO_LONG = bytes(100)


class Firmware(Manual):
    """Answers what it was sent when it is looked at, the latest first; ``mute`` is not answered."""

    def __init__(self, **capabilities: Any) -> None:
        super().__init__(depth=DEPTH, message_bytes=64, **capabilities)
        self.waits: list[tuple[Any, int, bytes]] = []
        self.most = 0
        self.mute = b"mute"

    def send(self, channel: Any, handle: int, message: bytes) -> Any:
        self.waits.append((channel, handle, message))
        self.most = max(self.most, len(self.waits))
        return super().send(channel, handle, message)

    def service(self, queue: Any, why: str) -> None:
        waits, self.waits = self.waits[::-1], []
        for channel, handle, message in waits:
            if message == b"bad":
                self.complete(channel, handle, 22, b"no such thing")
            elif message != self.mute:
                self.complete(channel, handle, 0, b"re:" + message)

    def arm(self, queue: Any) -> bool:
        return bool(self.waits)


class Rig:
    def __init__(self) -> None:
        self.firmware = Firmware()
        self.connection = Connection(self.firmware, clock=VirtualClock())
        self.client = self.connection.client(0, timeout_s=1.0)

    @property
    def in_flight(self) -> int:
        queue: Any = self.firmware.queue
        live = [each for each in queue.in_flight() if not each.over]
        return len(live) + sum(len(each._backlog) for each in queue.line)

    def texts(self) -> list[bytes]:
        return [message for _, _, message in self.firmware.sent]


@pytest.fixture
def rig() -> Iterator[Rig]:
    made = Rig()
    with made.connection:
        yield made


def numbers(count: int) -> list[bytes]:
    return [b"%d" % number for number in range(count)]


def answers(count: int) -> list[bytes]:
    return [b"re:%d" % number for number in range(count)]


@pytest.mark.parametrize("kind", [list, tuple, iter, lambda each: (bytearray(one) for one in each)])
@pytest.mark.parametrize("window", [None, 1, 2, 3, 100])
@pytest.mark.parametrize("count", [0, 1, 3, 4, 5, 17])
def test_replies_come_in_order(rig: Rig, kind: Any, window: int | None, count: int) -> None:
    assert list(rig.client.map(kind(numbers(count)), window=window)) == answers(count)
    assert rig.texts() == numbers(count)
    assert rig.firmware.most <= min(window or DEPTH, DEPTH)
    assert rig.firmware.most == min(window or DEPTH, DEPTH, count)


def test_nothing_is_sent_before_the_first_reply_is_asked_for(rig: Rig) -> None:
    replies = rig.client.map(numbers(9), window=3)
    assert rig.texts() == []
    assert next(replies) == b"re:0"
    assert len(rig.texts()) >= 3
    replies.close()
    replies.close()
    assert list(replies) == []
    assert rig.in_flight == 0


def test_a_source_without_end(rig: Rig) -> None:
    def endless() -> Iterator[bytes]:
        number = 0
        while True:
            yield b"%d" % number
            number += 1

    for number, reply in enumerate(rig.client.map(endless(), window=2)):
        assert reply == b"re:%d" % number
        if number == 10:
            break
    gc.collect()
    assert rig.in_flight == 0
    assert len(rig.texts()) <= 13


def test_the_first_error_comes_in_its_place_and_ends_it(rig: Rig) -> None:
    messages = [b"0", b"1", b"bad", b"mute", *numbers(20)]
    got = []
    with pytest.raises(RemoteError, match="no such thing"):  # noqa: PT012
        for reply in rig.client.map(messages, window=4):
            got.append(reply)
    assert got == answers(2)
    assert rig.in_flight == 0
    assert len(rig.texts()) < 10


def test_errors_are_returned_on_request(rig: Rig) -> None:
    messages = [b"0", b"bad", TOO_LONG, b"mute", b"4"]
    got = list(rig.client.map(messages, window=4, return_errors=True))
    assert [type(each) for each in got] == [
        *(bytes, RemoteError, MessageTooLong, RequestTimeout, bytes),
    ]
    assert got[-1] == b"re:4"


@pytest.mark.parametrize("window", [1, 4])
@pytest.mark.parametrize("kind", [list, iter])
@pytest.mark.parametrize(
    ("wrong", "error"), [(TOO_LONG, MessageTooLong), (7, TypeError), ("text", TypeError)]
)
def test_what_cannot_be_sent_fails_in_its_place(
    rig: Rig, kind: Any, window: int, wrong: Any, error: type[Exception]
) -> None:
    replies = rig.client.map(kind([b"0", b"1", wrong, b"3"]), window=window)
    assert [next(replies), next(replies)] == answers(2)
    with pytest.raises(error):
        next(replies)
    assert list(replies) == []
    assert rig.texts() == numbers(2)


def test_what_the_source_raises_comes_in_its_place(rig: Rig) -> None:
    def source() -> Iterator[bytes]:
        yield b"0"
        yield b"1"
        raise KeyError("lost my place")

    replies = rig.client.map(source(), return_errors=True)
    assert [next(replies), next(replies)] == answers(2)
    with pytest.raises(KeyError, match="lost my place"):
        next(replies)
    assert list(replies) == []


@pytest.mark.parametrize("where", ["source", "wait"])
def test_ctrl_c_leaves_nothing_behind(rig: Rig, where: str) -> None:
    def source() -> Iterator[bytes]:
        yield b"mute"
        yield b"mute"
        if where == "source":
            raise KeyboardInterrupt

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    replies = rig.client.map(source())
    if where == "wait":
        rig.connection._host.gate.clock.call_at(500_000_000, interrupt)
    with pytest.raises(KeyboardInterrupt):
        next(replies)
    assert rig.in_flight == 0
    assert list(replies) == []


def test_a_deadline_for_each(rig: Rig) -> None:
    replies = rig.client.map([b"0", b"mute", b"2"], timeout_s=0.25)
    assert next(replies) == b"re:0"
    with pytest.raises(RequestTimeout) as caught:
        next(replies)
    assert caught.value.stage == "tx_done"
    assert rig.in_flight == 0


def test_buffers_are_used_in_turn(rig: Rig) -> None:
    into = [bytearray(8), bytearray(8)]
    got = []
    for number, length in enumerate(rig.client.map(numbers(7), window=4, into=into)):
        got.append(bytes(into[number % 2][:length]))
    assert got == answers(7)
    assert rig.firmware.most == 2


def test_what_others_hold_is_waited_for(rig: Rig) -> None:
    """Messages stand in line where nothing of ours is in flight; else ours come first."""
    rig.firmware.mute = b"0"
    held = [rig.client.submit(b"0", timeout_s=0.5) for _ in range(DEPTH)]
    replies = rig.client.map([b"1", b"2"])
    with pytest.raises(RequestTimeout) as caught:
        next(replies)
    assert caught.value.stage == "queue"
    assert all(each.over for each in held)
    rig.firmware.tx_done(rig.firmware.queue, DEPTH)
    for _, handle, _ in list(rig.firmware.sent):
        rig.firmware.complete(rig.firmware.channels[0], handle, 0, b"late")
    assert list(rig.client.map([b"1", b"2"])) == [b"re:1", b"re:2"]


def test_a_client_that_is_closed_meanwhile(rig: Rig) -> None:
    replies = rig.client.map(numbers(9), window=2)
    assert next(replies) == b"re:0"
    rig.client.close()
    with pytest.raises(ClosedError):
        list(replies)
    assert rig.in_flight == 0


@pytest.mark.parametrize("window", [0, -1, 1.5, "2", True])
def test_a_wrong_window(rig: Rig, window: Any) -> None:
    with pytest.raises(ValueError, match="window is a number of requests"):
        rig.client.map([], window=window)


def test_other_wrong_arguments(rig: Rig) -> None:
    with pytest.raises(ValueError, match="into= has no buffers"):
        rig.client.map([], into=[])
    with pytest.raises(ValueError, match="a time-out is 0 or more"):
        rig.client.map([], timeout_s=-1)
    with pytest.raises(ValueError, match="a time-out is 0 or more"):
        rig.client.map([], queue_timeout_s=-1)
    with pytest.raises(TypeError):
        rig.client.map(7)  # type: ignore[call-overload]


def test_a_port_must_not_wait(rig: Rig) -> None:
    caught: list[BaseException] = []

    def port() -> None:
        try:
            next(rig.client.map([b"0"]))
        except WouldDeadlock as error:
            caught.append(error)

    rig.connection._host.gate.call(rig.connection._host.gate.post, port)
    assert len(caught) == 1
    assert rig.in_flight == 0


@pytest.mark.parametrize("window", [None, 1, 3])
def test_async_replies_come_in_order(window: int | None) -> None:
    async def main() -> None:
        firmware = Firmware(wired=True)
        with Connection(firmware) as connection:
            client = connection.async_client(0, timeout_s=10.0)
            got = [reply async for reply in client.map(numbers(17), window=window)]
            assert got == answers(17)
            assert firmware.most <= (window or DEPTH)
            assert [reply async for reply in client.map([])] == []
            errors = client.map([b"0", b"bad", b"2"], return_errors=True)
            assert [type(each) async for each in errors] == [bytes, RemoteError, bytes]
            with pytest.raises(RemoteError):
                [each async for each in client.map([b"0", b"bad", b"2"])]
            client.close()

    asyncio.run(main())


def test_a_task_that_is_cancelled_cancels_what_is_in_flight() -> None:
    async def main() -> None:
        firmware = Firmware(wired=True)
        with Connection(firmware) as connection:
            client = connection.async_client(0, timeout_s=None)
            got: list[bytes] = []

            async def read() -> None:
                async with client.map([b"0", b"mute", b"mute"]) as replies:
                    async for reply in replies:
                        got.append(reply)

            task = asyncio.create_task(read())
            await reached(lambda: got)  # since then it waits for the second one
            assert len(firmware.sent) == 3
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert all(each.over for each in firmware.queue.in_flight())
            client.close()

    asyncio.run(main())
