"""A remote that serves: real sockets, its own thread, several hosts, deaths and restarts."""

import errno
import os
import socket
import struct
import subprocess
import sys
import threading
import time
from random import Random
from typing import Any, cast

import pytest

import mboxio
from mboxio.errors import (
    AddressError,
    MessageTooLong,
    RemoteError,
    RemoteGone,
    RequestTimeout,
    WouldDeadlock,
)
from mboxio.local.sockets import REFUSAL, connect, socket_path
from mboxio.remote import Remote
from mboxio.remote.channel import error_message
from mboxio.remote.serving.admission import (
    CONNECTIONS_MAX,
    HELLO_NS,
    MADE_ROOM,
    SHARE_KEPT,
    UNASKED_NS,
    Admission,
)
from mboxio.remote.serving.handshake import Peer, check_peer
from mboxio.remote.serving.rounds import RemoteEnd
from mboxio.remote.serving.server import ConnectedHost
from mboxio.remote.serving.shm import ShmServer
from mboxio.ring import ERROR, MESSAGE, REPLY, REQUEST

from .minihost import MiniHost, readable
from .support import echo, until_gone

PATIENCE_S = 10.0

pytestmark = pytest.mark.usefixtures("sockets")


def test_request_and_reply(remote: Remote) -> None:
    with MiniHost("demo") as host:
        for tag in range(200):
            assert host.request(b"abc", tag=tag) == (REPLY, tag, b"abc")
    assert remote.stats().requests == remote.stats().replies == 200


def test_many_in_flight(remote: Remote) -> None:
    with MiniHost("demo") as host:
        got: list[tuple[int, int, bytes]] = []
        for start in range(0, 1024, 32):
            for tag in range(start, start + 32):
                host.send(b"x", kind=REQUEST, tag=tag)
            got += host.receive(32)
    assert [tag for _, tag, _ in got] == list(range(1024))


def test_latency(remote: Remote) -> None:
    remote.handler("c", latency_s=300e-6, workers=4)(lambda message: message)
    with MiniHost("demo") as host:
        for tag in range(32):
            host.send(b"x", kind=REQUEST, tag=tag)
        assert [tag for _, tag, _ in host.receive(32)] == list(range(32))


def test_two_hosts(remote: Remote) -> None:
    with MiniHost("demo") as one:
        with MiniHost("demo") as other:
            assert one.layout.epoch != other.layout.epoch
            assert one.request(b"one") == (REPLY, 1, b"one")
            assert other.request(b"other", tag=7) == (REPLY, 7, b"other")
            assert [peer.pid for peer in remote.connections] == [os.getpid()] * 2
            assert [peer.epoch for peer in remote.connections] == [
                one.layout.epoch,
                other.layout.epoch,
            ]
            assert remote.notify("c", b"both") == 2
            assert one.receive() == other.receive() == [(MESSAGE, 0, b"both")]
        assert one.request(b"still") == (REPLY, 1, b"still")
    until_gone(remote)
    assert remote.notify("c", b"nobody") == 0


def test_notifications_never_wait(remote: Remote) -> None:
    with MiniHost("demo") as host:
        took = [remote.notify("c", bytes([number])) for number in range(40)]
        assert took == [1] * 32 + [0] * 8
        assert len(host.receive(32)) == 32
    assert (remote.stats().notifications, remote.stats().notifications_lost) == (32, 8)
    with pytest.raises(AddressError, match="no channel 'd'; there are: c"):
        remote.notify("d", b"")


def test_asking(remote: Remote) -> None:
    with pytest.raises(RemoteGone, match="no host"):
        remote.ask("c", b"", print)
    answers: list[tuple[bytes, int]] = []
    over = threading.Event()

    def answered(message: bytes, status: int) -> None:
        answers.append((message, status))
        over.set()

    with MiniHost("demo") as host:
        remote.ask("c", b"what", answered)
        ((kind, tag, question),) = host.receive()
        assert (kind, question) == (REQUEST, b"what")
        host.send(b"that", kind=REPLY, tag=tag)
        assert over.wait(PATIENCE_S)
        over.clear()
        remote.ask("c", b"more", answered)
    assert over.wait(PATIENCE_S)
    assert answers == [(b"that", 0), (b"the host is gone", errno.EPIPE)]


def test_asking_and_waiting(remote: Remote) -> None:
    results: list[Any] = []

    def ask() -> None:
        for _ in range(3):
            try:
                results.append(remote.ask_wait("c", b"what", PATIENCE_S))
            except (RemoteError, RemoteGone) as error:
                results.append(error)

    with MiniHost("demo") as host:
        with pytest.raises(RequestTimeout, match="did not answer"):
            remote.ask_wait("c", b"", timeout_s=0)
        host.receive()
        thread = threading.Thread(target=ask)
        thread.start()
        for kind, answer in ((REPLY, b"that"), (ERROR, error_message(-3, "no", 64))):
            ((_, tag, _),) = host.receive()
            host.send(answer, kind=kind, tag=tag)
        host.receive()
    thread.join(PATIENCE_S)
    assert results[0] == b"that"
    assert isinstance(results[1], RemoteError)
    assert results[1].status == -3
    assert isinstance(results[2], RemoteGone)


def test_a_handler_cannot_wait(remote: Remote) -> None:
    remote.channels["c"].handler = lambda message: remote.ask_wait("c", message)
    with MiniHost("demo") as host:
        kind, _, text = host.request(b"x")
        assert kind == ERROR
        assert WouldDeadlock.__name__.encode() in text


def test_a_handler_may_notify(remote: Remote) -> None:
    remote.channels["c"].handler = lambda message: bytes([remote.notify("c", b"event")])
    with MiniHost("demo") as host:
        host.send(b"x", kind=REQUEST, tag=1)
        assert host.receive(2) == [(MESSAGE, 0, b"event"), (REPLY, 1, b"\1")]


def test_a_handler_may_stop() -> None:
    remote = echo()
    remote.channels["c"].handler = lambda message: remote.stop()
    host = threading.Thread(target=lambda: call_and_wait(remote))
    server = remote  # serve() in this thread: the host waits until it can connect
    host.start()
    server.serve()
    host.join(PATIENCE_S)
    assert not os.path.exists(socket_path("demo"))


def call_and_wait(remote: Remote) -> None:
    while True:
        try:
            host = MiniHost("demo")
            break
        except RemoteGone:
            os.sched_yield()
    with host:
        host.send(b"x", kind=REQUEST)
        host.wait_gone()


class Stranger:
    """A connection from another user."""

    def getsockopt(self, level: int, option: int, size: int) -> bytes:
        assert (level, option) == (socket.SOL_SOCKET, socket.SO_PEERCRED)
        return struct.pack("3i", 4711, self.uid, 100)[:size]

    def __init__(self, uid: int) -> None:
        self.uid = uid


def test_strangers_are_refused() -> None:
    assert check_peer(cast(socket.socket, Stranger(0))) == (4711, 0)
    assert check_peer(cast(socket.socket, Stranger(os.geteuid()))) == (4711, os.geteuid())
    with pytest.raises(PermissionError, match="4711"):
        check_peer(cast(socket.socket, Stranger(os.geteuid() + 1)))


def test_too_many_hosts(remote: Remote, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mboxio.remote.serving.admission.CONNECTIONS_MAX", 1)
    with MiniHost("demo") as first:
        with connect("demo") as second:
            readable(second)
            assert second.recv(64) == b"MBX!there are 1 connections already"
            readable(second)
            assert second.recv(16) == b""
        with pytest.raises(RemoteGone, match="the remote refuses: there are 1 connections already"):
            mboxio.connect("shm:demo")
        assert first.request(b"x") == (REPLY, 1, b"x")
    assert remote.stats().refused == 2


def test_a_host_that_leaves_the_hello_unread_loses_its_place(
    remote: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = cast(ShmServer, remote._server)
    now_ns = time.monotonic_ns()
    with MiniHost("demo") as idle, connect("demo") as silent, MiniHost("demo") as busy:
        assert busy.request(b"x") == (REPLY, 1, b"x")
        assert server._admission.next_ns() is not None
        monkeypatch.setattr(
            "mboxio.remote.serving.hosts.monotonic_ns", lambda: now_ns + HELLO_NS + 60_000_000_000
        )
        server.wake()
        until_gone(remote, but=2)
        assert idle.request(b"x") == busy.request(b"x") == (REPLY, 1, b"x")
        assert silent.recv(64) == b"MBX1"
        assert silent.recv(64) == b""


def test_one_user_leaves_places_for_others() -> None:
    places = Admission()
    share = CONNECTIONS_MAX - CONNECTIONS_MAX // SHARE_KEPT
    places.check(1000, [1000] * (share - 1))
    with pytest.raises(OSError, match=f"there are {share} connections of .*1000.* already"):
        places.check(1000, [1000] * share)
    places.check(0, [1000] * share)
    with pytest.raises(OSError, match=f"there are {CONNECTIONS_MAX} connections already"):
        places.check(0, [1000] * share + [0] * (CONNECTIONS_MAX - share))


MINUTE_NS = 60_000_000_000


def test_who_never_asked_makes_room(remote: Remote, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mboxio.remote.serving.admission.CONNECTIONS_MAX", 4)  # one is kept
    with MiniHost("demo") as asking, MiniHost("demo") as silent, MiniHost("demo") as younger:
        assert asking.request(b"1") == (REPLY, 1, b"1")
        with pytest.raises(RemoteGone, match=r"there are 3 connections of .* already"):
            mboxio.connect("shm:demo")  # nobody has been silent for long
        now_ns = time.monotonic_ns() + UNASKED_NS + MINUTE_NS
        monkeypatch.setattr("mboxio.remote.serving.hosts.monotonic_ns", lambda: now_ns)
        with MiniHost("demo") as new:
            assert new.request(b"2") == (REPLY, 1, b"2")
            assert silent.socket.recv(64) == REFUSAL + MADE_ROOM.encode()
            assert silent.socket.recv(64) == b""
            for host in (asking, younger):
                assert host.request(b"3") == (REPLY, 1, b"3")
            with pytest.raises(RemoteGone, match=r"there are 3 connections of .* already"):
                mboxio.connect("shm:demo")  # everybody has asked something


def test_only_one_of_the_same_user_makes_room() -> None:
    places = Admission()
    share = CONNECTIONS_MAX - CONNECTIONS_MAX // SHARE_KEPT

    def place(uid: int, since_ns: int, asked: bool) -> Any:
        end = RemoteEnd()
        end.asked = asked
        return ConnectedHost(Peer(1, uid, 1), cast(socket.socket, None), end, since_ns)

    busy = [place(1000, number, True) for number in range(share - 2)]
    idle, young = place(1000, 5, False), place(1000, 6, False)
    late_ns = UNASKED_NS + 5
    assert places.makes_room(1000, 1, [*busy, idle], late_ns) is None  # there is a place
    assert places.makes_room(1000, 1, [*busy, idle, young], late_ns - 1) is None
    assert places.makes_room(1000, 1, [*busy, idle, young], late_ns) is idle
    assert places.makes_room(0, 1, [*busy, idle, young], late_ns) is None  # it has a place
    others = [place(1, 0, False) for _ in range(CONNECTIONS_MAX - share)]
    assert places.makes_room(0, 1, [*others, *busy, idle, young], late_ns) is None
    assert places.makes_room(1, 1, [*others, *busy, idle, young], late_ns) is others[0]


def test_accepting_again_after_an_error(remote: Remote, monkeypatch: pytest.MonkeyPatch) -> None:
    door = cast(ShmServer, remote._server)._door
    listening = door.socket

    class Exhausted:
        def accept(self) -> None:
            door.socket = listening
            raise OSError(errno.EMFILE, "Too many open files")

        def fileno(self) -> int:
            return listening.fileno()

    monkeypatch.setattr(door, "socket", Exhausted())
    with MiniHost("demo") as host:
        assert host.request(b"x") == (REPLY, 1, b"x")


def test_starting_twice(remote: Remote) -> None:
    with pytest.raises(RuntimeError, match="already"):
        remote.start()
    with pytest.raises(AddressError, match="somebody serves shm:demo already"):
        echo().start()
    with MiniHost("demo") as host:
        assert host.request(b"x") == (REPLY, 1, b"x")


def test_start_and_stop() -> None:
    remote = echo()
    assert remote.address == "shm:demo"
    assert repr(remote) == "<Remote shm:demo, stopped>"
    remote.stop()
    remote.restart()
    assert remote.lie("c", "front", 1) == 0
    assert remote.scribble(Random(1)) == []
    for _ in range(3):
        remote.start()
        assert repr(remote) == "<Remote shm:demo, connections: 0>"
        with MiniHost("demo") as host:
            remote.stop()
            host.wait_gone()
        remote.stop()
    assert not os.path.exists(socket_path("demo"))
    with pytest.raises(RemoteGone):
        connect("demo")


def test_declaring() -> None:
    with pytest.raises(AddressError):
        Remote("shm:demo/pmic")
    with pytest.raises(ValueError, match="spin_s"):
        Remote("demo", spin_s=-1)
    remote = Remote("demo")
    with pytest.raises(ValueError, match="no channel"):
        remote.start()
    remote.channel("up", host_sends=False, depth=3, message_bytes=16)
    remote.channel("down", host_receives=False)
    remote.channel("old", legacy=True)
    with pytest.raises(ValueError, match="declared already"):
        remote.channel("up")
    with pytest.raises(ValueError, match="never receives"):
        remote.notify("down", b"")
    for name in ("up", "down"):
        with pytest.raises(ValueError, match="one way"):
            remote.ask(name, b"", print)
    with remote, MiniHost("demo") as host:
        assert [each.flags for each in host.layout.channels] == [1, 2, 4]
        assert host.layout.channels[0].to_host.slots == 4
        remote.channel("new")
        assert remote.notify("new", b"for younger hosts") == 0
        with pytest.raises(RemoteGone):
            remote.ask("new", b"", print)
        with pytest.raises(MessageTooLong):
            remote.notify("up", bytes(17))


FORKS = """
import os, signal, sys, warnings
from mboxio.remote import Remote

warnings.simplefilter("ignore", DeprecationWarning)
remote = Remote("forks")
remote.handler("a")(bytes)
remote.start()
read, write = os.pipe()
child = os.fork()
if child == 0:
    os.close(write)
    remote.stop()  # as at the end of a with block: the parent's name is left alone
    os.read(read, 1)  # lives for as long as its parent
    os._exit(0)
os.close(read)
import mboxio

assert mboxio.open("shm:forks/a").request(b"x") == b"x"
remote.stop()
remote.start()
with mboxio.open("shm:forks/a") as client:
    assert client.request(b"y") == b"y"
if sys.argv[1] == "stopped":
    remote.stop()
    Remote("forks").handler("a")(bytes)
print("served again", flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("end", ["stopped", "killed"])
def test_a_remote_survives_the_forks_of_its_process(end: str) -> None:
    """What a child inherits keeps neither the name nor the hosts waiting."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORKS, end],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert "served again" in done.stdout, done.stderr
    again = Remote("forks")
    again.handler("a")(bytes)
    with again, mboxio.open("shm:forks/a") as client:
        assert client.request(b"z") == b"z"
