"""``serve``: a remote from a file or an echo, and how it ends."""

import contextlib
import json
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import mboxio
from tests.cli.conftest import PATIENCE_S, Run, Start, one_line

pytestmark = pytest.mark.once  # the command is never compiled

REMOTE = """
from mboxio.remote import Remote

remote = Remote("another-name")

@remote.handler("pmic")
def pmic(message):
    return message[::-1]
"""
FIRMWARE = """
from beside import turn

def firmware(remote):
    remote.handler("pmic")(turn)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("text", [REMOTE, FIRMWARE], ids=["remote", "firmware"])
def test_a_file(
    start: Start, sockets: str, tmp_path: Path, text: str, number: signal.Signals
) -> None:
    (tmp_path / "beside.py").write_text("def turn(message):\n    return message[::-1]\n")
    (tmp_path / "device.py").write_text(text)
    process = start("serve", "shm:board", str(tmp_path / "device.py"))
    assert process.stdout is not None
    assert process.stdout.readline() == b"serving shm:board, channels pmic; Ctrl-C ends it\n"
    with mboxio.open("shm:board/pmic") as client:
        assert client.request(b"abc") == b"cba"
    process.send_signal(number)
    stdout, stderr = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, stdout, stderr) == (0, b"", b"")
    assert os.listdir(sockets) == []


def test_echo(start: Start) -> None:
    process = start("serve", "shm:u", "--echo", "--channels", "a,b", "--workers", "2")
    assert process.stdout is not None
    assert process.stdout.readline().startswith(b"serving shm:u, channels a, b;")
    with mboxio.open("shm:u/b") as client:
        assert client.request(b"abc") == b"abc"


TELLING = """
import mboxio

def firmware(remote):
    remote.channel("pmic", message_bytes=4096)

    @remote.handler("pmic")
    def pmic(message):
        if message == b"fail":
            raise mboxio.RemoteError("no\\x1b power", status=5)
        return None if message == b"mute" else message[::-1]
"""


@pytest.fixture
def telling(start: Start, tmp_path: Path) -> Callable[..., list[bytes]]:
    """Serve with --verbose, ask something, and return what was printed, without the times."""

    def lines(*args: str) -> list[bytes]:
        (tmp_path / "device.py").write_text(TELLING)
        process = start("serve", "shm:u", str(tmp_path / "device.py"), "--verbose", *args)
        assert process.stdout is not None
        process.stdout.readline()
        with mboxio.open("shm:u") as client:
            client.request(b"\x1b[2J")
            client.request(bytes(4000))
            client.send(b"mute")
            with pytest.raises(mboxio.RemoteError):
                client.request(b"fail")
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=PATIENCE_S)
        assert (process.returncode, stderr) == (0, b"")
        return stdout.splitlines()

    return lines


def test_verbose(telling: Callable[..., list[bytes]]) -> None:
    times, lines = zip(*(line.split(b" ", 1) for line in telling()), strict=True)
    assert [*times] == sorted(times)
    zeros = b"00 " * 63 + b"00 |" + b"." * 64 + b"| (3936 more)"
    assert [*lines] == [
        b"pmic rx [4] 1b 5b 32 4a |.[2J|",
        b"pmic tx [4] 4a 32 5b 1b |J2[.|",
        b"pmic rx [4000] " + zeros,
        b"pmic tx [4000] " + zeros,
        b"pmic rx [4] 6d 75 74 65 |mute|",
        b"pmic tx no reply",
        b"pmic rx [4] 66 61 69 6c |fail|",
        rb"pmic tx error 5: no\x1b power",
    ]


def test_verbose_for_programs(telling: Callable[..., list[bytes]]) -> None:
    found = [json.loads(line) for line in telling("--json")]
    assert [each["direction"] for each in found] == ["rx", "tx"] * 4
    assert found[0]["message"] == "1b5b324a"
    assert found[3]["bytes"] == 4000
    assert found[7]["note"] == "error 5: no\\x1b power"


def test_verbose_into_a_pipe_that_is_closed(start: Start) -> None:
    """The reader has gone: it ends as other commands do, and no host waits for an answer."""
    process = start("serve", "shm:u", "--echo", "--verbose")
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    with mboxio.open("shm:u") as client, contextlib.suppress(mboxio.RemoteGone):
        client.request(b"x")
    assert process.wait(PATIENCE_S) == 141


ACPM = """
from mboxio.remote.acpm import AcpmRemote

def firmware(remote):
    remote.channel(slot_bytes=32)
    remote.channel(lambda message: message[:4] + message[:3:-1])
"""
"""Word 0 has the number of the message, so only the others are turned."""


@pytest.mark.parametrize("sram", ["peer:u", "file:FOLDER/sram&base=0x1000"])
def test_acpm_firmware(start: Start, tmp_path: Path, sram: str) -> None:
    (tmp_path / "device.py").write_text(ACPM)
    address = f"acpm:?at={sram.replace('FOLDER', str(tmp_path))}"
    process = start("serve", address, str(tmp_path / "device.py"), "--json")
    assert process.stdout is not None
    served = json.loads(process.stdout.readline())
    assert served["channels"] == ["0", "1"]
    assert address.startswith(served["address"])
    with mboxio.open(address.replace("acpm:", "acpm:/1")) as client:
        assert client.request(bytes(15) + b"x")[4:] == b"x" + bytes(11)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, stdout, stderr) == (0, b"", b"")


def test_an_echo_behind_acpm(start: Start) -> None:
    process = start("serve", "acpm:?at=peer:u", "--echo", "--latency-us", "10")
    assert process.stdout is not None
    told = process.stdout.readline()
    assert told == b"serving acpm:?at=peer:u, channels 0; Ctrl-C ends it\n"
    with mboxio.open("acpm:/0?at=peer:u") as client:
        assert client.request(bytes(4) + b"x" * 12)[4:] == b"x" * 12


def test_the_acpm_remote_of_a_file(run: Run, tmp_path: Path) -> None:
    made = 'from mboxio.remote.acpm import AcpmRemote\nremote = AcpmRemote("peer:other")\n'
    (tmp_path / "device.py").write_text(made)
    result = run("serve", "acpm:?at=peer:u", str(tmp_path / "device.py"))
    assert "serves acpm:?at=peer:other: write that" in one_line(result.stderr)
    assert result.returncode == 2


def test_what_is_served_as_json(start: Start) -> None:
    process = start("serve", "shm:u", "--echo", "--channels", "a,b", "--json")
    assert process.stdout is not None
    assert json.loads(process.stdout.readline()) == {"address": "shm:u", "channels": ["a", "b"]}


@pytest.mark.parametrize("command", ["request {} x", "send {} x", "list shm:u", "bench {}"])
def test_a_command_waits_for_a_remote_that_is_late(
    start: Start, sockets: str, command: str
) -> None:
    more = ["--seconds", "0.01"] if command.startswith("bench") else []
    with watched_for_a_try(sockets, "u") as tried:
        process = start(*command.format("shm:u").split(), "--wait", str(PATIENCE_S), *more)
        tried()
    remote = start("serve", "shm:u", "--echo")
    assert remote.stdout is not None
    assert remote.stdout.readline()
    _, stderr = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, stderr) == (0, b"")


def test_a_wait_that_is_in_vain(run: Run) -> None:
    result = run("request", "shm:nobody", "x", "--wait", "0.01")
    line = one_line(result.stderr)
    assert line.startswith("nobody serves shm:nobody")
    assert line.endswith(" s for it")
    assert result.returncode == 1


@pytest.mark.parametrize("text", ["-1", "nan", "inf", "none", "1e9", "soon", ""])
def test_a_wait_that_is_no_time(run: Run, text: str) -> None:
    result = run("request", "shm:nobody", "x", f"--wait={text}")
    assert f"{text!r} is not a time: write seconds, 0 to 1000000" in one_line(result.stderr)
    assert result.returncode == 2


def test_what_is_wrong_is_not_waited_for(run: Run) -> None:
    result = run("request", "shm:no/name/at all?x=1", "x", "--wait", "1000000")
    assert one_line(result.stderr)
    assert result.returncode == 2


def test_a_wait_that_is_interrupted(start: Start, sockets: str) -> None:
    with watched_for_a_try(sockets, "nobody") as tried:
        process = start("request", "shm:nobody", "x", "--wait", "1000000")
        tried()
        process.send_signal(signal.SIGINT)
        stdout, _ = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, stdout) == (130, b"")


@contextlib.contextmanager
def watched_for_a_try(sockets: str, name: str) -> Iterator[Callable[[], None]]:
    """Yield what waits until a host has tried in vain: it hangs up on the first one."""
    os.mkdir(sockets, 0o700)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listening:
        listening.bind(os.path.join(sockets, f"{name}.sock"))
        listening.listen()
        listening.settimeout(PATIENCE_S)
        yield lambda: listening.accept()[0].close()


def test_latency(start: Start) -> None:
    process = start("serve", "shm:u", "--echo", "--latency-us", "20000")
    assert process.stdout is not None
    assert process.stdout.readline()
    with mboxio.open("shm:u") as client:
        asked_s = time.monotonic()
        assert client.request(b"abc") == b"abc"
        assert time.monotonic() - asked_s >= 0.02


def test_a_handler_that_raises(start: Start, tmp_path: Path) -> None:
    (tmp_path / "device.py").write_text(
        "def firmware(remote):\n"
        "    @remote.handler('pmic')\n"
        "    def pmic(message):\n"
        "        raise ValueError('no such rail')\n"
    )
    process = start("serve", "shm:u", str(tmp_path / "device.py"))
    assert process.stdout is not None
    assert process.stdout.readline()
    with mboxio.open("shm:u") as client, pytest.raises(mboxio.RemoteError, match="no such rail"):
        client.request(b"")
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=PATIENCE_S)
    line = one_line(stderr)
    assert "the handler of channel pmic failed: ValueError: no such rail" in line
    assert 'device.py", line 4' in line


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("import nothing_like_it", "failed: ModuleNotFoundError: No module named 'nothing_like_"),
        ("x = 1\n1 / 0", "failed: ZeroDivisionError: division by zero (device.py, line 2)"),
        ("def x(:", "failed: SyntaxError: invalid syntax (device.py, line 1)"),
        ("raise SystemExit('no\\nboard')", "failed: SystemExit: no board (device.py, line 1)"),
        ("\ndef firmware(): pass", "device.py, line 2: firmware() has to take one argument"),
        ("def firmware(a, b): pass", "device.py, line 1: firmware(a, b) has to take one argument"),
        ("async def firmware(r): pass", "device.py, line 1: firmware() is async"),
        ("remote = 1", "defines neither remote = Remote(...) nor a function firmware(remote)"),
        ("def firmware(remote): pass", "shm:u has no channel"),
    ],
)
def test_a_file_that_is_wrong(run: Run, tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "device.py").write_text(text)
    result = run("serve", "shm:u", str(tmp_path / "device.py"))
    assert told in one_line(result.stderr)
    assert result.returncode in (1, 2)
    assert result.stdout == b""
