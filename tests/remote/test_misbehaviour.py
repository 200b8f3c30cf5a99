"""Remotes that misbehave on demand, and hosts that misbehave on their own."""

import os
import socket
from random import Random

import pytest

from mboxio.errors import (
    AddressError,
    RemoteError,
    RemoteGone,
)
from mboxio.local.sockets import connect, ring_doorbell
from mboxio.remote import Faults, Greeting, Remote
from mboxio.ring import REPLY, REQUEST

from .minihost import MiniHost, readable
from .support import until_gone

PATIENCE_S = 10.0

pytestmark = pytest.mark.usefixtures("sockets")


def test_restart(remote: Remote) -> None:
    remote.handler("c", latency_s=3600)(lambda message: message)
    with MiniHost("demo") as host, MiniHost("demo") as other:
        host.send(b"x", kind=REQUEST, tag=1)
        other.send(b"x", kind=REQUEST, tag=1)
        remote.restart()
        assert remote.connections == ()
        host.wait_gone()
        other.wait_gone()
        assert host.pop("c") == []
        remote.handler("c")(lambda message: message)
        with MiniHost("demo") as again:
            assert again.layout.epoch not in (host.layout.epoch, other.layout.epoch)
            assert again.request(b"alive") == (REPLY, 1, b"alive")


def test_a_lying_host_is_dropped_alone(remote: Remote) -> None:
    with MiniHost("demo") as good, MiniHost("demo") as liar:
        liar.region.write(liar.layout.channels[0].to_remote.front, 99, 4)
        liar.socket.send(b"\0")
        liar.wait_gone()
        assert good.request(b"x") == (REPLY, 1, b"x")
    assert remote.stats().lies == 1


def test_a_lie_that_a_notification_meets(remote: Remote) -> None:
    with MiniHost("demo") as liar:
        liar.region.write(liar.layout.channels[0].to_host.rear, 99, 4)
        while remote.notify("c", b"x"):
            pass
        liar.wait_gone()
        with MiniHost("demo") as another:
            another.region.write(another.layout.channels[0].to_host.rear, 99, 4)
            for _ in range(32):
                remote.ask("c", b"", lambda message, status: None)
            with pytest.raises(RemoteGone):
                remote.ask("c", b"", lambda message, status: None)
            another.wait_gone()
    assert remote.stats().lies == 2


def test_hosts_that_scribble(remote: Remote) -> None:
    for seed in range(20):
        with MiniHost("demo") as host:
            random = Random(seed)
            for _ in range(50):
                host.region.write(
                    4 * random.randrange(host.region.size_bytes // 4), random.getrandbits(32), 4
                )
            ring_doorbell(host.socket)
    with MiniHost("demo") as host:
        assert host.request(b"alive") == (REPLY, 1, b"alive")


def test_silence(remote: Remote) -> None:
    with MiniHost("demo") as host:
        remote.silence()
        # Whoever comes next proves that the serving thread has seen it.
        with MiniHost("demo") as other:
            host.send(b"x", kind=REQUEST, tag=1)
            other.send(b"x", kind=REQUEST, tag=1)
            with MiniHost("demo"):
                pass
            assert not host.pop("c")
            assert len(remote.connections) >= 2
            remote.silence(False)
            assert host.receive() == other.receive() == [(REPLY, 1, b"x")]


def test_doorbells_are_left_in_the_socket(remote: Remote) -> None:
    with MiniHost("demo") as host:
        remote.stop_draining_socket()
        fill_with_doorbells(host.socket)
        with pytest.raises(BlockingIOError):
            host.socket.send(b"\0", socket.MSG_DONTWAIT)
        assert host.push("c", REQUEST, 1, b"seen without a doorbell")
        assert host.receive() == [(REPLY, 1, b"seen without a doorbell")]
        with MiniHost("demo"):  # its end is noticed all the same
            pass
        while len(remote.connections) > 1:
            os.sched_yield()
        remote.stop_draining_socket(False)
        host.socket.setblocking(True)
        host.socket.settimeout(PATIENCE_S)
        host.socket.send(b"\0")


def fill_with_doorbells(sending: socket.socket) -> None:
    # The remote may still be taking some when this starts; it has stopped when it is full for good.
    full = 0
    while full < 3:
        try:
            while True:
                sending.send(b"\0", socket.MSG_DONTWAIT)
        except BlockingIOError:
            full += 1
            os.sched_yield()


def test_faults_of_all_channels(remote: Remote) -> None:
    remote.faults = Faults(duplicate_probability=1)
    remote.channel("d", message_bytes=8)
    remote.channels["d"].faults = Faults(missing_probability=1)
    with MiniHost("demo") as host:
        host.send(b"lost", channel="d", kind=REQUEST)
        while not remote.stats().missing:
            os.sched_yield()
        host.send(b"x", kind=REQUEST, tag=1)
        assert host.receive(2) == [(REPLY, 1, b"x")] * 2
        remote.faults = None
        assert host.request(b"y") == (REPLY, 1, b"y")
        assert host.pop("d") == []
    assert remote.channels["d"].faults is None


def test_lies_and_scribbles(remote: Remote) -> None:
    with MiniHost("demo") as host:
        assert remote.lie("c", "tag", 99) == 1
        assert host.receive() == [(REPLY, 99, b"")]
        ((offset, value),) = remote.scribble(Random(1))
        assert host.region.read(offset, 4) == value
    with pytest.raises(AddressError):
        remote.lie("d", "tag", 1)


def test_greetings(remote: Remote) -> None:
    found: dict[Greeting, tuple[bytes, int, int]] = {}
    for greeting in Greeting:
        remote.greeting = greeting
        with connect("demo") as host:
            if greeting is Greeting.SILENT:
                while not remote.connections:
                    os.sched_yield()
                with pytest.raises(BlockingIOError):
                    host.recv(1)
            else:
                found[greeting] = describe(host)
        until_gone(remote)
    good_bytes = found[Greeting.GOOD][2]
    assert found == {
        Greeting.GOOD: (b"MBX1", 1, good_bytes),
        Greeting.UNSEALED: (b"MBX1", 1, -good_bytes),
        Greeting.TRUNCATED: (b"MBX1", 1, good_bytes // 2),
        Greeting.BAD_MAGIC: (b"MBX1", 1, good_bytes),
        Greeting.BAD_VERSION: (b"MBX1", 1, good_bytes),
        Greeting.NO_DESCRIPTOR: (b"MBX1", 0, 0),
        Greeting.MANY_DESCRIPTORS: (b"MBX1", 8, good_bytes),
        Greeting.BAD_HELLO: (b"MBX?", 1, good_bytes),
    }


def describe(host: socket.socket) -> tuple[bytes, int, int]:
    """Return hello, number of descriptors, and the size of the memory, negative if unsealed."""
    readable(host)
    hello, descriptors, _, _ = socket.recv_fds(host, 16, 16)
    size_bytes = os.fstat(descriptors[0]).st_size if descriptors else 0
    if descriptors:
        try:
            os.ftruncate(descriptors[0], size_bytes)
            os.ftruncate(descriptors[0], 0)
            size_bytes = -size_bytes
        except PermissionError:
            pass
    for descriptor in descriptors:
        os.close(descriptor)
    return hello, len(descriptors), size_bytes


@pytest.mark.parametrize(
    ("greeting", "wrong"), [(Greeting.BAD_MAGIC, "magic"), (Greeting.BAD_VERSION, "version")]
)
def test_bad_headers(remote: Remote, greeting: Greeting, wrong: str) -> None:
    remote.greeting = greeting
    with pytest.raises(RemoteError, match=wrong):
        MiniHost("demo")
    until_gone(remote)
