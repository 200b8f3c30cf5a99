"""The doorbell mailbox behind a connection, or in a process, that ends and is there again."""

from pathlib import Path
from typing import Any

import pytest

import mboxio
from mboxio import Client, RemoteGone
from mboxio.remote.acpm import AcpmRemote
from tests.hardening.support import until
from tests.io.stubs import PATIENCE_S, FakeQtest

from .mailbox import INTGR1, INTMR0, INTSR0

AT = 0x1000
ALL = 0xFFFF


def lost(client: Client) -> bool:
    """Return whether a doorbell met the end."""
    try:
        client.ring()
    except RemoteGone:
        return True
    return False


def test_doorbells_ring_over_the_new_connection(tmp_path: Path) -> None:
    with FakeQtest(tmp_path) as qemu:
        qemu.words = {}
        where = f"qtest:{qemu.path},irq_in=/cpu,line=3@{AT:#x}+0x54"
        with mboxio.connect(f"exynos_mbox:?at={where}") as connection:
            client = connection.client(5)
            with client.subscribe() as messages:
                assert qemu.words[AT + INTMR0] == ALL & ~(1 << 5)
                qemu.frozen.set()  # every connection ends at its first question
                qemu.hang_up()
                until(lambda: lost(client))
                late = connection.client(6)  # its interrupt is let through when that is possible
                with pytest.raises(RemoteGone):
                    messages.get(PATIENCE_S)
                qemu.words = {}  # as after a restart
                qemu.frozen.clear()
                client.send(b"", queue_timeout_s=PATIENCE_S)
                assert qemu.words[AT + INTGR1] == 1 << 5
                until(lambda: qemu.words[AT + INTMR0] == ALL & ~(1 << 5 | 1 << 6))
                qemu.words[AT + INTSR0] = 1 << 5
                qemu.say("IRQ raise 3\nIRQ lower 3\n")
                assert messages.get(PATIENCE_S) == b""
            late.close()
        assert qemu.words[AT + INTMR0] == ALL


def process() -> AcpmRemote:
    """Return what hands over memory; nobody looks at what the registers are to be."""
    remote = AcpmRemote("peer:t")
    remote.channel(bytes)
    remote.start()
    return remote


@pytest.mark.usefixtures("sockets")
@pytest.mark.parametrize("driver", ["exynos_mbox", "mhu"])
def test_registers_in_the_memory_of_a_process_that_is_started_again(driver: str) -> None:
    first = process()
    with mboxio.connect(f"{driver}:?at=peer:t@0x3000+0x100") as connection:
        client = connection.client(3)
        controller: Any = connection._host.controller
        with client.subscribe() as messages:
            for _ in range(2):
                before = controller.region
                first.stop()
                # An access to memory never fails: its end is heard by those who listen.
                with pytest.raises(RemoteGone):
                    messages.get(PATIENCE_S)
                first = process()
                client.send(b"", queue_timeout_s=PATIENCE_S)
                region = controller.region
                assert region is not before
                assert region.read({"exynos_mbox": INTGR1, "mhu": 0x14}[driver], 4) == 1 << 3
    first.stop()
