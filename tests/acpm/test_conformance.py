"""The conformance suite on ACPM in both completion modes, and on the doorbell mailbox."""

import os
import tempfile
from collections.abc import Callable, Iterator

import pytest

from mboxio.controllers.acpm import Acpm, AcpmOptions
from mboxio.controllers.acpm import layout as acpm
from mboxio.controllers.acpm.layout import AcpmSpec
from mboxio.controllers.exynos_mbox import ExynosMailbox
from mboxio.regions import Memory
from mboxio.remote.acpm.sram import AcpmRemoteChannel, Sram
from mboxio.testing import Bench, check_controller, checks

from .mailbox import Registers
from .processes import FirmwareProcess
from .support import BASE, Bell, Board

NOW_NS = 1 << 62


class Firmware(Bell):
    """Echoes inside the doorbell of an SRAM in this process, unless it is stalled."""

    def __init__(self, spec: AcpmSpec) -> None:
        super().__init__()
        self.board = Board(spec, boot_word=0, timeout_s=1.0)
        self.board.region.doorbell = self
        self.channel = AcpmRemoteChannel(0, spec)
        self.taken: list[bytes] = []
        self.channel.answer_with(self.answer)
        self.boots = 1
        self.begin()

    def begin(self) -> None:
        self.sram = Sram([self.channel], self.board.region, self.board.layout)

    def answer(self, message: bytes) -> bytes:
        self.taken.append(message[:2] + bytes([message[2] & 0xC0]) + message[3:])
        return message

    def ring(self) -> None:
        while self.sram.serve(NOW_NS):
            pass

    def stall(self) -> None:
        self.sram.stalled = True

    def resume(self) -> None:
        self.sram.stalled = False
        self.ring()

    def restart(self) -> None:
        self.boots += 1
        self.board.boot(self.boots)
        self.begin()

    def kill(self) -> None:
        self.sram.stalled = True
        self.board.region.write(BASE + acpm.COUNT, 0, 4)


def polled() -> Bench:
    firmware = Firmware(AcpmSpec(5, 16))
    return Bench(
        controller=Acpm(options=firmware.board.options, region=firmware.board.region),
        shortest_bytes=16,
        message=numbered,
        taken=lambda: firmware.taken,
        notify=lambda channel, message: firmware.sram.put(channel, message),
        stall=firmware.stall,
        resume=firmware.resume,
        restart=firmware.restart,
        kill=firmware.kill,
        patience_s=20.0,
    )


def numbered(number: int) -> bytes:
    return bytes(4) + number.to_bytes(4, "little") + bytes(8)


def peer(polled: bool) -> Bench:
    firmware = PROCESSES[polled]
    firmware.do("begin")

    def restart() -> None:
        firmware.do("restart")
        firmware.do("silence", False)

    return Bench(
        controller=Acpm(options=AcpmOptions(at=f"peer:conformance-{polled}")),
        shortest_bytes=16,
        message=numbered,
        taken=lambda: firmware.do("taken"),
        notify=lambda channel, message: firmware.do("put", channel, message),
        stall=lambda: firmware.do("silence", True),
        resume=lambda: firmware.do("silence", False),
        restart=restart,
        kill=lambda: firmware.do("stop"),
        patience_s=20.0,
    )


PROCESSES: dict[bool, FirmwareProcess] = {}


def mailbox() -> Bench:
    registers = Registers(interrupt=True)
    return Bench(
        controller=ExynosMailbox(region=registers),
        reply=None,
        taken=lambda: [b""] * registers.rung[0],
        close=registers.close,
        message=lambda number: b"",
        patience_s=20.0,
    )


FACTORIES: dict[str, Callable[[], Bench]] = {
    "polled": polled,
    "peer with interrupts": lambda: peer(False),
    "peer polled": lambda: peer(True),
    "doorbell mailbox": mailbox,
}


@pytest.fixture(autouse=True, scope="module")
def processes() -> Iterator[None]:
    """Firmware for both modes, with sockets in a folder that is shorter than pytest's."""
    with (
        tempfile.TemporaryDirectory(prefix="mboxio-") as parent,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("MBOXIO_RUNTIME_DIR", os.path.join(parent, "sockets"))
        for polled in (False, True):
            settings = {"slots": 5, "slot_bytes": 16, "polled": polled}
            PROCESSES[polled] = FirmwareProcess(f"peer:conformance-{polled}", ("echo", settings))
        try:
            yield
        finally:
            for firmware in PROCESSES.values():
                firmware.kill()
            PROCESSES.clear()


@pytest.mark.parametrize("name", checks())
@pytest.mark.parametrize("factory", FACTORIES.values(), ids=FACTORIES)
def test_conforms(factory: Callable[[], Bench], name: str) -> None:
    report = check_controller(factory, only=[name])
    assert [*report.passed, *report.skipped] == [name]


def test_most_checks_are_made() -> None:
    """A bench that offers too little would pass anything."""
    skipped = check_controller(polled).skipped
    assert len(skipped) < len(checks()) // 2, skipped


def test_normal_memory_is_what_these_boards_have() -> None:
    assert isinstance(Firmware(AcpmSpec()).board.region, Memory)
