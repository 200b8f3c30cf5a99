"""A test of a board that a team shares: it runs on the desk of whoever has acquired the place."""

from collections.abc import Iterator

import pytest
from labgrid import Target

from mboxio.labgrid import MailboxDriver


@pytest.fixture
def mailbox(target: Target) -> Iterator[MailboxDriver]:
    """The mailbox of the board, connected for one test."""
    driver = target.get_driver(MailboxDriver)
    yield driver
    target.deactivate(driver)


def test_one_request(mailbox: MailboxDriver) -> None:
    assert mailbox.request("pmic", b"\x01\x02") == b"\x01\x02"


def test_many_in_flight(mailbox: MailboxDriver) -> None:
    client = mailbox.client("pmic", backlog=100)
    messages = [number.to_bytes(4, "little") for number in range(100)]
    assert list(client.map(messages, window=32)) == messages
