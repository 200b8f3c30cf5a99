"""Host and remote on one CPU: who would look on gives way, and lies about it harm nobody."""

import os
import struct
import threading
import time
from collections.abc import Callable, Iterator

import pytest

import mboxio
from mboxio import Probe, RequestTimeout
from mboxio.remote import Remote
from mboxio.ring import implementations
from mboxio.ring.layout import HOST_ARMED, REMOTE_ARMED
from tests.shm.support import answer, numbered, until

CPU = 12
"""Where the word lies, in bytes from the armed word."""
CPUS = sorted(os.sched_getaffinity(0))
LIES = [0, *(cpu + 1 for cpu in CPUS), CPUS[-1] + 2, 0x80000000, 0xFFFFFFFF]

knows = pytest.mark.skipif(len(implementations()) == 1, reason="the pure build does not know")
spins = pytest.mark.skipif((os.cpu_count() or 1) == 1, reason="nobody spins on the only CPU")


@pytest.fixture
def remote() -> Iterator[Remote]:
    made = Remote("t")
    made.handler("a")(answer)
    with made:
        yield made


def on(cpu: int, call: Callable[[], object]) -> None:
    """Call in a thread that runs on this CPU only."""
    errors: list[BaseException] = []

    def run() -> None:
        os.sched_setaffinity(0, {cpu})
        try:
            call()
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]


class Counting(Probe):
    """Says whether the remote is near, and counts the looks."""

    def __init__(self, near: bool) -> None:
        self.near = near
        self.looks = self.asked = 0

    def news(self, only_replies: bool) -> bool:
        self.looks += 1
        return False

    def shares_cpu(self) -> bool:
        self.asked += 1
        return self.near


def looks_on(remote: Remote, probe: Probe) -> bool:
    """Let a request time out, and return whether the next wait may look as long as this one."""
    with mboxio.open("shm:t", timeout_s=0.02) as client:
        assert client.request(b"x") == b"x"
        remote.silence()
        pump = client._host.pump
        pump.spin_now_ns = pump.spin_ns
        client._queue.probe = probe
        with pytest.raises(RequestTimeout):
            client.request(b"late")
        remote.silence(False)
        return bool(pump.spin_now_ns == pump.spin_ns)


@spins
@pytest.mark.parametrize("near", [False, True], ids=["apart", "near"])
def test_a_waiter_does_not_look_on_where_the_remote_needs_its_cpu(
    remote: Remote, near: bool
) -> None:
    probe = Counting(near)
    assert (
        looks_on(remote, probe) is near
    )  # what was never tried says nothing about how well it goes
    assert probe.asked == 1
    assert (probe.looks == 1) is near


class Delaying(Counting):
    """The thread that looks loses its CPU for longer than its request may take."""

    def news(self, only_replies: bool) -> bool:
        super().news(only_replies)
        if self.looks == 2:
            until_s = time.monotonic() + 0.03
            while time.monotonic() < until_s:
                os.sched_yield()
        return False


@spins
def test_a_request_that_timed_out_under_its_looks_is_no_reason_to_look_longer(
    remote: Remote,
) -> None:
    probe = Delaying(near=False)
    assert not looks_on(remote, probe)
    assert probe.looks > 1


@pytest.mark.parametrize("word", LIES)
def test_lies_about_the_cpu_harm_nobody(remote: Remote, word: int) -> None:
    with mboxio.open("shm:t", timeout_s=20) as client:
        memory = client._host.controller.memory  # type: ignore[attr-defined]

        def ask() -> None:
            for number in range(100):
                for line in (HOST_ARMED, REMOTE_ARMED):
                    struct.pack_into("<I", memory, line + CPU, word)
                pending = [client.submit(numbered(number + at)) for at in range(3)]
                replies = [request.result() for request in pending]
                assert replies == [answer(numbered(number + at)) for at in range(3)]

        on(CPUS[0], ask)
    assert remote.stats().lies == 0


@knows
def test_both_say_where_they_run(remote: Remote) -> None:
    cpus = range(1, (os.cpu_count() or 1) + 1)
    with mboxio.open("shm:t?spin_s=0", timeout_s=20) as client:
        memory = client._host.controller.memory  # type: ignore[attr-defined]

        def word(line: int) -> int:
            (found,) = struct.unpack_from("<I", memory, line + CPU)
            return int(found)

        assert client.request(b"x") == b"x"
        until(lambda: word(REMOTE_ARMED) in cpus, "the remote waits for more")
        remote.silence()

        def wait() -> None:
            with pytest.raises(RequestTimeout):
                client.request(b"late", timeout_s=0.01)

        on(CPUS[-1], wait)
        assert word(HOST_ARMED) == CPUS[-1] + 1
        remote.silence(False)
