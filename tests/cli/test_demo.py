"""``demo``: the whole of it once, and what is left of one that is interrupted."""

import json
import os
import re
import select
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click import ClickException

from mboxio.cli.demo import process as demo_process
from mboxio.cli.demo.traffic import arrived
from tests.cli.conftest import PATIENCE_S, Run, Start


@pytest.fixture(autouse=True)
def own_folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where the demo puts its sockets; empty again afterwards."""
    with tempfile.TemporaryDirectory(prefix="mboxio-") as folder:
        monkeypatch.setenv("TMPDIR", folder)
        yield Path(folder)
        assert os.listdir(folder) == []


def firmware_of(folder: Path) -> list[int]:
    """Return the processes that have their sockets below a folder."""
    found: list[int] = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            environment = Path(f"/proc/{pid}/environ").read_bytes()
        except OSError:
            continue
        if b"MBOXIO_RUNTIME_DIR=" + os.fsencode(folder) in environment:
            found.append(int(pid))
    return found


@pytest.mark.once
@pytest.mark.parametrize("name", ["requests", "acpm", "far"])
def test_demo_as_json(run: Run, name: str) -> None:
    if name == "far":
        pytest.importorskip("grpc")
    result = run("demo", name, "--json")
    assert (result.returncode, result.stderr) == (0, b"")
    assert result.stdout.count(b"\n") == 1
    found = json.loads(result.stdout)
    assert (found["demo"], found["broken"]) == (name, [])
    assert found["gain"] > 1
    if name == "requests":
        power = found["channels"][0]
        assert power["sent"] == power["answered"] + power["failed"] > 0
        assert (power["mispaired"], found["held"]) == (0, 0)
    else:
        assert found["requests"] == found["answered"] + found["failed"] > 0
        assert set(found["per_second"]) > {"1"}


@pytest.mark.once
def test_demo(run: Run, own_folder: Path) -> None:
    result = run("demo")
    text = result.stdout.decode()
    assert (result.returncode, result.stderr) == (0, b"")
    assert "\x1b" not in text
    gain = re.search(r"4 clients, 32 in flight: +[\d,]+ requests/s, ([\d.]+)×", text)
    assert gain
    assert float(gain[1]) > 1
    assert re.search(r"SIGKILL +\d+ requests and \d+ one-way messages pending: all over in", text)
    assert re.search(r"legacy +\d+ RemoteGone, stage queue, handed over: no", text)
    assert re.search(r"restart +same connection, same clients: reply after \d+ ms", text)
    table = {
        line.split()[0]: re.split(r" {2,}", line)[2:]
        for line in text[text.index("channel  what") :].splitlines()
        if line.startswith(("power", "sensor", "host", "legacy"))
    }
    number = {
        name: [int(each.replace(",", "")) if each != "-" else None for each in cells]
        for name, cells in table.items()
    }
    sent, answered, failed, late, mispaired = number["power"]
    assert sent == (answered or 0) + (failed or 0)
    assert failed
    assert (late, mispaired) == (0, 0)
    assert number["host"][0] == number["host"][1] != 0
    assert number["legacy"][0] == sum(number["legacy"][1:3])  # type: ignore[arg-type]
    assert "held: 0" in text
    assert not firmware_of(own_folder)


@pytest.mark.once
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted(start: Start, own_folder: Path, number: signal.Signals) -> None:
    process = start("demo", session=True)
    assert process.stdout is not None
    assert process.stdout.readline().startswith(b"mboxio demo")
    assert process.stdout.readline().startswith(b"power")
    assert len(firmware_of(own_folder)) == 1
    os.killpg(process.pid, number)  # as a terminal does
    _, stderr = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, stderr) == (128 + number, b"")
    assert not firmware_of(own_folder)


@pytest.mark.once
def test_a_reader_that_goes_away(start: Start, own_folder: Path) -> None:
    process = start("demo")
    assert process.stdout is not None
    assert process.stdout.readline().startswith(b"mboxio demo")
    process.stdout.close()
    assert process.wait(PATIENCE_S) == 128 + signal.SIGPIPE
    assert process.stderr is not None
    assert process.stderr.read() == b""
    process.stdout = None
    assert not firmware_of(own_folder)


@pytest.mark.once
def test_the_firmware_does_not_outlive_a_killed_demo(start: Start, own_folder: Path) -> None:
    process = start("demo")
    assert process.stdout is not None
    assert process.stdout.readline().startswith(b"mboxio demo")
    (firmware,) = firmware_of(own_folder)
    end = os.pidfd_open(firmware)
    try:
        process.kill()
        assert select.select([end], [], [], PATIENCE_S)[0]
    finally:
        os.close(end)
    # A killed demo cannot remove its folder.
    (left,) = own_folder.iterdir()
    shutil.rmtree(left)


@pytest.mark.once
def test_demo_of_acpm(run: Run, own_folder: Path) -> None:
    result = run("demo", "acpm")
    text = result.stdout.decode()
    assert (result.returncode, result.stderr) == (0, b"")
    gain = re.search(r"31 in flight: +[\d,]+ registers/s, ([\d.]+)×", text)
    assert gain
    assert float(gain[1]) > 1
    assert re.search(r"sensor +\d+ unsolicited messages", text)
    assert re.search(
        r"SIGKILL +20 reads in flight: all over in \d+ ms, [1-9]\d* with RemoteGone", text
    )
    assert re.search(r"restart +same client: reply after \d+ ms", text)
    assert "0 mispaired, 0 numbers held" in text
    assert not firmware_of(own_folder)


@pytest.mark.once
def test_demo_of_rpmsg(run: Run, own_folder: Path) -> None:
    result = run("demo", "rpmsg")
    text = result.stdout.decode()
    assert (result.returncode, result.stderr) == (0, b"")
    assert "announced: loader, adc" in text
    gain = re.search(r"16 in flight: +[\d,]+ requests/s, ([\d.]+)×", text)
    assert gain
    assert float(gain[1]) > 1
    assert re.search(r"late +filter was started, announced, and answered", text)
    assert re.search(r"SIGKILL +16 requests in flight: all over in \d+ ms, [1-9]\d* failed", text)
    assert re.search(r"restart +same client: reply after \d+ ms", text)
    assert "0 mispaired, 0 held" in text
    assert "make test-linux" in text
    assert not firmware_of(own_folder)


@pytest.mark.once
def test_demo_of_a_board_elsewhere(run: Run, own_folder: Path) -> None:
    pytest.importorskip("grpc")
    result = run("demo", "far")
    text = result.stdout.decode()
    assert (result.returncode, result.stderr) == (0, b"")
    assert re.search(r"alice +board, 4 channels: may observe, notifications, request", text)
    assert re.search(r"bob +board, 4 channels: may observe, notifications\n", text)
    gain = re.search(r"32 in flight: +[\d,]+ requests/s, ([\d.]+)×", text)
    assert gain
    assert float(gain[1]) > 1
    assert re.search(r"bob +[1-9]\d* unsolicited messages heard; a request is refused: Addr", text)
    assert re.search(r"SIGKILL +32 requests in flight: all over in \d+ ms, [1-9]\d* with Rem", text)
    assert re.search(r"restart +same clients: reply after \d+ ms, bob was told 1 loss", text)
    assert "0 mispaired, 0 held" in text
    assert not firmware_of(own_folder)


@pytest.mark.once
def test_a_demo_without_what_it_needs(
    run: Run, own_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "grpc.py").write_text("raise ImportError('no module named grpc')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    result = run("demo", "far")
    assert (result.returncode, result.stdout) == (2, b"")
    assert result.stderr.startswith(b"mboxio: gRPC is missing: pip install grpcio, or ")
    assert result.stderr.count(b"\n") == 1


@pytest.mark.once
@pytest.mark.parametrize(
    ("module", "patience_s", "why"),
    [
        ("mboxio.no_such_firmware", 1e9, "the firmware failed: .*No module named"),
        ("tests.cli.mute", 0.0, "the firmware is not up after 0 s"),
    ],
)
def test_firmware_that_does_not_come_up(
    own_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    module: str,
    patience_s: float,
    why: str,
) -> None:
    """Its end is noticed at once; while it lives, it has time."""
    monkeypatch.setattr(demo_process, "PATIENCE_S", patience_s)
    with demo_process.private_folder() as folder:
        firmware = demo_process.FirmwareProcess("demo", folder, lambda: None, module)
        try:
            with pytest.raises(ClickException, match=why):
                firmware.start()
        finally:
            firmware.stop()


@pytest.mark.once
def test_where_temporary_files_have_long_paths(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    far = tmp_path / (90 * "x")
    far.mkdir()
    monkeypatch.setenv("TMPDIR", str(far))
    monkeypatch.setattr("tempfile.tempdir", None)
    with demo_process.private_folder() as folder:
        firmware = demo_process.FirmwareProcess(
            "demo", folder, lambda: None, "mboxio.cli.demo.firmware"
        )
        try:
            firmware.start()
        finally:
            firmware.stop()


def test_messages_that_come_as_fast_as_they_are_taken() -> None:
    """The demo goes on: it looks for a while, and not until there are none."""

    class Endless:
        taken = 0

        def get(self, timeout_s: float) -> bytes:
            self.taken += 1
            return b"one more"

    messages: Any = Endless()
    assert sum(message == b"one more" for message in arrived(messages)) == messages.taken > 0


@pytest.mark.once
def test_there_is_no_such_demo(run: Run) -> None:
    result = run("demo", "nothing")
    assert result.returncode == 2
    assert result.stderr.count(b"\n") == 1
    assert b"'acpm'" in result.stderr
