"""Defaults from the environment and from a file: what wins, and what is refused."""

import os
from pathlib import Path

import pytest

from mboxio.cli.shared import settings
from mboxio.remote import Remote
from tests.cli.conftest import Invoke, one_line


@pytest.fixture
def file() -> Path:
    """Where the file of the user is; not there yet."""
    path = Path(settings.file())
    path.parent.mkdir(parents=True)
    return path


def test_an_option_goes_before_the_environment_and_that_before_the_file(
    remote: Remote, invoke: Invoke, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text('address = "shm:t/echo"\nout = "hex"\ntimeout_s = "none"\nwait_s = 0.5\n')
    assert invoke("request", "@", "A").stdout == "41\n"
    monkeypatch.setenv("MBOXIO_OUT", "word")
    assert invoke("request", "@", "ABCD").stdout == "0x44434241\n"
    monkeypatch.setenv("MBOXIO_ENDIAN", "big")
    assert invoke("request", "@", "ABCD").stdout == "0x41424344\n"
    args = ("request", "@", "ABCD", "--endian", "little", "--out")
    assert invoke(*args, "word").stdout == "0x44434241\n"
    assert invoke(*args, "raw").stdout == "ABCD"
    monkeypatch.setenv("MBOXIO_ADDRESS", "shm:t/mute")
    monkeypatch.setenv("MBOXIO_TIMEOUT_S", "0.01")
    assert "'mute', request" in one_line(invoke("request", "@", "A").stderr_bytes)
    assert invoke("request", "@/echo", "A", "--raw", "--timeout-s", "9").stdout == "A"
    assert invoke("request", "shm:t/echo", "A", "--raw").stdout == "A"


def test_an_address_may_be_left_out_at_the_end(
    remote: Remote, invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MBOXIO_ADDRESS", "shm:t/talk")
    assert "no message in 0.01 s" in invoke("listen", "--timeout-s", "0.01").stderr
    assert "listen-only" in invoke("list", "@").stdout


def test_what_may_be_reached_can_be_set(remote: Remote, invoke: Invoke, file: Path) -> None:
    file.write_text('allow = ["shm", "peer"]\n')
    assert invoke("request", "shm:t/echo", "A").stdout == "A"
    assert "'loopback' is not allowed here" in invoke("request", "loopback:").stderr
    assert invoke("--allow", "loopback", "request", "loopback:", "A").stdout == "A"


def test_the_current_folder_has_no_say(
    invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("mboxio.toml", "config.toml", ".mboxio.toml", "mboxio/config.toml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text('address = "loopback:"')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", ".")  # not absolute, so it does not count
    (tmp_path / ".config").symlink_to(tmp_path)
    for home in ("/nowhere", ".", "~", ""):
        monkeypatch.setenv("HOME", home)
        assert "set MBOXIO_ADDRESS" in invoke("request", "@", "A").stderr


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('adress = "shm:t"', "no setting 'adress'; there are: address, allow, endian, out, "),
        ("address = 7", "address is a text, not 7"),
        ('address = "nonsense"', "address: 'nonsense' is no address"),
        ('address = "shm:\\u001b[2J"', "has a control character"),
        ('timeout_s = "soon"', "timeout_s: 'soon' is not a time: write seconds"),
        ("timeout_s = true", "timeout_s is a number, not True"),
        ("wait_s = -1", "wait_s: '-1' is not a time"),
        ('out = "words"', "out: 'words' is not one of dump, hex, word"),
        ("address", "not TOML: "),
        ("address = " + "[" * 5000, "not TOML: "),
        ("x" * 70_000, "longer than 64 KiB"),
    ],
)
def test_a_file_that_is_wrong(invoke: Invoke, file: Path, text: str, told: str) -> None:
    file.write_text(text)
    result = invoke("request", "@", "A")
    line = one_line(result.stderr_bytes)
    assert line.startswith(f"{file}: ")
    assert told in line
    assert result.exit_code == 2
    assert invoke("request", "--help").exit_code == 0


def test_a_variable_that_is_wrong(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MBOXIO_TIMEOUT_S", "soon")
    result = invoke("request", "loopback:", "A")
    assert one_line(result.stderr_bytes).startswith("MBOXIO_TIMEOUT_S: 'soon' is not a time")
    assert result.exit_code == 2
    assert invoke("request", "loopback:", "A", "--timeout-s", "1").stdout == "A"


def test_a_file_that_others_can_write_is_not_read(invoke: Invoke, file: Path) -> None:
    file.write_text('address = "loopback:"')
    file.chmod(0o666)
    line = one_line(invoke("request", "@", "A").stderr_bytes)
    assert line == f"{file} can be written by others: chmod go-w {file}"
    file.unlink()
    os.mkfifo(file)
    assert "not a regular file" in one_line(invoke("request", "@", "A").stderr_bytes)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_of_another_user_is_not_read(invoke: Invoke, file: Path) -> None:
    file.write_text('address = "loopback:"')
    os.chown(file, 65534, 65534)
    assert "belongs to " in one_line(invoke("request", "@", "A").stderr_bytes)
