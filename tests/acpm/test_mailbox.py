"""The doorbell mailbox, and ACPM stacked on it."""

import threading
from typing import Any

import pytest

import mboxio
from mboxio import AddressError, Connection, DriverError
from mboxio._base.clock import SYSTEM
from mboxio.controllers.acpm import Acpm
from mboxio.controllers.acpm.layout import AcpmSpec
from mboxio.controllers.exynos_mbox import ExynosMailbox
from mboxio.regions import Memory

from .mailbox import INTMR0, INTSR0, Registers
from .support import Board, numbered, own, submit

PATIENCE_S = 20.0


@pytest.mark.parametrize("interrupt", [True, False])
def test_lines_in_both_directions(interrupt: bool) -> None:
    registers = Registers(interrupt=interrupt)
    with Connection(ExynosMailbox(region=registers)) as connection:
        assert len(connection._host.channels) == 16
        with connection.client(5) as client, client.subscribe() as messages:
            client.ring()
            client.send(b"")
            assert registers.rung == [0, 0, 0, 0, 0, 2, *[0] * 10]
            registers.raise_line(5)
            assert messages.get(PATIENCE_S) == b""
            assert registers.read(INTSR0, 4) == 0, "the cause is cleared"
            registers.raise_line(6)  # nobody listens there
            registers.raise_line(5)
            assert messages.get(PATIENCE_S) == b""
            assert registers.read(INTSR0, 4) == 1 << 6
            with pytest.raises(mboxio.MessageTooLong):
                client.post(b"\0")
    registers.close()


def test_only_lines_with_clients_interrupt() -> None:
    registers = Registers(interrupt=True)
    with Connection(ExynosMailbox(region=registers)) as connection:
        assert registers.read(INTMR0, 4) == 0xFFFF
        with connection.client(3), connection.client(15):
            assert registers.read(INTMR0, 4) == 0xFFFF & ~(1 << 3 | 1 << 15)
        assert registers.read(INTMR0, 4) == 0xFFFF
    registers.close()


def test_lost_registers_are_not_looked_at() -> None:
    """Another thread may be about to replace them; a look would end in a fault of the queue."""
    registers = Registers(interrupt=True)
    with Connection(ExynosMailbox(region=registers)) as connection, connection.client(3):
        host: Any = connection._host
        host.controller.link(False, 0, "a test")
        registers.raise_line(3)
        assert not host.controller.arm(host.queues[0])
        host.controller.link(True, 1)
        assert host.controller.arm(host.queues[0])
    registers.close()


def test_a_polled_mailbox_masks_everything() -> None:
    registers = Registers()
    with Connection(ExynosMailbox(region=registers)) as connection, connection.client(3):
        assert registers.read(INTMR0, 4) == 0xFFFF


def test_what_came_before_anybody_listened_is_old() -> None:
    registers = Registers()
    with Connection(ExynosMailbox(region=registers)) as connection:
        registers.raise_line(2)
        client = connection.client(2)
        with client.subscribe() as messages, pytest.raises(mboxio.RequestTimeout):
            messages.get(0.01)


def test_registers_that_are_too_few() -> None:
    with pytest.raises(AddressError, match="bytes of registers are needed"):
        Connection(ExynosMailbox(region=Memory(bytearray(0x40))))
    with pytest.raises(AddressError, match="say where"):
        mboxio.connect("exynos_mbox:")


class Stacked:
    """ACPM on the doorbell mailbox, with firmware that answers in the doorbell or in a thread."""

    def __init__(self, *specs: AcpmSpec, interrupt: bool = True) -> None:
        self.registers = Registers(interrupt=interrupt)
        self.board = Board(*specs, clock=SYSTEM, mbox="exynos_mbox:", timeout_s=PATIENCE_S)
        self.board.region.doorbell = None
        self.lower: list[Connection] = []

    def connect(self) -> Connection:
        driver = Acpm(
            options=self.board.options, region=self.board.region, connect=self.connect_below
        )
        return Connection(driver, address="acpm:")

    def connect_below(self, address: str) -> Connection:
        assert address == "exynos_mbox:"
        self.lower.append(Connection(ExynosMailbox(region=self.registers), address=address))
        return self.lower[-1]

    def answer_later(self, line: int) -> None:
        """What the doorbell sets off: another thread answers, and interrupts the host."""

        def answer() -> None:
            if self.board.far[line].serve():
                self.registers.raise_line(line)

        thread = threading.Thread(target=answer)
        thread.start()
        thread.join()


def test_acpm_rings_and_is_woken_through_the_mailbox() -> None:
    stacked = Stacked(AcpmSpec(8, 16), AcpmSpec(8, 16))
    stacked.registers.hook = stacked.answer_later
    with stacked.connect() as connection, connection.client(1) as client:
        for number in range(20):
            assert own(client.request(numbered(number)), number)
        assert stacked.registers.rung[:3] == [0, 20, 0]
        requests = submit(client, range(5))
        assert all(own(request.result(), n) for n, request in enumerate(requests))
        client.ring()
        assert stacked.registers.rung[1] == 26
    assert stacked.lower[0].closed
    stacked.registers.close()


def test_completion_is_chosen_per_channel() -> None:
    """As the descriptor says; a polled channel leaves its line masked."""
    stacked = Stacked(AcpmSpec(8, 16), AcpmSpec(8, 16, polled=True))
    stacked.registers.hook = lambda line: stacked.board.far[line].serve()
    with stacked.connect() as connection, connection.client(1) as client:
        assert connection._host.channels["1"].queue.capabilities.tx_done is mboxio.TxDone.POLL
        assert connection._host.channels["0"].queue.capabilities.tx_done is mboxio.TxDone.IRQ
        assert own(client.request(numbered(1)), 1)
        assert not stacked.registers.line.pending
    stacked.registers.close()


def test_a_mailbox_that_fails_leaves_the_message_in_doubt() -> None:
    stacked = Stacked(AcpmSpec(8, 16))
    stacked.registers.hook = stacked.answer_later
    with stacked.connect() as connection, connection.client(0) as client:
        stacked.registers.fails = OSError(5, "bus error")
        request = client.submit(numbered(1))
        error = request.exception()
        assert isinstance(error, DriverError)
        assert error.handed_over == "unknown"
        stacked.registers.fails = None
        assert own(client.request(numbered(2)), 2)
        assert connection.stats()["0"].held_tags == ()
    stacked.registers.close()


def test_a_mailbox_is_named_in_the_address(tmp_path: Any) -> None:
    board = Board(AcpmSpec(8, 16))
    assert isinstance(board.region, Memory)
    (tmp_path / "sram.bin").write_bytes(board.region.read_block(0, board.region.size_bytes))
    (tmp_path / "registers.bin").write_bytes(bytes(0x1000))
    mbox = f"exynos_mbox:?at=file:{tmp_path}/registers.bin"
    address = f"acpm:/0?at=file:{tmp_path}/sram.bin&base=0x100&mbox={mbox}"
    with mboxio.open(address) as client:
        client.post(numbered(1))
    registers = (tmp_path / "registers.bin").read_bytes()
    assert registers[0x40:0x44] == b"\1\0\0\0", "bit 0 of INTGR1"
