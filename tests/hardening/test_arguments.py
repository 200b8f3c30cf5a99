"""Unusual arguments: empty buffers, wrong time-outs, and time-outs of weeks."""

import array
import threading
from typing import Any

import pytest

from mboxio import Connection, WrongMessage
from mboxio._base.deputies import acting
from mboxio.testing.tracer import PUMP_SLEEPING, Tracer
from tests.race.manual import Manual

from .support import PATIENCE_S, attach

WEEKS_S = 3e6  # more than poll(2) takes, which is 24 days


def test_an_empty_buffer_of_words_is_a_buffer() -> None:
    driver = Manual()
    with attach(driver) as connection:
        client = connection.client(0)
        request = client.submit(b"", into=array.array("I"))
        driver.answer(b"")
        assert request.result() == 0


def test_a_wrong_queue_timeout_is_refused_whether_the_queue_is_full_or_not() -> None:
    driver = Manual()
    with attach(driver) as connection:
        client = connection.client(0)
        with pytest.raises(ValueError):
            client.submit(b"", queue_timeout_s=-1)
    assert driver.sent == []


def asleep_elsewhere(connection: Connection) -> threading.Event:
    """Return what is set when a thread other than this one is about to sleep."""
    asleep = threading.Event()
    tester = acting()

    def trace(point: str, _: Any) -> None:
        if point == PUMP_SLEEPING and acting() != tester:
            asleep.set()

    connection._host.add_tap(Tracer(trace))
    return asleep


def test_a_wait_of_weeks_on_descriptors() -> None:
    driver = Manual(wired=True)
    with Connection(driver) as connection:
        messages = connection.client(0).subscribe()
        asleep = asleep_elsewhere(connection)
        got: list[Any] = []

        def wait() -> None:
            try:
                got.append(messages.get(WEEKS_S))
            except BaseException as error:
                got.append(error)

        thread = threading.Thread(target=wait)
        thread.start()
        assert asleep.wait(PATIENCE_S)
        driver.notify(b"news")
        thread.join(PATIENCE_S)
        assert got == [b"news"]


def test_a_deadline_in_weeks_does_not_end_the_service_thread() -> None:
    driver = Manual(wired=True)
    with Connection(driver) as connection:
        client = connection.client(0)
        request = client.submit(b"", timeout_s=WEEKS_S)
        driver.answer(b"")
        request.result()  # its deadline stays behind as the lower bound
        asleep = asleep_elsewhere(connection)
        with client.subscribe():  # unattended: the service thread leads
            assert asleep.wait(PATIENCE_S)
            # That thread comes to the callback only after the sleep that it is about to begin.
            heard = threading.Event()
            request.add_done_callback(lambda _: heard.set())
            assert heard.wait(PATIENCE_S), "the service thread died of the time-out"


def test_a_driver_refuses_what_can_never_be_sent() -> None:
    class Picky(Manual):
        def check(self, channel: Any, message: bytes) -> None:
            if not message:
                raise WrongMessage(f"channel {channel.name!r}: nothing to send")

    driver = Picky()
    with attach(driver) as connection:
        client = connection.client(0, backlog=1)
        for verb in (client.submit, client.post, client.request, client.send):
            with pytest.raises(WrongMessage, match="nothing to send"):
                verb(b"")
        assert driver.sent == []
        assert driver.queue.slots_used == 0
        client.post(b"something")
        assert driver.sent[0][2] == b"something"
