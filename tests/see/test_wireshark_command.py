"""``mboxio wireshark``: what it writes where, what it leaves alone, and what Wireshark starts."""

import json
import os
import select
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import mboxio
from mboxio.cli.app import app
from mboxio.see.wireshark import extcap
from mboxio.see.wireshark.plugins import DISSECTOR, PAYLOADS
from tests.see.wireshark_events import story, write
from tests.tools import tool

pytestmark = pytest.mark.once

WRONG, FAILED = 2, 1
NAMES = [DISSECTOR.name, PAYLOADS.name]


def invoke(*args: str) -> Result:
    return CliRunner().invoke(app, ["wireshark", *args], catch_exceptions=False)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home of a Wireshark 4.4, of which there is tshark alone; what it names is below."""
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs))
    lines = [
        "Temp:                 \t/tmp",
        f"Personal Lua Plugins:\t{tmp_path}/lua plugins",
        f"Personal Extcap path:\t{tmp_path}/extcap",
        "Global Extcap path:\t/nowhere",
    ]
    says(programs / "tshark", "".join(f"echo '{line}'\n" for line in lines))
    return tmp_path


def says(path: Path, commands: str) -> None:
    """Make a program."""
    path.write_text(f"#!/bin/sh\n{commands}")
    path.chmod(0o755)


def test_installed_again_and_removed(folder: Path) -> None:
    place = folder / "lua plugins"
    for _ in range(2):
        result = invoke()
        assert result.exit_code == 0
        wrote = [f"wrote {place}/{name}" for name in NAMES]
        assert result.stdout.splitlines()[:2] == wrote
        assert "wireshark -k -i -" in result.stdout
        assert sorted(os.listdir(place)) == NAMES
        assert (place / NAMES[0]).read_bytes() == DISSECTOR.read_bytes()
        assert stat.S_IMODE((place / NAMES[0]).stat().st_mode) == 0o644
        (place / NAMES[0]).write_text("-- mboxio: dissector for Wireshark\n-- of another version\n")
    removed = json.loads(invoke("--remove", "--json").stdout)
    assert removed == {"removed": [f"{place}/{name}" for name in NAMES]}
    assert os.listdir(place) == []
    assert invoke("--remove").stdout == f"nothing of mboxio is in {place}\n"


def test_files_of_others_are_left_alone(folder: Path) -> None:
    """All of them: nothing is half installed, or half removed."""
    place = folder / "lua plugins"
    place.mkdir()
    theirs = place / NAMES[1]
    theirs.write_text("-- mine")
    for args in ((), ("--remove",)):
        result = invoke(*args)
        assert f"{theirs} is not a file of mboxio: move it away" in result.stderr
        assert result.exit_code == WRONG
        assert os.listdir(place) == [NAMES[1]]
    assert invoke("--force").exit_code == 0
    assert theirs.read_bytes() == PAYLOADS.read_bytes()


def test_links_and_folders_in_the_way(folder: Path) -> None:
    place = folder / "lua plugins"
    place.mkdir()
    link = place / NAMES[0]
    link.symlink_to("/nowhere/at/all")
    assert f"{link} is a link to nowhere" in invoke().stderr
    link.unlink()
    link.symlink_to(DISSECTOR)
    before = DISSECTOR.stat()
    assert invoke().exit_code == 0
    assert not link.is_symlink()
    assert DISSECTOR.stat() == before
    link.unlink()
    link.mkdir()
    assert f"{link} is a folder" in invoke("--force").stderr
    assert f"{link} is a folder" in invoke("--force", "--remove").stderr


def test_a_folder_that_cannot_be_written(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "lua plugins").write_text("a file")
    result = invoke()
    assert (result.exit_code, result.stderr.count("\n")) == (FAILED, 1)
    assert "lua plugins: File exists" in result.stderr

    def refuse(prefix: str, dir: Path) -> None:
        raise PermissionError(13, "Permission denied", str(dir / "x"))

    monkeypatch.setattr("tempfile.mkstemp", refuse)
    result = invoke("--extcap")
    assert "/extcap/x: Permission denied; before Wireshark 4.2" in result.stderr
    assert (result.exit_code, result.stderr.count("\n")) == (FAILED, 1)


def test_without_wireshark(folder: Path) -> None:
    (folder / "bin" / "tshark").unlink()
    result = invoke()
    assert str(DISSECTOR) in result.stdout
    assert str(PAYLOADS) in result.stdout
    assert result.stderr == (
        "mboxio: tshark and wireshark are not on PATH: nothing was installed\n"
    )
    assert result.exit_code == FAILED
    assert json.loads(invoke("--json").stdout)["files"] == [str(DISSECTOR), str(PAYLOADS)]


@pytest.mark.parametrize(
    ("commands", "told"),
    [
        ("echo 'tshark: no such thing' >&2; exit 1", "no such thing"),
        ("exit 0", "no folders"),
        ("while :; do :; done", "no answer within 0.2 s"),
    ],
)
def test_a_tshark_that_does_not_answer(
    folder: Path, monkeypatch: pytest.MonkeyPatch, commands: str, told: str
) -> None:
    monkeypatch.setattr("mboxio.see.wireshark.folders.PATIENCE_S", 0.2)
    answer = folder / "bin" / "tshark"
    answer.rename(folder / "bin" / "good")
    says(answer, commands)
    result = invoke()
    assert (result.exit_code, result.stderr.count("\n")) == (FAILED, 1)
    assert f"{answer} -G folders: " in result.stderr
    assert told in result.stderr
    # The other program may be well.
    monkeypatch.setattr("mboxio.see.wireshark.folders.PATIENCE_S", 60)
    if "while" not in commands:
        (folder / "bin" / "good").rename(folder / "bin" / "wireshark")
        assert invoke().exit_code == 0


def test_a_wireshark_without_lua(folder: Path) -> None:
    says(folder / "bin" / "tshark", "echo 'Temp: /tmp'")
    for args in ((), ("--extcap",)):
        result = invoke(*args)
        assert "names no folder for" in result.stderr
        assert result.exit_code == FAILED


def test_the_path_is_printed() -> None:
    assert invoke("--print-path").stdout == f"{DISSECTOR}\n"
    assert json.loads(invoke("--print-path", "--json").stdout) == {"path": str(DISSECTOR)}
    result = invoke("--print-path", "--remove")
    assert result.exit_code == WRONG
    assert "goes with no other option" in result.stderr


def test_a_wireshark_that_has_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without ``-X lua_script:``, and as long as it is installed."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    path = write(tmp_path / "story.pcapng", story())
    command = [tool("tshark"), "-2", "-r", str(path), "-c", "46"]
    assert invoke().exit_code == 0
    shown = subprocess.run(command, capture_output=True, check=True, text=True).stdout
    assert "Request #1, tag 5: 01 02 03 04" in shown
    assert "RPi success: firmware revision" in shown
    assert invoke("--remove").stdout.count(f"removed {tmp_path}/") == 2


# -- what Wireshark starts


def test_the_source_of_live_traffic(folder: Path) -> None:
    """It runs this Python, wherever Wireshark was started from."""
    result = invoke("--extcap")
    (script,) = os.listdir(folder / "extcap")
    assert f"wrote {folder}/extcap/{script}" in result.stdout
    env = {**os.environ, "PYTHONPATH": str(Path(mboxio.__file__).parent.parent)}
    (folder / "mboxio.py").write_text("raise SystemExit('the folder has no say')")
    answer = subprocess.run(
        [folder / "extcap" / script, "--extcap-interfaces", "--extcap-version=4.4"],
        capture_output=True,
        text=True,
        check=True,
        cwd=folder,
        env=env,
    )
    assert answer.stdout.splitlines() == [
        f"extcap {{version={mboxio.__version__}}}{{display=mboxio}}",
        "interface {value=mboxio}{display=Mailbox traffic}",
    ]
    assert invoke("--extcap", "--remove").stdout == f"removed {folder}/extcap/{script}\n"


def test_what_it_answers(capsys: pytest.CaptureFixture[str]) -> None:
    ours = ("--extcap-interface", "mboxio")
    assert extcap.main([*ours, "--extcap-dlts"]) == 0
    assert capsys.readouterr().out.startswith("dlt {number=252}{name=mboxio}")
    assert extcap.main([*ours, "--extcap-config", "--of-a-later-version"]) == 0
    assert "{call=--address}" in capsys.readouterr().out
    assert extcap.main([*ours]) == 0
    assert extcap.main(["--extcap-interface", "eth0", "--capture", "--fifo", "x"]) == WRONG
    assert extcap.main([*ours, "--capture"]) == WRONG
    assert capsys.readouterr().err.endswith("mboxio: Wireshark names no --fifo\n")


CAPTURE = """
import sys
from mboxio.see.wireshark import extcap
extcap.RECORD = (sys.argv[1], *extcap.RECORD[-3:])
sys.exit(extcap.main(["--extcap-interface", "mboxio", "--capture", *sys.argv[2:]]))
"""


@pytest.fixture
def fifo(tmp_path: Path) -> Iterator[tuple[str, int]]:
    """A FIFO, and its reading end."""
    path = str(tmp_path / "fifo")
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    yield path, reader
    os.close(reader)


def captures(program: Path, fifo: str, address: str) -> "subprocess.Popen[bytes]":
    """Start what Wireshark starts, with a program in place of ``mboxio record``."""
    arguments = [str(program), "--fifo", fifo, f"--address={address}"]
    return subprocess.Popen(
        [sys.executable, "-c", CAPTURE, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(mboxio.__file__).parent.parent)},
    )


@pytest.mark.parametrize(
    ("program", "address", "code", "wrote", "told"),
    [
        ("record", " shm:demo ", 0, b"record -o - shm:demo", b""),
        ("failing", "shm:demo", FAILED, b"", b"mboxio: nobody is there\n"),
        ("nothing", "shm:demo", WRONG, b"", b"nothing: No such file or directory\n"),
        ("record", "", WRONG, b"", b"mboxio: '' is no address to record"),
        ("record", "--rotate=a:b", WRONG, b"", b"is no address to record"),
        ("record", "reboot", WRONG, b"", b"is no address to record"),
    ],
)
def test_it_records_into_the_fifo(
    tmp_path: Path,
    fifo: tuple[str, int],
    program: str,
    address: str,
    code: int,
    wrote: bytes,
    told: bytes,
) -> None:
    """If it fails, too, the FIFO is opened and closed: Wireshark waits for that."""
    says(tmp_path / "record", 'printf "%s" "$*"; echo 6 events >&2')
    says(tmp_path / "failing", "echo mboxio: nobody is there >&2; exit 1")
    path, reader = fifo
    process = captures(tmp_path / program, path, address)
    stdout, stderr = process.communicate()
    assert (process.returncode, stdout) == (code, b"")
    assert os.read(reader, 1000) == wrote
    assert told in stderr
    assert stderr.count(b"\n") == bool(told)


RECORDS = """
import os, signal
signal.signal(signal.SIGTERM, lambda number, frame: os.write(1, b"last") and os._exit(0))
signal.alarm(60)
os.write(1, b"first")
signal.pause()
"""


def test_wireshark_ends_it(tmp_path: Path, fifo: tuple[str, int]) -> None:
    """What records gets the signal, and may write its last packets."""
    says(tmp_path / "record", f"exec {sys.executable} -c '{RECORDS}'")
    path, reader = fifo
    with captures(tmp_path / "record", path, "shm:demo") as process:
        try:
            select.select([reader], [], [])
            assert os.read(reader, 1000) == b"first"
            process.terminate()
            assert process.communicate() == (b"", b"")
        finally:
            process.kill()
    assert process.returncode == 0
    assert os.read(reader, 1000) == b"last"


def test_a_fifo_that_is_gone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    args = ["--extcap-interface", "mboxio", "--capture", "--fifo", f"{tmp_path}/gone/fifo"]
    assert extcap.main([*args, "--address", "shm:demo"]) == WRONG
    assert "gone/fifo: No such file or directory" in capsys.readouterr().err
