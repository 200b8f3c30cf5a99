"""A host may be there before its firmware: what `wait_s` waits for, and what it does not."""

import asyncio
import dataclasses
import itertools
import math
import os
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

import mboxio
from mboxio import AddressError, Connection, MailboxError, RemoteError, RemoteGone
from mboxio.address import catalogue
from mboxio.client import open as registry
from mboxio.client.patience import Patience
from mboxio.controllers.acpm.layout import AcpmSpec, plan, write
from mboxio.regions import Memory
from mboxio.remote import Remote
from mboxio.remote.acpm import AcpmRemote
from mboxio.sim import VirtualClock
from tests.race.manual import Manual

PATIENCE_S = 30.0
NOBODY = 65534


@dataclasses.dataclass(frozen=True)
class LateOptions:
    pass


class Late(Manual):
    """Comes up, and goes, as the test says."""

    Options = LateOptions
    opening = threading.Event()
    closing = threading.Event()
    go = threading.Event()
    refusals = 0
    made: ClassVar[list["Late"]] = []

    def __init__(self, name: str, options: LateOptions) -> None:
        super().__init__()
        self.let_go = False
        self.made.append(self)

    def open(self) -> None:
        super().open()
        self.opening.set()
        if Late.refusals:
            Late.refusals -= 1
            raise RemoteGone("not yet")
        assert self.go.wait(PATIENCE_S)

    def close(self) -> None:
        self.closing.set()
        assert self.go.wait(PATIENCE_S)
        super().close()
        self.let_go = True


@pytest.fixture
def late(monkeypatch: pytest.MonkeyPatch) -> type[Late]:
    monkeypatch.setitem(catalogue.BUILT_IN, "late", f"{__name__}:Late")
    for event in ("opening", "closing", "go"):
        monkeypatch.setattr(Late, event, threading.Event())
    monkeypatch.setattr(Late, "made", [])
    monkeypatch.setattr(Late, "refusals", 0)
    return Late


@pytest.fixture(autouse=True)
def sockets(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="mboxio-") as parent:
        monkeypatch.setenv("MBOXIO_RUNTIME_DIR", folder := os.path.join(parent, "sockets"))
        yield folder


def waited_for(address: str, wait_s: float = 5.0) -> tuple[MailboxError, float]:
    """Connect in vain; return the error, and how much (virtual) time went by."""
    clock = VirtualClock()
    began_ns = clock.now_ns()
    with pytest.raises(MailboxError) as caught:
        mboxio.connect(address, wait_s=wait_s, clock=clock)
    return caught.value, (clock.now_ns() - began_ns) / 1e9


NOT_YET = {
    "shm:nobody": RemoteGone,
    "acpm:?at=peer:nobody": RemoteGone,
    "acpm:?at=file:FOLDER/none": AddressError,
    "acpm:?at=file:FOLDER/empty": AddressError,
    "acpm:?at=file:FOLDER/zeros": RemoteError,
    "acpm:?at=file:FOLDER/zeros&mbox=exynos_mbox:?at=uio:none": AddressError,
    "exynos_mbox:?at=file:FOLDER/none": AddressError,
    "exynos_mbox:?at=uio:99": AddressError,
    "exynos_mbox:?at=gdb:FOLDER/none": RemoteGone,
    "exynos_mbox:?at=qtest:FOLDER/none@0+4096": RemoteGone,
    "exynos_mbox:?at=qtest:localhost:1@0+4096": RemoteGone,
    "vcio:?device=FOLDER/none": AddressError,
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "empty").touch()
    (tmp_path / "zeros").write_bytes(bytes(0x10000))
    return tmp_path


@pytest.mark.parametrize("address", NOT_YET)
def test_what_is_not_there_yet_is_waited_for_and_told_with_the_time(
    folder: Path, address: str
) -> None:
    error, waited_s = waited_for(address.replace("FOLDER", str(folder)))
    assert type(error) is NOT_YET[address]
    assert str(error).endswith("; waited 5 s for it")
    assert waited_s == 5.0
    assert "\n" not in str(error)


WRONG = [
    "shm:no/name",
    "shm:x y",
    "shm:nobody?depth=3",
    "nothing:",
    "acpm:",
    "acpm:?at=file:FOLDER/zeros&base=0x20000",
    "acpm:?at=file:FOLDER/zeros&base=2",
    "acpm:?at=file:FOLDER",
    "acpm:?at=file:FOLDER/zeros/inside",
    "acpm:?at=file:FOLDER/zeros@0x20000",
    "exynos_mbox:?at=uio:",
    "exynos_mbox:?at=devmem:0x1000",
    "dt:/none?dtb=FOLDER/none",
]


@pytest.mark.parametrize("address", WRONG)
def test_what_is_wrong_is_told_at_once(folder: Path, address: str) -> None:
    error, waited_s = waited_for(address.replace("FOLDER", str(folder)))
    assert isinstance(error, AddressError | RemoteError)
    assert waited_s == 0.0
    assert "waited" not in str(error)


def test_no_access_is_told_at_once(folder: Path) -> None:
    address = f"acpm:?at=file:{folder / 'zeros'}"
    waited_for(address)  # loads what others than root may not be able to load
    (folder / "zeros").chmod(0)
    user = os.geteuid()
    os.seteuid(NOBODY if user == 0 else user)
    try:
        error, waited_s = waited_for(address)
    finally:
        os.seteuid(user)
    assert "Permission denied" in str(error)
    assert waited_s == 0.0


def test_the_folder_of_somebody_else_is_told_at_once(sockets: str) -> None:
    os.mkdir(sockets, 0o755)
    os.chmod(sockets, 0o755)
    assert waited_for("shm:t")[1] == 0.0


def test_what_somebody_else_uses_is_told_at_once(folder: Path) -> None:
    with mboxio.connect(f"exynos_mbox:?at=file:{folder / 'zeros'}"):
        error, waited_s = waited_for(f"exynos_mbox:?at=file:{folder / 'zeros'}")
    assert "already" in str(error)
    assert waited_s == 0.0


def test_pauses_grow_up_to_a_quarter_of_a_second() -> None:
    clock = VirtualClock()
    tries_ns: list[int] = []

    def attach() -> Connection:
        tries_ns.append(clock.now_ns())
        raise RemoteGone("not yet")

    patience = Patience(2, clock)
    with pytest.raises(RemoteGone, match=r"^not yet; waited 2 s for it$"):
        registry.patiently(patience, attach)
    pauses_ms = [(b - a) / 1e6 for a, b in itertools.pairwise(tries_ns)]
    assert pauses_ms[:9] == [1, 2, 4, 8, 16, 32, 64, 128, 250]
    assert set(pauses_ms[9:-1]) == {250}
    assert tries_ns[-1] - tries_ns[0] == 2_000_000_000  # the last try is at the end


@pytest.mark.parametrize("wait_s", [None, 0, 0.0])
def test_without_patience_there_is_one_try(wait_s: float | None) -> None:
    clock = VirtualClock()
    before_ns = clock.now_ns()
    with pytest.raises(RemoteGone) as caught:
        mboxio.connect("shm:nobody", wait_s=wait_s, clock=clock)
    assert "waited" not in str(caught.value)
    assert clock.now_ns() == before_ns


OPENINGS: list[Callable[..., object]] = [
    mboxio.connect,
    mboxio.open,
    mboxio.connect_async,
    mboxio.open_async,
]


@pytest.mark.parametrize("opening", OPENINGS)
@pytest.mark.parametrize(
    ("wait_s", "kind"),
    [
        (-1, ValueError),
        (math.nan, ValueError),
        (math.inf, ValueError),
        (1e7, ValueError),
        (True, TypeError),
        ("5", TypeError),
        (b"5", TypeError),
        ([5], TypeError),
    ],
)
def test_what_is_no_time_is_refused(
    opening: Callable[..., object], wait_s: Any, kind: type[Exception]
) -> None:
    with pytest.raises(kind, match=r"^wait_s is "):
        opening("loopback:", wait_s=wait_s)


def later(what: Callable[[], object]) -> threading.Timer:
    timer = threading.Timer(0.05, what)
    timer.start()
    return timer


def test_a_remote_that_comes_up_is_used() -> None:
    remote = Remote("t")
    remote.handler("echo")(bytes)
    timer = later(remote.start)
    try:
        with mboxio.open("shm:t/echo", wait_s=PATIENCE_S) as client:
            assert client.request(b"hello") == b"hello"
    finally:
        timer.join()
        remote.stop()


def test_the_file_of_firmware_that_comes_up_is_used(tmp_path: Path) -> None:
    path = tmp_path / "sram"
    remote = AcpmRemote(f"file:{path}")
    remote.channel(slot_bytes=32)
    timer = later(remote.start)
    try:
        with mboxio.open(f"acpm:/0?at=file:{path}", wait_s=PATIENCE_S) as client:
            assert client.request(bytes(32))[4:] == bytes(28)
    finally:
        timer.join()
        remote.stop()


def test_a_descriptor_that_is_written_late_is_used(tmp_path: Path) -> None:
    path = tmp_path / "sram"
    path.touch()
    content = bytearray(0x10000)
    write(Memory(content), plan([AcpmSpec()] * 3))

    def boot() -> None:
        with path.open("r+b") as file:
            file.truncate(len(content))
            file.write(content)

    timer = later(boot)
    with mboxio.connect(f"acpm:?at=file:{path}", wait_s=PATIENCE_S) as connection:
        assert list(connection._host.channels) == ["0", "1", "2"]
    timer.join()


def test_a_channel_that_is_missing_is_not_waited_for(late: type[Late]) -> None:
    late.go.set()
    with pytest.raises(AddressError, match="has no channel 'none'") as caught:
        mboxio.open("late:/none", wait_s=PATIENCE_S)
    assert "waited" not in str(caught.value)
    assert [each.let_go for each in late.made] == [True]


def test_tries_in_vain_leave_nothing_behind(late: type[Late]) -> None:
    late.refusals = 5
    late.go.set()
    with mboxio.connect("late:", wait_s=PATIENCE_S):
        assert [each.let_go for each in late.made] == [True] * 5 + [False]


# A socket that Python has just made, and not yet handed out, is closed with this warning.
@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
@pytest.mark.filterwarnings("ignore:.* <socket:pytest.PytestUnraisableExceptionWarning")
def test_ctrl_c_ends_the_wait_at_once() -> None:
    timer = later(lambda: signal.raise_signal(signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        mboxio.connect("shm:nobody", wait_s=1e6)
    timer.join()


# -- from an event loop


async def opened(event: threading.Event) -> None:
    assert await asyncio.to_thread(event.wait, PATIENCE_S)


ASYNC_OPENINGS: list[Callable[..., Any]] = [mboxio.connect_async, mboxio.open_async]


@pytest.mark.parametrize("opening", ASYNC_OPENINGS)
def test_a_loop_goes_on_while_it_is_connected(late: type[Late], opening: Any) -> None:
    async def main() -> None:
        task = asyncio.ensure_future(_awaited(opening("late:")))
        await opened(late.opening)
        late.go.set()  # by the loop that waits for it
        (await task).close()

    asyncio.run(main())
    assert [each.let_go for each in late.made] == [True]


async def _awaited(opening: Any) -> Any:
    return await opening


@pytest.mark.parametrize("opening", ASYNC_OPENINGS)
def test_a_loop_waits_for_a_remote(late: type[Late], opening: Any) -> None:
    late.refusals = 3
    late.go.set()

    async def main() -> None:
        async with opening("late:", wait_s=PATIENCE_S):
            assert [each.let_go for each in late.made] == [True] * 3 + [False]

    asyncio.run(main())
    assert [each.let_go for each in late.made] == [True] * 4


@pytest.mark.parametrize("opening", ASYNC_OPENINGS)
def test_a_loop_waits_in_vain(opening: Any) -> None:
    async def main() -> None:
        with pytest.raises(RemoteGone, match=r"^nobody serves shm:nobody.* s for it$"):
            await opening("shm:nobody", wait_s=0.01)
        with pytest.raises(AddressError, match="no option"):
            await opening("shm:nobody?x=1", wait_s=PATIENCE_S)

    asyncio.run(main())


@pytest.mark.parametrize("opening", ASYNC_OPENINGS)
def test_a_connection_that_comes_up_after_it_was_cancelled_is_closed(
    late: type[Late], opening: Any
) -> None:
    async def main() -> None:
        task = asyncio.ensure_future(_awaited(opening("late:")))
        await opened(late.opening)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        late.go.set()

    asyncio.run(main())
    assert [each.let_go for each in late.made] == [True]


@pytest.mark.parametrize("opening", ASYNC_OPENINGS)
def test_a_pause_is_cancelled(late: type[Late], opening: Any) -> None:
    late.refusals = 10**9
    late.go.set()

    async def main() -> None:
        task = asyncio.ensure_future(_awaited(opening("late:", wait_s=1e6)))
        await opened(late.opening)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert all(each.let_go for each in late.made)


@pytest.mark.parametrize("opening", [mboxio.connect, mboxio.connect_async])
def test_a_loop_goes_on_while_a_connection_is_closed(late: type[Late], opening: Any) -> None:
    late.go.set()

    async def main() -> None:
        async with opening("late:") as connection:
            assert isinstance(connection, Connection)
            late.go.clear()
            going = asyncio.create_task(opened(late.closing))
            going.add_done_callback(lambda _: late.go.set())

    asyncio.run(main())
    assert [each.let_go for each in late.made] == [True]


def test_a_connection_is_closed_though_closing_it_is_cancelled(late: type[Late]) -> None:
    late.go.set()

    async def use() -> None:
        async with mboxio.connect("late:"):
            late.go.clear()

    async def main() -> None:
        task = asyncio.create_task(use())
        await opened(late.closing)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        late.go.set()

    asyncio.run(main())
    assert [each.let_go for each in late.made] == [True]


def test_clients_of_a_connection_of_a_loop() -> None:
    async def main() -> list[bytes]:
        async with mboxio.connect_async("loopback:") as connection:
            client = connection.async_client(0)
            replies = await asyncio.gather(*(client.request(bytes([n])) for n in range(10)))
        with pytest.raises(mboxio.ClosedError):
            await client.request(b"")
        return replies

    assert asyncio.run(main()) == [bytes([n]) for n in range(10)]
