"""The firmware in C among hosts that are silent, come and go, ring, or send descriptors.

Each test looks at what has happened and in which order: a host that is served while another one is
still silent was not kept waiting by it.
"""

import os
import resource
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from random import Random

import pytest

import mboxio
from mboxio import MailboxError, RemoteGone
from mboxio.local.sockets import DOORBELL, REFUSAL, connect, ring_doorbell
from mboxio.ring import REPLY, REQUEST
from mboxio.ring.layout import REMOTE_ARMED
from tests.remote.minihost import MiniHost, readable, receive_memory
from tests.shm.slow import SlowDescriptor
from tests.shm.support import PATIENCE_S, Program, numbered, until
from tests.shm.test_firmware_c import FirmwareInC, build

from . import evil

CFLAGS = os.environ.get("MBOXIO_HOSTILE_CFLAGS", "-O2")
PLACES = 8
SHARE = PLACES - PLACES // 4
SILENT = 16
USELESS_MAX = 16
"""Doorbells without a message, as in the example."""
LONG_NS = 10**18
ADDRESS = f"shm:t/echo?connect_timeout_s={PATIENCE_S}"

Start = Callable[..., FirmwareInC]
Built = Callable[[str], Path]

modes = pytest.mark.parametrize("mode", ["sleep", "100", "spin"])


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Build the example with settings, each once."""
    done: dict[str, Path] = {}

    def program(flags: str) -> Path:
        if flags not in done:
            out = tmp_path_factory.mktemp("firmware_c")
            done[flags] = build(out, "gcc", f"{CFLAGS} {flags}")
        return done[flags]

    return program


@pytest.fixture
def serve(built: Built, programs: list[Program]) -> Start:
    """Start the firmware with settings; hosts can connect when this returns."""

    def start(mode: str, flags: str = "") -> FirmwareInC:
        started = FirmwareInC(built(flags), "t", mode)
        programs.append(started)
        assert started.line() == "ready"
        return started

    return start


def descriptors(firmware: Program) -> int:
    return len(os.listdir(f"/proc/{firmware.pid}/fd"))


def there(silent: socket.socket) -> bool:
    """Return whether a connection lives; what the firmware sent stays unread."""
    poller = select.poll()
    poller.register(silent, 0)
    return not poller.poll(0)


def told(silent: socket.socket) -> bytes:
    """Return the last words that the firmware sent."""
    words = b""
    while True:
        readable(silent)
        try:
            said = silent.recv(256)
        except ConnectionResetError:
            continue  # told once where something was left unread, and messages may follow
        if not said:
            return words
        words = said


def served() -> None:
    """Be a host that comes, asks and goes."""
    with mboxio.open(ADDRESS, timeout_s=PATIENCE_S) as client:
        for number in range(3):
            assert client.request(numbered(number)) == numbered(number)


def knocked(name: str) -> socket.socket:
    """Connect, and say nothing."""
    return connect(name, patience_s=PATIENCE_S)


@modes
@pytest.mark.parametrize("takes_memory", [False, True], ids=["hello unread", "hello read"])
def test_silent_hosts_keep_nobody_out(serve: Start, mode: str, takes_memory: bool) -> None:
    firmware = serve(mode)
    before = descriptors(firmware)
    with ExitStack() as stack:
        silent = [stack.enter_context(knocked("t")) for _ in range(SILENT)]
        if takes_memory:
            assert all(receive_memory(each).size_bytes for each in silent)
        served()
        assert all(there(each) for each in silent)
    until(lambda: descriptors(firmware) == before, "all have gone")
    served()


@modes
def test_hosts_are_served_side_by_side(serve: Start, mode: str) -> None:
    serve(mode)
    with ExitStack() as stack:
        hosts = [stack.enter_context(MiniHost("t")) for _ in range(4)]
        for host in hosts:
            for tag in range(8):
                host.send(b"x", channel="echo", kind=REQUEST, tag=tag)
        for host in reversed(hosts):
            assert host.receive(8, "echo") == [(REPLY, tag, b"x") for tag in range(8)]


@modes
def test_the_oldest_silent_host_makes_room(serve: Start, mode: str) -> None:
    serve(mode, f"-DPLACES={PLACES} -DSILENT_S=0")
    with ExitStack() as stack:
        asks = stack.enter_context(MiniHost("t"))
        assert asks.request(b"x", channel="echo") == (REPLY, 1, b"x")
        silent = [stack.enter_context(knocked("t")) for _ in range(SHARE - 1)]
        served()
        assert told(silent[0]).startswith(REFUSAL + b"it asked nothing")
        assert all(there(each) for each in silent[1:])
        assert asks.request(b"y", channel="echo") == (REPLY, 1, b"y")


@modes
def test_who_has_no_place_is_told(serve: Start, mode: str) -> None:
    """Hosts of one process are silent, but not for long enough."""
    serve(mode, f"-DPLACES={PLACES} -DSILENT_S=1000000")
    with ExitStack() as stack:
        silent = [stack.enter_context(knocked("t")) for _ in range(SHARE)]
        with pytest.raises(RemoteGone, match="as many hosts as there may be"):
            mboxio.open("shm:t/echo")
        assert all(there(each) for each in silent)
        silent[2].close()
        with mboxio.open("shm:t/echo", wait_s=PATIENCE_S, timeout_s=PATIENCE_S) as client:
            assert client.request(b"x") == b"x"


STAYS = """
import sys
from mboxio.local.sockets import connect
kept = [connect("t", patience_s=60.0) for _ in range(int(sys.argv[1]))]
print("silent", flush=True)
sys.stdin.read()
"""


@contextmanager
def another(program: str, *arguments: object) -> Iterator["subprocess.Popen[str]"]:
    """Run hosts in a process of their own, until the block ends or they are killed."""
    command = [sys.executable, "-c", program, *map(str, arguments)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "silent\n"
            yield process
        finally:
            process.kill()


@modes
def test_a_process_that_takes_all_places_makes_room_at_once(serve: Start, mode: str) -> None:
    firmware = serve(mode, f"-DPLACES={PLACES} -DSILENT_S=1000000")
    full = descriptors(firmware) + SHARE
    with another(STAYS, SHARE):
        until(lambda: descriptors(firmware) == full, "all have come in")
        with MiniHost("t") as host, MiniHost("t") as second:
            assert host.request(b"x", channel="echo") == (REPLY, 1, b"x")
            assert second.request(b"y", channel="echo") == (REPLY, 1, b"y")
            assert descriptors(firmware) == full


@modes
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_a_host_that_ends_or_stops_half_way(serve: Start, mode: str, how: signal.Signals) -> None:
    """It has connected, and never takes what the firmware sent."""
    firmware = serve(mode)
    before = descriptors(firmware)
    with another(STAYS, 3) as halves:
        halves.send_signal(how)
        served()
    until(lambda: descriptors(firmware) == before, "all have gone")


@modes
def test_others_are_served_while_hosts_come_and_go(serve: Start, mode: str) -> None:
    firmware = serve(mode)
    before = descriptors(firmware)
    over, came = threading.Event(), 0

    def churn(stay: Callable[[socket.socket], object]) -> None:
        nonlocal came
        while not over.is_set():
            try:
                with connect("t") as link:
                    stay(link)
                    came += 1
            except MailboxError:
                os.sched_yield()  # others do the same

    ways: tuple[Callable[[socket.socket], object], ...] = (
        lambda link: None,
        lambda link: receive_memory(link).size_bytes,
    )
    threads = [threading.Thread(target=churn, args=(way,)) for way in ways]
    with mboxio.open("shm:t/echo", timeout_s=PATIENCE_S) as client:
        for thread in threads:
            thread.start()
        try:
            for number in range(100):
                count = came
                assert client.request(numbered(number)) == numbered(number)
                if number % 20 == 0:
                    with mboxio.open("shm:t/echo", wait_s=PATIENCE_S, timeout_s=PATIENCE_S) as new:
                        assert new.request(b"new") == b"new"
                    until(lambda: came > count, "the others come in as well")  # noqa: B023
        finally:
            over.set()
            for thread in threads:
                thread.join()
    until(lambda: descriptors(firmware) == before, "all have gone")


@modes
def test_who_comes_waits_in_proportion(serve: Start, mode: str) -> None:
    """Letting somebody in takes time from those who are there: then the door rests for longer."""
    serve(mode, f"-DRESTS={LONG_NS // 10**9}")
    with MiniHost("t") as alone, MiniHost("t") as second, knocked("t") as third:
        for number in range(100):
            for host in (alone, second):
                reply = (REPLY, 1, b"%d" % number)
                assert host.request(b"%d" % number, channel="echo") == reply
        with pytest.raises(BlockingIOError):
            third.recv(1)
        assert there(third)


@modes
def test_a_flood_of_doorbells_is_heard_ever_less(serve: Start, mode: str) -> None:
    """Of bells in a row with nothing behind them a few are taken; then there is a pause."""
    firmware = serve(mode, f"-DDEAF_NS={LONG_NS}")
    before = descriptors(firmware)
    with MiniHost("t") as other, MiniHost("t") as floods:
        assert floods.request(b"x", channel="echo") == (REPLY, 1, b"x")

        def bells() -> int:
            """Ring until there is no room for more."""
            rung = 0
            while True:
                try:
                    floods.socket.send(DOORBELL)
                except BlockingIOError:
                    return rung
                rung += 1

        firmware.freeze()
        assert bells() > USELESS_MAX
        firmware.thaw()
        taken = 0
        while taken < USELESS_MAX:
            taken += bells()
        for number in range(USELESS_MAX):
            assert other.request(b"%d" % number, channel="echo") == (REPLY, 1, b"%d" % number)
        # The one that is too many, and one that came with the request before them.
        assert taken + bells() <= USELESS_MAX + 2
        # What it sends is found all the same, at the latest when somebody else wakes the firmware.
        assert floods.push("echo", REQUEST, 7, b"y")
        assert other.request(b"y", channel="echo") == (REPLY, 1, b"y")
        assert floods.receive(1, "echo") == [(REPLY, 7, b"y")]
        floods.socket.close()
        until(lambda: descriptors(firmware) == before + 1, "its end is noticed")
        assert other.request(b"z", channel="echo") == (REPLY, 1, b"z")


@modes
def test_a_pause_ends(serve: Start, mode: str) -> None:
    """All bells of a flood are taken in the end, though nobody else wakes the firmware."""
    serve(mode, "-DDEAF_NS=1000")
    with MiniHost("t") as floods:
        for _ in range(1000):
            poller = select.poll()
            poller.register(floods.socket, select.POLLOUT)
            assert poller.poll(PATIENCE_S * 1000)
            ring_doorbell(floods.socket)
        assert floods.request(b"y", channel="echo") == (REPLY, 1, b"y")


@modes
@pytest.mark.parametrize("slow_max", [0, 16])
def test_a_slow_descriptor_costs_only_who_sends_it(serve: Start, mode: str, slow_max: int) -> None:
    """As on kernels that pass descriptors on."""
    firmware = serve(mode, f"-DSO_PASSRIGHTS=-1 -DSLOW_MAX={slow_max}")
    with SlowDescriptor() as slow, MiniHost("t") as other:
        assert other.request(b"x", channel="echo") == (REPLY, 1, b"x")
        with MiniHost("t") as bad, knocked("t") as early:
            firmware.freeze()  # else it may let go before we have
            slow.send(bad.socket, DOORBELL)
            evil.descriptors(early, Random(1))
            firmware.thaw()
            bad.wait_gone()
            told(early)
        assert other.request(b"y", channel="echo") == (REPLY, 1, b"y")
        served()


@modes
def test_a_liar_among_others(serve: Start, mode: str) -> None:
    serve(mode)
    with MiniHost("t") as older, MiniHost("t") as liar, MiniHost("t") as younger:
        liar.region.write(liar.layout.channels[0].to_remote.front, 0xFFFF, 4)
        ring_doorbell(liar.socket)
        liar.wait_gone()
        for host in (younger, older):
            assert host.request(b"x", channel="echo") == (REPLY, 1, b"x")


@modes
def test_without_descriptors_those_who_are_there_are_served(serve: Start, mode: str) -> None:
    firmware = serve(mode)
    limits = resource.prlimit(firmware.pid, resource.RLIMIT_NOFILE)
    with MiniHost("t") as host:
        assert host.request(b"x", channel="echo") == (REPLY, 1, b"x")
        full = descriptors(firmware)
        resource.prlimit(firmware.pid, resource.RLIMIT_NOFILE, (full + 1, limits[1]))
        with knocked("t") as new:
            assert told(new) == REFUSAL + b"it has no memory or no descriptor left"
        until(lambda: descriptors(firmware) == full, "it is let go")
        resource.prlimit(firmware.pid, resource.RLIMIT_NOFILE, (full, limits[1]))
        with knocked("t") as new:
            for number in range(3):
                reply = (REPLY, 1, b"%d" % number)
                assert host.request(b"%d" % number, channel="echo") == reply
            assert there(new)
            resource.prlimit(firmware.pid, resource.RLIMIT_NOFILE, limits)
            assert receive_memory(new).size_bytes


def test_without_hosts_it_sleeps_though_it_spins(serve: Start) -> None:
    firmware = serve("spin")

    def sleeps() -> bool:
        return Path(f"/proc/{firmware.pid}/stat").read_text().rpartition(") ")[2][0] == "S"

    until(sleeps, "nobody is there")
    with MiniHost("t") as host:
        assert host.request(b"x", channel="echo") == (REPLY, 1, b"x")
        assert not host.region.read(REMOTE_ARMED, 4)
    until(sleeps, "nobody is there any more")
