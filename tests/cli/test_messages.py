"""``request``, ``send`` and ``listen``: what goes in and what comes out."""

import json
import os
import random
import re
import signal
import subprocess
import sys
import threading
from datetime import datetime
from pathlib import Path

import pytest

from mboxio.cli.shared.messages import hexdump, took
from mboxio.remote import Remote
from tests.cli.conftest import PATIENCE_S, Invoke, Run, Start, one_line

pytestmark = pytest.mark.once  # the command is never compiled

EVERYTHING = bytes(range(256))


@pytest.mark.parametrize(
    ("args", "stdin", "reply"),
    [
        (["hello"], b"", b"hello"),
        ([], b"", b""),
        (["é"], b"", "é".encode()),
        (["01 02", "--hex"], b"", b"\1\2"),
        (["--hex", "01 02ff"], b"", b"\1\2\xff"),
        (["--hex", "0x0102"], b"", b"\1\2"),
        (["--hex", "0x01,0x02"], b"", b"\1\2"),
        (["--hex", "01:02-0a_0B"], b"", b"\1\2\n\x0b"),
        (["--hex", "0X0102 03"], b"", b"\1\2\3"),
        (["x", "--timeout-s", "None"], b"", b"x"),
        (["--word", "0x12345678,0x1"], b"", bytes.fromhex("7856341201000000")),
        (["--word", "0x1 2, 4294967295"], b"", bytes.fromhex("0100000002000000ffffffff")),
        (["--word", "0xA_0000", "--endian", "big"], b"", bytes.fromhex("000a0000")),
        (["--word", "-"], b"0x10\n0x20\n", bytes.fromhex("1000000020000000")),
        (["--word", "0"], b"", bytes(4)),
        (["--word"], b"", b""),
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


@pytest.mark.parametrize("command", ["request shm:t/echo x", "listen shm:t/talk"])
def test_one_form_of_output_only(remote: Remote, invoke: Invoke, command: str) -> None:
    result = invoke(*command.split(), "--json", "--hex-out")
    assert one_line(result.stderr_bytes).startswith("--json and --hex-out exclude each other")
    assert (result.exit_code, result.stdout) == (2, "")


@pytest.mark.parametrize(
    ("option", "output"),
    [
        ("--raw", b"\0A\n"),
        ("--hex-out", b"00 41 0a\n"),
        ("--out=raw", b"\0A\n"),
        ("--out=hex", b"00 41 0a\n"),
        ("--out=word", b"+ 00 41 0a\n"),
        ("--out=text", b"\\x00A\n"),
        ("--out=dump", b"00000000  00 41 0a                                          |.A.|\n"),
    ],
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


@pytest.mark.parametrize(
    ("order", "shown"),
    [("little", "0x12345678 0x00000001 + 0a"), ("big", "0x78563412 0x01000000 + 0a")],
)
def test_words_come_out_in_either_order(
    remote: Remote, invoke: Invoke, order: str, shown: str
) -> None:
    args = ["--hex", "78563412 01000000 0a", "--out", "word", "--endian", order]
    result = invoke("request", "shm:t/echo", *args)
    assert result.stdout == f"{shown}\n"


def test_a_text_cannot_steer_a_terminal(remote: Remote, invoke: Invoke) -> None:
    message = "a\x1b[2J\u202e\nb\udc9b".encode(errors="surrogateescape") + b"x" * 200 + b"\r\n"
    result = invoke("request", "shm:t/echo", "--file", "-", "--out", "text", input=message)
    assert result.stdout == "a\\x1b[2J\\u202e b\\x9b" + "x" * 200 + "\n"


def test_latency_is_shown_beside_the_output(remote: Remote, start: Start) -> None:
    """On a terminal only: in a file it would be one more line that is not the reply."""
    own, terminal = os.openpty()
    try:
        command = [sys.executable, "-m", "mboxio", "request", "shm:t/echo", "AB", "--out", "word"]
        subprocess.run(command, stdout=terminal, stderr=terminal, timeout=PATIENCE_S, check=True)
        shown = os.read(own, 1000).decode()
    finally:
        os.close(own)
        os.close(terminal)
    assert re.search(r"\+ 41 42\r\n.*\d(\.\d+)? (µs|ms|s), 2 bytes", shown)
    assert [took(each) for each in (12e-6, 0.0123, 1.5)] == ["12 µs", "12.3 ms", "1.50 s"]


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
    result = invoke("send", "shm:t/sink", "on", "--json")
    found = json.loads(result.stdout)
    assert found.pop("seconds") > 0
    assert found == {"bytes": 2}


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
    for line in stdout.decode().splitlines():
        found = json.loads(line)
        assert datetime.fromisoformat(found.pop("time")).tzinfo
        assert found == {"channel": "talk", "direction": "rx", "message": "006869", "bytes": 3}
    assert stdout.count(b"\n") == 3


def test_listen_prints_one_line_for_each_message(remote: Remote, start: Start) -> None:
    process = start("listen", "shm:t/talk", "--count", "2")
    talk_until_ended(remote, process, b"\0hi\n\x1b" + bytes(40))
    stdout, stderr = process.communicate()
    assert (process.returncode, stderr) == (0, b"")
    shown = "00 68 69 0a 1b" + 40 * " 00"
    line = rf"\d{{4}}-\d\d-\d\dT[\d:.+-]+ talk rx \[45\] {shown} \|\.hi\.\.\.{{40}}\|\n"
    assert re.fullmatch(line * 2, stdout.decode())


def test_a_terminal_gets_a_head_and_a_hexdump_of_what_is_heard(
    remote: Remote, start: Start
) -> None:
    own, terminal = os.openpty()
    try:
        process = start("listen", "shm:t/talk", "--count", "1", stdout=terminal)
        talk_until_ended(remote, process, b"\x1b]0;owned\x07")
        head, row, _ = os.read(own, 1000).decode().split("\r\n")
    finally:
        os.close(own)
        os.close(terminal)
    assert head.split()[1:] == ["talk", "rx", "[10]"]
    assert row.endswith("|.]0;owned.|")
    assert (head + row).isprintable()


def test_listen_follows_a_remote_over_its_restart(start: Start) -> None:
    first, second = Remote("life"), Remote("life")
    for life in (first, second):
        life.channel("talk", depth=8, host_sends=False)
    with first:
        process = start("listen", "shm:life/talk", "--follow", "--hex-out")
        assert process.stdout is not None
        reading = threading.Thread(target=process.stdout.read, args=(3,))
        reading.start()
        while reading.is_alive():  # it may not be listening yet
            first.notify("talk", b"1")
            reading.join(0.01)
    with second:
        lines: list[bytes] = []
        reading = threading.Thread(target=lambda: lines.extend(until(process, b"32\n")))
        reading.start()
        while reading.is_alive():
            second.notify("talk", b"2")
            reading.join(0.01)
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=PATIENCE_S)
    assert set(lines) <= {b"31\n", b"32\n"}
    gone, ended = stderr.decode().splitlines()
    assert gone.startswith("mboxio: ")
    assert gone.endswith("; listening for its next life")
    assert ended.endswith(" messages")
    assert process.returncode == 0


def until(process: "subprocess.Popen[bytes]", wanted: bytes) -> list[bytes]:
    """Read lines up to one."""
    assert process.stdout is not None
    lines = [process.stdout.readline()]
    while lines[-1] not in (wanted, b""):
        lines.append(process.stdout.readline())
    return lines


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


def test_listen_waits_for_a_remote_that_is_late(start: Start) -> None:
    process = start("listen", "shm:u/talk", "--wait", str(PATIENCE_S), "--count", "1", "--raw")
    remote = Remote("u")
    remote.channel("talk", depth=8, host_sends=False)
    with remote:
        talk_until_ended(remote, process, b"x")
    stdout, stderr = process.communicate()
    assert (process.returncode, stdout, stderr) == (0, b"x", b"")


def test_a_reader_that_goes_away(remote: Remote, start: Start) -> None:
    process = start("request", "shm:t/echo", "hello", "--repeat", "1000000")
    assert process.stdout is not None
    assert process.stdout.read(5) == b"hello"
    process.stdout.close()
    assert process.wait(PATIENCE_S) == 128 + signal.SIGPIPE
    assert process.stderr is not None
    assert process.stderr.read() == b""
    process.stdout = None
