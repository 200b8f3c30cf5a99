"""For pytest: firmware and boards as fixtures, and what became of them where a test fails.

pytest loads this module in every run, so everything else is imported when a fixture is used.
"""

import math
import os
from argparse import ArgumentTypeError
from collections.abc import Generator, Iterator, Mapping
from typing import TYPE_CHECKING, Protocol

import pytest

if TYPE_CHECKING:
    from mboxio.pytest_plugin.board import Board
    from mboxio.pytest_plugin.watch import Watch
    from mboxio.remote import Faults, RemoteProcess
    from mboxio.remote.spawning.program import Firmware

__all__ = ["StartFirmware", "board_address", "mboxio_board", "mboxio_firmware"]

WAIT_S, LOCK_WAIT_S = "10", "600"

WATCH = pytest.StashKey["Watch"]()
PASSED = pytest.StashKey[bool]()


class StartFirmware(Protocol):
    """The fixture `mboxio_firmware`: a function that starts firmware."""

    def __call__(
        self,
        firmware: "Firmware",
        *,
        address: str | None = None,
        wait_s: float = 30.0,
        faults: "Faults | None" = None,
        env: Mapping[str, str] | None = None,
    ) -> "RemoteProcess":
        """Start firmware and wait until it serves; see `mboxio.remote.Remote.spawn`.

        A file is looked for beside the test, in the root folder of the tests, and in the current
        one. Without ``faults``, those of the mark ``mboxio_faults`` are taken.
        """
        ...


# -- options


def seconds(text: str) -> float:
    """Return a number of seconds, 0 or more."""
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not 0 <= found < math.inf:
        raise ArgumentTypeError(f"{text!r} is not a time: write seconds, 0 or more")
    return found


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("mboxio", "boards and firmware behind mailboxes (mboxio)")
    group.addoption(
        "--mboxio",
        metavar="ADDRESS",
        dest="mboxio_address",
        help="board of the fixture mboxio_board, such as shm:demo; "
        "if left out: the setting mboxio_address, or $MBOXIO_ADDRESS",
    )
    group.addoption(
        "--mboxio-wait",
        metavar="SECONDS",
        type=seconds,
        dest="mboxio_wait_s",
        help=f"how long the board may take to come up (setting mboxio_wait_s, {WAIT_S})",
    )
    group.addoption(
        "--mboxio-lock-wait",
        metavar="SECONDS",
        type=seconds,
        dest="mboxio_lock_wait_s",
        help="how long to wait for a board that another test uses "
        f"(setting mboxio_lock_wait_s, {LOCK_WAIT_S})",
    )
    parser.addini("mboxio_address", "board of the fixture mboxio_board", default="")
    parser.addini("mboxio_wait_s", "seconds that the board may take to come up", default=WAIT_S)
    parser.addini("mboxio_lock_wait_s", "seconds to wait for a board in use", default=LOCK_WAIT_S)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        "mboxio_faults(missing_probability=0.1, ...): how replies of the firmware go wrong that "
        "mboxio_firmware starts; the arguments are those of mboxio.remote.Faults",
    )


def pytest_report_header(config: pytest.Config) -> list[str]:
    address = board_address(config)
    return [f"mboxio: board {address}"] if address else []


def board_address(config: pytest.Config) -> str:
    """Return the address of the board, or "" where none is given."""
    given = config.getoption("mboxio_address")
    if given is None:
        given = config.getini("mboxio_address") or os.environ.get("MBOXIO_ADDRESS", "")
    return str(given)


def setting_s(config: pytest.Config, name: str) -> float:
    """Return a time from the command line or the settings."""
    given = config.getoption(name)
    try:
        return seconds(config.getini(name)) if given is None else float(given)
    except ArgumentTypeError as error:
        raise pytest.UsageError(f"{name}: {error}") from None


# -- fixtures


@pytest.fixture
def _mboxio_watch(request: pytest.FixtureRequest) -> "Iterator[Watch]":
    """Note the connections of the test, for the report if it fails."""
    from mboxio.pytest_plugin.watch import Watch

    watch = request.node.stash[WATCH] = Watch()
    with watch.connections():
        yield watch


@pytest.fixture
def mboxio_firmware(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    _mboxio_watch: "Watch",
) -> "Iterator[StartFirmware]":
    """Start firmware in processes of its own: ``mboxio_firmware("firmware.py").address``.

    They end with the test, and with pytest itself, however that ends. One that died although the
    test neither waited for that nor killed it makes the test fail.
    """
    from mboxio.pytest_plugin.firmware import Starter

    start = Starter(request.node, _mboxio_watch, tmp_path_factory)
    try:
        yield start
    finally:
        died = start.end()
    if died and request.node.stash.get(PASSED, False):
        told = "; ".join(died)
        pytest.fail(f"{told}, and the test did not notice (wait() says that it is expected)", False)


@pytest.fixture
def mboxio_board(request: pytest.FixtureRequest, _mboxio_watch: "Watch") -> "Iterator[Board]":
    """The board of ``--mboxio``: it is up, and no other test of this machine uses it now."""
    config = request.config
    address = board_address(config)
    if not address:
        pytest.skip("no board: name one by --mboxio ADDRESS, mboxio_address or $MBOXIO_ADDRESS")
    if request.node.get_closest_marker("mboxio_faults"):
        pytest.skip("the firmware of a board does not misbehave on demand (mboxio_faults)")
    from mboxio.pytest_plugin.board import use

    times_s = setting_s(config, "mboxio_wait_s"), setting_s(config, "mboxio_lock_wait_s")
    with use(address, *times_s, request.node) as board:
        _mboxio_watch.devices.append(board)
        request.node.user_properties.append(("mboxio_address", address))
        yield board


# -- what became of them


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None]:
    yield
    watch = item.stash.get(WATCH, None)
    marked = any(mark.name == "mboxio_faults" for mark in item.own_markers)
    if marked and not (watch and watch.devices):
        pytest.fail("mboxio_faults did nothing: the test starts no mboxio_firmware", False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    watch = item.stash.get(WATCH, None)
    if watch is not None:
        told = call.when == "teardown" and not item.stash.get(PASSED, False)
        if call.when == "call":
            item.stash[PASSED] = report.passed
        if report.failed and not told:
            from mboxio.pytest_plugin.report import add_sections

            add_sections(report, watch, None if call.excinfo is None else call.excinfo.value)
    return report
