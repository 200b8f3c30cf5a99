"""Processors behind ``peer:`` and ``file:``, in this process and in others that are killed."""

import os
import select
import subprocess
import sys
import threading
import time
from pathlib import Path
from random import Random

import pytest

import mboxio
from mboxio.errors import AddressError, RemoteError, RemoteGone
from mboxio.regions import Region, open_region
from mboxio.remote.rpmsg import RpmsgRemote
from mboxio.remote.rpmsg.layout import TRACE_AT
from mboxio.remote.rpmsg.remote import main

from .host import PATIENCE_S, TableHost

KILLS = int(os.environ.get("MBOXIO_RPMSG_KILLS", "20"))
"""How often a process is killed; `make recovery` takes its time."""
SCRIPT = Path(__file__).parent / "served_process.py"


class Firmware:
    """See `served_process`. A context manager."""

    def __init__(self, address: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(SCRIPT), address],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        try:
            assert self.line() == "ready"
        except BaseException:
            self.kill()
            raise

    def line(self) -> str:
        assert self.process.stdout is not None
        assert select.select([self.process.stdout], [], [], PATIENCE_S)[0], "it says nothing"
        return self.process.stdout.readline().strip()

    def do(self, command: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(command + "\n")
        assert self.line() == "done"

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        with self.process:
            pass

    def __enter__(self) -> "Firmware":
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


class Link:
    """A host on a region, from connecting to closing."""

    def __init__(self, where: str) -> None:
        self.region: Region = open_region(where)
        self.host = TableHost(self.region)

    def __enter__(self) -> TableHost:
        self.host.begin()
        return self.host

    def __exit__(self, *_: object) -> None:
        interrupt = self.region.interrupt
        del self.host.link
        self.region.close()
        if interrupt is not None:
            interrupt.close()


def served(where: str) -> RpmsgRemote:
    remote = RpmsgRemote(where)
    remote.service("echo")
    return remote


def both_ways(tmp_path: Path) -> list[str]:
    return ["peer:board", f"file:{tmp_path}/memory.bin"]


@pytest.mark.parametrize("scheme", ["peer", "file"])
def test_services_over_both_access_paths(sockets: str, tmp_path: Path, scheme: str) -> None:
    where = "peer:board" if scheme == "peer" else f"file:{tmp_path}/memory.bin"
    remote = served(where)
    remote.trace("up\n")
    with remote, Link(where) as host:
        assert host.region.read_block(TRACE_AT, 4) == b"up\n\0"
        for number in range(50):
            assert host.ask("echo", b"%d" % number) == b"%d" % number
        late = remote.service("late", lambda message: message[::-1])
        assert host.ask("late", b"abc") == b"cba"
        assert remote.notify("late", b"unsolicited") == 1
        host.until(lambda: bool(host.messages), "an unsolicited message")
        assert host.messages.pop()[2] == b"unsolicited"
        late.withdraw()
        host.until(lambda: host.gone == ["late"], "it goes")
        assert [each.name for each in remote.channels] == ["echo"]
        with pytest.raises(AddressError, match="no service 'late'; there are: echo"):
            remote.notify("late", b"x")
        remote.trace("again\n")
        assert host.region.read_block(TRACE_AT, 10) == b"up\nagain\n\0"


@pytest.mark.parametrize("scheme", ["peer", "file"])
def test_a_remote_that_finds_no_host_says_so(sockets: str, tmp_path: Path, scheme: str) -> None:
    """And lets go of the memory, at which its compiled rings have looked."""
    where = "peer:board" if scheme == "peer" else f"file:{tmp_path}/memory.bin"
    with served(where), pytest.raises(RemoteGone, match="host is not ready"):
        mboxio.connect(f"virtio-rpmsg:?at={where}&role=remote")


@pytest.mark.parametrize("scheme", ["peer", "file"])
def test_a_new_life(sockets: str, tmp_path: Path, scheme: str) -> None:
    """Over a connection it is a new memory; in a file the status is not what the host wrote."""
    where = "peer:board" if scheme == "peer" else f"file:{tmp_path}/memory.bin"
    with served(where) as remote:
        with Link(where) as host:
            assert host.ask("echo", b"one") == b"one"
            remote.restart()
            if scheme == "file":
                assert host.region.read(host.status_at, 1) == 0
                host.begin()
                assert host.ask("echo", b"two") == b"two"
            else:
                assert host.region.interrupt is not None
                with pytest.raises(RemoteGone):
                    host.until(lambda: False)
        with Link(where) as host:
            assert host.ask("echo", b"three") == b"three"


def test_hosts_have_a_life_each(sockets: str) -> None:
    with served("peer:board") as remote, Link("peer:board") as one, Link("peer:board") as other:
        assert one.ask("echo", b"one") == b"one"
        assert other.ask("echo", b"other") == b"other"
        one.begin()
        assert one.ask("echo", b"again") == b"again"
        assert other.ask("echo", b"still") == b"still"
        assert remote.stats().links == 3
        assert len(remote.ends) == 2


def test_misbehaving(sockets: str) -> None:
    """What the remote is told to do wrong reaches the host; what comes of it is the host's tale."""
    with served("peer:board") as remote, Link("peer:board") as host:
        host.ask("echo", b"x")
        remote.flood(40)
        host.until(lambda: len(host.services) == 41, "the flood")
        assert remote.misname(b"\xff\xff") == 1
        host.until(lambda: bool(host.strange), "a name that is none")
        assert remote.put(9, 0x999, b"to nobody") == 1
        host.until(lambda: bool(host.messages), "a message to nobody")
        assert host.messages.pop() == (9, 0x999, b"to nobody")
        remote.leak()
        sent = 0
        while host.send("echo", b"x"):
            sent += 1
        assert sent == 16
        host.until(lambda: len(host.messages) == 16, "all are answered")
        assert not host.send("echo", b"x")
        remote.leak(False)
        host.until(lambda: host.link.free() == 16, "the buffers come back")
        host.messages.clear()
        remote.silence()
        host.send("echo", b"later")
        remote.silence(False)
        host.until(lambda: bool(host.messages), "it goes on")
        assert remote.lie(0, "index", 4711) == 1
        with pytest.raises(RemoteError, match="used index moved by"):
            host.until(lambda: False)
        host.begin()
        assert host.ask("echo", b"well") == b"well"
        assert remote.put(9, 0x400, b"x", length=5000) == 1
        with pytest.raises(RemoteError, match="a message of 5000 bytes"):
            host.until(lambda: False)


def test_scribbled_memory_harms_nobody_but_its_host(sockets: str) -> None:
    random = Random(7)
    with served("peer:board") as remote:
        for _ in range(10):
            with Link("peer:board") as host:
                host.ask("echo", b"x")
                for _ in range(30):
                    remote.scribble(random)
        with Link("peer:board") as host:
            assert host.ask("echo", b"fine") == b"fine"


def test_a_lying_host_is_dropped(sockets: str) -> None:
    with served("peer:board") as remote, Link("peer:board") as host:
        host.ask("echo", b"x")
        host.region.write(host.link.outgoing.available + 2, 0x5000, 2)
        host.ring()
        with pytest.raises(RemoteGone):
            host.until(lambda: False)
        assert remote.stats().lies == 1


def test_a_lying_host_of_a_file_comes_back(tmp_path: Path) -> None:
    where = f"file:{tmp_path}/memory.bin"
    with served(where) as remote, Link(where) as host:
        host.ask("echo", b"x")
        host.region.write(host.link.outgoing.available + 2, 0x5000, 2)
        host.until(lambda: remote.stats().lies == 1, "it is noticed")
        host.begin()
        assert host.ask("echo", b"again") == b"again"


@pytest.mark.timeout(max(60, 5 * KILLS))
@pytest.mark.parametrize("scheme", ["peer", "file"])
def test_killed_at_any_time(sockets: str, tmp_path: Path, scheme: str) -> None:
    """What comes of a life is a clean beginning of its answers, and the next life works."""
    where = "peer:board" if scheme == "peer" else f"file:{tmp_path}/memory.bin"
    random = Random(11)
    answered = 0
    for life in range(KILLS // 2):
        with Firmware(where) as firmware, Link(where) as host:
            assert host.ask("reverse", b"%d." % life) == (b"%d." % life)[::-1]
            killer = threading.Timer(random.uniform(0, 0.02), firmware.process.kill)
            killer.start()
            sent: list[bytes] = []
            end_s = time.monotonic() + PATIENCE_S
            try:
                while firmware.process.poll() is None:
                    assert time.monotonic() < end_s
                    if host.send("reverse", b"%d %d" % (life, len(sent))):
                        sent.append(b"%d %d" % (life, len(sent)))
                    host.look()
                host.look()
            except (RemoteGone, OSError):
                host.look()
            finally:
                killer.join()
            got = [each[2] for each in host.messages]
            assert got == [each[::-1] for each in sent[: len(got)]]
            answered += len(got)
    assert answered > 0


@pytest.mark.timeout(max(60, 5 * KILLS))
def test_hosts_that_are_killed_leave_nothing(sockets: str) -> None:
    """Hosts come and go without a word; the processor serves on."""
    with served("peer:board") as remote:
        for _ in range(KILLS):
            link = Link("peer:board")
            with link as host:
                host.until(lambda: "echo" in host.services, "the service")
                while host.send("echo", b"x"):
                    pass
        with Link("peer:board") as host:
            assert host.ask("echo", b"well") == b"well"
            host.until(lambda: len(remote.ends) == 1, "the others are gone")
        assert remote.stats().links == KILLS + 1


def test_addresses_that_cannot_be_served(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(AddressError, match="write peer:NAME or file:PATH"):
        RpmsgRemote("shm:board")
    with pytest.raises(ValueError, match="not a power of two"):
        RpmsgRemote("peer:board", num=12)
    main(["--help"])
    assert "rpmsg-raw" in capsys.readouterr().out
    for arguments in ([], ["shm:board"]):
        with pytest.raises(SystemExit) as end:
            main(arguments)
        assert end.value.code == 2
    assert "write peer:NAME" in capsys.readouterr().err
