"""Event loops: flat stacks, callbacks outside the user's calls, and accounts that come out even."""

import asyncio
import os
import sys
import threading
from typing import Any

import pytest

from mboxio import Capabilities, Connection, Controller, Done, Outcome, RequestTimeout
from mboxio.client import open_async as async_open
from tests.race.manual import Manual

from .support import PATIENCE_S, reached


class Immediate(Controller):
    """Everything is over when ``send`` returns."""

    def open(self) -> None:
        self.queue = self.add_queue(Capabilities(depth=1, matches_replies=True))
        self.add_channel("0", self.queue)

    def send(self, channel: Any, handle: int, message: bytes) -> Outcome:
        return Done(message)


def stack_depth() -> int:
    frame: Any = sys._getframe()
    depth = 0
    while frame is not None:
        frame, depth = frame.f_back, depth + 1
    return depth


def test_a_chain_of_immediate_completions_keeps_the_stack_flat() -> None:
    left = 5_000
    depths: set[int] = set()

    async def run() -> None:
        over = asyncio.Event()
        with Connection(Immediate()) as connection:
            async with connection.async_client(0) as client:

                def again(_: Any) -> None:
                    nonlocal left
                    left -= 1
                    if left % 1000 == 0:
                        depths.add(stack_depth())
                    if left > 0:
                        client.submit(b"next").add_done_callback(again)
                    else:
                        over.set()

                client.submit(b"first").add_done_callback(again)
                await over.wait()

    asyncio.run(run())
    assert len(depths) == 1, depths


def test_a_callback_does_not_run_inside_the_users_own_call() -> None:
    inside: list[bool] = []

    async def run() -> None:
        heard = asyncio.Event()
        with Connection(Immediate()) as connection:
            async with connection.async_client(0) as client:
                request = client.submit(b"x")
                calling = True
                request.add_done_callback(lambda _: (inside.append(calling), heard.set()))
                calling = False
                await heard.wait()

    asyncio.run(run())
    assert inside == [False]


class Eventful(Manual):
    """No descriptor: the driver's own thread says event(), and the news wait to be serviced."""

    def happen(self, report: Any, *args: Any) -> None:
        self.waiting.append((report, args))
        self.event()


def test_an_event_of_a_driver_without_descriptors_reaches_a_loop() -> None:
    async def run() -> bytes:
        driver = Eventful()
        with Connection(driver) as connection:
            async with connection.async_client(0) as client, client.subscribe() as messages:
                waiting = asyncio.create_task(messages.get())
                await reached(lambda: messages.completion is not None)
                await asyncio.to_thread(driver.notify, b"news")
                return await asyncio.wait_for(waiting, PATIENCE_S)

    assert asyncio.run(run()) == b"news"


def test_giving_up_waiting_leaves_nothing_behind() -> None:
    async def run() -> None:
        with Connection(Manual(wired=True)) as connection:
            async with connection.async_client(0) as client, client.subscribe() as messages:
                for _ in range(50):
                    with pytest.raises(RequestTimeout):
                        await messages.get(timeout_s=0)
                assert messages.completion is not None
                assert len(messages.completion._watchers or ()) <= 1
                request = client.submit(b"", timeout_s=None)
                for _ in range(50):
                    request.future().cancel()
                await asyncio.sleep(0)  # cancelled futures call back in the next round
                assert len(request._watchers or ()) <= 1

    asyncio.run(run())


def test_what_a_loop_posts_first_is_attended() -> None:
    async def run() -> None:
        driver = Manual(wired=True, depth=1)
        with Connection(driver) as connection:
            client = connection.async_client(0, backlog=1)
            client.post(b"1")
            second = client.post(b"2")
            await asyncio.to_thread(driver.done, 0)
            await reached(lambda: second.status != "queued")  # status does not look by itself
            assert second.status == "sent"
            client.close()

    asyncio.run(run())


def test_an_async_client_moves_to_the_next_loop() -> None:
    driver = Manual(wired=True)
    with Connection(driver) as connection:
        client = connection.async_client(0, timeout_s=None)

        async def first() -> bytes:
            request = client.submit(b"1")
            driver.answer(b"one")
            return await request

        async def second() -> None:
            heard = asyncio.Event()
            request = client.submit(b"2")
            request.add_done_callback(lambda _: heard.set())
            driver.answer(b"two")
            await request
            await asyncio.wait_for(heard.wait(), PATIENCE_S)  # not given to the closed loop

        assert asyncio.run(first()) == b"one"
        asyncio.run(second())


def test_cancelling_open_async_leaves_no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Connection] = []
    entered, go_on = threading.Event(), threading.Event()

    def slow(*_: object, **__: object) -> tuple[Connection, Any]:
        entered.set()
        assert go_on.wait(PATIENCE_S)
        made.append(Connection(Manual(wired=True)))
        return made[0], made[0]._host.find_channel(0)

    monkeypatch.setattr(async_open, "reach", slow)

    async def run() -> None:
        task = asyncio.create_task(async_open.open_async("loopback:")._open())
        assert await asyncio.to_thread(entered.wait, PATIENCE_S)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        go_on.set()

    asyncio.run(run())  # joins the thread that connects
    closed = made[0].closed
    made[0].close()
    assert closed


def test_an_answer_of_a_cancelled_handler_makes_room_for_the_next() -> None:
    async def run() -> None:
        driver = Manual(wired=True)
        with Connection(driver) as connection:
            async with connection.async_client(0) as client:
                cancelled: list[bytes] = []

                async def handler(message: bytes) -> bytes:
                    task = asyncio.current_task()
                    assert task is not None
                    task.cancel()
                    cancelled.append(message)
                    await asyncio.Event().wait()
                    return b""

                client.on_request(handler, limit=2)
                for tag in range(2):
                    driver.ask(tag, b"?")
                await reached(lambda: len(cancelled) == 2)
                await reached(lambda: driver.channels[0].asked == 0)  # type: ignore[attr-defined]

    asyncio.run(run())


def test_closing_an_async_client_settles_its_account() -> None:
    """The needs of a loop are what lets it set timers: they must come out even."""

    async def run() -> int:
        with Connection(Manual(wired=True, depth=1)) as connection:
            client = connection.async_client(0, backlog=1)
            client.post(b"1")
            client.post(b"2")
            (port,) = connection._host.pump.loops
            assert port.needs > 0  # type: ignore[attr-defined]
            client.close()
            return int(port.needs)  # type: ignore[attr-defined]

    assert asyncio.run(run()) == 0


def test_a_backlog_without_a_home_moves_in_with_its_client() -> None:
    with Connection(Manual(wired=True, depth=1)) as connection:
        client = connection.async_client(0, backlog=1)
        client.post(b"1")
        client.post(b"2")  # queued, attended by nobody: no loop runs here

        async def run() -> int:
            client._settle_in()
            (port,) = connection._host.pump.loops
            assert port.needs == 2  # type: ignore[attr-defined]
            client.close()
            return int(port.needs)  # type: ignore[attr-defined]

        assert asyncio.run(run()) == 0


def is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def test_close_after_the_loop_stopped_leaves_no_descriptor() -> None:
    """The loop is not closed, but nobody runs what close() would schedule on it."""
    connection = Connection(Manual(wired=True))
    loop = asyncio.new_event_loop()

    async def use() -> int:
        connection.async_client(0)._settle_in()
        (port,) = connection._host.pump.loops
        (copy,) = port.ears.copies  # type: ignore[attr-defined]
        return int(copy)

    copy = loop.run_until_complete(use())
    assert is_open(copy)
    connection.close()
    left = is_open(copy)
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    assert not left, "the copy keeps the socket of a closed connection open"
