"""Ctrl-C at a host that waits for a silent remote."""

import signal
from typing import Any

import pytest

import mboxio
from mboxio import QueueFull
from mboxio._base.gate import TRIES_MAX
from mboxio.controllers.shm import SharedMemory
from tests.shm.support import Program, answer, until

LOOKS = 20


def asleep(program: Program) -> bool:
    """Tell whether a process sleeps, however often one looks: it waits and does not spin."""
    for _ in range(LOOKS):
        with open(f"/proc/{program.pid}/stat") as stat:
            if stat.read().rpartition(")")[2].split()[0] != "S":
                return False
    return True


@pytest.mark.parametrize("what", ["request", "messages", "full", "loop"])
def test_ctrl_c_ends_the_host_and_not_the_remote(firmware, programs, what):
    remote = firmware("t", {"a": (8, 64)}, mute=("a",))
    for round_ in range(2):
        host = Program("host.py", {"address": "shm:t", "what": what})
        programs.append(host)
        until(lambda round_=round_: len(remote.do("kept", "a")) > round_, "the host sent")  # type: ignore[misc]
        until(lambda host=host: asleep(host), "the host sleeps")  # type: ignore[misc]
        host.signal(signal.SIGINT)
        status, errors = host.end()
        assert status == -signal.SIGINT, errors
        assert errors.rstrip().endswith("KeyboardInterrupt")
        until(lambda: remote.do("hosts") == 0, "the host left")
    assert remote.do("stats")["lies"] == 0


@pytest.mark.parametrize("verb", ["request", "send", "submit", "post"])
def test_ctrl_c_in_the_middle_of_a_doorbell(firmware, verb):
    class Interrupted(SharedMemory):
        interrupts = 0

        def ring_doorbell(self, lane: Any) -> None:
            super().ring_doorbell(lane)
            if self.interrupts:
                self.interrupts -= 1
                raise KeyboardInterrupt

    firmware("t")
    controller = Interrupted("t")
    with mboxio.Connection(controller) as connection, connection.client("a") as client:
        # Where the remote is awake no doorbell rings; where it is not, the first one does.
        for _ in range(100):
            controller.interrupts = 1
            try:
                getattr(client, verb)(b"x")
            except KeyboardInterrupt:
                break
            except QueueFull:
                controller.interrupts = 0
                client.request(b"when there is room", timeout_s=20, queue_timeout_s=20)
        controller.interrupts = 0
        message = b"afterwards"
        assert client.request(message, timeout_s=20, queue_timeout_s=20) == answer(message)
        assert client._host.stats()["a"].in_flight == 0  # type: ignore[attr-defined]


def test_signals_that_come_faster_than_a_doorbell_is_rung(firmware):
    """What cannot be begun anew for ever is made up for by whoever looks next."""

    class Stormy(SharedMemory):
        interrupts = 0

        def ring_doorbell(self, lane: Any) -> None:
            if self.interrupts:
                self.interrupts -= 1
                raise KeyboardInterrupt
            super().ring_doorbell(lane)

    firmware("t")
    controller = Stormy("t")
    with mboxio.Connection(controller) as connection, connection.client("a") as client:
        for _ in range(100):
            controller.interrupts = TRIES_MAX + 1
            try:
                client.request(b"x", timeout_s=20, queue_timeout_s=20)
            except KeyboardInterrupt:
                break
        assert not controller.interrupts, "the remote never slept"
        message = b"afterwards"
        assert client.request(message, timeout_s=20, queue_timeout_s=20) == answer(message)
        assert client._host.stats()["a"].in_flight == 0  # type: ignore[attr-defined]
