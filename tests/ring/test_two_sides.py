"""Both sides at once: two threads, and two processes that sleep and wake each other."""

import mmap
import os
import random
import socket
import sys
import threading
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import pytest

from mboxio.regions import Memory
from mboxio.ring import MESSAGE, REPLY, REQUEST, Implementation, implementations
from mboxio.ring.layout import ChannelSpec, RingLayout, plan, write
from tests.tools import compile_c, emulator

from .peer import ring_doorbell, wait_for_message
from .support import PEER, Case, each_implementation, normal, start

DEPTH = 6
LONGEST_BYTES = 40


@pytest.fixture
def hasty_threads() -> Iterator[None]:
    interval_s = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(interval_s)


@pytest.mark.usefixtures("hasty_threads")
@each_implementation
def test_two_threads(implementation: Implementation) -> None:
    count = 3000
    under_test = Case("", implementation, implementation, normal, True).ring(slot_bytes=64)

    def produce() -> None:
        for number in range(count):
            while not under_test.producer.push(MESSAGE, number, message(number)):
                os.sched_yield()

    thread = threading.Thread(target=produce)
    thread.start()
    got: list[tuple[int, int, bytes]] = []
    while len(got) < count:
        batch = under_test.consumer.pop_batch(3)
        got += batch
        if not batch:
            os.sched_yield()
    thread.join()
    assert got == [(MESSAGE, number, message(number)) for number in range(count)]
    assert under_test.producer.consumed() == count


@pytest.mark.parametrize("remote", [*(each.name for each in implementations()), "C"])
@each_implementation
def test_two_processes(tmp_path: Path, implementation: Implementation, remote: str) -> None:
    count = 2000
    path = tmp_path / "memory"
    layout = plan([ChannelSpec("echo", DEPTH, LONGEST_BYTES)], epoch=1)
    path.write_bytes(bytes(layout.size_bytes))
    with path.open("r+b") as file:
        memory = Memory(mmap.mmap(file.fileno(), 0))
    write(memory, layout)
    doorbell, far_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    doorbell.settimeout(20)  # only a lost wake-up takes so long
    with doorbell, far_end:
        common = (path, far_end.fileno(), count)
        if remote == "C":
            program = compile_c(PEER.with_name("echo.c"), tmp_path / "echo", "-D_DEFAULT_SOURCE")
            process = start(*emulator(), program, *common, keep=far_end.fileno())
        else:
            process = start(sys.executable, PEER, remote, *common, keep=far_end.fileno())
        far_end.close()
        with process:
            exchange(implementation, memory, doorbell, count)
            doorbell.shutdown(socket.SHUT_WR)
            assert process.wait(20) == 0


def exchange(
    implementation: Implementation, memory: Memory, doorbell: socket.socket, count: int
) -> None:
    """Send messages in bursts of every size, sleep for the replies and compare them."""
    layout = plan([ChannelSpec("echo", DEPTH, LONGEST_BYTES)], epoch=1)
    channel = layout.channels[0]
    armed = implementation.armed(memory, layout.host_armed, layout.remote_armed)
    producer = implementation.producer(memory, channel.to_remote, armed)
    consumer = implementation.consumer(memory, channel.to_host)
    bursts = random.Random(1)
    in_flight: deque[int] = deque()
    sent = 0
    while sent < count or in_flight:
        # As many replies may be under way as the way back has places.
        burst = min(bursts.randint(0, DEPTH), DEPTH - len(in_flight), count - sent)
        for _ in range(burst):
            assert producer.push(REQUEST, sent, message(sent))
            in_flight.append(sent)
            sent += 1
        if burst:
            ring_doorbell(producer, doorbell)
        messages = consumer.pop_batch(DEPTH)
        if not messages and in_flight:
            wait_for_message(armed, consumer, doorbell)
        for got in messages:
            number = in_flight.popleft()
            assert got == (REPLY, number, message(number))


def message(number: int) -> bytes:
    return (number.to_bytes(4, "little") * 10)[: number % (LONGEST_BYTES + 1)]


@each_implementation
def test_armed_words(implementation: Implementation) -> None:
    memory = Memory(bytearray(192))
    host = implementation.armed(memory, 64, 128)
    remote = implementation.armed(memory, 128, 64)
    # Without fences there is no telling, so the doorbell is always rung.
    always = implementation.name == "reference"
    for sleep in (2, 3):
        host.arm()
        assert memory.read(64, 4) == (1 if always else sleep)
        assert remote.peer_armed()
        assert remote.peer_armed() is always  # one doorbell is enough for a sleep
    host.disarm()
    assert remote.peer_armed() is always
    memory.write(64, 1, 4)  # a sleeper that does not number its sleeps is always rung
    assert remote.peer_armed()
    assert remote.peer_armed()
    producer = implementation.producer(
        memory, RingLayout(0, 4, 8, 2, 16), implementation.armed(memory, 64, 128)
    )
    assert producer.doorbell_needed() is (implementation.name == "reference")
    remote.arm()
    assert producer.doorbell_needed()
