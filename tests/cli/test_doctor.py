"""``mboxio doctor``: what is wrong is found, and the exit code says so."""

import importlib.metadata
import importlib.util
import json
import os
import resource
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import pytest

from mboxio import _build
from mboxio.address import catalogue
from mboxio.cli.machine.health import FAIL, OK, WARN, Check, examine
from mboxio.cli.machine.machine import Machine
from tests.cli.conftest import Invoke
from tests.cli.test_here import put


def examined(machine: Machine | None = None) -> dict[str, Check]:
    """Return the checks by name; each that is not ok says what to do."""
    checks = list(examine(Machine(Path("/nowhere")) if machine is None else machine))
    for each in checks:
        assert each.status in (OK, WARN, FAIL)
        assert bool(each.advice) == (each.status != OK), each
        assert f"{each.text}{each.advice}".isprintable()
    return {each.name: each for each in checks}


def test_a_healthy_machine(invoke: Invoke) -> None:
    result = invoke("doctor", "--json")
    found = json.loads(result.stdout)
    assert (result.exit_code, found["healthy"]) == (0, True)
    names = [each["name"] for each in found["checks"]]
    lines = invoke("doctor").stdout.splitlines()
    assert [line[5:].partition(":")[0] for line in lines if line[5] != " "] == names
    assert any(each["text"].startswith(_build.summary()) for each in found["checks"])


def test_the_runtime_folder(sockets: str, monkeypatch: pytest.MonkeyPatch, invoke: Invoke) -> None:
    assert "the first remote makes it" in examined()["runtime folder"].text
    os.mkdir(sockets, 0o755)
    check = examined()["runtime folder"]
    assert (check.status, "can be used by others (mode 755)" in check.text) == (FAIL, True)
    result = invoke("doctor")
    assert result.exit_code == 1
    assert [line for line in result.stdout.splitlines() if line.startswith("fail runtime folder: ")]
    os.chmod(sockets, 0o700)
    assert examined()["runtime folder"].status == OK
    monkeypatch.setenv("MBOXIO_RUNTIME_DIR", "/tmp/" + "x" * 120)
    assert "longer than 107 bytes" in examined()["runtime folder"].text
    monkeypatch.setenv("MBOXIO_RUNTIME_DIR", "/proc/nowhere/folder")
    assert examined()["runtime folder"].status == FAIL


def test_another_session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, {f"run/user/{os.geteuid()}/bus": ""})
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    assert "session" not in examined(Machine(tmp_path))  # MBOXIO_RUNTIME_DIR decides
    monkeypatch.delenv("MBOXIO_RUNTIME_DIR")
    assert examined(Machine(tmp_path))["session"].status == WARN


def test_devices(tmp_path: Path) -> None:
    put(
        tmp_path,
        {
            "dev/mem": "",
            "dev/uio0": "",
            "dev/uio1": "",
            "dev/vcio": "",
            "sys/kernel/security/lockdown": "none [integrity] confidentiality\n",
            "proc/sys/kernel/yama/ptrace_scope": "2\n",
        },
    )
    shut = {tmp_path / "dev/uio1", tmp_path / "dev/vcio"}
    found = examined(Machine(tmp_path, may=lambda path: path not in shut))
    assert found["/dev/uio0"].status == OK
    assert (found["/dev/uio1"].status, "udev rule" in found["/dev/uio1"].advice) == (WARN, True)
    assert (found["/dev/vcio"].status, "video" in found["/dev/vcio"].advice) == (WARN, True)
    assert (found["/dev/mem"].status, found["/dev/mem"].advice) == (WARN, "a UIO device")
    assert found["ptrace"].status == WARN


def test_limits_of_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {3})
    monkeypatch.setattr(resource, "getrlimit", lambda which: (64, 64))
    monkeypatch.delattr(os, "memfd_create")
    found = examined()
    assert [found[name].status for name in ("CPUs", "descriptors", "python")] == [WARN, WARN, FAIL]


def test_what_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise ImportError("stale build of mboxio: queue changed since")

    def broken() -> dict[str, Any]:
        return {"k7": "controller 'k7' of package acme-k7 cannot be loaded: no board"}

    monkeypatch.setattr(_build, "check", refuse)
    monkeypatch.setattr(catalogue, "broken_controllers", broken)
    found = examined()
    assert (found["build"].status, "stale build" in found["build"].text) == (FAIL, True)
    assert "acme-k7 cannot be loaded" in found["controller k7"].text


def test_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of this Python, whatever the PATH."""
    here = {"grpc": ModuleSpec("grpc", None), "pyocd": ModuleSpec("pyocd", None)}
    versions = {"grpcio": "1.76", "pyocd": "0.46"}
    monkeypatch.setattr(importlib.util, "find_spec", here.get)
    monkeypatch.setattr(importlib.metadata, "version", versions.__getitem__)
    found = examined()
    assert {name: found[name].text for name in versions} == versions
    assert (found["textual"].status, "mboxio monitor" in found["textual"].text) == (OK, True)
    assert (found["click"].status, found["click"].advice) == (WARN, "pip install click")


def test_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "none in the environment or in " in examined()["settings"].text
    monkeypatch.setenv("MBOXIO_TIMEOUT_S", "2.5")
    monkeypatch.setenv("MBOXIO_TIMOUT_S", "3")
    found = examined()
    assert found["settings"].text == "timeout_s = 2.5 (MBOXIO_TIMEOUT_S)"
    assert found["MBOXIO_TIMOUT_S"].text == "nothing reads this variable"
    monkeypatch.setenv("MBOXIO_TIMEOUT_S", "soon")
    assert examined()["settings"].status == FAIL
