"""What Wireshark sees in our files, without a plug-in."""

import subprocess
from pathlib import Path

import pytest

from mboxio.capture.reading import read
from mboxio.capture.writing import open_writer
from tests.capture.events import START_NS, life
from tests.tools import tool

pytestmark = pytest.mark.once

FIELDS = ("frame.interface_name", "frame.time_epoch", "frame.p2p_dir", "frame.len", "frame.comment")


def test_names_times_directions_and_losses(tmp_path: Path) -> None:
    path = tmp_path / "x.pcapng"
    writer = open_writer(path, snap=20, offset_ns=5, pid=1)
    for number, each in enumerate(life()):
        writer.write(each, f"event {number}: µ")
    writer.close()
    shark = tool("tshark")
    wanted = [part for each in FIELDS for part in ("-e", each)]
    command = [shark, "-r", str(path), "-T", "fields", *wanted]
    done = subprocess.run(command, capture_output=True, check=True)
    rows = [line.split("\t") for line in done.stdout.decode().splitlines()]
    seconds, rest = divmod(START_NS, 1_000_000_000)
    ways = ["0", "1", "", "1", "1", "1", ""]
    assert rows == [
        [
            str(each.source),
            f"{seconds}.{rest + each.time_ns - START_NS:09d}",
            way,
            str(40 + each.length),
            f"event {number}: µ",
        ]
        for number, (each, way) in enumerate(zip(life(), ways, strict=True))
    ]
    details = subprocess.run(
        [shark, "-r", str(path), "-V", "-Y", "frame.number == 5"],
        capture_output=True,
        check=True,
    )
    assert "Drop Count: 3" in details.stdout.decode()


def test_what_wireshark_writes_again_is_read(tmp_path: Path) -> None:
    path, again = tmp_path / "x.pcapng", tmp_path / "again.pcapng"
    writer = open_writer(path)
    for each in life():
        writer.write(each)
    writer.close()
    command = [tool("tshark"), "-r", str(path), "-w", str(again)]
    subprocess.run(command, stderr=subprocess.PIPE, check=True)
    with read(again) as capture:
        assert list(capture) == life()
    assert capture.warnings == []
