"""Several users of one mailbox: who may do what, and that nobody is in another's way."""

import errno
import os
import threading
from typing import Any

import pytest

import mboxio
from mboxio import (
    AccessDenied,
    AddressError,
    MessagesLost,
    QueueFull,
    RemoteGone,
    WrongMessage,
)
from mboxio._base.states import FOREVER
from mboxio.controllers.loopback import Loopback
from mboxio.far.batch import BATCH_BYTES
from mboxio.gateway.allow import AllowList, Grant
from mboxio.gateway.dangers import PREDICATES, dangers_of, property_tags
from mboxio.gateway.desk import NOTES_WAITING
from mboxio.gateway.outlet import FULL_BYTES
from tests.far.support import ALL, House
from tests.shm.support import until

pytestmark = pytest.mark.usefixtures("each_loop")

READER = '[alice]\n"board/0" = ["notifications"]\n"board/1" = ["observe"]\n"board/2" = []\n'


def test_what_is_not_allowed_is_refused_at_the_gateway(house: House):
    far = Loopback()
    gate = house.serve(far, READER)
    with mboxio.connect(house.address) as connection:
        assert list(connection.stats()) == ["0", "1"]
        with connection.client("0") as client, client.subscribe() as messages:
            far.notify(0, b"news")
            assert messages.get(20) == b"news"
            with pytest.raises(AddressError, match="listen-only"):
                client.request(b"hello")
            # A user's own program may think that it is allowed more; the gateway does not.
            client._channel.can_send = True
            with pytest.raises(AccessDenied) as caught:
                client.request(b"hello", timeout_s=20)
            assert caught.value.handed_over == "no"
        assert gate.stats()["board"].used("alice", "0").denied == 1


@pytest.mark.parametrize(
    ("allow", "user", "export"),
    [
        ('[bob]\n"*/*" = ["request"]\n', "alice", "board"),
        ('[alice]\n"other/*" = ["request"]\n', "alice", "board"),
        (ALL, "alice", "nothing"),
        ("", "alice", "board"),
    ],
)
def test_who_is_not_on_the_list_learns_nothing_and_does_not_try_again(house, allow, user, export):
    gate = house.serve(Loopback(), allow, user)
    address = house.address.replace("/board", f"/{export}")
    with pytest.raises(AccessDenied):
        mboxio.connect(address, wait_s=20)
    assert [each.split(":")[0] for each in house.lines] == ["refuse"]
    assert gate.stats()["board"].users == {}


def test_a_read_only_export_takes_nothing_from_anybody(house):
    house.serve(Loopback(), read_only=True)
    with mboxio.open(f"{house.address}/0") as client, pytest.raises(AddressError):
        client.request(b"hello")


def test_users_and_a_local_program_share_a_mailbox(house):
    gate = house.serve(Loopback())
    local = gate.exports["board"].connection.client("0", timeout_s=20)
    clients = [local, *(mboxio.open(f"{house.address}/0", timeout_s=20) for _ in range(2))]
    wrong: list[object] = []

    def ask(client, who: int) -> None:
        for number in range(50):
            message = b"%d %d" % (who, number)
            if client.request(message) != message:
                wrong.append(message)

    threads = [threading.Thread(target=ask, args=(each, n)) for n, each in enumerate(clients)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    for client in clients:
        client.close()
    assert not wrong
    assert gate.stats()["board"].used("alice", "0").requests == 100


def test_a_slow_reader_loses_messages_and_is_told(house):
    far = Loopback(options=Loopback.Options(message_bytes=4096))
    house.serve(far, notes_bytes_s=20_000)
    with mboxio.open(f"{house.address}/0") as client, client.subscribe() as messages:
        for number in range(2000):
            far.notify(0, number.to_bytes(4, "little") * 1000)
        lost = got = 0
        while not (got and lost):
            try:
                messages.get(20)
                got += 1
            except MessagesLost as error:
                lost += error.count
        assert got + lost <= 2000


def test_what_waits_for_a_user_who_never_looks_is_bounded_and_the_rest_is_counted(house):
    far = Loopback(options=Loopback.Options(message_bytes=4096))
    gate = house.serve(far, notes_bytes_s=1e12)
    with mboxio.open(f"{house.address}/0", timeout_s=20) as client:
        (session,) = gate.exports["board"].sessions
        controller: Any = client._host.controller
        stream: Any = controller.stream

        def waiting() -> int:
            return stream.read - stream.taken

        count = 0
        while session.outlet.waiting_bytes < FULL_BYTES or waiting() <= FULL_BYTES:
            far.notify(0, bytes(4096))
            count += 1
        used = gate.stats()["board"].used("alice", "0")
        told = used.notifications
        for _ in range(4000):
            far.notify(0, bytes(4096))
        count += 4000
        told = used.notifications - told  # both sides are full, and gRPC between them may not be
        assert waiting() <= FULL_BYTES + 2 * BATCH_BYTES
        assert session.outlet.waiting_bytes <= FULL_BYTES + 2 * BATCH_BYTES
        assert client.request(b"now") == b"now"
        until(lambda: used.notifications + used.notifications_lost == count, "all are told of")
        assert used.notifications_lost >= 4000 - NOTES_WAITING - told > 0


def test_one_user_answers_the_remote_and_a_second_is_told_why_not(house):
    far = Loopback()
    house.serve(far)
    answers: list[tuple[bytes, int]] = []
    with (
        mboxio.open(f"{house.address}/0", timeout_s=20) as first,
        mboxio.open(f"{house.address}/0", timeout_s=20) as second,
    ):
        first.on_request(lambda message: message.upper())
        with pytest.raises(AddressError, match="somebody else") as caught:
            second.on_request(lambda message: message)
        assert caught.value.errno == errno.EBUSY
        far.ask(0, b"who", lambda message, status: answers.append((message, status)))
        until(lambda: answers, "the remote is answered")
        assert answers == [(b"WHO", 0)]
        first.close()
        until(lambda: house.gateway.exports["board"].claims == {}, "the first has gone")
        second.on_request(lambda message: message * 2)
        far.ask(0, b"who", lambda message, status: answers.append((message, status)))
        until(lambda: len(answers) == 2, "the second answers")
        assert answers[1] == (b"whowho", 0)


@pytest.mark.parametrize(
    ("limit", "what"), [({"sessions": 1}, "many sessions"), ({"user_sessions": 1}, "many sessions")]
)
def test_sessions_are_limited(house, limit, what):
    gate = house.serve(Loopback(), **limit)
    with mboxio.open(f"{house.address}/0"):
        with pytest.raises(RemoteGone, match=what):
            mboxio.connect(house.address)
        counts = gate.stats()["board"]
        assert counts.refusals == {"limit": 1}
        assert counts.user("alice").limited == dict.fromkeys(limit, 1)


def test_channels_of_a_session_are_limited(house):
    house.serve(Loopback(), channels=1)
    with mboxio.connect(house.address) as connection, connection.client("0") as client:
        with pytest.raises(AddressError, match="1 channels at most"):
            connection.client("1")
        assert client.request(b"still", timeout_s=20) == b"still"


def test_requests_of_a_session_are_limited(house):
    from tests.drivers import IrqFifo

    driver = IrqFifo()
    house.serve(driver, in_flight=3)
    with mboxio.open(f"{house.address}/0", timeout_s=20) as client:
        driver.far.stall()
        requests = [client.submit(b"%d" % n) for n in range(3)]
        with pytest.raises(QueueFull):
            client.submit(b"too many")
        driver.far.resume()
        assert [each.result() for each in requests] == [b"0", b"1", b"2"]


def test_an_idle_session_ends_and_the_next_message_begins_another(house):
    gate = house.serve(Loopback(), idle_s=0.2)
    with mboxio.open(f"{house.address}/0", timeout_s=20) as client:
        messages = client.subscribe()
        for times in (1, 2):
            assert client.request(b"hello") == b"hello"
            until(lambda: "idle" in house.lines[-1], "it ends")
            with pytest.raises(RemoteGone, match="idle"):
                messages.get(20)
            # Nothing is asked, so nobody looks for the gateway.
            assert client._pump.reconnect_ns == FOREVER
            assert gate.stats()["board"].user("alice").ended["idle"] == times
        assert client.request(b"hello", queue_timeout_s=20) == b"hello"


def test_messages_that_run_code_are_refused_unless_they_are_named(house, monkeypatch):
    monkeypatch.setitem(PREDICATES, ("fake", "0"), property_tags)
    run = words(8 * 4, 0, 0x30010, 4, 0, 1, 0, 0)
    house.serve(Loopback())
    with (
        mboxio.open(f"{house.address}/0", timeout_s=20) as client,
        pytest.raises(WrongMessage, match="tag:0x30010"),
    ):
        client.request(run)
    house.close()
    house.serve(Loopback(), '[alice]\n"board/0" = ["request", "tag:0x30010"]\n')
    with mboxio.open(f"{house.address}/0", timeout_s=20) as client:
        assert client.request(run) == run


def words(*numbers: int) -> bytes:
    return b"".join(each.to_bytes(4, "little") for each in numbers)


@pytest.mark.once
@pytest.mark.parametrize(
    ("message", "found"),
    [
        (words(24, 0, 0x10002, 4, 0, 0, 0), []),
        (words(24, 0, 0x10002, 4, 0, 0, 0x30011, 0, 0, 0), ["tag:0x30011"]),
        (words(24, 0, 0x10002, 2, 0, 0, 0x30012), ["tag:0x30012", "malformed:"]),
        (words(24, 0, 0x10002, 0xFFFFFFFC, 0, 0), ["malformed:"]),
        (b"", ["malformed:"]),
    ],
)
def test_property_tags_are_read_to_the_end(message, found):
    assert list(property_tags(message)) == found
    if found:
        with pytest.raises(WrongMessage):
            dangers_of(property_tags, message, frozenset())


@pytest.mark.once
def test_of_an_allow_list_the_most_exact_entry_counts():
    text = '[alice]\n"*/*"=["observe"]\n"b/*"=["request"]\n"b/x"=[]\n"*/y"=["notifications"]\n'
    found = AllowList.parse(text)
    rights = {
        each: sorted(found.grant("alice", *each).rights)
        for each in [("a", "z"), ("b", "z"), ("b", "x"), ("a", "y")]
    }
    assert rights == {
        ("a", "z"): ["observe"],
        ("b", "z"): ["observe", "request"],
        ("b", "x"): [],
        ("a", "y"): ["notifications", "observe"],
    }
    assert found.grant("bob", "a", "z") == Grant()


@pytest.mark.once
@pytest.mark.parametrize(
    "text",
    [
        "x",
        "a = 1",
        '[a]\n"x" = []',
        '[a]\n"b/c" = "request"',
        '[a]\n"b/c" = ["reqest"]',
        "[" * 9999,
    ],
)
def test_an_allow_list_that_means_nothing_is_refused(text):
    with pytest.raises(AddressError):
        AllowList.parse(text)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes somebody else")
def test_a_socket_that_is_out_of_reach_is_denied_and_not_called_missing(house):
    house.serve(Loopback())
    os.seteuid(65534)
    try:
        with pytest.raises(AccessDenied, match="uid 65534"):
            mboxio.open(f"{house.address}/0")
    finally:
        os.seteuid(0)


def test_who_hangs_up_is_logged_as_that(house):
    gate = house.serve(Loopback())
    for _ in range(20):
        with mboxio.open(f"{house.address}/0", timeout_s=20) as client:
            client.submit(b"nobody waits for the reply")
    user = gate.stats()["board"].user("alice")
    until(lambda: user.sessions == 0, "all have gone")
    assert user.ended == {"closed": 20}
