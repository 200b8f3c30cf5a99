"""The classic style: one active message, twenty queued, hooks in place of requests."""

from collections.abc import Callable
from typing import Any

import pytest

from mboxio import Connection, Ports, QueueFull
from tests.drivers import AckMailbox, Fake, IrqFifo, RegisterMailbox, SendOnly

BACKLOG = 20


class IrqMailbox(SendOnly):
    """One place, TX done by interrupt."""

    def __init__(self) -> None:
        super().__init__(depth=1)


def messages(count: int) -> list[bytes]:
    return [number.to_bytes(4, "little") for number in range(count)]


@pytest.mark.parametrize("make", [RegisterMailbox, IrqMailbox, AckMailbox])
def test_one_is_active_and_the_others_follow_in_order(make: Callable[[], Fake]) -> None:
    driver = make()
    driver.far.stall()
    left: list[tuple[bytes, int]] = []
    sent = messages(1 + BACKLOG)
    with Connection(driver) as connection:
        ports = Ports(tx_done=lambda message, status: left.append((message, status)))
        client = connection.client(0, backlog=BACKLOG, ports=ports)
        requests = [client.post(message) for message in sent]
        with pytest.raises(QueueFull, match="backlog of 20") as refused:
            client.post(b"more")
        assert refused.value.reason == "backlog"
        assert refused.value.handed_over == "no"
        for request, message in zip(requests, sent, strict=True):
            assert request.status == "sent"
            item = driver.far.take()
            assert item.message == message
            if make is AckMailbox:
                client.tx_done()
            else:
                driver.far.tx_done(item)
            assert request.wait(2)
        assert left == [(message, 0) for message in sent]


def test_the_next_message_goes_out_before_the_hook_of_the_last_one_runs() -> None:
    driver = IrqMailbox()
    driver.far.stall()
    in_slots: list[list[bytes]] = []

    def tx_done(message: bytes, status: int) -> None:
        in_slots.append([item.message for item in driver.slots])

    with Connection(driver) as connection:
        client = connection.client(0, backlog=BACKLOG, ports=Ports(tx_done=tx_done))
        first = client.post(b"one")
        client.post(b"two")
        driver.far.tx_done(driver.far.take())
        assert first.wait(2)
        assert in_slots == [[b"two"]]


def test_the_hook_learns_how_a_message_ended() -> None:
    driver = IrqMailbox()
    driver.far.stall()
    left: list[tuple[bytes, int]] = []
    ports = Ports(tx_done=lambda message, status: left.append((message, status)))
    with Connection(driver) as connection:
        client = connection.client(0, backlog=BACKLOG, ports=ports)
        failed = client.post(b"failed")
        client.post(b"closed")
        driver.far.tx_done(driver.far.take(), status=5)
        assert failed.wait(2)
        error: Any = failed.exception()
        assert error.status == 5
    assert [message for message, _ in left] == [b"failed", b"closed"]
    assert all(status for _, status in left)


def test_a_hook_may_send_the_next_message() -> None:
    """The stack does not grow with the length of the chain."""
    driver = SendOnly()
    count = 5000
    left: list[bytes] = []

    def tx_done(message: bytes, status: int) -> None:
        left.append(message)
        if len(left) < count:
            client.post(b"again")

    with Connection(driver) as connection:
        client = connection.client(0, backlog=BACKLOG, ports=Ports(tx_done=tx_done))
        client.post(b"first")
        while len(left) < count:
            connection._host.pump.look()


def test_tx_prepare_sees_every_message_before_it_goes_out() -> None:
    driver = IrqFifo()
    prepared: list[bytes] = []
    with Connection(driver) as connection:
        client = connection.client(0, ports=Ports(tx_prepare=prepared.append))
        for message in messages(3):
            client.send(message)
        assert prepared == messages(3)
        assert [item.message for item in driver.far.taken] == messages(3)
