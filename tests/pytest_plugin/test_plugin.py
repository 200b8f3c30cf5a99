"""The plug-in for pytest, in runs of pytest of its own."""

import importlib
import os
import pkgutil
import re
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from xml.etree import ElementTree

import pytest

import mboxio
from mboxio.pytest_plugin.board_lock import BoardLock
from mboxio.remote import Remote

pytest_plugins = ["pytester"]

PATIENCE_S = 60.0
PLUGIN = ("-p", "mboxio.pytest_plugin")

FIRMWARE = """
import signal

def firmware(remote):
    print("version 7 boots")

    @remote.handler("pmic")
    def pmic(message):
        if message == b"crash":
            signal.raise_signal(signal.SIGSEGV)
        return message[::-1]
"""

TESTS = """
import asyncio, mboxio, pytest

@pytest.fixture
def pmic(mboxio_firmware):
    with mboxio.open(mboxio_firmware("firmware.py").address + "/pmic", timeout_s=0.05) as client:
        yield client

def test_passes(pmic):
    assert pmic.request(b"abc", timeout_s=None) == b"cba"

def test_crash(pmic):
    pmic.request(b"abc", timeout_s=None)
    pmic.request(b"crash", timeout_s=None)

def test_asyncio(mboxio_firmware):
    address = mboxio_firmware("firmware.py").address + "/pmic"

    async def main():
        async with mboxio.open_async(address) as client:
            assert await client.request(b"async", timeout_s=None) == b"?"

    asyncio.run(main())

def test_unnoticed(pmic):
    with pytest.raises(mboxio.RemoteGone):
        pmic.request(b"crash", timeout_s=None)

def test_expected(mboxio_firmware):
    firmware = mboxio_firmware("firmware.py")
    with mboxio.open(firmware.address + "/pmic") as client:
        with pytest.raises(mboxio.RemoteGone):
            client.request(b"crash", timeout_s=None)
    assert firmware.wait(60) < 0
    firmware.restart()
    firmware.kill()

@pytest.mark.mboxio_faults(missing_probability=1.0)
def test_faults(pmic):
    pmic.request(b"abc")
"""

STARTS = """
import pytest

def test_no_file(mboxio_firmware):
    mboxio_firmware("missing.py")

def test_crash_at_start(mboxio_firmware):
    mboxio_firmware("crashing.py")

def test_never_serves(mboxio_firmware):
    mboxio_firmware("waiting.py", wait_s=0.3)

@pytest.mark.mboxio_faults(drop=0.1)
def test_unknown_fault(mboxio_firmware):
    mboxio_firmware("firmware.py")

@pytest.mark.mboxio_faults(missing_probability=0.1)
def test_no_firmware():
    pass

def test_no_board(mboxio_board):
    pass
"""


@pytest.fixture(scope="module", autouse=True)
def everything_imported() -> None:
    """A run of pytest in this process forgets all that it was the first to import."""
    for module in pkgutil.walk_packages(mboxio.__path__, "mboxio."):
        if not module.name.startswith(("mboxio.cli", "mboxio.labgrid", "mboxio.__main__")):
            importlib.import_module(module.name)


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs have no other plug-in and no board, whatever is around."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.delenv("MBOXIO_ADDRESS", raising=False)
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    # Under a sanitizer, a process would end with status 1.
    monkeypatch.setenv("ASAN_OPTIONS", "detect_leaks=0:handle_segv=0")


@pytest.fixture
def board() -> Iterator[str]:
    """The address of a board that is up."""
    remote = Remote(f"board-{os.getpid()}")
    remote.handler("pmic")(bytes)
    with remote:
        yield remote.address


@pytest.mark.once
def test_what_a_run_shows(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_board=TESTS, firmware=FIRMWARE)
    result = pytester.runpytest_inprocess(
        *PLUGIN, "-p", "no:faulthandler", "--strict-markers", "--junitxml=junit.xml"
    )
    result.assert_outcomes(passed=3, failed=3, errors=1)
    cases = {
        case.attrib["name"]: case
        for case in ElementTree.parse(pytester.path / "junit.xml").iter("testcase")
    }
    properties = {
        each.attrib["name"]: each.attrib["value"] for each in cases["test_crash"].iter("property")
    }
    pid, address = properties["mboxio_firmware_pid"], properties["mboxio_address"]
    assert re.fullmatch(r"firmware\.py sha256:[0-9a-f]{12}", properties["mboxio_firmware_build"])
    with open(properties["mboxio_firmware_log"]) as log:
        assert log.readline() == "version 7 boots\n"

    crash = text_of(cases["test_crash"])
    assert f"mboxio {address} -" in crash
    assert f"process {pid} ended by SIGSEGV" in crash
    assert "channel pmic: sent=2, done=1, failed=1" in crash
    assert re.search(r"pmic  ->  61 62 63\n.*pmic  <-  63 62 61\n.*->  63 72 61 73 68\n", crash)
    assert "<-  failed: RemoteGone" in crash
    assert "log of firmware.py -" in crash
    assert "version 7 boots\nFatal Python error: Segmentation fault" in crash

    assert re.search(
        r"process \d+ runs\n(.*\n)*.*->  61 73 79 6e 63\n", text_of(cases["test_asyncio"])
    )
    assert "ended by SIGSEGV, and the test did not notice" in text_of(cases["test_unnoticed"])
    assert "faults: missing_probability=1.0\n" in text_of(cases["test_faults"])
    result.stdout.fnmatch_lines(["process * ended by SIGSEGV", "*- log of firmware.py -*"])


@pytest.mark.once
def test_firmware_that_does_not_start(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_starts=STARTS,
        firmware=FIRMWARE,
        crashing="import os\nprint('no clock')\nos.abort()\n",
        waiting="import signal\nsignal.pause()\n",
    )
    result = pytester.runpytest_inprocess(*PLUGIN, "-p", "no:faulthandler", "-rs")
    result.assert_outcomes(failed=5, skipped=1)
    result.stdout.fnmatch_lines(
        [
            "*no firmware missing.py in *: is it built?",
            "*crashing.py ended before it served shm:crashing-*: process * ended by SIGABRT*",
            "*its log ends with:",
            "*  no clock",
            "*waiting.py does not serve shm:waiting-* after 0.3 s",
            "*mboxio_faults: no drop; there are: seed, *",
            "mboxio_faults did nothing: the test starts no mboxio_firmware",
            "SKIPPED * no board: name one by --mboxio ADDRESS, *",
        ]
    )


@pytest.mark.once
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_no_firmware_is_left_when_pytest_is_interrupted(
    pytester: pytest.Pytester, number: signal.Signals
) -> None:
    pytester.makepyfile(
        firmware=FIRMWARE,
        test_waits="""
        import signal, sys

        def test_waits(mboxio_firmware):
            print(mboxio_firmware("firmware.py").pid, flush=True)
            signal.pause()
        """,
    )
    command = [sys.executable, "-m", "pytest", *PLUGIN, "--capture=no", "-q"]
    with subprocess.Popen(
        command, cwd=pytester.path, stdout=subprocess.PIPE, text=True, process_group=0
    ) as run:
        assert run.stdout is not None
        with os.fdopen(os.pidfd_open(int(run.stdout.readline()))) as firmware:
            run.send_signal(number)
            assert select.select([firmware], [], [], PATIENCE_S)[0], "the firmware lives on"
        shown, _ = run.communicate(timeout=PATIENCE_S)
    assert ("KeyboardInterrupt" in shown) == (number == signal.SIGINT)


@pytest.mark.once
def test_one_test_at_a_time_uses_the_board(pytester: pytest.Pytester, board: str) -> None:
    pytest.importorskip("xdist")
    pytester.makepyfile(
        """
        import mboxio, os, pytest

        @pytest.mark.parametrize("number", range(6))
        def test_board(mboxio_board, number):
            os.mkdir("in use")  # another one's would raise
            with mboxio.open(mboxio_board.address) as client:
                assert client.request(b"abc") == b"abc"
            os.rmdir("in use")
        """
    )
    result = pytester.runpytest_subprocess(*PLUGIN, "-p", "xdist", "-n2", f"--mboxio={board}")
    result.assert_outcomes(passed=6)
    result.stdout.fnmatch_lines([f"mboxio: board {board}"])


BOARD = """
import pytest

def test_board(mboxio_board):
    assert mboxio_board.address.startswith("shm:board-")

@pytest.mark.mboxio_faults(missing_probability=0.1)
def test_faults(mboxio_board):
    pass
"""


@pytest.mark.parametrize("given", ["ini", "environment"])
def test_where_the_address_is_given(
    pytester: pytest.Pytester, board: str, given: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytester.makepyfile(BOARD)
    if given == "ini":
        pytester.makeini(f"[pytest]\nmboxio_address = {board}\n")
    else:
        monkeypatch.setenv("MBOXIO_ADDRESS", board)
    result = pytester.runpytest_inprocess(*PLUGIN, "-rs", "--strict-config")
    result.assert_outcomes(passed=1, skipped=1)
    result.stdout.fnmatch_lines(["*firmware of a board does not misbehave on demand*"])


def test_a_board_in_use(pytester: pytest.Pytester, board: str) -> None:
    pytester.makepyfile(BOARD)
    lock = BoardLock(board)
    lock.acquire(0, "process 4711 since 12:00:01: test_power.py::test_rail")
    try:
        result = pytester.runpytest_inprocess(
            *PLUGIN, f"--mboxio={board}/pmic", "--mboxio-lock-wait=0.01", "-k", "test_board"
        )
    finally:
        lock.release()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        [
            f"board {board}/pmic: in use for 0.01 s (--mboxio-lock-wait), "
            "now by process 4711 since 12:00:01: test_power.py::test_rail"
        ]
    )


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--mboxio=shm://x"], "board shm://x: *leave out the //*"),
        (["--mboxio=shm:x/pmic"], "board shm:x/pmic: *names a channel*"),
        (
            ["--mboxio=shm:nobody", "--mboxio-wait=0.01"],
            "board shm:nobody: nobody serves shm:nobody; *waited * s for it",
        ),
    ],
)
def test_a_board_that_is_not_there(
    pytester: pytest.Pytester, options: list[str], told: str
) -> None:
    pytester.makepyfile(BOARD)
    result = pytester.runpytest_inprocess(*PLUGIN, *options, "-k", "test_board")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([told])
    result.stdout.no_fnmatch_line("*Traceback*")


def test_a_wait_that_is_no_time(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest_inprocess(*PLUGIN, "--mboxio-wait=soon")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--mboxio-wait: 'soon' is not a time: write seconds, 0 or more"])


@pytest.mark.once
def test_a_run_that_does_not_use_it_imports_nothing_of_it() -> None:
    program = (
        "import sys, pytest, mboxio.pytest_plugin;"
        "print(*sorted(each for each in sys.modules if each.partition('.')[0] == 'mboxio'))"
    )
    found = subprocess.run(
        [sys.executable, "-c", program], check=True, stdout=subprocess.PIPE, text=True
    )
    light = {"mboxio", "mboxio._build", "mboxio._stamp", "mboxio.pytest_plugin"}
    assert set(found.stdout.split()) <= light


def text_of(case: ElementTree.Element) -> str:
    """Return what the report says about a test that failed."""
    return "".join(each.text or "" for each in case if each.tag in ("failure", "error"))
