"""The cases that break libraries of this kind: signals, forks, loops that die, finalizers."""

import asyncio
import gc
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from mboxio import (
    Capabilities,
    Client,
    ClosedError,
    Connection,
    Controller,
    Done,
    ForkedError,
    MailboxError,
    Outcome,
    QueueFull,
    Request,
    RequestCancelled,
    Tagged,
    WouldDeadlock,
)
from mboxio._base.deputies import acting
from mboxio._base.native import COMPILED
from mboxio._base.states import DONE
from mboxio.controllers.loopback import Loopback
from mboxio.testing.tracer import Tracer
from tests.tools import fork

from .manual import Manual

pytestmark = pytest.mark.usefixtures("locks_checked")


@contextmanager
def interrupted_when_asleep(connection: Connection) -> Iterator[None]:
    """Press Ctrl-C once the main thread sleeps, until it notices."""
    asleep, noticed = threading.Event(), threading.Event()

    def handler(*_: object) -> None:
        if not noticed.is_set():
            noticed.set()
            raise KeyboardInterrupt

    def press() -> None:
        asleep.wait(20)
        while not noticed.wait(0.005):
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    def trace(point: str, _: Any) -> None:
        if point == "pump.sleeping" and acting() == threading.main_thread().ident:
            asleep.set()

    connection._host.add_tap(Tracer(trace))
    previous = signal.signal(signal.SIGINT, handler)
    thread = threading.Thread(target=press)
    thread.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            yield
    finally:
        noticed.set()
        asleep.set()
        thread.join()
        signal.signal(signal.SIGINT, previous)
        connection._host.gate.tap = None


WAITS: dict[str, Callable[[Client, Manual], object]] = {
    "reply": lambda client, driver: client.request(b"?", timeout_s=None),
    "tx done": lambda client, driver: client.send(b"?", timeout_s=None),
    "slot": lambda client, driver: (
        [client.submit(b"?") for _ in range(4)],
        client.request(b"?", queue_timeout_s=None),
    ),
    "flush": lambda client, driver: (client.post(b"?", timeout_s=None), client.flush(None)),
    "message": lambda client, driver: client.subscribe().get(),
    "wait": lambda client, driver: client.submit(b"?", timeout_s=None).wait(),
}


@pytest.mark.parametrize("wired", [False, True], ids=["parked", "on descriptors"])
@pytest.mark.parametrize("wait", WAITS)
def test_ctrl_c_in_each_wait(wait: str, wired: bool) -> None:
    driver = Manual(wired=wired, depth=4)
    with Connection(driver) as connection, connection.client(0, timeout_s=None) as client:
        with interrupted_when_asleep(connection):
            WAITS[wait](client, driver)
        assert connection._host.pump.leader in (None, connection._host.worker.parker)
        assert not connection._host.pump.parked
        assert connection.stats()["0"].queued == 0
        if wait in ("reply", "tx done"):
            assert connection.stats()["0"].cancelled == 1  # the verb owned its request
        if wait != "message":
            while driver.queue.in_flight():
                for _, handle, _ in driver.sent:
                    driver.happen(driver.tx_done, driver.queue, [handle])
                    driver.happen(driver.complete, driver.channels[0], handle, 0, b"!")
                connection._host.pump.look()
        request = client.submit(b"again")
        driver.answer(b"fine")
        assert request.result() == b"fine"


def test_a_loop_closed_with_requests_pending_hurts_nobody() -> None:
    driver = Manual(wired=True, depth=4)
    with Connection(driver) as connection:
        loop = asyncio.new_event_loop()

        async def leave_one_behind() -> Any:
            client = connection.async_client(0, timeout_s=None)
            client._settle_in()
            request = client.submit(b"left")
            request.future()
            return request

        request = loop.run_until_complete(leave_one_behind())
        loop.close()
        driver.answer(b"late for the loop")
        client = connection.client(0)
        other = client.submit(b"mine")
        driver.answer(b"yours")
        assert other.result() == b"yours"
        assert request.result() == b"late for the loop"
        with asyncio.Runner() as runner:
            second = client.submit(b"on another loop")
            driver.answer(b"works")
            assert runner.run(second_result(second)) == b"works"


async def second_result(request: Any) -> Any:
    return await request


def test_a_blocked_loop_starves_only_itself() -> None:
    driver = Manual(wired=True, depth=4)
    blocked, release, busy = threading.Event(), threading.Event(), threading.Event()

    def spin() -> None:
        while not release.is_set():
            busy.set()

    with Connection(driver) as connection:

        async def block_the_loop() -> bytes:
            async with connection.async_client(0, timeout_s=None) as client:
                request = client.submit(b"of the loop")
                blocked.set()
                release.wait(20)
                return await request

        threads = [
            threading.Thread(target=lambda: results.append(asyncio.run(block_the_loop()))),
            threading.Thread(target=spin),
        ]
        results: list[bytes] = []
        for thread in threads:
            thread.start()
        assert blocked.wait(20)
        assert busy.wait(20)
        client = connection.client(0, timeout_s=None)
        request = client.submit(b"of a thread")
        driver.answer(b"served")
        driver.answer(b"served, too", 0)
        assert request.result() == b"served"
        release.set()
        for thread in threads:
            thread.join()
        assert results == [b"served, too"]


def test_fork_in_traffic() -> None:
    driver = Manual(wired=True, depth=4)
    with Connection(driver) as connection, connection.client(0, timeout_s=None) as client:
        waiting = threading.Thread(target=lambda: kept.append(client.request(b"?")))
        kept: list[bytes] = []
        asleep = threading.Event()
        connection._host.add_tap(Tracer(lambda point, _: point == "pump.sleeping" and asleep.set()))
        waiting.start()
        assert asleep.wait(20)
        mine = client.submit(b"mine")
        pid = fork()
        if pid == 0:
            os._exit(in_the_child(connection, client, mine, driver))
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        driver.answer(b"parent", 0)
        driver.answer(b"parent", 1)
        assert mine.result() == b"parent"
        waiting.join()
        assert kept == [b"parent"]


def in_the_child(connection: Connection, client: Client, request: Any, driver: Manual) -> int:
    """Return 0 if everything of the parent's is dead here."""
    uses: list[Callable[[], object]] = [
        lambda: client.submit(b""),
        lambda: client.request(b""),
        lambda: request.result(),
        lambda: connection.client(0),
        lambda: connection.stats(),
        lambda: client.flush(),
    ]
    for number, use in enumerate(uses, 1):
        try:
            use()
        except ForkedError:
            continue
        return number
    client.close()
    connection.close()
    return 0 if driver.fd == -1 else 99


def test_an_exception_in_anothers_callback(caplog: pytest.LogCaptureFixture) -> None:
    driver = Manual(depth=4)
    with Connection(driver) as connection:
        one, other = connection.client(0), connection.client(0)
        heard = threading.Event()

        def fail(request: Any) -> None:
            raise ZeroDivisionError("a callback that fails")

        first, second = one.submit(b"1"), other.submit(b"2")
        first.add_done_callback(fail)
        second.add_done_callback(lambda _: heard.set())
        driver.answer(b"", 0)
        driver.answer(b"", 1)
        assert heard.wait(20)
        assert first.result() == second.result() == b""
    assert "a callback that fails" in caplog.text


class Immediate(Controller):
    """Everything is over when ``send`` returns."""

    def open(self) -> None:
        self.queue = self.add_queue(Capabilities(depth=1, matches_replies=True))
        self.add_channel("0", self.queue)

    def send(self, channel: Any, handle: int, message: bytes) -> Outcome:
        return Done(message)


def test_a_hundred_thousand_immediate_completions_in_a_chain() -> None:
    depth: list[int] = []
    over = threading.Event()
    left = 100_000

    with Connection(Immediate()) as connection, connection.client(0) as client:

        def again(_: Any) -> None:
            nonlocal left
            left -= 1
            if left % 10_000 == 0:
                depth.append(stack_depth())
            if left:
                client.submit(b"next").add_done_callback(again)
            else:
                over.set()

        client.submit(b"first").add_done_callback(again)
        assert over.wait(50)
    assert len(set(depth)) == 1, "the stack is as deep at the end as at the start"


def stack_depth() -> int:
    frame: Any = __import__("sys")._getframe()
    count = 0
    while frame is not None:
        count += 1
        frame = frame.f_back
    return count


def test_garbage_collection_at_any_point() -> None:
    class Careless:
        """Closes and cancels from its finalizer, wherever that happens to run."""

        def __init__(self, client: Client) -> None:
            self.client = client
            self.request = client.submit(b"\0\0\0\0")
            self.cycle = self

        def __del__(self) -> None:
            self.request.cancel()
            self.client.close()

    thresholds = gc.get_threshold()
    gc.set_threshold(1)
    try:
        driver = Manual(depth=8, matches_replies=False, correlators=(Tagged(bits=6),))
        with Connection(driver) as connection, connection.client(0) as client:
            for _ in range(100):
                Careless(connection.client(0))
                request = client.submit(b"\0\0\0\0", into=bytearray(16))
                channel = driver.channels[0]
                for _, handle, message in driver.sent:
                    driver.received(channel, [message])
                    driver.tx_done(driver.queue, [handle])
                driver.sent.clear()
                assert request.result() == 4
            gc.collect()
            client.post(b"")  # the next entry acts on the notes that finalizers left
            assert len(channel.clients) == 1  # type: ignore[attr-defined]
    finally:
        gc.set_threshold(*thresholds)


def test_a_call_from_inside_another_is_refused_or_deferred() -> None:
    driver = Manual(depth=4)
    said: list[BaseException] = []
    with Connection(driver) as connection:
        client, victim = connection.client(0), connection.client(0)
        request = victim.submit(b"")

        def inside(point: str, _: Any) -> None:
            if point != "request.sending":
                return
            for call in (lambda: client.submit(b""), lambda: request.result(), connection.stats):
                with pytest.raises(WouldDeadlock) as caught:
                    call()
                said.append(caught.value)
            request.cancel()
            assert not request.over, "only noted"
            victim.close()

        connection._host.add_tap(Tracer(inside))
        client.submit(b"")
        connection._host.gate.tap = None
        assert len(said) == 3
        with pytest.raises(RequestCancelled):
            request.result()
        with pytest.raises(ClosedError):
            victim.submit(b"")


@pytest.mark.parametrize("verb", ["request", "send", "flush", "get", "await"])
def test_cancel_at_every_await_point(verb: str) -> None:
    """Whenever the task is cancelled, the verb's request is over and nothing is left."""

    async def run(steps: int) -> bool:
        driver = Manual(wired=True, depth=1, reply_credits=1)
        with Connection(driver) as connection:
            async with connection.async_client(0, timeout_s=None) as client:
                blocker = client.post(b"fills the queue") if steps % 2 else None
                shared = client.submit(b"shared", timeout_s=None) if not steps % 2 else None
                if verb == "await" and shared is None:
                    return False
                task = asyncio.create_task(begin(client, verb, shared))
                for step in range(steps):
                    await asyncio.sleep(0)
                    if step == 2:
                        for _, handle, _ in driver.sent:
                            driver.happen(driver.tx_done, driver.queue, [handle])
                finished = task.done()
                task.cancel()
                (outcome,) = await asyncio.gather(task, return_exceptions=True)
                if not finished and not isinstance(outcome, bytes | None):  # type: ignore[has-type]
                    assert isinstance(outcome, asyncio.CancelledError), outcome  # type: ignore[has-type]
                if verb == "await" and shared is not None:
                    assert shared.status in ("sent", "awaiting reply"), "an awaiter hurts nobody"
                    shared.cancel()
                stats = connection.stats()["0"]
                assert stats.queued == 0
                assert not client._flushes.open
                for _, handle, _ in driver.sent:
                    driver.tx_done(driver.queue, [handle])
                    driver.complete(driver.channels[0], handle, 0, b"")
                for request in (blocker, shared):
                    assert request is None or request.over
                assert driver.queue.in_flight() == []
                assert connection.stats()["0"].in_flight == 0
                return finished

    for steps in range(12):
        asyncio.run(run(steps))


async def begin(client: Any, verb: str, shared: Any) -> Any:
    if verb == "flush":
        return await client.flush(None)
    if verb == "get":
        async with client.subscribe() as messages:
            return await messages.get()
    if verb == "await":
        return await shared
    return await getattr(client, verb)(b"?", queue_timeout_s=None)


def test_a_port_that_blocks_is_told() -> None:
    import mboxio

    said: list[MailboxError] = []
    driver = Manual(depth=2)
    with Connection(driver) as connection:

        def port(message: bytes, status: int) -> None:
            with pytest.raises(WouldDeadlock) as caught:
                client.request(b"inside a port")
            said.append(caught.value)

        client = connection.client(0, ports=mboxio.Ports(tx_done=port))
        client.post(b"x")
        driver.done()
        assert len(said) == 1


def test_a_blocking_verb_inside_a_callback_pumps() -> None:
    with Connection(Loopback()) as connection, connection.client(0) as client:
        heard: list[bytes] = []
        over = threading.Event()

        def callback(_: Any) -> None:
            heard.append(client.request(b"from a callback"))
            over.set()

        client.submit(b"x").add_done_callback(callback)
        assert over.wait(20)
        assert heard == [b"from a callback"]


def test_close_from_a_callback() -> None:
    connection = Connection(Loopback())
    client = connection.client(0)
    over = threading.Event()

    def callback(_: Any) -> None:
        connection.close()
        over.set()

    client.submit(b"x").add_done_callback(callback)
    assert over.wait(20)
    with pytest.raises(ClosedError):
        client.submit(b"y")
    thread = connection._host.worker.thread
    assert thread is not None
    thread.join()


def test_a_full_queue_is_refused_at_once_and_says_why() -> None:
    driver = Manual(depth=2)
    with Connection(driver) as connection, connection.client(0) as client:
        client.submit(b"1")
        client.submit(b"2")
        with pytest.raises(QueueFull) as caught:
            client.submit(b"3")
        assert caught.value.reason == "slots"
        assert caught.value.handed_over == "no"
        assert "2 slots" in str(caught.value)


@pytest.mark.skipif(COMPILED, reason="compiled calls cannot be seen, and nothing runs in between")
def test_another_thread_never_finds_a_state_without_its_outcome(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It runs between any two bytecodes: here, as soon as the state says that it is over."""
    apply = Request._apply
    found: list[Any] = []

    def applied(request: Request[Any], event: int) -> bool:
        done = apply(request, event)
        if request._state >= DONE:  # what `result` of another thread asks
            found.append(request._value)
        return done

    monkeypatch.setattr(Request, "_apply", applied)
    driver = Manual()
    with Connection(driver) as connection:
        client = connection.client(0)
        answered, cancelled = client.submit(b"1"), client.submit(b"2")
        driver.answer(b"one", 0)
        cancelled.cancel()
        assert answered.result() == b"one"
    assert found[0] == b"one"
    assert isinstance(found[1], RequestCancelled)
