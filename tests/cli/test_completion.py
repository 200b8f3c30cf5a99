"""What the Tab key offers: by click's own interface, and in the shells that are here."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete

from mboxio.cli.app import COMMANDS, COMPLETE, app
from mboxio.cli.commands.rpi import VALUES
from mboxio.cli.completion.candidates import addresses
from mboxio.cli.completion.shells import SHELLS, Bash
from mboxio.cli.machine.machine import Machine
from mboxio.remote import Remote
from tests.cli.conftest import PATIENCE_S, Invoke
from tests.cli.test_here import put, uio

pytestmark = pytest.mark.once


def offered(*words: str) -> list[str]:
    """Return what is offered for the last of these words."""
    *args, incomplete = words
    items = ShellComplete(app, {}, "mboxio", COMPLETE).get_completions(args, incomplete)
    return [item.value if item.type == "plain" else item.type for item in items]


def test_commands_and_options() -> None:
    assert offered("") == list(COMMANDS)
    assert offered("l") == ["list", "listen"]
    assert offered("request", "shm:t", "--o") == ["--out"]
    assert offered("request", "shm:t", "--out", "w") == ["word"]
    assert offered("demo", "a") == ["acpm"]


def test_files() -> None:
    for words in (("list", "--dtb", ""), ("list", "--dtb", "a", ""), ("serve", "shm:t", "")):
        assert offered(*words) == ["file"]
    assert offered("request", "shm:t", "--file", "x") == ["file"]


def test_addresses_and_channels(remote: Remote) -> None:
    assert "shm:t" in offered("request", "")
    # One controller is left: its channels are the way on.
    names = [f"shm:t/{name}" for name in remote.channels]
    assert offered("request", "shm:") == ["shm:t", *names]
    for command in ("request", "listen", "bench", "shell", "list"):
        assert offered(command, "shm:t") == ["shm:t", *names]
    assert offered("send", "shm:t/s") == ["shm:t/small", "shm:t/sink"]
    assert offered("send", "loopback:") == ["loopback:", *(f"loopback:/{n}" for n in range(4))]
    assert offered("send", "shm:nobody/") == []
    assert offered("--allow", "peer", "send", "shm:t/") == []
    assert remote.connections == ()


def test_devices(tmp_path: Path) -> None:
    put(tmp_path, {**uio(0, "mhu"), **uio(1, "shut"), "dev/vcio": ""})
    machine = Machine(tmp_path, may=lambda path: path.name != "uio1")
    values = {item.value for item in addresses("", machine)}
    assert {"mhu:?at=uio:mhu/0", "bcm2835:?at=uio:mhu/0", "vcio:/property"} <= values
    assert not any("shut" in value for value in values)
    assert [each.value for each in addresses("mhu", machine)] == ["mhu:?at=uio:mhu/0", "mhu:"]


def test_the_address_that_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "@" not in offered("request", "")
    monkeypatch.setenv("MBOXIO_ADDRESS", "shm:t")
    assert offered("request", "@") == ["@"]
    monkeypatch.setenv("MBOXIO_ADDRESS", "nonsense")
    assert offered("request", "@") == []


def test_values_of_a_raspberry_pi() -> None:
    assert offered("rpi", "te") == ["temperature"]
    found = offered("rpi", "model", "")
    assert found == [name for name in VALUES if name != "model"]
    assert "bcm2835:" in offered("rpi", "")


@pytest.mark.parametrize("shell", list(SHELLS))
def test_scripts(invoke: Invoke, shell: str) -> None:
    result = invoke("completion", shell)
    assert result.exit_code == 0
    assert f"{COMPLETE}={shell}_complete" in result.stdout
    if shutil.which(shell):
        checked = subprocess.run([shell, "-n"], input=result.stdout, text=True, check=True)
        assert checked.returncode == 0


def test_a_comma_in_fish(invoke: Invoke) -> None:
    """It is part of a description, and does not end it."""
    assert 'string split --max 1 "," $completion' in invoke("completion", "fish").stdout


def test_a_shell_that_is_not_known(invoke: Invoke) -> None:
    assert invoke("completion", "tcsh").exit_code == 2


@pytest.mark.parametrize(
    ("line", "args", "incomplete", "kept"),
    [
        ("mboxio ", [], "", 0),
        ("mboxio request shm:t/ec", ["request"], "shm:t/ec", 4),
        ("mboxio list 'shm:t' ", ["list"], "", 0),
        ("mboxio send 'shm:t/ec", ["send"], "shm:t/ec", 4),
        ("mboxio request mhu:?at=uio:m", ["request"], "mhu:?at=uio:m", 12),
    ],
)
def test_bash_splits_addresses(
    monkeypatch: pytest.MonkeyPatch, line: str, args: list[str], incomplete: str, kept: int
) -> None:
    monkeypatch.setenv("COMP_LINE", line)
    bash = Bash(app, {}, "mboxio", COMPLETE)
    if line.endswith("'shm:t' "):
        args = [*args, "shm:t"]
    assert bash.get_completion_args() == (args, incomplete)
    assert bash.kept == kept


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash here")
def test_in_bash(remote: Remote, tmp_path: Path) -> None:
    """A colon ends a word there, and what is offered takes its place."""
    (tmp_path / "mboxio").write_text(f'#!/bin/sh\nexec {sys.executable} -m mboxio "$@"\n')
    (tmp_path / "mboxio").chmod(0o755)
    script = """
        source <(mboxio completion bash)
        COMP_LINE='mboxio request shm:t/e'; COMP_POINT=${#COMP_LINE}
        _mboxio_completion mboxio; printf '%s\\n' "${COMPREPLY[@]}"
        COMP_LINE='mboxio li'; COMP_POINT=${#COMP_LINE}
        _mboxio_completion mboxio; printf '%s\\n' "${COMPREPLY[@]}"
    """
    result = subprocess.run(
        ["bash", "--norc", "-c", script],
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=True,
    )
    assert result.stdout.split() == ["t/echo", "list", "listen"]
    assert result.stderr == ""
