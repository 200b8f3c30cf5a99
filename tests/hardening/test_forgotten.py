"""Connections that a program forgets: they are closed, it is said which, and nothing stays."""

import asyncio
import gc
import os
import subprocess
import sys
import threading
import time
import warnings
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import mboxio
from mboxio import Client, ClosedError
from mboxio._base.native import COMPILED
from mboxio.remote import Remote
from tests.rpi.kernel import Kernel

from .support import PATIENCE_S


@pytest.fixture
def remote() -> Iterator[Remote]:
    remote = Remote("forgotten")
    remote.channel("a", depth=4, message_bytes=32)
    remote.handler("a")(bytes)
    remote.channel("slow", depth=4, message_bytes=32)
    remote.handler("slow", latency_s=60.0)(bytes)
    with remote:
        yield remote


def descriptors() -> set[str]:
    return set(os.listdir("/proc/self/fd"))


def gone(host: "weakref.ref[Any]") -> None:
    """Collect circles until it is gone: its own thread may hold it for a moment."""
    end_s = time.monotonic() + PATIENCE_S
    while host() is not None:
        assert time.monotonic() < end_s, "something keeps it"
        gc.collect()


def forget(use: Callable[[Client], object], channel: str = "a", kept: bool = False) -> list[str]:
    """Use a connection and forget it; returns what was said about it."""
    client = mboxio.open(f"shm:forgotten/{channel}", timeout_s=PATIENCE_S)
    use(client)
    host = weakref.ref(client._host)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        del client
        if kept:
            gc.collect()
        else:
            gone(host)
    return [str(each.message) for each in said if each.category is ResourceWarning]


USES: dict[str, Callable[[Client], object]] = {
    "nothing": lambda client: None,
    "a request": lambda client: client.request(b"x"),
    "a subscription": lambda client: client.subscribe(),
    "a handler": lambda client: client.on_request(bytes),
    "a callback": lambda client: client.submit(b"x").add_done_callback(id),
}


@pytest.mark.parametrize("use", USES)
def test_it_is_closed_and_named(remote: Remote, use: str) -> None:
    forget(USES["a request"])  # what is made once and kept
    before, threads = descriptors(), threading.active_count()
    for _ in range(3):
        (said,) = forget(USES[use])
        assert "unclosed connection to shm:forgotten" in said
    assert threading.active_count() == threads
    # The remote's ends close when it has noticed.
    with mboxio.open("shm:forgotten/a", timeout_s=PATIENCE_S) as client:
        assert client.request(b"still there") == b"still there"
    end_s = time.monotonic() + PATIENCE_S
    while remote.connections or len(descriptors()) > len(before):
        assert time.monotonic() < end_s, descriptors() - before
        os.sched_yield()


@pytest.mark.skipif(COMPILED, reason="the compiled build has no deputies")
def test_deputies_may_be_finalized_before_what_they_are_needed_for(remote: Remote) -> None:
    """The garbage collector takes what forms a circle in any order."""
    before = threading.enumerate()
    client = mboxio.open("shm:forgotten/a", timeout_s=PATIENCE_S)
    assert client.request(b"x") == b"x"
    deputies = client._host.gate.deputies
    assert deputies is not None
    deputies.__del__()
    client.close()
    for thread in set(threading.enumerate()) - set(before):
        thread.join(PATIENCE_S)
        assert not thread.is_alive()


def test_what_was_pending_ends_and_callbacks_hear_of_it(remote: Remote) -> None:
    ended: list[Any] = []

    def use(client: Client) -> None:
        # The request itself is forgotten as well: only the callback hears of it.
        client.submit(b"x").add_done_callback(lambda request: ended.append(request.exception()))

    forget(use, "slow")
    (error,) = ended
    assert isinstance(error, ClosedError)


def test_a_request_keeps_its_connection(remote: Remote) -> None:
    requests: list[Any] = []
    said = forget(lambda client: requests.append(client.submit(b"kept")), kept=True)
    assert said == []
    assert requests[0].result() == b"kept"
    requests[0]._owner._host.close()


def test_an_event_loop_keeps_none(remote: Remote) -> None:
    async def run() -> list[str]:
        connection = mboxio.connect("shm:forgotten")
        client = connection.async_client("a")
        assert await client.request(b"x", timeout_s=PATIENCE_S) == b"x"
        client.subscribe()
        await asyncio.sleep(0)
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            host = weakref.ref(client._host)
            del client, connection
            gone(host)
        return [str(each.message) for each in said if each.category is ResourceWarning]

    (said,) = asyncio.run(run())
    assert "unclosed connection to shm:forgotten" in said


def test_a_drivers_own_thread_keeps_none(tmp_path: Path) -> None:
    kernel = Kernel(tmp_path)
    threads = threading.active_count()
    connection = mboxio.Connection(kernel.driver())
    connection.client(0)
    assert threading.active_count() > threads
    held = [connection]
    del connection

    def drop() -> None:
        held.clear()
        gc.collect()

    with pytest.warns(ResourceWarning, match="unclosed connection to vcio"):
        drop()
    assert threading.active_count() == threads


PROGRAM = """
import sys, mboxio
from mboxio.controllers.loopback import Loopback

client = mboxio.Connection(Loopback()).client(0)
USE
"""


@pytest.mark.parametrize("use", ["request(b'x')", "submit(b'x').add_done_callback(repr)"])
def test_the_end_of_python_meets_none(use: str) -> None:
    """Threads of a forgotten connection never run again then, and nobody waits for them."""
    program = PROGRAM.replace("USE", f"client.{use}")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=PATIENCE_S)
    assert (done.returncode, done.stderr) == (0, b"")


def test_what_is_closed_says_nothing(remote: Remote) -> None:
    assert forget(lambda client: client._host.close()) == []
