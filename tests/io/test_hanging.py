"""A stub or a QEMU that stops to answer in the middle of an access holds no deadline.

Each error says for what the connection was given up: for a deadline, and not for the longest time
that an access may take.
"""

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import mboxio
from mboxio import Client, MailboxError, RemoteGone, RequestTimeout
from mboxio._limits import awaited
from mboxio.regions.probes import link
from mboxio.regions.probes.gdb import Gdb
from mboxio.regions.probes.openocd import OpenOcd
from mboxio.regions.probes.patience import GRACE_S, SLOWER, Patience
from mboxio.regions.probes.qtest import Qtest
from tests.hardening.support import reached, until
from tests.io.running import FakeOpenOcd, RunningGdb
from tests.io.stubs import PATIENCE_S, FakeGdb, FakeQtest
from tests.io.test_hostile_texts import FAKES, Honest, Peer
from tests.io.test_hostile_texts import reached as reached_by

BLOCK = 0x8000_0000
READ_STATUS, WRITE, WRITE_STATUS = BLOCK + 0x18, BLOCK + 0x20, BLOCK + 0x38
EMPTY = 1 << 30
DEADLINE_S = 0.2
LONG_S = 1000.0
AnyStub = FakeQtest | FakeGdb | FakeOpenOcd
GIVEN_UP = "deadline of a request has passed"


class Hang:
    """Stops a stub in the middle of an access.

    Args:
        stub: which.
        at: the address whose access hangs.
    """

    def __init__(self, stub: AnyStub, at: int) -> None:
        self.entered = threading.Event()
        self.go = threading.Event()
        self.stub = stub
        self.honest: Callable[..., object] = stub.answer
        self.needle = f"{at:x}"
        stub.answer = self.answer  # type: ignore[method-assign, assignment]

    def answer(self, question: str | list[str]) -> object:
        if self.needle in (question if isinstance(question, str) else " ".join(question)):
            self.entered.set()
            assert self.go.wait(PATIENCE_S), "it hung for ever"
        return self.honest(question)

    def over(self) -> None:
        """Answer again."""
        self.stub.answer = self.honest  # type: ignore[method-assign, assignment]
        self.go.set()


@pytest.fixture(params=[FakeQtest, FakeGdb, FakeOpenOcd, RunningGdb])
def stub(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[AnyStub]:
    with request.param(tmp_path) as running:
        running.words.update({READ_STATUS: EMPTY, WRITE_STATUS: EMPTY})
        yield running


@pytest.fixture
def where(stub: AnyStub, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(link, "ANSWER_S", 60.0)  # what hangs here would hang for long
    return f"bcm2835:?at={stub.address}@{BLOCK:#x}%2B0x40"


def ask(client: Client) -> bytes:
    return client.request(b"\x10\0\0\0", timeout_s=DEADLINE_S)


def submit(client: Client) -> bytes:
    return client.submit(b"\x10\0\0\0", timeout_s=DEADLINE_S).result()


@pytest.mark.parametrize("verb", [ask, submit])
@pytest.mark.parametrize("at", [WRITE_STATUS, WRITE, READ_STATUS])
def test_a_request_ends_whose_own_access_hangs(
    stub: AnyStub, where: str, at: int, verb: Callable[[Client], bytes]
) -> None:
    with mboxio.connect(where) as connection:
        client = connection.client("1")
        hang = Hang(stub, at)
        try:
            with pytest.raises(RemoteGone, match=GIVEN_UP) as caught:
                verb(client)
        finally:
            hang.over()
        error = caught.value
        assert error.channel == "1"
        # The state of the other side is asked first, and whether a write was done is not known.
        sent = {WRITE: "unknown", WRITE_STATUS: "unknown", READ_STATUS: "yes"}[at]
        assert error.handed_over == sent
        assert stub.path in str(error)
        until(lambda: _asks(client))
        assert stub.clients == 2


def _asks(client: Client) -> bool:
    """Return whether messages go again: after the connection was made again they do."""
    try:
        client.post(b"\x10\0\0\0")
    except RemoteGone:
        return False
    return True


def test_a_request_ends_while_the_access_of_another_one_hangs(stub: AnyStub, where: str) -> None:
    """The thread of the long one makes the access, and the other one gets the lock from nobody."""
    with mboxio.connect(where) as connection:
        client = connection.client("1")
        patient = client.submit(b"\x20\0\0\0", timeout_s=LONG_S)
        hang = Hang(stub, READ_STATUS)
        waiting = threading.Thread(target=patient.exception)
        waiting.start()
        try:
            assert hang.entered.wait(PATIENCE_S)
            with pytest.raises(RequestTimeout, match=GIVEN_UP) as caught:
                ask(client)
        finally:
            hang.over()
            waiting.join(PATIENCE_S)
        assert (caught.value.stage, caught.value.handed_over) == ("queue", "no")
        assert isinstance(patient.exception(), RemoteGone)


def test_one_in_flight_ends_while_the_service_thread_hangs(stub: AnyStub, where: str) -> None:
    ended = threading.Event()
    with mboxio.connect(where) as connection:
        client = connection.client("1")
        request = client.submit(b"\x10\0\0\0", timeout_s=DEADLINE_S)
        hang = Hang(stub, READ_STATUS)
        try:
            request.add_done_callback(lambda over: ended.set())
            assert ended.wait(PATIENCE_S)
        finally:
            hang.over()
        assert request.handed_over == "yes"
        with pytest.raises(RemoteGone, match=GIVEN_UP):
            request.result()


def test_an_awaited_request_ends_behind_a_long_one(stub: AnyStub, where: str) -> None:
    async def work() -> None:
        with mboxio.connect(where) as connection:
            async with connection.async_client("1") as client:
                hang = Hang(stub, WRITE_STATUS)
                try:
                    first = asyncio.create_task(
                        client.request(b"\x10\0\0\0", timeout_s=LONG_S, queue_timeout_s=LONG_S)
                    )
                    await reached(hang.entered.is_set)
                    # These wait for the I/O thread, and the last one is the first to be due.
                    second = asyncio.create_task(client.request(b"\x20\0\0\0", timeout_s=LONG_S))
                    with pytest.raises(RequestTimeout, match=GIVEN_UP):
                        await client.request(b"\x30\0\0\0", timeout_s=DEADLINE_S)
                    with pytest.raises(RemoteGone, match=GIVEN_UP):
                        await first
                    assert not second.done(), "it has time to wait for the next life"
                    second.cancel()
                finally:
                    hang.over()

    asyncio.run(work())


def test_a_request_ends_while_another_connection_hangs_on_the_same_link(
    stub: AnyStub, where: str
) -> None:
    other = where.replace("0x80000000", "0x90000000")
    stub.words.update({0x9000_0018: EMPTY, 0x9000_0038: EMPTY})
    with mboxio.connect(where) as first, mboxio.connect(other) as second:
        patient = first.client("1").submit(b"\x20\0\0\0", timeout_s=LONG_S)
        client = second.client("1")
        hang = Hang(stub, READ_STATUS)
        waiting = threading.Thread(target=patient.exception)
        waiting.start()
        try:
            assert hang.entered.wait(PATIENCE_S)
            with pytest.raises(MailboxError, match=GIVEN_UP):
                ask(client)
        finally:
            hang.over()
            waiting.join(PATIENCE_S)


def test_nobody_is_given_up_while_all_have_time(stub: AnyStub, where: str) -> None:
    with mboxio.connect(where) as connection:
        client = connection.client("1")
        hang = Hang(stub, READ_STATUS)
        request = client.submit(b"\x10\0\0\0", timeout_s=LONG_S)
        waiting = threading.Thread(target=request.exception)
        waiting.start()
        assert hang.entered.wait(PATIENCE_S)
        probe = next(iter(link._shared.values()))
        began_s = probe.patience.began_s
        assert not probe.patience.has_hung([connection._host.hurry], began_s + 10)
        assert probe.patience.has_hung([connection._host.hurry], began_s + 2 * LONG_S) is False
        hang.over()
        until(lambda: probe.patience.began_s != began_s)
        request.cancel()
        waiting.join(PATIENCE_S)
        assert stub.clients == 1
        with pytest.raises(RequestTimeout):
            client.request(b"\x30\0\0\0", timeout_s=0.01)
        assert stub.clients == 1


# -- what is slow and alive


class Late:
    """Somebody whose deadline has long passed."""

    def concerned(self) -> bool:
        return True

    def left_s(self, lasted_s: float) -> float:
        return -60.0


@pytest.mark.parametrize("scheme", [Gdb, Qtest, OpenOcd])
@pytest.mark.parametrize("slow_s", [0.02, 0.2])
def test_a_slow_probe_has_time_and_hangs_some_times_later(
    scheme: type[Gdb | Qtest | OpenOcd], slow_s: float
) -> None:
    late = Late()
    peer = Peer(Honest(FAKES[scheme]), [])
    with reached_by(peer):
        made = scheme.share("/x")
        region = made.region(0x1000, 0x40)
        made.release()
        awaited.register(late)
        peer.slow_s = slow_s  # which the first exchanges did not show
        for _ in range(50):
            assert region.read(0, 4) == 0
        assert region.read_words(0, 8) == [0] * 8
        peer.slow_s = LONG_S
        began_s = peer.now_s
        with pytest.raises(RemoteGone, match=GIVEN_UP):
            region.read(0, 4)
        lasted_s = peer.now_s - began_s
        assert SLOWER * slow_s <= lasted_s + 1e-6 < 2 * SLOWER * slow_s
        region.close()


def test_what_wakes_us_late_has_made_the_other_side_late() -> None:
    patience = Patience()
    patience.begin(1, 100.0)
    patience.learn(100.001)
    patience.begin(1, 200.0)
    assert patience.has_hung([Late()], 200.001 + GRACE_S)
    patience.woke(0.02, 0.32)
    assert not patience.has_hung([Late()], 200.3)
    assert patience.has_hung([Late()], 200.3 + GRACE_S + 0.001)
    assert not patience.has_hung([], 300.0)


def test_an_outlier_is_forgotten() -> None:
    patience = Patience()
    patience.begin(1, 0.0)
    patience.learn(3.0)
    assert not patience.has_hung([Late()], 29.0)
    for _ in range(2000):
        patience.begin(1, 0.0)
        patience.learn(0.001)
    assert patience.has_hung([Late()], 2 * GRACE_S)
