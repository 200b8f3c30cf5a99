"""The commands that talk to a Raspberry Pi, against QEMU's."""

import json
import re
import signal

import pytest
from click.testing import CliRunner

from mboxio.cli.app import app
from tests.cli.conftest import Start, start  # noqa: F401
from tests.qemu.machine import PROGRAM, running
from tests.tools import tool


def test_rpi_reads_the_board() -> None:
    with running("raspi3b") as machine:
        address = f"bcm2835:?at={machine.qtest}@0x3f00b880+0x40&pool={machine.gdb}@0x100000"
        result = CliRunner().invoke(app, ["rpi", address, "--json"])
    assert result.exit_code == 0, result.output
    found = json.loads(result.output)
    assert found["board revision"] == 0xA02082
    assert found["MAC address"] == "52:54:00:12:34:56"
    assert found["temperature"] == 25.0
    assert found["throttled"] is None


@pytest.mark.once
def test_the_demo() -> None:
    tool(PROGRAM)
    result = CliRunner().invoke(app, ["demo", "rpi"])
    assert result.exit_code == 0, result.output
    assert re.search(r"15 tags in one message: [\d.]+ ms, 12 known to QEMU", result.output)
    for number in (1, 8):
        assert re.search(rf"flight +{number} in flight: [\d,]+ requests/s", result.output)
    assert "channel 2 has nobody: RequestTimeout" in result.output
    assert re.search(r"\d+ requests, each with its own reply", result.output)


def test_the_demo_is_interrupted_cleanly(start: Start) -> None:  # noqa: F811
    tool(PROGRAM)
    process = start("demo", "rpi")
    assert process.stdout is not None
    for line in process.stdout:
        if b"tags in one message" in line:
            break
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 130
