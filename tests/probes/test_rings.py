"""``rings:`` through a real OpenOCD and a real pyOCD, to firmware that runs meanwhile.

The firmware is a process, and its memory that of a chip behind a debug port.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import mboxio
from mboxio.errors import MailboxError
from tests.firmware_rings import test_lives as lives
from tests.firmware_rings.process import RAM_BYTES, FirmwareProcess
from tests.probes.chip import RAM, Chip, DebugPort
from tests.probes.test_openocd import SIZE, line_with, serving

pytestmark = pytest.mark.once

CORE = "cortex_m -dap mcu.dap"
WINDOW = f"@{RAM:#x}%2B{RAM_BYTES:#x}"
PENDING, BELL = 0xE000_E200, 5
TIMES = 4
"""How often somebody dies: each pin of this probe is moved by a program."""
SAME: list[Callable[[FirmwareProcess], None]] = [
    lives.test_traffic,
    lives.test_firmware_dies_in_traffic,
    lives.test_change_of_host_while_firmware_waits,
    lives.test_firmware_hangs,
    lives.test_firmware_lies,
    lives.test_nobody_there,
]


def firmware_over(folder: Path, at: str) -> FirmwareProcess:
    """Start firmware in the file ``ram`` of a folder, which is reached by that path only."""
    (folder / "ram.bin").symlink_to("ram")
    firmware = FirmwareProcess(folder, bell=False)
    firmware.address = f"rings:?at={at}{WINDOW}"
    return firmware


@pytest.fixture
def by_openocd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FirmwareProcess]:
    monkeypatch.setattr(lives, "TIMES", TIMES)
    with serving(tmp_path, target=CORE) as server:
        with firmware_over(tmp_path, f"openocd:127.0.0.1:{server.port}") as firmware:
            yield firmware
        server.process.kill()
        line_with(server.pins, "never halted")


@pytest.fixture
def chip(tmp_path: Path) -> Iterator[Chip]:
    pytest.importorskip("pyocd", reason="pyocd is missing: pip install pyocd")
    from pyocd.probe.aggregator import PROBE_CLASSES

    from tests.probes.in_process import InProcess

    (tmp_path / "ram").write_bytes(bytes(SIZE))
    made = Chip(tmp_path / "ram")
    PROBE_CLASSES["ours"] = InProcess
    InProcess.ports["one"] = DebugPort(made)
    yield made
    del PROBE_CLASSES["ours"]
    InProcess.ports.clear()
    assert not InProcess.opened
    assert not made.halts()
    made.close()


@pytest.fixture
def by_pyocd(chip: Chip, tmp_path: Path) -> Iterator[FirmwareProcess]:
    with firmware_over(tmp_path, "pyocd:ours:one") as firmware:
        yield firmware


@pytest.mark.parametrize("same", SAME, ids=lambda each: each.__name__)
def test_openocd(by_openocd: FirmwareProcess, same: Callable[[FirmwareProcess], None]) -> None:
    same(by_openocd)


@pytest.mark.parametrize("same", SAME, ids=lambda each: each.__name__)
def test_pyocd(by_pyocd: FirmwareProcess, same: Callable[[FirmwareProcess], None]) -> None:
    same(by_pyocd)


def test_a_host_dies(by_openocd: FirmwareProcess) -> None:
    lives.test_host_dies_in_traffic(by_openocd)


def test_openocd_ends_and_starts_again(tmp_path: Path) -> None:
    with serving(tmp_path, target=CORE) as server:
        firmware = firmware_over(tmp_path, f"openocd:127.0.0.1:{server.port}")
        with firmware, mboxio.connect(firmware.address) as connection:
            client = connection.client("echo0", backlog=16)
            assert client.request(b"before") == b"before"
            asked = [(b"%d" % number, client.submit(b"%d" % number)) for number in range(8)]
            server.process.kill()
            server.process.wait()
            for text, request in asked:
                try:
                    assert request.result() == text
                except MailboxError:
                    pass
            with serving(tmp_path, target=CORE, port=server.port):
                assert lives.first_reply(client, b"again") == b"again"
                assert connection.stats()["echo0"].unknown == 0


def test_an_interrupt_by_the_same_way(chip: Chip, by_pyocd: FirmwareProcess) -> None:
    with mboxio.connect(f"{by_pyocd.address}&bell=nvic:{BELL}") as connection:
        before = chip.stores.count((PENDING, 1 << BELL))
        assert connection.client("echo0").request(b"rung") == b"rung"
        assert chip.stores.count((PENDING, 1 << BELL)) > before
