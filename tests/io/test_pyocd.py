"""What pyOCD may do to us, without it: `tests.probes` has the real one, where it is installed."""

import os
import sys
from collections.abc import Iterator
from types import ModuleType, SimpleNamespace
from typing import Any, ClassVar

import pytest

from mboxio.errors import AddressError, RemoteError, RemoteGone
from mboxio.regions import open_region
from mboxio.regions.probes import pyocd
from mboxio.regions.probes.pyocd import PyOcdRegion
from tests.tools import fork


class Error(RuntimeError):
    pass


class ProbeError(Error):
    pass


class TargetSupportError(Error):
    pass


class Memory:
    """A processor's memory, as pyOCD gives it.

    Args:
        error: what every access ends with.
    """

    def __init__(self) -> None:
        self.words: dict[int, int] = {}
        self.error: BaseException | None = None
        self.found: Any = None
        self.calls: list[str] = []

    def call(self, name: str) -> None:
        self.calls.append(name)
        if self.error is not None:
            raise self.error

    def read_memory(self, addr: int, transfer_size: int = 32) -> int:
        self.call(f"read {transfer_size}")
        return self.words.get(addr, 0) if self.found is None else self.found

    def write_memory(self, addr: int, data: int, transfer_size: int = 32) -> None:
        self.call(f"write {transfer_size}")
        self.words[addr] = data

    def read_memory_block32(self, addr: int, size: int) -> list[int]:
        self.call(f"read {size} words")
        found = [self.words.get(addr + 4 * index, 0) for index in range(size)]
        return found if self.found is None else self.found

    def write_memory_block32(self, addr: int, data: list[int]) -> None:
        self.call(f"write {len(data)} words")
        self.words |= {addr + 4 * index: word for index, word in enumerate(data)}

    def flush(self) -> None:
        self.call("flush")


class Session:
    """A session with one probe.

    Attributes:
        made: all of them.
    """

    made: ClassVar["list[Session]"] = []
    open_error: BaseException | None = None
    close_error: BaseException | None = None

    def __init__(self, probe: Any, options: dict[str, object]) -> None:
        self.probe, self.options = probe, options
        self.is_open = False
        core = Memory()
        self.target = SimpleNamespace(selected_core=core, cores={0: core})
        self.made.append(self)

    def open(self) -> None:
        if self.open_error is not None:
            raise self.open_error
        self.is_open = True

    def close(self) -> None:
        self.is_open = False
        if self.close_error is not None:
            raise self.close_error


class Probe:
    def __init__(self, unique_id: str) -> None:
        self.unique_id = unique_id
        self.closed = 0
        self.error: BaseException | None = None

    def close(self) -> None:
        self.closed += 1
        if self.error is not None:
            raise self.error


class Installed:
    """In place of the package.

    Attributes:
        probes: those that are connected.
    """

    def __init__(self) -> None:
        self.probes = [Probe("one")]
        self.error: BaseException | None = None

    def get_all_connected_probes(self, blocking: bool, unique_id: str | None) -> list[Probe]:
        assert not blocking
        if self.error is not None:
            raise self.error
        return [each for each in self.probes if (unique_id or "") in each.unique_id]


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Iterator[Installed]:
    made = Installed()
    parts: dict[str, dict[str, object]] = {
        "pyocd": {},
        "pyocd.core": {},
        "pyocd.core.exceptions": {
            each.__name__: each for each in (Error, ProbeError, TargetSupportError)
        },
        "pyocd.core.helpers": {"ConnectHelper": made},
        "pyocd.core.session": {"Session": Session},
    }
    for name, content in parts.items():
        part = ModuleType(name)
        part.__dict__.update(content)
        monkeypatch.setitem(sys.modules, name, part)
    for setting in ("open_error", "close_error"):
        monkeypatch.setattr(Session, setting, None)
    Session.made.clear()
    yield made
    assert not pyocd._shared


@pytest.fixture
def memory(installed: Installed) -> Memory:
    return Memory()


def test_without_the_package_it_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("pyocd", "pyocd.core", "pyocd.core.exceptions"):
        monkeypatch.setitem(sys.modules, name, None)
    for way in (lambda: open_region("pyocd:@0+4"), lambda: PyOcdRegion(object(), 0, 4)):
        with pytest.raises(AddressError, match=r"needs pyOCD .*: pip install pyocd, or"):
            way()


def test_each_access_is_one_call(memory: Memory) -> None:
    with PyOcdRegion(memory, 0x1000, 0x40) as region:
        assert region.access_s == pyocd.ASSUMED_S, "there is nothing that could be measured"
        region.write(0, 5, 4)
        region.write(2, 5, 2)
        region.write_words(4, (6, 7))
        assert region.read(0, 4) == 5
        assert region.read_words(0, 3) == [5, 6, 7]
        region.read(1, 1)
    assert memory.calls == [
        *("write 32", "flush", "write 16", "flush", "write 2 words", "flush"),
        *("read 32", "read 3 words", "read 8"),
    ]


@pytest.mark.parametrize("found", [-1, 1 << 32, "5", None.__class__, 1.5, b"\1"])
def test_what_is_no_word_is_an_error(memory: Memory, found: object) -> None:
    with PyOcdRegion(memory, 0x1000, 0x40) as region:
        memory.found = found
        with pytest.raises(RemoteError, match="are no 1 numbers of 4 bytes"):
            region.read(0, 4)


@pytest.mark.parametrize("found", [[], [1], [1, 2, 3], [1, -2], (1, 1 << 32), [1, None]])
def test_words_are_as_many_as_were_asked_for(memory: Memory, found: object) -> None:
    with PyOcdRegion(memory, 0x1000, 0x40) as region:
        memory.found = found
        with pytest.raises(RemoteError, match="are no 2 numbers of 4 bytes"):
            region.read_words(0, 2)


def test_errors_of_the_target_and_of_the_probe(memory: Memory) -> None:
    with PyOcdRegion(memory, 0x1000, 0x40) as region:
        memory.error = Error("\x1b[2J" + "x" * 5000)
        for access in (lambda: region.read(0, 4), lambda: region.write_words(0, [1])):
            with pytest.raises(RemoteError, match=r"memory.* at 0x1000 failed: ") as caught:
                access()
            assert len(str(caught.value)) < 400
        assert not region.lost
        memory.error = ValueError("a fault of ours")
        with pytest.raises(ValueError, match="of ours"):
            region.read(0, 4)
        memory.error = ProbeError()
        with pytest.raises(RemoteGone, match="session: the probe is gone: ProbeError"):
            region.read(0, 4)
        memory.error = None
        calls = len(memory.calls)
        with pytest.raises(RemoteGone):
            region.read(0, 4)
        assert len(memory.calls) == calls, "it is asked nothing any more"
        region.reopen()
        assert region.read(0, 4) == 0


def test_a_write_that_fails_when_it_leaves_the_probe(memory: Memory) -> None:
    with PyOcdRegion(memory, 0x1000, 0x40) as region:
        memory.flush = lambda: (_ for _ in ()).throw(Error("late"))  # type: ignore[method-assign]
        with pytest.raises(RemoteError, match="failed: late"):
            region.write(0, 5, 4)


def test_it_attaches_and_leaves(installed: Installed) -> None:
    with open_region("pyocd:one,target=k64f,frequency=0x1000@0+4") as region:
        assert region.read(0, 4) == 0
        (session,) = Session.made
        wanted = {"connect_mode": "attach", "auto_unlock": False, "target_override": "k64f"}
        assert session.options.items() >= wanted.items()
        assert session.options["frequency"] == 0x1000
    assert not session.is_open
    assert installed.probes[0].closed == 0, "that is the session's part"


@pytest.mark.parametrize("error", [Error("no"), OSError("no")])
def test_a_session_that_cannot_be_closed(
    installed: Installed, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    with open_region("pyocd:@0+4"):
        monkeypatch.setattr(Session, "close_error", error)
        installed.probes[0].error = error
    assert installed.probes[0].closed == 1


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (Error("no power"), RemoteGone),
        (ProbeError(""), RemoteGone),
        (PermissionError(13, "no"), RemoteGone),
        (TargetSupportError("no such target"), AddressError),
        (KeyboardInterrupt(), KeyboardInterrupt),
    ],
)
def test_what_does_not_open_is_closed(
    installed: Installed,
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException,
    raised: type[BaseException],
) -> None:
    monkeypatch.setattr(Session, "open_error", error)
    with pytest.raises(raised):
        open_region("pyocd:one@0+4")
    assert not Session.made[0].is_open
    installed.error = error
    with pytest.raises(raised):
        open_region("pyocd:one@0+4")


def test_a_session_whose_probe_is_gone_lets_go_of_it(installed: Installed) -> None:
    with open_region("pyocd:one@0+4") as region:
        first = Session.made[0]
        first.target.selected_core.error = OSError("pulled")
        with pytest.raises(RemoteGone, match="probe is gone: pulled"):
            region.read(0, 4)
        assert installed.probes[0].closed == 1
        assert first.is_open, "to close it would ask the target"
        region.reopen()
        assert region.read(0, 4) == 0
        assert len(Session.made) == 2


def test_the_probe_is_the_parents(installed: Installed) -> None:
    with open_region("pyocd:one@0+4") as region:
        child = fork()
        if not child:
            try:
                region.read(0, 4)
            except RemoteGone as error:
                code = 7 if "belongs to the parent" in str(error) else 1
                region.close()
                os._exit(code if Session.made[0].is_open else 2)
            os._exit(3)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
        assert region.read(0, 4) == 0
