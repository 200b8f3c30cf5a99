"""Users of a gateway and programs beside it, each a process of its own, on one mailbox."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from mboxio.remote.acpm import AcpmRemote
from tests.far.processes import USER, Python, gateway
from tests.shm.support import FirmwareProcess

ENOUGH = 200


@pytest.fixture
def programs(folder: str) -> Iterator[ExitStack]:
    """What ends with the test."""
    with ExitStack() as stack:
        yield stack


def test_two_users_and_a_local_program_share_a_mailbox(programs, folder):
    """Firmware in shared memory has memory for each program that connects."""
    allow = Path(folder) / "allow.toml"
    allow.write_text("".join(f'[{each}]\n"*/*" = ["request"]\n' for each in ("alice", "bob")))
    sockets = {each: f"{folder}/{each}.sock" for each in ("alice", "bob")}
    listen = [word for item in sockets.items() for word in ("--socket", "=".join(item))]
    programs.callback(FirmwareProcess("t", {"a": (8, 64)}).kill)
    programs.callback(gateway("--allow-list", allow, *listen).kill)
    asked = [f"grpc+unix:{path}/board/a" for path in sockets.values()]
    users = [Python("-c", USER, address) for address in [*asked, "shm:t/a"]]
    for each in users:
        programs.callback(each.kill)
    for each in users:  # each of them checks that every reply is its own
        while int(each.line()) < ENOUGH:
            pass


def request(address: str) -> "subprocess.CompletedProcess[str]":
    """Have a program ask something on channel 0."""
    command = [sys.executable, "-m", "mboxio", "request", address, "--hex", "00000000 01020304"]
    return subprocess.run(command, capture_output=True, text=True)


def test_a_local_program_beside_a_gateway_is_told_to_go_through_it(programs, folder):
    """Where there is one window for all, the gateway has it, and its socket is the way."""
    remote = AcpmRemote(f"file:{folder}/sram")
    remote.channel(lambda message: message)
    programs.enter_context(remote)
    board = f"acpm:?at=file:{folder}/sram"
    serving = gateway(board=board)
    programs.callback(serving.kill)
    refused = request(board.replace("?", "/0?"))
    assert refused.returncode != 0
    assert f"pid {serving.pid}" in refused.stderr
    assert "uses channel 0" in refused.stderr
    assert "two hosts take each other's answers" in refused.stderr
    done = request(f"grpc+unix:{folder}/gateway@grpc.sock/board/0")
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
