"""Descriptors that nobody asked for: whoever gets them waits for no close of theirs."""

import asyncio
import os
import socket
import threading

import pytest

import mboxio
from mboxio import RemoteError, RemoteGone
from mboxio.local import doorbells
from mboxio.local.doorbells import let_go, refuses_descriptors
from mboxio.local.peer import PeerInterrupt
from mboxio.local.sockets import DOORBELL, HELLO, connect, listen, socket_path, unlisten
from mboxio.remote import Remote
from mboxio.remote.serving.handshake import greet, new_memory
from mboxio.ring.layout import ChannelSpec
from tests.remote.minihost import MiniHost
from tests.shm.slow import SlowDescriptor, closing
from tests.shm.support import PATIENCE_S, Impostor, answer


@pytest.fixture(params=["a kernel that refuses", "a kernel that passes"])
def kernel(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Either kernel; with the second nothing is refused to the sender."""
    if request.param == "a kernel that passes":
        monkeypatch.setattr(doorbells, "refuse_descriptors", lambda connection: False)
        for module in ("local.sockets", "remote.serving.door"):
            monkeypatch.setattr(f"mboxio.{module}.refuse_descriptors", lambda connection: False)


def good(connection: socket.socket) -> object:
    memory, _, descriptor = new_memory([ChannelSpec("a", 8, 64)])
    try:
        greet(connection, memory, descriptor)
    finally:
        os.close(descriptor)
    return memory


def gone() -> str:
    """Return what connecting ends with, without what its traceback holds."""
    with pytest.raises((RemoteError, RemoteGone)) as raised:
        mboxio.connect("shm:t?connect_timeout_s=60")
    return str(raised.value)


HELLOS: dict[str, tuple[bytes, int, str]] = {
    "in place of the memory": (HELLO, 0, "no memfd"),
    "many": (HELLO, 252, "253 descriptors, not one"),
    "with another hello": (b"MBX?", 0, "no hello"),
    "with no hello": (b"", 0, "no hello"),
    "with a refusal": (b"MBX!no", 0, "refuses: no"),
}


@pytest.mark.parametrize("which", HELLOS)
def test_a_hello_with_a_slow_descriptor(kernel: None, which: str) -> None:
    hello, more, said = HELLOS[which]
    with (
        SlowDescriptor() as slow,
        Impostor("t", lambda connection: slow.send(connection, hello, more=more)),
    ):
        assert said in gone()
        assert closing()
        slow.let_go()
    assert not closing()


def test_a_doorbell_with_a_slow_descriptor(kernel: None, monkeypatch: pytest.MonkeyPatch) -> None:
    sent = threading.Event()

    def late(connection: socket.socket) -> bool:
        assert sent.wait(PATIENCE_S)
        return refuses_descriptors(connection)

    monkeypatch.setattr("mboxio.controllers.shm.refuses_descriptors", late)
    with SlowDescriptor() as slow:

        def greeted(connection: socket.socket) -> object:
            memory = good(connection)
            slow.send(connection, DOORBELL)  # before anything can be refused
            sent.set()
            return memory

        with Impostor("t", greeted) as remote, mboxio.connect("shm:t") as connection:
            client = connection.client("a", timeout_s=PATIENCE_S)
            remote.greet = lambda connection: None
            with pytest.raises(RemoteGone, match="it sends descriptors"):
                client.request(b"x")
            assert closing()
            slow.let_go()


@pytest.mark.parametrize("count", [1, 3])
def test_an_event_loop_waits_for_no_slow_descriptor(
    monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    """It has a copy of the socket, which may be the last one."""
    sent, hung_up = threading.Event(), threading.Event()
    ended: list[BaseException | None] = []

    def late(connection: socket.socket) -> bool:
        assert sent.wait(PATIENCE_S)
        return refuses_descriptors(connection)

    async def ask(connection: mboxio.Connection) -> None:
        async with connection.async_client("a", timeout_s=PATIENCE_S) as client:
            try:
                await client.request(b"x")
            except RemoteGone as error:
                ended.append(error.with_traceback(None))
            hung_up.set()

    monkeypatch.setattr("mboxio.controllers.shm.refuses_descriptors", late)
    with SlowDescriptor() as first:
        slow = [first, *(SlowDescriptor() for _ in range(count - 1))]

        def greeted(connection: socket.socket) -> object:
            memory = good(connection)
            for each in slow:
                each.send(connection, DOORBELL)
            sent.set()
            return memory

        with Impostor("t", greeted) as remote, mboxio.connect("shm:t") as connection:
            remote.greet = lambda connection: None
            looping = threading.Thread(target=lambda: asyncio.run(ask(connection)))
            looping.start()
            try:
                assert hung_up.wait(PATIENCE_S), "the event loop waits"
                looping.join(PATIENCE_S)
                assert not looping.is_alive(), "the event loop waits"
                assert "it sends descriptors" in str(ended)
                assert closing()
            finally:
                for each in slow:
                    each.reader.close()
                looping.join()


def test_what_lies_unread_delays_no_close(kernel: None) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs, SlowDescriptor() as slow:
        theirs.send(DOORBELL)
        theirs.send(b"")
        slow.send(theirs, DOORBELL)
        let_go(ours)
        assert closing()
        slow.let_go()


@pytest.mark.parametrize("unread", [0, 1, 100])
def test_a_connection_is_closed_by_who_closes_it(unread: int) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for _ in range(unread):
        theirs.send(DOORBELL)
    theirs.close()
    let_go(ours)
    assert ours.fileno() == -1
    assert not closing()


def test_an_interrupt_of_a_peer_with_a_slow_descriptor() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs, SlowDescriptor() as slow:
        theirs.send(DOORBELL)
        slow.send(theirs, DOORBELL)
        interrupt = PeerInterrupt(ours)  # too late to refuse it
        with pytest.raises(RemoteGone, match="sends descriptors"):
            interrupt.clear()
        interrupt.close()
        assert closing()
        slow.let_go()


def test_a_host_stops_no_remote(kernel: None, request: pytest.FixtureRequest) -> None:
    remote = Remote("t")
    remote.channel("c", depth=8, message_bytes=64)
    remote.handler("c")(answer)
    with remote, SlowDescriptor() as slow, MiniHost("t") as bad:
        refused = "refuses" in request.node.name and doorbells.refuses_descriptors(bad.socket)
        if refused:
            with pytest.raises(PermissionError):
                slow.send(bad.socket, DOORBELL)
        else:
            slow.send(bad.socket, DOORBELL)
        with mboxio.open("shm:t/c", timeout_s=PATIENCE_S) as client:
            assert client.request(b"12") == b"21"
        if not refused:
            bad.wait_gone()
        slow.let_go()


def test_who_waits_to_be_accepted_stops_no_end(kernel: None, sockets: str) -> None:
    listening, lock = listen("t")
    with SlowDescriptor() as slow, connect("t") as waiting:
        try:
            slow.send(waiting, DOORBELL)
        except PermissionError:
            pass
        unlisten(socket_path("t"), listening, lock)
        slow.let_go()
