"""What authors of handlers are told: of the remote's, and of a client's that the remote asks."""

import asyncio
import errno
import functools
import gc
import re
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

import mboxio
from mboxio import Connection
from mboxio._host import subscriptions as subscribers
from mboxio._queue.handlers import Misreturned, named
from mboxio.controllers.loopback import Loopback
from mboxio.remote import Remote
from mboxio.remote.acpm import AcpmRemote
from mboxio.remote.serving import slow
from mboxio.sim import VirtualClock
from tests.race.manual import Manual

from .bench import Bench
from .minihost import MiniHost
from .test_shm_end import channel, error_of


def plain(message: bytes) -> bytes:
    return message


async def asynchronous(message: bytes) -> bytes:
    return message


def generator(message: bytes) -> Iterator[bytes]:
    yield message


async def both(message: bytes) -> AsyncIterator[bytes]:
    yield message


class Model:
    def __call__(self, message: bytes) -> bytes:
        return message

    async def method(self, message: bytes) -> bytes:
        return message


class AsyncModel:
    async def __call__(self, message: bytes) -> bytes:
        return message


ODD = [
    (asynchronous, "asynchronous at .*test_handlers.py:[0-9]+ is async: write a plain def"),
    (functools.partial(asynchronous), "asynchronous at .* is async"),
    (Model().method, "Model.method at .* is async"),
    (AsyncModel(), "AsyncModel.__call__ at .* is async"),
    (generator, "generator at .* is a generator"),
    (both, "both at .* is an async generator"),
    (b"", "a handler is a function, not b''"),
]
ODD_CALLBACKS = [
    (odd, told.replace("a handler", "a callback").partition(": write")[0]) for odd, told in ODD
]
odd_handlers = pytest.mark.parametrize(("handler", "told"), ODD)


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (plain, "plain at "),
        (functools.partial(plain), "plain at "),
        (Model(), "Model.__call__ at "),
        (Model().method, "Model.method at "),
        (lambda message: message, "<lambda> at "),
        (functools.wraps(plain)(lambda message: message), "plain at "),
    ],
)
def test_handlers_have_names(function: Any, name: str) -> None:
    assert named(function).startswith(name)
    assert f"{__file__}:" in named(function)


def test_a_handler_without_source_has_a_name() -> None:
    assert named(bytes) == "bytes"


# -- refused at once


@odd_handlers
def test_a_remote_refuses_what_cannot_answer(handler: Any, told: str) -> None:
    with pytest.raises(TypeError, match=f"^channel 'c': .*{told}"):
        Remote("demo").handler("c")(handler)
    with pytest.raises(TypeError, match=f"^channel '0': .*{told}"):
        AcpmRemote("peer:demo").channel(handler)


def test_a_decorator_without_its_channel_is_told() -> None:
    with pytest.raises(TypeError, match=r"write @remote\.handler\('name'\)"):
        Remote("demo").handler(plain)  # type: ignore[arg-type]


@odd_handlers
def test_a_blocking_client_refuses_what_cannot_answer(handler: Any, told: str) -> None:
    with Connection(Manual()) as connection:
        client = connection.client(0)
        with pytest.raises(TypeError, match=f"^channel '0': .*{told}"):
            client.on_request(handler)
        client.on_request(plain)


def test_an_async_client_awaits_its_handler() -> None:
    async def main() -> None:
        client = connection.async_client(0)
        client.on_request(asynchronous)
        with pytest.raises(TypeError, match="a handler is a function"):
            client.on_request(b"")  # type: ignore[arg-type]

    with Connection(Manual()) as connection:
        asyncio.run(main())


# -- what they return

WRONG: list[tuple[Callable[[bytes], Any], str]] = [
    (lambda message: "text", "returned str 'text', not bytes or None"),
    (lambda message: 7, "returned int 7, not"),
    (lambda message: [1, 2], r"returned list \[1, 2\], not"),
    (lambda message: asynchronous(message), "returned coroutine, not"),
    (lambda message: "x" * 1000, r"returned str 'x{58}\.\.\., not"),
]
wrong_answers = pytest.mark.parametrize(("handler", "told"), WRONG)


@wrong_answers
def test_a_remote_names_who_returned_no_bytes(
    handler: Callable[[bytes], Any], told: str, caplog: pytest.LogCaptureFixture
) -> None:
    served = channel(message_bytes=300)
    served.handler = handler
    bench = Bench(served)
    bench.request(b"x")
    assert error_of(bench.serve()[0])[:2] == (1, errno.EIO)
    (record,) = caplog.records
    assert re.search(f"^channel 'c': the handler <lambda> at .* {told}", record.message)
    assert "Traceback" not in caplog.text
    gc.collect()  # a coroutine that nobody closed would complain now


@wrong_answers
def test_acpm_names_who_returned_no_bytes(handler: Callable[[bytes], Any], told: str) -> None:
    served = AcpmRemote("peer:demo").channel(handler)
    with pytest.raises(Misreturned, match=f"^channel '0': the handler <lambda> at .* {told}"):
        served.handler(bytes(16))


@wrong_answers
def test_a_client_names_who_returned_no_bytes(
    handler: Callable[[bytes], Any], told: str, caplog: pytest.LogCaptureFixture
) -> None:
    driver = Manual(depth=2)
    with Connection(driver, clock=VirtualClock()) as connection:
        connection.client(0).on_request(handler)
        driver.ask(1, b"?")
        connection._host.gate.clock.advance(1)  # type: ignore[attr-defined]
        ((tag, text, status),) = driver.answers
    assert (tag, status) == (1, errno.EIO)
    assert text.startswith(b"channel '0': the handler <lambda> at ")
    (record,) = caplog.records
    assert re.search(f"^channel '0': the handler <lambda> at .* {told}", record.message)
    assert record.exc_info is None


# -- how long they take


def test_a_remote_says_once_which_handler_kept_it(
    remote: Remote, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(slow, "SLOW_NS", 0)
    remote.handler("c")(plain)
    remote.channel("d")
    with MiniHost("demo") as host:
        for tag in range(20):
            host.request(b"abc", tag=tag)
    (line,) = [each.message for each in caplog.records if "served nobody" in each.message]
    assert f"did not return: {named(plain)} (c). " in line


def test_a_client_says_once_which_handler_kept_it(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(subscribers, "SLOW_NS", -1)
    driver = Manual(depth=2)
    with Connection(driver, clock=VirtualClock()) as connection:
        connection.client(0).on_request(plain)
        for tag in range(3):
            driver.ask(tag, b"?")
            connection._host.gate.clock.advance(1)  # type: ignore[attr-defined]
        assert len(driver.answers) == 3
    (record,) = caplog.records
    assert f"the handler {named(plain)} kept the thread" in record.message


@pytest.mark.parametrize(("callback", "told"), ODD_CALLBACKS)
def test_odd_callbacks_are_refused(callback: Any, told: str) -> None:
    """They would be called, and what they return would never run."""
    with mboxio.open("loopback:/0") as client:
        request = client.submit(b"?")
        with pytest.raises(TypeError, match=told):
            request.add_done_callback(callback)
    remote = Remote("odd")
    remote.handler("a")(bytes)
    with remote, mboxio.connect("shm:odd"), pytest.raises(TypeError, match=told):
        remote.ask("a", b"?", callback)


@pytest.mark.parametrize(("far", "told"), [(odd, told) for odd, told in ODD if callable(odd)])
def test_an_odd_far_side_is_refused(far: Any, told: str) -> None:
    with pytest.raises(TypeError, match=told):
        Loopback(far=far)
