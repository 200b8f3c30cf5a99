"""What ``rpmsg:`` does in each situation of a remote processor, for a fake kernel and a real one.

Each case takes the address of a vdev and the processor behind it. The firmware announces
``rpmsg-raw`` at 0x400, whose endpoint on this side has the address 0x400 too. It has endpoints from
0x400 to 0x40f, which send every message back to its source, and 16 buffers each way.
"""

import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

import pytest

import mboxio
from mboxio import AddressError, MessageTooLong, QueueFull, RemoteError, RemoteGone, RequestTimeout
from mboxio._queue.stats import ChannelStats
from mboxio.controllers.rpmsg import sysfs
from tests.tools import fork

PATIENCE_S = 20.0
RING = 16
FEW = 8
HOST = 0x400
ECHO = 0x402
OWN = 0x480
MUTE = 0x4F0
"""An address of the remote at which nobody answers."""


class Processor(Protocol):
    """A remote processor whose firmware does what it is told.

    Every method returns when the kernel of this side can show what it did: a service is in sysfs,
    or has left it; a message lies in the endpoint; after a crash the old endpoints have ended.
    """

    root: Path
    """Where its kernel's ``/sys`` is."""

    def hold(self) -> None:
        """Take no messages from now on."""

    def go(self) -> None:
        """Go on."""

    def crash(self) -> None:
        """Crash; the kernel starts it again, unless recovery is disabled."""

    def announce(self, name: str, address: int) -> None:
        """Announce a service."""

    def destroy(self, name: str, address: int) -> None:
        """Take a service back."""

    def say(self, src: int, dst: int, text: str) -> None:
        """Send a message to an address of the host."""

    def flood(self, src: int, dst: int, count: int) -> None:
        """Send the numbers from 0 on, as texts."""

    def leak(self) -> None:
        """Send a message to 0x400 that says it has 2000 bytes."""

    def set_recovery(self, enabled: bool) -> None:
        """Have the kernel start it again after a crash, or not."""

    def recover(self) -> None:
        """Start it again after a crash that was not recovered."""

    def stop(self) -> None:
        """Stop it."""

    def start(self) -> None:
        """Start it."""


Case = Callable[[str, Processor], None]
CASES: dict[str, Case] = {}


def case(function: Case) -> Case:
    """Add a case under its name."""
    CASES[function.__name__] = function
    return function


def service(address: str, name: str = "rpmsg-raw", **options: object) -> str:
    """Return the address of a service."""
    texts = [f"{key}={'yes' if value is True else value}" for key, value in options.items()]
    return f"{address}/{name}{'?' if texts else ''}{'&'.join(texts)}"


def opened(address: str, name: str = "rpmsg-raw", **options: object) -> mboxio.Client:
    """Open a service, whose requests are patient."""
    found = service(address, name, **options)
    return mboxio.open(found, timeout_s=PATIENCE_S, queue_timeout_s=PATIENCE_S, wait_s=PATIENCE_S)


def counts(client: mboxio.Client) -> ChannelStats:
    """Return what the channel of a client has counted."""
    host: Any = client._host
    found: ChannelStats = host.stats()[client._channel.name]
    return found


# -- messages


@case
def a_request_is_answered(address: str, processor: Processor) -> None:
    with opened(address, replies="order") as client:
        assert [client.request(b"%d" % number) for number in range(3)] == [b"0", b"1", b"2"]


@case
def a_service_is_found_by_its_name_alone(address: str, processor: Processor) -> None:
    with mboxio.open("rpmsg:rpmsg-raw?replies=order", timeout_s=PATIENCE_S) as client:
        assert client.request(b"found") == b"found"


@case
def messages_of_an_earlier_time_answer_nothing(address: str, processor: Processor) -> None:
    processor.say(ECHO, HOST, "early")
    processor.say(ECHO, HOST, "earlier than that")
    with opened(address, replies="order") as client:
        assert client.request(b"mine") == b"mine"
        assert counts(client).unknown + counts(client).unclaimed == 2


@case
def messages_between_two_connections_answer_nothing(address: str, processor: Processor) -> None:
    with opened(address, replies="order") as client:
        assert client.request(b"first") == b"first"
    processor.say(ECHO, HOST, "between")
    with opened(address, replies="order") as client:
        assert client.request(b"second") == b"second"


@case
def a_message_from_another_address_is_delivered(address: str, processor: Processor) -> None:
    """The kernel does not tell the source."""
    with opened(address) as client, client.subscribe() as messages:
        processor.say(0x40F, HOST, "stranger")
        assert messages.get(PATIENCE_S) == b"stranger"


@case
def an_empty_message_is_a_message(address: str, processor: Processor) -> None:
    """It is no end of file, although a read returns nothing."""
    with opened(address, replies="order") as client:
        assert client.request(b"") == b""
        assert client.request(b"after it") == b"after it"


@case
def the_longest_message_passes_and_a_longer_one_is_not_sent(
    address: str, processor: Processor
) -> None:
    with opened(address, replies="order") as client:
        longest = bytes(range(256)) + bytes(range(240))
        assert client.request(longest) == longest
        with pytest.raises(MessageTooLong, match="496"):
            client.request(bytes(497))
        assert client.request(b"then") == b"then"


@case
def a_kernel_with_smaller_buffers_refuses_one_message(address: str, processor: Processor) -> None:
    with opened(address, replies="order", message_bytes=1000) as client:
        with pytest.raises(RemoteError):
            client.request(bytes(700))
        assert client.request(b"then") == b"then"


@case
def thousands_of_messages_stay_in_order(address: str, processor: Processor) -> None:
    with opened(address) as client, client.subscribe(4000) as messages:
        left = 3000
        while left:
            count = min(left, FEW)
            processor.flood(ECHO, HOST, count)
            got = [int(messages.get(PATIENCE_S)) for _ in range(count)]
            assert got == list(range(count))
            left -= count


@case
def tags_tie_replies_that_are_in_flight_together(address: str, processor: Processor) -> None:
    with opened(address, replies="tag:0:1") as client:
        requests = [client.submit(bytes(4) + b"%d" % number) for number in range(FEW)]
        assert [each.result()[4:] for each in requests] == [b"%d" % n for n in range(FEW)]


# -- the ring is full


@case
def a_full_ring_refuses_and_takes_more_later(address: str, processor: Processor) -> None:
    with opened(address) as client, client.subscribe() as messages:
        processor.hold()
        sent = [b"%d" % number for number in range(RING)]
        for each in sent:
            client.send(each)
        with pytest.raises(QueueFull) as caught:
            client.post(b"one too many")
        assert caught.value.handed_over == "no"
        processor.go()
        assert [messages.get(PATIENCE_S) for _ in sent] == sent
        client.send(b"again")
        assert messages.get(PATIENCE_S) == b"again"


@case
def a_sender_waits_for_a_buffer_as_long_as_it_may(address: str, processor: Processor) -> None:
    with opened(address) as client:
        processor.hold()
        for _ in range(RING):
            client.send(b"fill")
        with pytest.raises(RequestTimeout) as caught:
            client.send(b"too many", queue_timeout_s=0.05)
        assert (caught.value.stage, caught.value.handed_over) == ("queue", "no")
        timer = threading.Timer(0.02, processor.go)
        timer.start()
        client.send(b"waits")
        timer.join()


@case
def a_backlog_goes_out_when_there_is_room(address: str, processor: Processor) -> None:
    number = RING + FEW
    path = service(address)
    with (
        mboxio.open(path, backlog=number, queue_timeout_s=PATIENCE_S) as client,
        client.subscribe(number) as messages,
    ):
        processor.hold()
        posted = [client.post(b"%d" % each) for each in range(number)]
        processor.go()
        assert [messages.get(PATIENCE_S) for _ in posted] == [b"%d" % n for n in range(number)]


# -- endpoints


@case
def a_second_connection_is_told_who_has_the_endpoint(address: str, processor: Processor) -> None:
    with opened(address), pytest.raises(AddressError, match=r"rpmsg\d+ is open already"):
        mboxio.open(service(address))


@case
def an_endpoint_that_was_made_is_used_again(address: str, processor: Processor) -> None:
    for _ in range(3):
        with opened(address, "left-there", dst=ECHO, replies="order") as client:
            assert client.request(b"hello") == b"hello"
        assert len(made(processor, "left-there")) == 1


@case
def two_connections_have_an_endpoint_each(address: str, processor: Processor) -> None:
    with (
        opened(address, "two", dst=ECHO, replies="order") as one,
        opened(address, "two", dst=ECHO, replies="order") as other,
    ):
        assert (one.request(b"one"), other.request(b"other")) == (b"one", b"other")
    assert len(made(processor, "two")) == 2


@case
def two_creators_at_once_get_their_own(address: str, processor: Processor) -> None:
    answers: list[bytes] = []
    start, done = threading.Barrier(FEW, timeout=PATIENCE_S), threading.Barrier(FEW)

    def work(number: int) -> None:
        start.wait()
        with opened(address, "race", dst=ECHO, replies="order") as client:
            answers.append(client.request(b"%d" % number))
            done.wait(PATIENCE_S)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(FEW)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [b"%d" % number for number in range(FEW)]
    assert len(made(processor, "race")) == FEW


@case
def a_fixed_source_is_one_users(address: str, processor: Processor) -> None:
    with opened(address, "fixed", dst=ECHO, src=OWN) as client, client.subscribe() as messages:
        processor.say(ECHO, OWN, "to a fixed address")
        assert messages.get(PATIENCE_S) == b"to a fixed address"
        with pytest.raises(AddressError, match="is open already"):
            mboxio.open(service(address, "fixed", dst=ECHO, src=OWN))


@case
def messages_to_a_closed_endpoint_that_was_made_are_lost(
    address: str, processor: Processor
) -> None:
    with opened(address, "closed", dst=ECHO, src=OWN):
        assert made(processor, "closed")
    processor.say(ECHO, OWN, "nobody listens")
    with opened(address, "closed", dst=ECHO, src=OWN, replies="order") as client:
        assert client.request(b"mine") == b"mine"
        assert counts(client).unclaimed + counts(client).unknown == 0


@case
def an_endpoint_is_destroyed_only_if_asked(address: str, processor: Processor) -> None:
    with opened(address, "short", dst=ECHO, replies="order", destroy=True) as client:
        assert client.request(b"short") == b"short"
    assert not made(processor, "short")


@case
def nothing_is_destroyed_after_a_death(address: str, processor: Processor) -> None:
    """Linux 6.1 does not survive it."""
    client = opened(address, "dead", dst=ECHO, destroy=True)
    processor.stop()
    client.close()
    processor.start()
    with opened(address, replies="order") as again:
        assert again.request(b"alive") == b"alive"


# -- the name service


@case
def a_service_may_be_announced_after_the_host_asks(address: str, processor: Processor) -> None:
    with pytest.raises(AddressError, match=r"no service 'late' is announced.*rpmsg-raw at 0x400"):
        mboxio.open(service(address, "late"))
    timer = threading.Timer(0.05, processor.announce, ("late", 0x405))
    timer.start()
    with opened(address, "late", replies="order") as client:
        assert client.request(b"there") == b"there"
    timer.join()


@case
def a_service_without_a_driver_is_bound_if_asked(address: str, processor: Processor) -> None:
    processor.announce("unbound", 0x405)
    with opened(address, "unbound", bind=True, replies="order") as client:
        assert client.request(b"bound") == b"bound"
    assert not made(processor, "unbound")
    assert [each.name for each in sysfs.endpoints(processor.root) if not each.control].count(
        "unbound"
    ) == 1


@case
def a_service_that_is_taken_back_is_gone_until_it_returns(
    address: str, processor: Processor
) -> None:
    processor.announce("fickle", 0x406)
    with opened(address, "fickle", bind=True, replies="order") as client:
        assert client.request(b"one") == b"one"
        with client.subscribe() as messages:
            processor.destroy("fickle", 0x406)
            with pytest.raises(RemoteGone, match="service 'fickle' was closed by the remote"):
                messages.get(PATIENCE_S)
        processor.announce("fickle", 0x406)
        assert client.request(b"two") == b"two"


@case
def one_of_two_with_the_same_name_is_chosen_by_address(address: str, processor: Processor) -> None:
    processor.announce("rpmsg-raw", 0x406)
    with pytest.raises(AddressError, match=r"several fit: .*0x400, .*0x406: add dst="):
        mboxio.open(service(address))
    with opened(address, dst=0x406, replies="order") as client:
        assert client.request(b"by address") == b"by address"
    with mboxio.connect(address) as connection:
        assert {"rpmsg-raw@0x400", "rpmsg-raw@0x406"} <= set(connection._host.channels)
    processor.destroy("rpmsg-raw", 0x406)


def joined(connection: mboxio.Connection, name: str, **options: Any) -> mboxio.Client:
    """Open a channel that may not have been heard of: where uevents are none, sysfs tells later."""
    end = time.monotonic() + PATIENCE_S
    while True:
        try:
            return connection.client(
                name, timeout_s=PATIENCE_S, queue_timeout_s=PATIENCE_S, **options
            )
        except AddressError:
            assert time.monotonic() < end, name
            os.sched_yield()


@case
def a_service_that_is_announced_later_becomes_a_channel(address: str, processor: Processor) -> None:
    """With an endpoint that is made, and with one of its own."""
    for number, options in enumerate(("", "?bind=yes")):
        name = f"late-{number}"
        with mboxio.connect(f"{address}{options}") as connection:
            with pytest.raises(AddressError, match=f"no channel '{name}'"):
                connection.client(name)
            processor.announce(name, 0x405 + number)
            with joined(connection, name, correlator=mboxio.InOrder()) as client:
                assert client.request(b"there") == b"there"


@case
def a_subscriber_hears_of_services(address: str, processor: Processor) -> None:
    """Nobody asks: it is a thread that waits for messages which makes the channel."""
    with (
        mboxio.connect(address) as connection,
        connection.client("rpmsg-raw") as client,
        client.subscribe() as messages,
    ):
        processor.announce("late", 0x405)
        processor.say(ECHO, HOST, "look")
        assert messages.get(PATIENCE_S) == b"look"
        end = time.monotonic() + PATIENCE_S
        while "late" not in connection.stats():
            assert time.monotonic() < end
            with suppress(mboxio.RequestTimeout):
                messages.get(0.01)


@case
def two_services_of_one_name_are_two_channels(address: str, processor: Processor) -> None:
    with mboxio.connect(address) as connection:
        processor.announce("twin", 0x405)
        processor.announce("twin", 0x406)
        for name in ("twin", "twin@0x406"):
            with joined(connection, name, correlator=mboxio.InOrder()) as client:
                assert client.request(name.encode()) == name.encode()


@case
def a_service_that_is_taken_back_does_not_disturb_others(
    address: str, processor: Processor
) -> None:
    for options in ("", "?bind=yes"):
        with mboxio.connect(f"{address}{options}") as connection:
            processor.announce("fickle", MUTE)
            fickle = joined(connection, "fickle", correlator=mboxio.InOrder())
            other = joined(connection, "rpmsg-raw", correlator=mboxio.InOrder())
            pending = fickle.submit(b"pending")
            assert other.request(b"one") == b"one"
            processor.destroy("fickle", MUTE)
            with pytest.raises(RemoteError, match="'fickle' was taken back"):
                pending.result()
            with pytest.raises(mboxio.WrongMessage, match=r"'fickle' was taken back.*rpmsg-raw"):
                fickle.request(b"refused")
            assert other.request(b"two") == b"two"
            processor.announce("fickle", 0x407)
            assert returned(fickle, b"three") == b"three"
            assert other.request(b"four") == b"four"
            assert counts(other).unknown == counts(other).late == 0
            processor.destroy("fickle", 0x407)


def returned(client: mboxio.Client, message: bytes) -> bytes:
    """Make a request to a service that is announced, and perhaps not opened yet."""
    end = time.monotonic() + PATIENCE_S
    while True:
        try:
            reply: bytes = client.request(message)
            return reply
        except mboxio.WrongMessage:
            assert time.monotonic() < end, "it stays away"
            os.sched_yield()


@case
def a_restart_is_over_although_one_service_stays_away(address: str, processor: Processor) -> None:
    with mboxio.connect(address) as connection:
        processor.announce("late", 0x405)
        late = joined(connection, "late", correlator=mboxio.InOrder())
        other = joined(connection, "rpmsg-raw", correlator=mboxio.InOrder())
        assert (late.request(b"one"), other.request(b"1")) == (b"one", b"1")
        processor.crash()
        with suppress(RemoteGone):
            other.request(b"notices")
        assert other.request(b"2") == b"2"
        with pytest.raises(mboxio.WrongMessage, match="'late' was taken back"):
            late.request(b"refused")
        processor.announce("late", 0x408)
        assert returned(late, b"two") == b"two"


@case
def firmware_is_greeted_in_each_life(address: str, processor: Processor) -> None:
    with opened(address, hello="ready?") as client, client.subscribe() as messages:
        client.send(b"the first greeting was before this")
        while messages.get(PATIENCE_S) == b"ready?":
            continue
        for _ in range(3):
            processor.crash()
            with pytest.raises(RemoteGone):
                messages.get(PATIENCE_S)
            assert messages.get(PATIENCE_S) == b"ready?"


# -- lives


@case
def a_crash_ends_what_is_pending_and_the_channel_works_again(
    address: str, processor: Processor
) -> None:
    with opened(address, replies="order:4") as client:
        assert client.request(b"before") == b"before"
        processor.hold()
        pending = [client.submit(b"%d" % number) for number in range(3)]
        processor.crash()
        for each in pending:
            assert isinstance(each.exception(), RemoteGone)
        assert client.request(b"after") == b"after"
        assert counts(client).unknown == 0


@case
def many_crashes_are_survived(address: str, processor: Processor) -> None:
    with opened(address, replies="order") as client:
        for number in range(FEW):
            assert client.request(b"%d" % number) == b"%d" % number
            processor.crash()


@case
def a_crash_without_recovery_is_noticed(address: str, processor: Processor) -> None:
    """All files stay alive then: only the state of the processor tells."""
    with opened(address, replies="order") as client:
        assert client.request(b"before") == b"before"
        processor.set_recovery(False)
        processor.crash()
        with pytest.raises(RemoteGone, match="crashed, recovery disabled"):
            client.request(b"nobody reads this")
        processor.set_recovery(True)
        processor.recover()
        assert client.request(b"after") == b"after"


@case
def a_stop_is_told_from_a_crash(address: str, processor: Processor) -> None:
    with opened(address, replies="order") as client:
        processor.hold()
        pending = client.submit(b"pending")
        processor.stop()
        error = pending.exception()
        assert isinstance(error, RemoteGone)
        with pytest.raises(RemoteGone, match="rpmsg"):
            client.submit(b"refused")
        processor.start()
        assert client.request(b"after") == b"after"


@case
def a_restart_while_no_channel_is_open_is_noticed(address: str, processor: Processor) -> None:
    with mboxio.connect(address) as connection:
        with connection.client("rpmsg-raw", correlator=mboxio.InOrder()) as client:
            assert client.request(b"one", timeout_s=PATIENCE_S) == b"one"
        processor.crash()
        with connection.client("rpmsg-raw", correlator=mboxio.InOrder()) as client:
            answer = client.request(b"two", timeout_s=PATIENCE_S, queue_timeout_s=PATIENCE_S)
            assert answer == b"two"


@case
def a_lie_about_a_length_stops_the_channel_until_the_next_life(
    address: str, processor: Processor
) -> None:
    """Linux hands out its own memory then, which is not passed on."""
    with opened(address, replies="order") as client:
        assert client.request(b"before") == b"before"
        processor.leak()
        with pytest.raises(RemoteError, match="2000 bytes"):
            client.request(b"?")
        processor.crash()
        with suppress(RemoteError, RemoteGone):  # a stopped queue looks when it is used
            client.request(b"notices")
        assert client.request(b"after") == b"after"


# -- processes and loops


@case
def a_child_leaves_the_connection_alone(address: str, processor: Processor) -> None:
    with opened(address, replies="order") as client:
        pid = fork()
        if pid == 0:
            status = 1
            try:
                client.request(b"child")
            except mboxio.ForkedError:
                status = 0
            finally:
                os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        assert client.request(b"parent") == b"parent"


def made(processor: Processor, name: str) -> list[sysfs.RpmsgNode]:
    """Return the endpoints of a name that control devices made."""
    return [each for each in sysfs.endpoints(processor.root) if each.control and each.name == name]
