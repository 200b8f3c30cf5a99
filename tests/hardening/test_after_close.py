"""Nothing reaches a closed client or driver, whoever closes it and whenever."""

import threading
from typing import Any

import pytest

from mboxio import ClosedError, Connection, Outcome
from tests.race.manual import Manual

from .support import PATIENCE_S, attach


class Strict(Manual):
    """Says what is called after ``close``."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.shut = threading.Event()
        self.after: list[str] = []

    def close(self) -> None:
        self.shut.set()
        super().close()

    def send(self, channel: Any, handle: int, message: bytes) -> Outcome:
        self.note("send")
        return super().send(channel, handle, message)

    def reply(self, channel: Any, handle: int, tag: int, message: bytes, status: int) -> Outcome:
        self.note("reply")
        return super().reply(channel, handle, tag, message, status)

    def ring(self, channel: Any) -> None:
        self.note("ring")

    def note(self, op: str) -> None:
        if self.shut.is_set():
            self.after.append(op)


def test_a_closed_client_gets_no_handler() -> None:
    with attach(Manual()) as connection:
        client, other = connection.client(0), connection.client(0)
        client.close()
        with pytest.raises(ClosedError):
            client.on_request(lambda message: message)
        other.on_request(lambda message: message)


def test_no_answer_goes_to_a_closed_driver() -> None:
    driver = Strict(depth=2)
    connection = Connection(driver)
    client = connection.client(0)
    asked, answered = threading.Event(), threading.Event()

    def slow(message: bytes) -> bytes:
        asked.set()
        assert driver.shut.wait(PATIENCE_S)
        answered.set()
        return b"too late"

    client.on_request(slow)
    driver.ask(1, b"?")
    assert asked.wait(PATIENCE_S)
    connection.close()  # joins the thread that answers
    assert answered.is_set()
    assert driver.after == []


def test_no_doorbell_goes_to_a_closed_driver() -> None:
    driver = Strict()
    connection = attach(driver)
    client = connection.client(0)
    connection.close()
    with pytest.raises(ClosedError):
        client.ring()
    assert driver.after == []


class Finalized(Manual):
    """Its connection is closed in the middle of an op, as a finalizer may do."""

    def __init__(self) -> None:
        super().__init__()
        self.order: list[str] = []

    def service(self, queue: Any, why: str) -> None:
        if not self.order:
            self.order.append("op begins")
            self.host.close()  # type: ignore[attr-defined]
            self.order.append("op ends")

    def close(self) -> None:
        self.order.append("close")


def test_close_from_a_finalizer_inside_an_op_waits_for_the_op() -> None:
    driver = Finalized()
    request = attach(driver).client(0).submit(b"")
    request.done()
    assert driver.order == ["op begins", "op ends", "close"]


class ClosesNext:
    """Stands in for the lock of joining and leaving: whoever gives it back, close() comes next."""

    def __init__(self, connection: Connection) -> None:
        self.lock = connection._host.admin
        self.connection: Connection | None = connection

    def __enter__(self) -> None:
        self.lock.acquire()

    def __exit__(self, *_: object) -> None:
        self.lock.release()
        connection, self.connection = self.connection, None
        if connection is not None:
            thread = threading.Thread(target=connection.close)
            thread.start()
            thread.join()


def test_a_client_that_joins_while_the_connection_closes() -> None:
    driver = Strict()
    connection = Connection(driver)
    connection._host.admin = ClosesNext(connection)  # type: ignore[assignment]
    client = connection.client(0)
    with pytest.raises(ClosedError):
        client.post(b"x")
    assert connection.closed
    assert driver.after == []
    assert driver.stopped == driver.started == ["0"]


def test_a_callback_added_after_close_is_called() -> None:
    driver = Manual()
    connection = Connection(driver)
    request = connection.client(0).submit(b"")
    connection.close()
    heard = threading.Event()
    request.add_done_callback(lambda _: heard.set())
    assert heard.wait(PATIENCE_S), "silently dropped"
