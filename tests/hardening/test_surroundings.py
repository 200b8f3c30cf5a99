"""Other event libraries, other Pythons, and other processes: what works, and what is said."""

import asyncio
import copy
import importlib.util
import os
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from typing import Any

import pytest

import mboxio
from mboxio.regions import Memory
from mboxio.remote import Remote

PATIENCE_S = 60.0

TRAFFIC = """
import mboxio
from mboxio.remote import Remote

remote = Remote("t")
remote.handler("echo", workers=4)(bytes)
with remote:
    for _ in range(2):
        with mboxio.open("shm:t/echo") as client:
            requests = [client.submit(bytes([n])) for n in range(8)]
            assert [each.result() for each in requests] == [bytes([n]) for n in range(8)]
    remote.stop()
    remote.start()
    with mboxio.open("shm:t/echo") as client:
        assert client.request(b"x") == b"x"
print("done")
"""


@pytest.fixture(autouse=True)
def sockets(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="mboxio-") as parent:
        monkeypatch.setenv("MBOXIO_RUNTIME_DIR", folder := os.path.join(parent, "sockets"))
        yield folder


def run(program: str) -> str:
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=PATIENCE_S
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    return ended.stdout


def needs(module: str) -> pytest.MarkDecorator:
    missing = importlib.util.find_spec(module) is None
    return pytest.mark.skipif(missing, reason=f"{module} is not installed")


# -- select.epoll is gone, as after gevent's patch_all


def test_a_remote_serves_without_epoll() -> None:
    assert run(f"import select\ndel select.epoll\n{TRAFFIC}") == "done\n"


def test_a_remote_whose_host_does_not_drain_without_epoll() -> None:
    program = """
import select
del select.epoll
import mboxio
from mboxio.remote import Remote

remote = Remote("t")
remote.handler("echo")(bytes)
with remote, mboxio.open("shm:t/echo") as client:
    remote.stop_draining_socket()
    assert client.request(b"1") == b"1"
    remote.stop_draining_socket(False)
    assert client.request(b"2") == b"2"
print("done")
"""
    assert run(program) == "done\n"


@needs("gevent")
def test_other_greenlets_go_on_while_one_serves_and_one_asks() -> None:
    program = """
from gevent import monkey
monkey.patch_all()
import gevent
import mboxio
from mboxio.remote import Remote

remote = Remote("t")

@remote.handler("slow")
def slow(message):
    gevent.sleep(0.05)
    return message

turns = 0

def turn():
    global turns
    while True:
        turns += 1
        gevent.sleep(0.001)

other = gevent.spawn(turn)
with remote, mboxio.open("shm:t/slow") as client:
    assert client.request(b"x") == b"x"
assert turns > 5, turns
other.kill()
print("done")
"""
    assert run(program) == "done\n"


# -- os.eventfd is missing, as in PyPy


def test_what_is_missing_is_named_where_it_is_needed() -> None:
    program = """
import os, sys
for name in ("eventfd", "eventfd_read", "eventfd_write", "pidfd_open"):
    delattr(os, name)
import mboxio
from mboxio.remote import Remote
from mboxio.remote.serving.waiter import Waiter
from mboxio.sim.interrupt import ModelInterrupt
from mboxio.regions.uio import UioInterrupt

with mboxio.open("loopback:") as client:
    assert client.request(b"x") == b"x"
remote = Remote("t")
remote.handler("echo")(bytes)
for start in (
    lambda: mboxio.connect("shm:t"),
    lambda: mboxio.connect("shm:t", wait_s=1e6),
    lambda: mboxio.connect("acpm:?at=peer:t"),
    remote.start,
    Waiter,
    lambda: ModelInterrupt(bool),
    lambda: UioInterrupt(-1),
):
    try:
        start()
    except RuntimeError as error:
        print(error)
"""
    said = run(program).splitlines()
    assert len(said) == 7
    assert all(each.startswith("mboxio needs os.eventfd here, which this cpython") for each in said)
    assert all(each.endswith("does not have: use CPython on Linux") for each in said)


# -- trio


@needs("trio")
def test_trio_is_told_what_to_use() -> None:
    program = """
import trio
import mboxio

async def main():
    for opening in (mboxio.open_async, mboxio.connect_async):
        try:
            await opening("loopback:")
        except RuntimeError as error:
            print(error)
    async with mboxio.connect("loopback:") as connection:
        try:
            await connection.async_client(0).request(b"x")
        except RuntimeError as error:
            print(error)
        client = connection.client(0)
        assert await trio.to_thread.run_sync(client.request, b"x") == b"x"

trio.run(main)
"""
    said = run(program).splitlines()
    assert len(said) == 3
    assert all("no asyncio event loop runs here" in each for each in said)
    assert all("trio.to_thread.run_sync(client.request, data)" in each for each in said)


def test_no_loop_at_all_is_told_the_same() -> None:
    opening = mboxio.open_async("loopback:").__await__()
    with pytest.raises(RuntimeError, match="no asyncio event loop runs here"):
        opening.send(None)


# -- the wrong kind of with


def test_a_blocking_client_in_an_async_with_is_closed() -> None:
    async def main() -> None:
        with pytest.raises(TypeError, match=r"write async with mboxio\.open_async"):
            async with mboxio.open("loopback:"):  # type: ignore[attr-defined]
                pass

    asyncio.run(main())


@pytest.mark.parametrize("opening", [mboxio.open_async, mboxio.connect_async])
def test_an_async_opening_in_a_with_is_told(opening: Any) -> None:
    with pytest.raises(TypeError, match="write async with"), opening("loopback:"):
        pass


# -- pickle, copy, multiprocessing


def ways(what: Any) -> None:
    name = type(what).__name__
    text = f"^a {name} cannot be copied or pickled, .* hand over the address, and connect there$"
    for way in (pickle.dumps, copy.copy, copy.deepcopy, lambda each: pickle.dumps([each], 0)):
        with pytest.raises(TypeError, match=text):
            way(what)


def test_what_belongs_to_a_process_is_not_copied() -> None:
    with mboxio.connect("loopback:") as connection:
        client = connection.client(0)
        ways(connection)
        ways(client)
        ways(connection.async_client(0))
        ways(client.subscribe())
        ways(client.submit(b"x"))
    with mboxio.open("loopback:") as client:
        ways(client)
    ways(Memory(bytearray(8)))
    ways(Remote("t"))
