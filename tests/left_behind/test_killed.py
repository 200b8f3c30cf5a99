"""Hosts in processes of their own that are killed in traffic, and firmware that goes on."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import mboxio
from mboxio import QueueFull
from tests.acpm.processes import PATIENCE_S, FirmwareProcess
from tests.acpm.support import numbered
from tests.rpmsg.test_served import Firmware

HOST = Path(__file__).with_name("dying_host.py")
KILLS = 4
SLOW: dict[str, Any] = {"slots": 64, "slot_bytes": 16, "latency_s": 0.02, "workers": 8}


@pytest.fixture(params=["acpm", "virtio-rpmsg"])
def board(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, str, int]]:
    """Firmware that answers backwards: address, channel, and how many may be in flight."""
    where = f"file:{tmp_path}/memory.bin"
    if request.param == "acpm":
        with FirmwareProcess(where, ("reverse", SLOW)):
            yield f"acpm:?at={where}", "0", 63
    else:
        with Firmware(where):
            yield f"virtio-rpmsg:?at={where}&replies=source", "reverse", 16


def body(message: bytes, channel: str) -> bytes:
    """Return the part of a message that the firmware turns round."""
    return message[4:] if channel == "0" else message


@pytest.mark.timeout(120)
def test_who_comes_next_has_its_own_replies(board: tuple[str, str, int]) -> None:
    address, channel, depth = board
    number = 1 << 32
    for _ in range(KILLS):
        command = [sys.executable, str(HOST), address, channel, str(depth)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as host:
            assert host.stdout is not None
            assert host.stdout.readline() == b"asking\n"
            host.kill()
        with mboxio.connect(address) as connection:
            client = connection.client(channel, timeout_s=PATIENCE_S)
            for _ in range(3):
                asked: list[tuple[bytes, Any]] = []
                with suppress(QueueFull):
                    while len(asked) < depth:
                        asked.append((numbered(number), client.submit(numbered(number))))
                        number += 1
                for message, request in asked:
                    assert body(request.result(), channel) == body(message, channel)[::-1]
                client.request(numbered(number), queue_timeout_s=PATIENCE_S)
            stats = connection.stats()[channel]
            assert (stats.held_slots, stats.held_tags) == (0, ()), stats
