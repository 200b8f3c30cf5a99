"""``request``, ``send`` and ``listen``: what goes in and what comes out."""

import json
import os
import random
import signal
import subprocess
import threading
from pathlib import Path

import pytest

from mboxio.cli.options import hexdump
from mboxio.remote import Remote
from tests.cli.conftest import PATIENCE_S, Invoke, Run, Start

EVERYTHING = bytes(range(256))


@pytest.mark.parametrize(
    ("args", "stdin", "reply"),
    [
        (["hello"], b"", b"hello"),
        ([], b"", b""),
        (["é"], b"", "é".encode()),
        (["01 02", "--hex"], b"", b"\1\2"),
        (["--hex", "01 02ff"], b"", b"\1\2\xff"),
        (["-"], EVERYTHING, EVERYTHING),
        (["--file", "-"], b"abc", b"abc"),
        (["--hex", "-"], b"00 ff\n", b"\0\xff"),
        (["--text", "-"], b"", b"-"),
        (["x", "--repeat", "3"], b"", b"xxx"),
        (["x", "--timeout-s", "none"], b"", b"x"),
    ],
)
def test_request(
    remote: Remote, invoke: Invoke, args: list[str], stdin: bytes, reply: bytes
) -> None:
    result = invoke("request", "shm:t/echo", *args, input=stdin)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout_bytes == reply


def test_a_file_comes_back_as_it_is(remote: Remote, run: Run, tmp_path: Path) -> None:
    data = random.Random(1).randbytes(256)
    (tmp_path / "message").write_bytes(data)
    result = run("request", "shm:t/echo", "--file", str(tmp_path / "message"))
    assert (result.returncode, result.stdout, result.stderr) == (0, data, b"")


@pytest.mark.parametrize(
    ("option", "output"),
    [("--raw", b"\0A\n"), ("--hex-out", b"00 41 0a\n")],
)
def test_output(remote: Remote, invoke: Invoke, option: str, output: bytes) -> None:
    result = invoke("request", "shm:t/echo", "--hex", "00410a", option)
    assert result.stdout_bytes == output


def test_json_output(remote: Remote, invoke: Invoke) -> None:
    result = invoke("request", "shm:t/echo", "AB", "--json", "--repeat", "2")
    for line in result.stdout.splitlines():
        found = json.loads(line)
        assert found.pop("seconds") > 0
        assert found == {"message": "4142", "bytes": 2}


def test_hexdump() -> None:
    assert [*hexdump(b"")] == ["(no bytes)"]
    assert [*hexdump(b"hello\0world, 17 b")] == [
        "00000000  68 65 6c 6c 6f 00 77 6f  72 6c 64 2c 20 31 37 20  |hello.world, 17 |",
        "00000010  62                                                |b|",
    ]


def test_a_terminal_gets_a_hexdump(remote: Remote, start: Start) -> None:
    own, terminal = os.openpty()
    try:
        process = start("request", "shm:t/echo", "hello\x1b", stdout=terminal)
        assert process.wait(PATIENCE_S) == 0
        shown = os.read(own, 1000).decode()
    finally:
        os.close(own)
        os.close(terminal)
    assert shown.split() == ["00000000", "68", "65", "6c", "6c", "6f", "1b", "|hello.|"]


def test_send(remote: Remote, invoke: Invoke) -> None:
    result = invoke("send", "shm:t/sink", "on", "--repeat", "3")
    assert (result.exit_code, result.output) == (0, "")
    assert remote.stats().messages == 3


def talk_until_ended(remote: Remote, process: "subprocess.Popen[bytes]", message: bytes) -> None:
    """Send messages until the listener has enough: it may not be listening yet."""
    while True:
        remote.notify("talk", message)
        try:
            process.wait(0.01)
        except subprocess.TimeoutExpired:
            continue
        return


def test_listen(remote: Remote, start: Start) -> None:
    process = start("listen", "shm:t/talk", "--count", "3", "--json")
    talk_until_ended(remote, process, b"\0hi")
    stdout, stderr = process.communicate()
    assert (process.returncode, stderr) == (0, b"")
    assert stdout.decode().splitlines() == 3 * [json.dumps({"message": "006869", "bytes": 3})]


def test_listen_until_interrupted(remote: Remote, start: Start) -> None:
    process = start("listen", "shm:t/talk", "--raw")
    assert process.stdout is not None
    reading = threading.Thread(target=process.stdout.read, args=(1,))
    reading.start()
    while reading.is_alive():  # it may not be listening yet
        remote.notify("talk", b"x")
        reading.join(0.01)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0
    assert stderr.startswith(b"mboxio: ")
    assert stderr.endswith(b" messages\n")


def test_a_reader_that_goes_away(remote: Remote, start: Start) -> None:
    process = start("request", "shm:t/echo", "hello", "--repeat", "1000000")
    assert process.stdout is not None
    assert process.stdout.read(5) == b"hello"
    process.stdout.close()
    assert process.wait(PATIENCE_S) == 128 + signal.SIGPIPE
    assert process.stderr is not None
    assert process.stderr.read() == b""
    process.stdout = None
