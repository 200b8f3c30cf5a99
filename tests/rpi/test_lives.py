"""Registers and buffers in the memory of processes that end and are started again."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from threading import Thread
from typing import Any

import pytest

import mboxio
from mboxio import RemoteGone
from mboxio.local.peer import PAGE_BYTES
from mboxio.protocols.rpi_buffer import Ask, encode
from mboxio.regions import Memory
from tests.acpm.test_peer import Server
from tests.hardening.support import until
from tests.shm.conftest import sockets  # noqa: F401

EMPTY = 1 << 30
INBOX, OUTBOX, WRITE = 0x18, 0x38, 0x20
BUS = 0x10000
PATIENCE_S = 20.0
MESSAGE = encode([Ask(0x30002, bytes(4), 8)])


def empty(memory: Memory) -> None:
    """Have both FIFOs say that there is nothing, as where the VideoCore never says anything."""
    for status in (INBOX, OUTBOX):
        memory.write(PAGE_BYTES + status, EMPTY, 4)


@contextmanager
def process(name: str, **more: Any) -> Iterator[None]:
    """Hand memory over to one host, which hears of the end."""
    server = Server(name)
    thread = Thread(target=server.hand_over, kwargs=more)
    thread.start()
    try:
        yield
    finally:
        thread.join()
        server.close()


def board(stack: ExitStack) -> None:
    stack.enter_context(process("t", spoil=empty))
    stack.enter_context(process("pool"))


def eight(client: mboxio.Client) -> list[mboxio.Request[bytes]]:
    """Use all buffers, once somebody is there."""
    asked: list[mboxio.Request[bytes]] = []

    def accepted() -> bool:
        try:
            asked.append(client.submit(MESSAGE))
        except RemoteGone:
            return False
        return len(asked) == 8

    until(accepted)
    return asked


@pytest.mark.usefixtures("sockets")
def test_buffers_are_renewed_with_the_registers() -> None:
    """No access to the memory of a process that died fails: what went there went to nobody."""
    address = f"bcm2835:?at=peer:t@0%2B0x40&pool=peer:pool@0%2B0x1000&bus={BUS:#x}"
    with ExitStack() as life:
        board(life)
        with mboxio.connect(address) as connection:
            controller: Any = connection._host.controller
            client = connection.client("property", timeout_s=PATIENCE_S)
            asked = eight(client)
            for _ in range(2):
                before = controller.pool.region
                until(lambda: controller.region.read(WRITE, 4))
                life.close()
                for each in asked:
                    with pytest.raises(RemoteGone):
                        each.result()
                board(life)
                asked = eight(client)
                region, pool = controller.region, controller.pool
                assert pool.region is not before
                sent = region.read(WRITE, 4) & ~15
                assert pool.region.read_block(sent - BUS, len(MESSAGE)) == MESSAGE
            life.close()
