"""Sockets in a folder of the test's own, and processes that end with it."""

import os
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from mboxio.controllers.rings import SHORTCUT_VARIABLE
from tests.shm.support import FirmwareProcess, Program


@pytest.fixture(autouse=True)
def sockets(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The folder of the sockets; its path is short enough for one."""
    with tempfile.TemporaryDirectory(prefix="mboxio-") as parent:
        folder = os.path.join(parent, "sockets")
        monkeypatch.setenv("MBOXIO_RUNTIME_DIR", folder)
        yield folder


@pytest.fixture(params=["1", pytest.param("0", marks=pytest.mark.once)], ids=["short", "general"])
def each_way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests with their short way, which only the compiled build has, and without it."""
    monkeypatch.setenv(SHORTCUT_VARIABLE, request.param)


@pytest.fixture
def programs() -> Iterator[list[Program]]:
    """Programs to be ended after the test."""
    started: list[Program] = []
    yield started
    for program in started:
        program.kill()


@pytest.fixture
def firmware(programs: list[Program]) -> Callable[..., FirmwareProcess]:
    """Start remotes in processes of their own."""

    def start(
        name: str = "t", channels: dict[str, tuple[int, int]] | None = None, **settings: Any
    ) -> FirmwareProcess:
        started = FirmwareProcess(name, channels or {"a": (8, 64)}, **settings)
        programs.append(started)
        return started

    return start


def children() -> set[int]:
    """Return the processes that this one has started and not collected."""
    found: set[int] = set()
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/stat") as stat:
                parent = int(stat.read().rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
        if parent == os.getpid():
            found.add(int(pid))
    return found


@pytest.fixture(autouse=True)
def no_process_left(sockets: str) -> Iterator[None]:
    """Fail a test that leaves a process behind."""
    before = children()
    yield
    assert children() <= before
