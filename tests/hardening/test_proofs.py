"""What frees a tag or lent memory: the right reply or a proof, and nothing else."""

import pytest

from mboxio import AddressError, Tagged
from tests.race.manual import Manual

from .support import attach


def test_a_reply_to_a_one_way_message_proves_nothing_about_requests() -> None:
    driver = Manual(depth=4, replies_in_order=True)
    with attach(driver) as connection:
        client = connection.client(0)
        request = client.submit(b"1")
        client.post(b"2")
        driver.answer(b"a lie", 1)  # nobody asked for that
        assert not request.done(), request
        driver.answer(b"mine", 0)
        assert request.result() == b"mine"


class Pool:
    given_back = False

    def give_back(self) -> None:
        self.given_back = True


def test_close_is_no_proof_for_lent_memory() -> None:
    driver = Manual()
    memory = Pool()
    with attach(driver) as connection:
        connection.client(0).submit(b"", lent=memory)
    assert not memory.given_back, "the remote is alive and may write there at any time"


def test_another_correlator_does_not_forget_held_tags() -> None:
    driver = Manual(matches_replies=False)
    with attach(driver) as connection:
        with connection.client(0, correlator=Tagged()) as client:
            client.submit(b"\0\0\0\0old ")
        with pytest.raises(AddressError, match="still held"):
            connection.client(0, correlator=Tagged())


def test_the_correlator_of_an_earlier_client_goes_on_with_held_tags() -> None:
    driver = Manual(matches_replies=False)
    correlator = Tagged()
    with attach(driver) as connection:
        with connection.client(0, correlator=correlator) as client:
            client.submit(b"\0\0\0\0old ")
        held = driver.sent[0][2]
        client = connection.client(0, correlator=correlator)
        request = client.submit(b"\0\0\0\0new ")
        driver.received(driver.channels[0], [held])  # the late reply to the old request
        assert not request.done(), request
        driver.received(driver.channels[0], [driver.sent[1][2]])
        assert request.result()[-4:] == b"new "


def test_one_way_messages_are_checked_where_they_get_a_tag() -> None:
    driver = Manual(matches_replies=False, always_replies=True, correlators=(Tagged(),))
    with attach(driver) as connection:
        client = connection.client(0)
        with pytest.raises(ValueError):
            client.post(b"\x12\x34")
        assert driver.sent == [], "the message has no room for a tag"
