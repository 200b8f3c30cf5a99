"""Regions of another process: what is handed over is checked, and its end is noticed."""

import fcntl
import mmap
import os
import socket
from collections.abc import Callable
from threading import Thread
from typing import Any

import pytest

import mboxio
from mboxio import AddressError, RemoteError, RemoteGone, _build
from mboxio.local.peer import PAGE_BYTES, PEER_HELLO, PeerRegion, prepare
from mboxio.local.sockets import listen
from mboxio.regions import Memory, open_region
from mboxio.remote.acpm import AcpmRemote
from mboxio.remote.serving.handshake import memfd, seal
from tests.shm.support import until

SIZE = 0x1000


class Server:
    """Listens as ``peer:x``, or another name, and answers hosts as the test says."""

    def __init__(self, name: str = "x") -> None:
        self.listening, self.lock = listen(name, "peer")
        self.path = self.listening.getsockname()
        self.links: list[socket.socket] = []

    def accept(self) -> socket.socket:
        self.listening.setblocking(True)
        link, _ = self.listening.accept()
        self.links.append(link)
        return link

    def hand_over(
        self,
        *,
        size: int = PAGE_BYTES + SIZE,
        hello: bytes = PEER_HELLO,
        sealed: bool = True,
        count: int = 1,
        spoil: Callable[[Memory], Any] = lambda memory: None,
    ) -> socket.socket:
        """Accept a host and hand a memory over, or what is said to be one."""
        link = self.accept()
        descriptor = memfd(size)
        with mmap.mmap(descriptor, size) as mapping:
            memory = Memory(mapping)
            prepare(memory)
            spoil(memory)
            memory.close()
        if sealed:
            seal(descriptor)
        socket.send_fds(link, [hello], [descriptor] * count)
        os.close(descriptor)
        return link

    def close(self) -> None:
        for link in self.links:
            link.close()
        self.listening.close()
        os.unlink(self.path)
        os.close(self.lock)


@pytest.fixture
def server(sockets: str) -> Any:
    server = Server()
    yield server
    server.close()


def knock(server: Server, **how: Any) -> PeerRegion:
    """Connect while the server hands something over."""
    thread = Thread(target=server.hand_over, kwargs=how)
    thread.start()
    try:
        region = open_region("peer:x")
        assert isinstance(region, PeerRegion)
        return region
    finally:
        thread.join()


def test_both_see_the_same_memory(server: Server) -> None:
    region = knock(server, spoil=lambda memory: memory.write(PAGE_BYTES + 8, 0x1234, 4))
    assert region.size_bytes == SIZE
    assert region.read(8, 4) == 0x1234
    region.close()
    region.close()


@pytest.mark.parametrize(
    ("how", "text"),
    [
        ({"sealed": False}, "not sealed"),
        ({"hello": b"MBX1"}, "no hello"),
        ({"count": 2}, "2 descriptors"),
        ({"size": PAGE_BYTES}, "a memory of 4096 bytes"),
        ({"spoil": lambda memory: memory.write(0, 7, 4)}, "page 0 says 0x7"),
        ({"spoil": lambda memory: memory.write(4, 2, 4)}, "version 2"),
        ({"spoil": lambda memory: memory.write(8, 0xFFFFFFFF, 4)}, "4294967295 bytes"),
    ],
)
def test_what_is_not_as_agreed_is_refused(server: Server, how: Any, text: str) -> None:
    with pytest.raises(RemoteError, match=text):
        knock(server, **how)


def test_no_descriptor(server: Server) -> None:
    thread = Thread(target=lambda: server.accept().send(PEER_HELLO))
    thread.start()
    with pytest.raises(RemoteError, match="0 descriptors"):
        open_region("peer:x")
    thread.join()


def test_windows(server: Server) -> None:
    region = knock(server)
    region.close()
    for text, size in (("peer:x@0x10+0x20", 0x20), ("peer:x@0x10", SIZE - 0x10)):
        thread = Thread(target=server.hand_over)
        thread.start()
        window = open_region(text)
        thread.join()
        assert window.size_bytes == size
        window.close()
    thread = Thread(target=server.hand_over)
    thread.start()
    with pytest.raises(RemoteError, match="nothing at 0x10"):
        open_region("peer:x@0x10+0x1000")
    thread.join()


def test_doorbell_interrupt_and_the_end(server: Server) -> None:
    region = knock(server)
    (link,) = server.links
    assert region.doorbell is not None
    assert region.interrupt is not None
    assert region.interrupt.clear() == 0
    link.send(b"\0")
    link.send(b"\0")
    assert region.interrupt.clear() == 2
    assert region.doorbell.armed is not None
    assert not region.doorbell.armed.peer_armed() or _build.name() == "pure"
    region.doorbell.ring()
    assert link.recv(16) == b"\0"
    link.shutdown(socket.SHUT_RDWR)
    with pytest.raises(RemoteGone):
        region.interrupt.clear()
    region.close()


def test_again_never_waits(server: Server) -> None:
    region = knock(server)
    assert region.again() is None, "the other side has not accepted yet"
    server.hand_over(spoil=lambda memory: memory.write(PAGE_BYTES, 5, 4))
    found = region.again()
    assert found is not None
    assert found.read(0, 4) == 5
    region.close()
    found.close()


def test_sealed_memory_cannot_shrink(server: Server) -> None:
    descriptor = memfd(PAGE_BYTES)
    seal(descriptor)
    assert fcntl.fcntl(descriptor, fcntl.F_GET_SEALS) & fcntl.F_SEAL_SHRINK
    os.close(descriptor)


@pytest.mark.skipif(_build.name() == "pure", reason="the pure build does not know")
def test_both_sides_say_where_they_run(sockets: str) -> None:
    """Not in the SRAM, which is foreign, but in the page before it."""
    cpu = max(os.sched_getaffinity(0))
    remote = AcpmRemote("peer:x")
    remote.channel(slot_bytes=16)
    with remote, mboxio.open("acpm:/0?at=peer:x&timeout_s=20") as client:
        assert remote._thread is not None
        assert remote._thread.native_id is not None
        os.sched_setaffinity(remote._thread.native_id, {cpu})
        client.request(bytes(16))

        found: list[bool] = []

        def look() -> None:
            os.sched_setaffinity(0, {cpu})  # of this thread
            until(client._queue.probe.shares_cpu, "the remote waits there for more")
            found.append(True)

        thread = Thread(target=look)
        thread.start()
        thread.join()
        assert found


def test_wrong_names(sockets: str) -> None:
    with pytest.raises(AddressError, match="peer:a/b is no name"):
        open_region("peer:a/b")
    with pytest.raises(RemoteGone, match="nobody serves peer:x"):
        open_region("peer:x")
