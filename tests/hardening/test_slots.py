"""Slots that are free are used: what waits goes out, and nothing is reserved for nobody."""

import pytest

from mboxio import Busy, RequestTimeout
from tests.race.manual import Manual

from .support import attach


def test_a_reply_ends_the_wait_of_busy_until_tx_done() -> None:
    """A reply implies TX done, so hardware that reports only replies must not stay stalled."""
    driver = Manual(depth=4)
    with attach(driver) as connection:
        client = connection.client(0, backlog=1)
        first = client.submit(b"1")
        driver.outcomes = [Busy("tx_done")]
        second = client.submit(b"2")
        assert second.status == "queued"
        driver.answer(b"one", 0)
        assert first.result() == b"one"
        assert second.status == "sent", "the slot is free and the backlog is not served"


def test_busy_at_no_time_is_no_standstill() -> None:
    driver = Manual(depth=1)
    driver.outcomes = [Busy("at"), Busy("at")]  # accepting tries twice
    with attach(driver) as connection:
        client = connection.client(0)
        with pytest.raises(RequestTimeout) as caught:
            client.send(b"x", queue_timeout_s=1, timeout_s=0.5)
        assert caught.value.stage == "tx_done", "the hardware is free and nobody asked it again"


def test_a_handler_that_left_takes_its_reserved_slot_along() -> None:
    driver = Manual(depth=2)
    with attach(driver) as connection:
        with connection.client(0) as client:
            client.on_request(lambda message: message)
        other = connection.client(0)
        requests = [other.submit(b"1"), other.submit(b"2")]
        assert [request.status for request in requests] == ["sent", "sent"]


def test_answers_that_find_no_slot_are_bounded() -> None:
    """A remote that asks for ever and never takes an answer; the handler is quick."""
    driver = Manual(depth=1)
    with attach(driver) as connection:
        client = connection.client(0, timeout_s=None)
        client.on_request(lambda message: message, limit=4)
        client.post(b"fills the only slot")
        for tag in range(2000):
            driver.ask(tag, b"?")
            connection._host.gate.clock.advance(1000)  # type: ignore[attr-defined]  # the handler answers
        assert len(driver.queue.answers) <= 1000  # type: ignore[attr-defined]
