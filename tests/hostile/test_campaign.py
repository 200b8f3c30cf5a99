"""Many short lives with an enemy: whatever it does, requests end, and others are served.

``make hostile`` does it thousands of times under sanitizers. The number in a test's name is its
seed, and ``MBOXIO_HOSTILE_SEED`` begins there again.
"""

import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest

import mboxio
from mboxio import QueueFull, RemoteError, RemoteGone, RequestTimeout
from mboxio.remote import Remote
from mboxio.remote.acpm import AcpmRemote
from tests.remote.minihost import MiniHost
from tests.shm.support import PATIENCE_S, Program, answer, numbered, until
from tests.shm.test_firmware_c import FirmwareInC, build

from . import evil

LIVES = int(os.environ.get("MBOXIO_HOSTILE_LIVES", "25"))
SEED = int(os.environ.get("MBOXIO_HOSTILE_SEED", "1"))
CFLAGS = os.environ.get("MBOXIO_HOSTILE_CFLAGS", "-O2")
DEPTH, BYTES = 8, 64
EXPECTED = (RemoteGone, RemoteError, RequestTimeout, QueueFull)


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    """A record that is kept keeps an error, and with it the memory of a connection."""
    caplog.set_level("CRITICAL", "mboxio")


class Ledger:
    """Requests whose ends are counted.

    Args:
        clients: where to ask.
        random: which next.
        reply: what the remote answers if it is honest.
    """

    def __init__(
        self, clients: list[mboxio.Client], random: Random, reply: Callable[[bytes], bytes]
    ) -> None:
        self.clients = clients
        self.random = random
        self.reply = reply
        self.asked: list[tuple[bytes, Any]] = []
        self.ends: Counter[int] = Counter()

    def ask(self, count: int) -> None:
        """Submit so many; a queue that is full or has stopped refuses them, and nothing else."""
        for _ in range(count):
            number = len(self.asked)
            message = numbered(number << 32, 16)
            try:
                request = self.random.choice(self.clients).submit(message)
            except EXPECTED:
                continue
            request.add_done_callback(lambda _, number=number: self.ends.update([number]))  # type: ignore[misc]
            self.asked.append((message, request))

    def check(self, anything: bool) -> None:
        """Each request ends once, with its own reply or an error that says why there is none."""
        for message, request in self.asked:
            assert request.wait(PATIENCE_S), f"{request!r} has no end"
            error = request.exception()
            if error is not None:
                assert isinstance(error, EXPECTED), error
            elif not anything:
                assert request.result()[4:] == self.reply(message)[4:]  # ACPM has its number before
        until(lambda: len(self.ends) == len(self.asked), "all callbacks")
        assert set(self.ends.values()) <= {1}


def bounded(connection: mboxio.Connection, messages: Any) -> None:
    """What an enemy can make the host keep has limits."""
    assert len(messages.waiting) <= 16
    for queue in connection._host.queues:
        assert len(queue.window.aside) <= queue.depth
        assert len(queue.answers) <= 64 + queue.depth


def recovers(remote: Any, client: mboxio.Client, reply: Callable[[bytes], bytes]) -> None:
    """In the next life of the remote all is well."""
    remote.restart()
    message = numbered(7 << 32, 16)

    def works() -> bool:
        try:
            got = client.request(message, timeout_s=5, queue_timeout_s=5)
        except (RemoteGone, RemoteError, RequestTimeout):
            return False
        return got[4:] == reply(message)[4:]

    until(works, "the channel works again")


def besieged(
    remote: Any,
    address: str,
    channels: tuple[str, ...],
    evils: Callable[[Any, Random], bool],
    reply: Callable[[bytes], bytes],
    random: Random,
) -> None:
    """Live through some evils of a remote, with requests before, meanwhile and after each."""
    with remote, mboxio.connect(address) as connection:
        clients = [connection.client(name, timeout_s=0.05) for name in channels]
        messages = clients[0].subscribe(limit=16)
        ledger = Ledger(clients, random, reply)
        anything = False
        for _ in range(random.randrange(1, 6)):
            ledger.ask(random.randrange(12))
            anything = evils(remote, random) or anything
            ledger.ask(random.randrange(12))
            bounded(connection, messages)
            if random.randrange(4) == 0:
                remote.restart()
        ledger.check(anything)
        bounded(connection, messages)
        remote.faults = None
        recovers(remote, clients[0], reply)


@pytest.mark.parametrize("seed", range(SEED, SEED + LIVES))
def test_a_host_of_a_hostile_remote(seed: int) -> None:
    random = Random(seed)
    remote = Remote("t", spin_s=random.choice((0.0, 50e-6)))
    for name in evil.CHANNELS:
        remote.channel(name, depth=DEPTH, message_bytes=BYTES)
        remote.handler(name)(answer)
    besieged(remote, "shm:t", evil.CHANNELS, evil.of_remote, answer, random)


@pytest.mark.parametrize("seed", range(SEED, SEED + LIVES))
def test_a_host_of_hostile_acpm_firmware(seed: int) -> None:
    random = Random(seed)
    remote = AcpmRemote("peer:t", spin_s=random.choice((0.0, 50e-6)))
    remote.channel(slots=DEPTH, slot_bytes=16)
    besieged(remote, "acpm:?at=peer:t", ("0",), evil.of_firmware, echoed, random)


def echoed(message: bytes) -> bytes:
    return message


def attacked(name: str, random: Random, serve: Callable[[], None]) -> None:
    """Have hostile hosts come, misbehave and go; others are served meanwhile."""
    hosts: list[MiniHost] = []
    try:
        for _ in range(random.randrange(1, 5)):
            hosts.append(MiniHost(name))
            for _ in range(random.randrange(1, 4)):
                evil.of_host(random.choice(hosts), random)
            serve()
    finally:
        for host in hosts:
            host.socket.close()
    serve()


@pytest.mark.parametrize("seed", range(SEED, SEED + LIVES))
def test_a_remote_of_hostile_hosts(seed: int) -> None:
    random = Random(seed)
    remote = Remote("t", spin_s=random.choice((0.0, 50e-6)))
    for name in evil.CHANNELS:
        remote.channel(name, depth=DEPTH, message_bytes=BYTES)
        remote.handler(name)(answer)
    with remote, mboxio.open("shm:t/a", timeout_s=PATIENCE_S) as client:

        def serve() -> None:
            for number in range(5):
                assert client.request(numbered(number)) == answer(numbered(number))

        attacked("t", random, serve)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("firmware_c"), "gcc", CFLAGS)


@pytest.fixture
def firmware(program: Path, programs: list[Program]) -> Program:
    """Firmware in C."""
    started = FirmwareInC(program, "t", "sleep")
    programs.append(started)
    assert started.line() == "ready"
    return started


@pytest.mark.parametrize("seed", range(SEED, SEED + LIVES))
def test_firmware_in_c_of_hostile_hosts(seed: int, firmware: Program) -> None:
    random = Random(seed)
    with mboxio.open("shm:t/echo", timeout_s=PATIENCE_S) as client:

        def serve() -> None:
            for number in range(5):
                assert client.request(numbered(number)) == numbered(number)

        attacked("t", random, serve)
    assert firmware.process.poll() is None
