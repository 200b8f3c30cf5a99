"""Services and lives of own rings that come while nobody looks, or over one connection."""

import socket
from collections.abc import Iterator

import pytest

from mboxio.client.connection import Connection
from mboxio.controllers.virtio_rpmsg.driver import VirtioRpmsg
from mboxio.controllers.virtio_rpmsg.options import VirtioRpmsgOptions
from mboxio.errors import (
    AddressError,
    MailboxError,
    QueueFull,
    RemoteError,
    RemoteGone,
    WrongMessage,
)
from mboxio.regions import Memory
from mboxio.regions.interrupts import Interrupt
from tests.rpmsg.firmware import TABLE_AT, Firmware, until

NUM, ALIGN, TABLE = 4, 16, "0x100"


class Line(Interrupt):
    """A connection that tells of nothing but its end."""

    def __init__(self) -> None:
        self.ours, self.theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.ours.setblocking(False)

    def fileno(self) -> int:
        return self.ours.fileno()

    def clear(self) -> int:
        try:
            while self.ours.recv(1):
                pass
        except BlockingIOError:
            return 1
        raise RemoteGone("the other end hung up")

    def unmask(self) -> None:
        pass

    def close(self) -> None:
        self.ours.close()
        self.theirs.close()


class Board(Memory):
    """A board that takes one connection at a time.

    Args:
        memory: which it hands to whoever connects.
    """

    def __init__(self, memory: bytearray) -> None:
        super().__init__(memory)
        self.interrupt = Line()
        self.then: Board | None = None
        self.asked = 0

    def again(self) -> "Board | None":
        self.asked += 1
        then, self.then = self.then, None
        return then

    def close(self) -> None:
        self.interrupt.close()  # type: ignore[union-attr]


@pytest.fixture
def memory() -> bytearray:
    return bytearray(1 << 16)


@pytest.fixture
def firmware(memory: bytearray) -> Firmware:
    return Firmware(memory, NUM, ALIGN)


@pytest.fixture
def board(memory: bytearray) -> Iterator[Board]:
    made = Board(memory)
    yield made
    made.close()


def connected(board: Memory, **more: object) -> Connection:
    values: dict[str, object] = {"table": TABLE, "announce_s": 0.0, "buffer_bytes": 64} | more
    driver = VirtioRpmsg(options=VirtioRpmsgOptions(**values), region=board)  # type: ignore[arg-type]
    return Connection(driver, address="virtio-rpmsg:test")


def test_a_service_that_nobody_has_seen_yet_is_found(memory: bytearray, firmware: Firmware) -> None:
    with connected(Memory(memory)) as connection:
        with pytest.raises(AddressError, match="no channel 'pump'"):
            connection.client("pump")
        firmware.join()
        firmware.announce("pump", 0x400)
        connection.client("pump").post(b"x")
        assert firmware.next() == (1024, 0x400, b"x")


def test_a_service_announced_again_is_found_by_who_needs_it(
    memory: bytearray, firmware: Firmware
) -> None:
    with connected(Memory(memory)) as connection:
        firmware.join()
        firmware.announce("pump", 0x400)
        pump = connection.client("pump")
        firmware.announce("pump", 0x400, gone=True)
        connection._host.pump.look()
        with pytest.raises(WrongMessage, match="was taken back"):
            pump.post(b"x")
        firmware.announce("pump", 0x500)
        pump.post(b"y")
        assert firmware.next() == (1024, 0x500, b"y")


def test_a_life_that_waits_for_its_services_is_not_left_for_another(
    board: Board, memory: bytearray, firmware: Firmware
) -> None:
    """Who takes one connection at a time never answers the second."""
    with connected(board, announce_s=20.0, fixed="first=1:2") as connection:
        firmware.join()
        firmware.announce("pump", 0x400)
        pump = connection.client("pump")
        board.then = new = Board(memory)
        firmware.boot()
        board.interrupt.theirs.close()  # type: ignore[union-attr]
        until(lambda: not works(pump), "the end is not noticed")
        until(lambda: (works(pump), firmware.status & 4)[1], "nobody comes again")
        until(lambda: (works(pump), new.asked or board.asked)[1], "nobody knocked")
        firmware.join()
        firmware.announce("pump", 0x401)
        until(lambda: works(pump), "the new life is not used")
        assert new.asked == 0
        new.close()


def test_another_life_over_the_same_connection(board: Board, firmware: Firmware) -> None:
    """Nobody hung up, so nobody is asked for another memory."""
    with connected(board, announce_s=20.0, fixed="first=1:2") as connection:
        firmware.join()
        firmware.announce("pump", 0x400)
        pump = connection.client("pump")
        firmware.boot()
        until(lambda: not works(pump), "the restart is not noticed")
        until(lambda: (works(pump), firmware.status & 4)[1], "the host is not ready again")
        firmware.join()
        firmware.announce("pump", 0x401)
        until(lambda: works(pump), "the new life is not used")
        assert board.asked == 0
        board.interrupt.theirs.close()  # type: ignore[union-attr]
        until(lambda: not works(pump), "the end is not noticed")
        until(lambda: (works(pump), board.asked)[1], "nobody knocks")


def works(client: object) -> bool:
    try:
        client.post(b"hello")  # type: ignore[attr-defined]
    except MailboxError as error:
        return isinstance(error, QueueFull)  # nobody takes these messages
    return True


class StillAtWork(Memory):
    """Memory of a remote that is at work for a host that was killed when the next one begins.

    Args:
        firmware: which announces ``pump`` when it has let go.
        late: before which beginnings of the host it writes into the rings all the same.
    """

    def __init__(self, memory: bytearray, firmware: Firmware, late: int) -> None:
        super().__init__(memory)
        self.firmware = firmware
        self.late = late
        self.begun = 0

    def write(self, offset: int, value: int, width: int) -> None:
        super().write(offset, value, width)
        device = self.firmware.device
        assert device is not None
        if offset != TABLE_AT + device.status_at or not value & 4:
            return
        self.begun += 1
        self.firmware.join()
        if self.begun > self.late:
            self.firmware.announce("pump", 0x400)
        else:
            layout = self.firmware.link.outgoing.layout
            self.write(layout.used + 2, NUM + 3, 2)


@pytest.mark.parametrize("late", [1, 2, 5])
@pytest.mark.parametrize("killed", [True, False])
def test_a_remote_that_is_at_work_for_an_earlier_host_is_given_time(
    memory: bytearray, firmware: Firmware, late: int, killed: bool
) -> None:
    """One that looks at the status now and then may miss that a host went."""
    assert firmware.device is not None
    connected(Memory(memory)).close()
    if killed:
        Memory(memory).write(TABLE_AT + firmware.device.status_at, 7, 1)
    region = StillAtWork(memory, firmware, late)
    with connected(region, announce_s=20.0) as connection:
        connection.client("pump").post(b"x")
        assert firmware.next() == (1024, 0x400, b"x")
    assert region.begun == late + 1


def test_a_remote_has_time_to_see_that_the_earlier_host_went(
    memory: bytearray, firmware: Firmware, monkeypatch: pytest.MonkeyPatch
) -> None:
    connected(Memory(memory)).close()
    seen: list[int] = []
    monkeypatch.setattr("time.sleep", lambda _: seen.append(firmware.status))
    connected(Memory(memory)).close()
    assert seen[:1] == [0]


def test_a_remote_that_lies_without_an_excuse_is_not_believed(
    memory: bytearray, firmware: Firmware
) -> None:
    with pytest.raises(RemoteError, match="used index moved"):
        connected(StillAtWork(memory, firmware, 1), announce_s=20.0)


def test_a_remote_that_lies_for_ever_is_not_given_more_than_its_time(
    memory: bytearray, firmware: Firmware
) -> None:
    assert firmware.device is not None
    Memory(memory).write(TABLE_AT + firmware.device.status_at, 7, 1)
    with pytest.raises(RemoteError, match="used index moved"):
        connected(StillAtWork(memory, firmware, 1 << 30), announce_s=0.1)
