"""``mboxio replay``: what people see, exit codes, and how it ends."""

import json
import re
import signal
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

import mboxio
from mboxio.capture.event import Event, Kind, Source
from mboxio.capture.writing import open_writer
from mboxio.remote import Remote
from mboxio.remote.acpm.pmic import PmicModel
from tests.cli.conftest import (  # noqa: F401  # fixtures
    PATIENCE_S,
    Invoke,
    Start,
    invoke,
    one_line,
    sockets,
    start,
)

pytestmark = pytest.mark.once

PMIC = Source("shm:t", "pmic", depth=8, message_bytes=64)
MS = 1_000_000


@pytest.fixture
def remote(sockets: str) -> Iterator[Remote]:  # noqa: F811
    made = Remote("t")
    made.handler("pmic")(lambda message: None if message == b"mute" else message[::-1])
    with made:
        yield made


def capture(path: Path, *said: tuple[bytes, bytes], cut: int = 0) -> str:
    """Write a capture of requests and replies."""
    writer = open_writer(path, snap=cut or None)
    for number, (message, reply) in enumerate(said, 1):
        at_ns = 1_700_000_000_000_000_000 + number * MS
        writer.write(Event(at_ns, Kind.REQUEST, PMIC, number, number, 0, 3, 1, True, message))
        writer.write(Event(at_ns + 9, Kind.REPLY, PMIC, number, number, 0, 5, 1, True, reply))
    writer.close()
    return str(path)


DIFFERENT = """\
request 2 of 3 on pmic, 0.001000 s after the first
  sent      00000000  64 65 66
  1 byte differs, the first at 1
  recorded  00000000  66 45 64
  received  00000000  66 65 64
                         ^^
"""


def test_a_difference_is_explained(invoke: Invoke, remote: Remote, tmp_path: Path) -> None:  # noqa: F811
    said = ((b"abc", b"cba"), (b"def", b"fEd"), (b"ghi", b"i"))
    path = capture(tmp_path / "session.pcapng", *said)
    found = invoke("replay", path, "shm:t", "--no-gaps")
    assert found.exit_code == 1
    assert found.stdout.startswith(DIFFERENT)
    assert " messages sent, 1 as recorded, 1 different" in found.stdout
    found = invoke("replay", path, "shm:t/pmic", "--all", "--json", "--in-flight", "1")
    assert found.exit_code == 1
    first, second, summary = map(json.loads, found.stdout.splitlines())
    assert (first["number"], first["differing"]) == (2, [1])
    assert second["received"] == {"end": "done", "reply": "696867", "status": None, "why": None}
    assert (summary["sent"], summary["same"], summary["different"]) == (3, 1, 2)
    found = invoke("replay", capture(tmp_path / "good.jsonl", said[0]), "shm:t", "--speed", "10")
    assert (found.exit_code, found.stdout) == (0, "1 of 1 messages sent, 1 as recorded\n")


def test_a_difference_says_what_it_means(invoke: Invoke, remote: Remote, tmp_path: Path) -> None:  # noqa: F811
    model = PmicModel()
    remote.stop()
    remote.handler("pmic")(model)
    read = struct.pack("<4I", 0x1042, 0, 0, 0)
    model.registers[1, 0, 0x42] = 0x11
    path = capture(tmp_path / "session.pcapng", (read, model(read) or b""))
    model.registers[1, 0, 0x42] = 0x22
    with remote:
        found = invoke("replay", path, "shm:t", "--protocol", "acpm-pmic")
        as_json = invoke("replay", path, "shm:t", "--protocol", "acpm-pmic", "--json")
    lines = found.stdout.splitlines()
    assert "  recorded  0x11 in register 0x42 (kind 0, bus 1)" in lines
    assert "  received  0x22 in register 0x42 (kind 0, bus 1)" in lines
    assert lines.count("  1 byte differs, the first at 5") == 1
    said = json.loads(as_json.stdout.splitlines()[0])["decoded"]
    assert said["received"] == "0x22 in register 0x42 (kind 0, bus 1)"


def test_what_is_wrong_is_said_in_a_line(
    invoke: Invoke,  # noqa: F811
    remote: Remote,
    tmp_path: Path,
) -> None:
    good = capture(tmp_path / "good.pcapng", (b"abc", b"cba"))
    short = capture(tmp_path / "short.pcapng", (b"abcdef", b"cba"), cut=4)
    (tmp_path / "empty.pcapng").touch()
    (tmp_path / "no.pcapng").write_bytes(b"\x7fELF, no capture")
    for text, *args in (
        ("holds no messages", str(tmp_path / "empty.pcapng"), "shm:t"),
        ("is no capture", str(tmp_path / "no.pcapng"), "shm:t"),
        ("was cut when it was recorded", short, "shm:t"),
        ("was cut when it was recorded", short, "--serve", "shm:u"),
        ("no channel 'x'; there are: shm:t/pmic", good, "shm:t", "--channel", "x"),
        ("no channel 'x'", good, "shm:t/x"),
        ("speed=0.0: it is a number above 0", good, "shm:t", "--speed", "0"),
        ("no protocol 'x'", good, "shm:t", "--protocol", "x"),
        ("'some': write a number from 1 on", good, "shm:t", "--in-flight", "some"),
        ("--all and --serve exclude each other", good, "shm:u", "--serve", "--all"),
        ("cannot be served", good, "vcio:", "--serve"),
        ("does not exist", str(tmp_path / "missing"), "shm:t"),
    ):
        found = invoke("replay", *args)
        assert (found.exit_code, text in one_line(found.stderr.encode())) == (2, True), found.stderr
        assert found.stdout == ""


def test_ctrl_c_says_how_far_it_came(start: Start, remote: Remote, tmp_path: Path) -> None:  # noqa: F811
    path = capture(tmp_path / "s.pcapng", (b"abc", b"abc"), (b"mute", b""), (b"abc", b"cba"))
    process = start("replay", path, "shm:t", "--all", "--timeout-s", "none")
    assert process.stdout is not None
    assert process.stdout.readline().startswith(b"request 1 of 3")  # the next waits forever
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130
    assert re.fullmatch("interrupted: [12] of 3 messages were sent", one_line(stderr))


def test_in_place_of_the_remote(start: Start, sockets: str, tmp_path: Path) -> None:  # noqa: F811
    path = capture(tmp_path / "s.pcapng", (b"abc", b"one"), (b"abc", b"two"), (b"x", b"y"))
    process = start("replay", path, "--serve", "shm:u", "--no-gaps")
    assert process.stdout is not None
    told = f"playing {path} at shm:u, channels pmic; Ctrl-C ends it\n"
    assert process.stdout.readline() == told.encode()
    with mboxio.open("shm:u/pmic") as client:
        assert [client.request(b"abc") for _ in range(2)] == [b"one", b"two"]
        with pytest.raises(mboxio.RemoteError, match="was never recorded"):
            client.request(b"\x1b[2J")
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 1
    assert stdout == b"answered 2, refused 1, recorded and never asked for: 1\n"
    expected = "channel pmic: a message of 4 bytes was never recorded: 1b 5b 32 4a"
    assert one_line(stderr) == expected
