"""``rings:`` against firmware in an emulated microcontroller."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

import mboxio
from tests.mcu.host import PATIENCE_S
from tests.mcu.machine import running

DEPTH = 8


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
