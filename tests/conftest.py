"""What every test is held to: the expected build, and nothing left behind."""

import asyncio
import gc
import logging
import os
import signal
import tempfile
import threading
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path

import hypothesis
import pytest

import mboxio
from mboxio import _build
from tests.tools import examples

SOURCE = Path(__file__).parent.parent / "src" / "mboxio"

hypothesis.settings.register_profile(
    "all",
    deadline=None,
    print_blob=True,
    max_examples=examples(100),
    derandomize=bool(os.environ.get("CI")),
)
hypothesis.settings.load_profile("all")


def pytest_configure() -> None:
    # A shell has what it starts in the background ignore SIGINT, and so would every program that a
    # test starts and interrupts.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    expected = os.environ.get("MBOXIO_EXPECT_BUILD")
    if expected is None:
        return
    if expected != _build.name():
        raise pytest.UsageError(f"expected the {expected} build, found {_build.describe()}")
    package = Path(mboxio.__file__).parent
    if expected == "pure" and package != SOURCE:
        raise pytest.UsageError(f"the pure build under test is {package}, not {SOURCE}")
    if expected == "compiled" and (stale := _differing(package)):
        raise pytest.UsageError(f"{package} is stale: {', '.join(stale)}: run `make build`")


def pytest_report_header() -> str:
    return f"mboxio: {_build.describe()}"


def _differing(package: Path) -> list[str]:
    """Name the files that are not the same in the installed package and in this checkout."""
    installed, checkout = _contents(package), _contents(SOURCE)
    installed.pop("_stamp.py", None)
    return sorted(
        name
        for name in installed.keys() | checkout.keys()
        if installed.get(name) != checkout.get(name)
    )


def _contents(package: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(package)): path.read_bytes()
        for path in package.rglob("*")
        if path.suffix in {".h", ".pxd", ".py", ".pyi", ".pyx"}
    }


@dataclass(frozen=True)
class _Held:
    """What a process can leave behind."""

    threads: frozenset[threading.Thread]
    descriptors: frozenset[str]
    mappings: frozenset[str]

    @classmethod
    def now(cls) -> "_Held":
        return cls(frozenset(threading.enumerate()), frozenset(_descriptors()), _mappings())

    def more_than(self, before: "_Held") -> list[str]:
        return [
            *(f"thread {thread.name}" for thread in self.threads - before.threads),
            *(f"descriptor {each}" for each in self.descriptors - before.descriptors),
            *(f"mapping {each.rstrip()}" for each in self.mappings - before.mappings),
        ]


_known: tuple[int, frozenset[str]] = (-1, frozenset())


def _mappings() -> frozenset[str]:
    """Return the shared mappings. Linux takes a millisecond to write all there are.

    So they are read where the pages are others that are not this process's own to write, as no
    shared mapping is: memory from malloc comes and goes with each test, the others hardly ever do.
    """
    global _known
    with open("/proc/self/statm", "rb", buffering=0) as file:
        size, _, _, _, _, data, _ = map(int, file.read().split())
    if size - data != _known[0]:
        with open("/proc/self/maps", "rb", buffering=0) as file:
            text = file.read().decode(errors="surrogateescape")
        shared = (line for line in text.splitlines() if "/memfd:" in line or "/dev/shm/" in line)
        _known = size - data, frozenset(shared)
    return _known[1]


def _descriptors() -> Iterator[str]:
    for number in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{number}")
        except FileNotFoundError:  # the one that lists the folder
            continue
        if "/.hypothesis/" not in target and "/.pytest_cache/" not in target:
            yield f"{number} ({target})"


def pytest_collection() -> None:
    """Nothing that is collected goes away, and rewriting asserts makes thousands of objects."""
    gc.disable()


def pytest_collection_finish() -> None:
    """What was collected stays and is most of what there is: garbage is looked for elsewhere."""
    gc.collect()
    gc.freeze()
    gc.enable()


# asyncio.run cancels what is still running before it returns, so it is asked there.
_tasks_left: list[str] = []
_cancel_all_tasks = asyncio.runners._cancel_all_tasks  # type: ignore[attr-defined]


def _note_and_cancel(loop: asyncio.AbstractEventLoop) -> None:
    _tasks_left.extend(f"task {task!r}" for task in asyncio.all_tasks(loop))
    _cancel_all_tasks(loop)


asyncio.runners._cancel_all_tasks = _note_and_cancel  # type: ignore[attr-defined]

_passed = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if call.when == "call":
        item.stash[_passed] = report.passed
    return report


@pytest.fixture(scope="session", autouse=True)
def runtime_dir() -> Iterator[None]:
    """Names of remotes are this run's own: others may run beside it."""
    with (
        tempfile.TemporaryDirectory(prefix="mboxio-") as folder,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("MBOXIO_RUNTIME_DIR", folder)
        yield


@pytest.fixture(scope="module")
def engine_kept() -> Iterator[None]:
    """What gateways of this process leave with gRPC and uvloop is there before the first test."""
    pytest.importorskip("grpc")
    from tests.far.support import keep_engine

    with keep_engine():
        yield


@pytest.fixture
def locks_checked() -> Iterator[None]:
    """What promises to run under the lock does; on the pure build, where calls can be seen."""
    if _build.name() != "pure":
        yield
        return
    from tests.locks import checked_locks

    with checked_locks() as broken:
        yield
    assert not broken


def _forget_what_was_logged() -> None:
    """What one test has logged leaves room for the next one's."""
    for name in ("mboxio", "mboxio.remote"):
        for each in logging.getLogger(name).filters:
            if hasattr(each, "forget"):
                each.forget()


@pytest.fixture(autouse=True)
def nothing_left_behind(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test that leaves a thread, a descriptor, a shared mapping or a task behind.

    A test that failed is not held to it: its traceback keeps things alive.
    """
    before = _Held.now()
    _tasks_left.clear()
    _forget_what_was_logged()
    yield
    if not request.node.stash.get(_passed, False):
        return
    now = _Held.now()
    left = now.more_than(before)
    if left:
        gc.collect()
        for thread in _Held.now().threads - before.threads:
            thread.join(timeout=1)
        now = _Held.now()
        left = now.more_than(before)
    left += _tasks_left
    if left:
        pytest.fail("left behind: " + "; ".join(left))
