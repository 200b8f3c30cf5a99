"""What a driver hands up is looked at, and what it says is told to users as it is."""

import threading
from collections.abc import Callable
from typing import Any

import pytest

from mboxio import (
    ACCEPTED,
    Busy,
    Done,
    DriverError,
    Outcome,
    QueueFull,
    RemoteError,
    RemoteRequest,
    ReplyTooLong,
    RequestTimeout,
)
from mboxio.testing.tracer import Tracer
from tests.race.manual import Manual

from .support import SECOND, attach

NO_MESSAGES: list[tuple[str, Callable[[Manual], object]]] = [
    ("an integer as a reply", lambda driver: driver.answer(7)),  # type: ignore[arg-type]
    ("text as a reply", lambda driver: driver.answer("ok")),  # type: ignore[arg-type]
    ("no reply at all", lambda driver: driver.answer(None)),  # type: ignore[arg-type]
    ("a list as a reply", lambda driver: driver.answer([1, 2])),  # type: ignore[arg-type]
    ("a reply that is too long", lambda driver: driver.answer(bytes(17))),
    ("words", lambda driver: driver.notify(0x1000_0000)),  # type: ignore[arg-type]
    ("a huge word", lambda driver: driver.notify(0xFFFF_FFFF)),  # type: ignore[arg-type]
    ("text", lambda driver: driver.notify("news")),  # type: ignore[arg-type]
    ("a message that is too long", lambda driver: driver.notify(bytes(17))),
    ("a forgotten list", lambda driver: driver.received(driver.channels[0], b"\1\0")),  # type: ignore[arg-type]
    ("no list", lambda driver: driver.received(driver.channels[0], None)),  # type: ignore[arg-type]
    ("handles that are text", lambda driver: driver.tx_done(driver.queue, ["1"])),  # type: ignore[list-item]
]


@pytest.mark.parametrize(
    "report", [each[1] for each in NO_MESSAGES], ids=[x[0] for x in NO_MESSAGES]
)
def test_what_is_no_message_is_the_drivers_fault(report: Callable[[Manual], object]) -> None:
    driver = Manual(message_bytes=16)
    with attach(driver) as connection:
        client = connection.client(0)
        with client.subscribe() as messages:
            request = client.submit(b"?")
            report(driver)
            assert not messages.waiting, "a message that nobody sent"
            with pytest.raises(DriverError, match="the driver failed"):
                request.result()
        with pytest.raises(DriverError, match="manual, channel '0': the queue stopped") as caught:
            client.submit(b"?")
        assert caught.value.handed_over == "no"
        client.resync()
        again = client.submit(b"!")
        driver.answer(b"here")
        assert again.result() == b"here", "somebody vouched for the driver"


def test_what_is_handed_up_is_copied_at_once() -> None:
    """A driver may use its buffer again, also when it reports from inside an op."""

    class Reuses(Manual):
        def send(self, channel: Any, handle: int, message: bytes) -> Outcome:
            buffer = bytearray(b"first")
            done = [handle]
            self.received(channel, [buffer])  # type: ignore[list-item]
            self.tx_done(self.queue, done)
            buffer[:] = b"other"
            done.clear()
            return super().send(channel, handle, message)

    with attach(Reuses()) as connection:
        client = connection.client(0)
        with client.subscribe() as messages:
            client.send(b"")
            assert messages.get() == b"first"


@pytest.mark.parametrize("wrong", [7, "ok", [1, 2]])
def test_done_and_questions_are_bytes(wrong: Any) -> None:
    with pytest.raises(TypeError, match=rf"Done\(\) is bytes, not {type(wrong).__name__}"):
        Done(wrong)
    with pytest.raises(TypeError, match=f"RemoteRequest is bytes, not {type(wrong).__name__}"):
        RemoteRequest(1, wrong)


def test_done_and_questions_are_copied_at_once() -> None:
    buffer = bytearray(b"first")
    outcome, question = Done(memoryview(buffer)), RemoteRequest(1, buffer)  # type: ignore[arg-type]
    buffer[:] = b"other"
    assert (outcome.reply, question.message) == (b"first", b"first")
    assert RemoteRequest(1).message is None


def test_what_a_driver_raises_keeps_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Manual):
        def send(self, channel: Any, handle: int, message: bytes) -> Outcome:
            raise KeyError("boom")

    with attach(Broken()) as connection:
        with pytest.raises(
            DriverError, match=r"manual|broken, channel '0', request 1: .*boom"
        ) as e:
            connection.client(0).request(b"")
        assert not isinstance(e.value, RemoteError), "the remote has no part in it"
        assert isinstance(e.value.__cause__, KeyError)
        assert e.value.__cause__.__traceback__ is not None
    (logged,) = [record for record in caplog.records if record.exc_info]
    assert logged.name == "mboxio"


def test_an_error_at_tx_done_means_that_the_message_never_left() -> None:
    driver = Manual()
    with attach(driver) as connection:
        client = connection.client(0)
        request = client.submit(b"")
        assert connection.stats()["0"].sent == 1
        driver.done(status=5)
        error = request.exception()
        assert isinstance(error, RemoteError)
        assert error.handed_over == "no"
        assert connection.stats()["0"].sent == 0


def test_what_the_hardware_refuses_is_not_counted_as_sent() -> None:
    driver = Manual()
    with attach(driver) as connection:
        driver.outcomes = [Busy("event"), Busy("event")]
        with pytest.raises(QueueFull):
            connection.client(0).submit(b"")
        assert connection.stats()["0"].sent == 0


@pytest.mark.parametrize("tx_done_first", [False, True])
def test_who_was_answered_waited_for_the_reply(tx_done_first: bool) -> None:
    driver = Manual()
    with attach(driver) as connection:
        client = connection.client(0)
        ends: list[Any] = []
        for buffer, status in ((None, 5), (bytearray(1), 0)):
            request = client.submit(b"", into=buffer)
            if tx_done_first:
                driver.done()
            driver.answer(b"long", status=status)
            ends.append(request.exception())
        assert [type(each) for each in ends] == [RemoteError, ReplyTooLong]
        assert [each.stage for each in ends] == ["reply", "reply"]
        assert all("waiting for" not in str(each) for each in ends)


def test_a_time_out_says_where_and_after_how_long() -> None:
    driver = Manual(depth=1)
    with attach(driver) as connection:
        client = connection.client(0, backlog=2)
        first = client.submit(b"", timeout_s=0.25)
        second = client.submit(b"", queue_timeout_s=1.5, timeout_s=9)
        assert str(first.exception()) == (
            "manual, channel '0', request 1: timed out after 0.25 s (waiting for TX done; handed "
            "over: yes)"
        )
        assert str(second.exception()) == (
            "manual, channel '0': timed out after 1.5 s (waiting for a slot; handed over: no)"
        )
        driver.done()
        third = client.submit(b"", timeout_s=0.5)
        error = third.exception()
        assert error is not None
        assert error.request == 2, "counted as people count"


class Distant(Manual):
    """Somebody else hands its messages over, when the test says so."""

    def send(self, channel: Any, handle: int, message: bytes) -> Outcome:
        super().send(channel, handle, message)
        return ACCEPTED

    def abort(self, channel: Any, handle: int) -> bool:
        return super().abort(channel, handle)

    def leaves(self, index: int = -1) -> None:
        self.handed_over(self.queue, [self.sent[index][1]])


def test_an_accepted_message_has_not_left() -> None:
    driver = Distant()
    with attach(driver) as connection:
        client = connection.client(0, timeout_s=1.0, queue_timeout_s=3.0)
        request = client.submit(b"")
        assert (request.handed_over, connection.stats()["0"].sent) == ("no", 0)
        connection._host.gate.clock.advance(2 * SECOND)  # type: ignore[attr-defined]
        assert not request.done(), "the time of the reply has not begun"
        driver.leaves()
        assert (request.handed_over, connection.stats()["0"].sent) == ("yes", 1)
        error = request.exception()
        assert isinstance(error, RequestTimeout)
        assert (error.stage, error.handed_over) == ("tx_done", "yes")
        assert "after 1 s" in str(error)


@pytest.mark.parametrize(("proof", "handed_over"), [(True, "no"), (False, "unknown")])
def test_an_accepted_message_that_never_left_times_out(proof: bool, handed_over: str) -> None:
    driver = Distant()
    driver.proof = proof
    with attach(driver) as connection:
        request = connection.client(0, timeout_s=1.0, queue_timeout_s=3.0).submit(b"")
        error = request.exception()
        assert isinstance(error, RequestTimeout)
        assert error.handed_over == handed_over
        assert "after 3 s" in str(error)
        assert connection.stats()["0"].held_slots == (0 if proof else 1)
        if proof:
            assert error.stage == "queue"
        driver.leaves()  # too late, and no harm
        driver.done()
        assert connection.stats()["0"].held_slots == 0


@pytest.mark.parametrize("report", ["tx done", "reply", "refused"])
def test_other_reports_say_that_an_accepted_message_left(report: str) -> None:
    driver = Distant()
    with attach(driver) as connection:
        request = connection.client(0).submit(b"")
        if report == "reply":
            driver.answer(b"!")
            assert request.result() == b"!"
        else:
            driver.done(status=5 if report == "refused" else 0)
        assert request.handed_over == ("no" if report == "refused" else "yes")
        assert connection.stats()["0"].sent == (0 if report == "refused" else 1)


def test_who_sleeps_hears_of_the_deadline_that_begins_when_a_message_leaves() -> None:
    from mboxio import Connection

    driver = Distant()
    with Connection(driver) as connection:
        client = connection.client(0, timeout_s=0.01, queue_timeout_s=None)
        request = client.submit(b"")
        ended: list[Any] = []
        waiter = threading.Thread(target=lambda: ended.append(request.exception()))
        waiter.start()
        driver.leaves()
        waiter.join()
        assert isinstance(ended[0], RequestTimeout)


def test_a_tracer_that_raises_changes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    from mboxio import Connection
    from mboxio.sim import VirtualClock

    def tracer(point: str, subject: object) -> None:
        raise LookupError(point)

    driver = Manual()
    with Connection(driver, clock=VirtualClock(), tap=Tracer(tracer)) as connection:
        client = connection.client(0)
        request = client.submit(b"")
        driver.answer(b"!")
        assert request.result() == b"!"
    assert any("request.sending" in record.getMessage() for record in caplog.records)


def test_an_immediate_reply_is_no_longer_than_declared() -> None:
    driver = Manual(message_bytes=4)
    with attach(driver) as connection:
        client = connection.client(0)
        driver.outcomes = [Done(b"12345"), Done(b"1234")]
        with pytest.raises(DriverError, match=r"Done\(\) was given 5 bytes, and message_bytes=4"):
            client.request(b"")
        assert client.request(b"") == b"1234"
