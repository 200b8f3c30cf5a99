"""``rings:`` against firmware in an emulated microcontroller."""

import gc
import random
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

import mboxio
from mboxio.cli.demo.microcontroller import BOARDS
from tests.firmware_rings import test_lives as lives
from tests.mcu.host import PATIENCE_S
from tests.mcu.machine import running
from tests.mcu.test_lives import former_life

DEPTH = 8


class Board:
    """An emulated board as the tests of firmware in a process take it.

    Args:
        machine: the microcontroller.
    """

    def __init__(self, machine: Any) -> None:
        self.reset = machine.reset
        self.address = f"rings:?at={machine.ram}&bell=unix:{machine.wire}"
        mboxio.connect(self.address, wait_s=PATIENCE_S).close()  # it has started


@pytest.mark.once
@pytest.mark.parametrize("name", BOARDS)
@pytest.mark.parametrize(
    "same",
    [
        lives.test_firmware_dies_in_traffic,
        lives.test_host_dies_in_traffic,
        lives.test_change_of_host_while_firmware_waits,
        lives.test_firmware_hangs,
    ],
    ids=lambda each: each.__name__,
)
def test_lives(name: str, same: Callable[[Any], None]) -> None:
    with running(name) as machine:
        same(Board(machine))


def remains() -> Iterator[tuple[str, bytes]]:
    """Yield what memory may hold before the firmware starts, and what is said of it."""
    noise, former = random.Random(1).randbytes(0x2000), former_life()
    yield "the firmware has not started", noise
    yield "the firmware has not started", b"MBX1" + noise[4:]
    yield "the firmware has not started", former[:0x80].ljust(0x2000, b"\0")  # half-way described
    yield "the firmware has not started", bytes(4) + former[4:]
    yield "nobody answers", former


@pytest.mark.once
@pytest.mark.parametrize("name", BOARDS)
def test_what_was_in_its_memory_is_no_firmware(name: str) -> None:
    for says, before in remains():
        with running(name, before=before, held=True) as machine:
            address = f"rings:?at={machine.ram}&answer_s=0.1"
            with pytest.raises(mboxio.RemoteGone, match=says):
                mboxio.connect(address)
            machine.tell("cont")
            bell = f"{address}&bell=unix:{machine.wire}"
            with mboxio.connect(bell, wait_s=PATIENCE_S) as connection:
                assert connection.client("echo1").request(b"works") == b"works"


@contextmanager
def losing(path: Path, wire: str) -> Iterator[None]:
    """Serve the other end of a wire at a path, and lose every other byte on the way."""
    with socket.socket(socket.AF_UNIX) as listening, socket.socket(socket.AF_UNIX) as far:
        listening.bind(str(path))
        listening.listen(1)
        far.connect(wire)

        def carry(source: socket.socket, target: socket.socket, seed: int) -> None:
            lose = random.Random(seed)
            with suppress(OSError):
                while came := source.recv(1):
                    if lose.random() < 0.5:
                        target.sendall(came)

        def serve() -> None:
            near, _ = listening.accept()
            back = threading.Thread(target=carry, args=(far, near, 1))
            back.start()
            with near:
                carry(near, far, 2)
                far.shutdown(socket.SHUT_RDWR)
                back.join()

        thread = threading.Thread(target=serve)
        thread.start()
        yield
        thread.join()


@pytest.mark.once
@pytest.mark.parametrize("name", BOARDS)
def test_doorbells_that_get_lost(name: str, tmp_path: Path) -> None:
    with running(name) as machine, losing(tmp_path / "wire", machine.wire):
        address = f"rings:?at={machine.ram}&bell=unix:{tmp_path / 'wire'}&timeout_s={PATIENCE_S}"
        with mboxio.connect(address, wait_s=PATIENCE_S) as connection:
            client = connection.client("echo0", backlog=16)
            texts = [b"%d" % number for number in range(40)]
            assert list(client.map(texts, window=DEPTH)) == texts
            assert [client.request(text) for text in texts[:10]] == texts[:10]


@contextmanager
def no_collector() -> Iterator[None]:
    """What lies in a circle stays."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def test_lives_that_are_over_keep_nothing(caplog: pytest.LogCaptureFixture) -> None:
    with running() as machine, no_collector():
        address = f"rings:?at={machine.ram}&bell=unix:{machine.wire}"
        with mboxio.connect(address, wait_s=PATIENCE_S) as connection:
            client = connection.client("echo0")
            for _ in range(5):
                client.request(b"works", queue_timeout_s=PATIENCE_S)
                machine.tell("stop")
                pending = [client.submit(b"in flight") for _ in range(DEPTH - 1)]
                machine.reset()
                machine.tell("cont")
                for each in pending:
                    assert isinstance(each.exception(), mboxio.RemoteGone)
    assert not caplog.records  # closing says so if the memory is still held
