"""The pure parts on their own: state table, errors, correlators, addresses, names exported."""

import pickle
import re
import sys
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import mboxio
from mboxio import (
    AddressError,
    ByAddress,
    Capabilities,
    Connection,
    Correlator,
    InOrder,
    MailboxError,
    Tagged,
    connect,
    errors,
)
from mboxio._base import states
from mboxio._base.native import with_word, word_at
from mboxio._base.request import Owner, Request
from mboxio.address.address import Address
from mboxio.address.catalogue import found, load
from mboxio.controllers.loopback import Loopback
from mboxio.driver.correlate import NOTIFICATION, REMOTE_REQUEST, REPLY

# -- the state table


def test_ends_have_no_way_out_and_every_other_state_has() -> None:
    for state, ways in states.TRANSITIONS.items():
        assert bool(ways) != (state in states.ENDS)
    assert frozenset(range(states.DONE, len(states.STATE_NAMES))) == states.ENDS


def test_every_state_can_be_reached_and_every_event_is_used() -> None:
    reached, events = {states.NEW}, set()
    while True:
        found_now = {
            (event, after)
            for state in reached
            for event, after in states.TRANSITIONS[state].items()
        }
        events = {event for event, _ in found_now}
        more = reached | {after for _, after in found_now}
        if more == reached:
            break
        reached = more
    assert len(reached) == len(states.STATE_NAMES)
    assert len(events) == len(states.EVENT_NAMES)


@given(st.lists(st.integers(0, len(states.EVENT_NAMES) - 1), max_size=12))
def test_any_sequence_of_events_ends_a_request_at_most_once(events: list[int]) -> None:
    request = Request(Owner(), b"", True, 0)
    ends = 0
    for event in events:
        legal = event in states.TRANSITIONS[request._state]
        over = states.ended(request._state)
        if not legal and not over:
            with pytest.raises(RuntimeError, match=states.EVENT_NAMES[event]):
                request._step(event)
            return
        assert request._step(event) == legal
        ends += states.ended(request._state) and not over
    assert ends <= 1


# -- errors


@pytest.mark.parametrize("name", errors.__all__)
def test_errors_keep_everything_over_pickling_and_copying(name: str) -> None:
    kind = getattr(errors, name)
    error = kind("text", stage="queue", handed_over="no", channel="c", request=3, reason="tags")
    for copy in (pickle.loads(pickle.dumps(error)), error.fresh()):
        assert type(copy) is kind
        assert str(copy) == "text"
        assert (copy.stage, copy.handed_over, copy.channel, copy.request) == ("queue", "no", "c", 3)
        assert copy.reason == "tags"
        assert copy.errno == error.errno > 0
    assert issubclass(kind, MailboxError)
    assert name in (errors.__doc__ or ""), "the tree in the docstring shows every class"


def test_errors_are_what_python_users_catch() -> None:
    assert issubclass(mboxio.RequestTimeout, TimeoutError)
    assert issubclass(mboxio.RemoteGone, ConnectionError)
    assert issubclass(mboxio.QueueFull, BlockingIOError)
    assert issubclass(mboxio.AddressError, ValueError)


# -- correlators

FIELDS = st.integers(1, 16).flatmap(
    lambda bits: st.tuples(
        st.just(bits), st.integers(0, 32 - bits), st.integers(0, 3), st.integers(0, (1 << bits) - 1)
    )
)


@given(FIELDS, st.data())
def test_a_tag_comes_back_and_the_rest_of_the_message_with_it(
    field: tuple[int, int, int, int], data: st.DataObject
) -> None:
    bits, low_bit, word, first = field
    correlator = Tagged(word=word, low_bit=low_bit, bits=bits, first=first)
    mask = ((1 << bits) - 1) << low_bit
    message = bytearray(data.draw(st.binary(min_size=4 * word + 4, max_size=40)))
    at = slice(4 * word, 4 * word + 4)
    clean = int.from_bytes(message[at], "little") & ~mask
    message[at] = clean.to_bytes(4, "little")
    tag = data.draw(st.integers(first, (1 << bits) - 1))
    correlator.check(bytes(message))
    stamped = correlator.stamp(bytes(message), tag)
    verdict = correlator.classify(stamped)
    assert (verdict.kind, verdict.tag) == (REPLY, tag)
    message[at] = (clean | tag << low_bit).to_bytes(4, "little")
    assert stamped == message
    if tag:
        with pytest.raises(ValueError, match="belong to the tag"):
            correlator.check(stamped)


@pytest.mark.parametrize(
    "correlator",
    [
        Correlator(),
        InOrder(),
        Tagged(bits=6, low_bit=16, word=2, request_bit=31),
        ByAddress(),
    ],
    ids=lambda correlator: type(correlator).__name__,
)
@given(message=st.binary(max_size=64))
def test_any_message_of_the_remote_can_be_classified(
    correlator: Correlator, message: bytes
) -> None:
    assert correlator.classify(message).kind in (REPLY, REMOTE_REQUEST, NOTIFICATION)


def test_a_remote_request_is_told_by_its_bit_and_answered_with_its_tag() -> None:
    correlator = Tagged(bits=4, request_bit=31)
    asked = correlator.classify(b"\5\0\0\x80")
    assert (asked.kind, asked.tag) == (REMOTE_REQUEST, 5)
    assert correlator.stamp_reply(b"\0\0\0\0answer", 5) == b"\5\0\0\x80answer"


@given(st.lists(st.booleans(), max_size=60))
def test_tags_are_taken_once_and_reused_late(takes: list[bool]) -> None:
    correlator = Tagged(bits=3)
    held: list[Any] = []
    last_freed: int | None = None
    for take in takes:
        if take:
            request = Request(Owner(), b"\0\0\0\0", True, 0)
            if correlator.take(request):
                assert request.tag not in [other.tag for other in held]
                if len(held) < 6:
                    assert request.tag != last_freed, "the longest unused tag comes first"
                held.append(request)
            else:
                assert len(held) == 7
        elif held:
            request = held.pop(0)
            last_freed = request.tag
            correlator.give_back(request)
        assert {tag: correlator.find(tag) for tag in correlator.busy} == {
            request.tag: request for request in held
        }


@pytest.mark.parametrize(
    "field", [{"bits": 0}, {"bits": 17}, {"low_bit": 30, "bits": 4}, {"first": 256}]
)
def test_impossible_tag_fields_are_refused(field: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="tag field"):
        Tagged(**field)


# -- capabilities


@pytest.mark.parametrize(
    "wrong",
    [
        {"depth": 0},
        {"reply_credits": 0},
        {"message_bytes": -1},
        {"poll_s": 0},
        {"timeout_s": 0},
        {"min_gap_s": -1},
    ],
)
def test_impossible_capabilities_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"queue|positive|negative"):
        Capabilities(**wrong)


# -- addresses

WORDS = st.text("abcdefghijklmnopqrstuvwxyz0123456789_-", min_size=1, max_size=8)
SAYABLE = st.text(st.characters(exclude_categories=["Cc", "Cf", "Cs", "Zl", "Zp"]), max_size=8)


@given(WORDS, WORDS, WORDS, st.dictionaries(WORDS, SAYABLE, max_size=3))
def test_an_address_survives_being_written(
    controller: str, name: str, channel: str, options: dict[str, str]
) -> None:
    address = Address(controller, name, channel, options)
    assert Address.parse(str(address)) == address


def test_a_region_stands_in_an_address_as_it_is() -> None:
    text = "bcm2835:/property?at=qtest:/tmp/q@0x3f00b880+0x40&pool=qtest:/tmp/q@0x100000+0x1000"
    address = Address.parse(text)
    assert address.options["at"] == "qtest:/tmp/q@0x3f00b880+0x40"
    assert str(address) == text


@given(st.text(max_size=40))
def test_any_text_is_an_address_or_an_address_error(text: str) -> None:
    try:
        Address.parse(text)
    except AddressError as error:
        assert str(error)  # noqa: PT017


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("demo", "no address"),
        ("nothing:demo", "no controller 'nothing'; there are: "),
        ("loopback:?deep=3", "no option 'deep'; there are: channels, depth, message_bytes"),
        ("loopback:?depth=many", "not of type int"),
        ("loopback:?depth", "name=value"),
        ("loopback:?depth=0", "at least one slot"),
        ("loopback:/0", "names a channel"),
        ("shm:a%20b", "no name"),
    ],
)
def test_wrong_addresses_get_one_clear_line(address: str, says: str) -> None:
    with pytest.raises(AddressError) as caught:
        connect(address)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_wrong_channel_lists_the_right_ones() -> None:
    with connect("loopback:?channels=2") as connection:
        with pytest.raises(AddressError, match="there are: 0=0, 1=1"):
            connection.client("pmic")
        with pytest.raises(AddressError):
            connection.client(2)


def test_open_owns_its_connection() -> None:
    with mboxio.open("loopback:/1") as client:
        assert client.request(b"echo") == b"echo"
        host = client._host
    assert host.closed


def test_the_controllers_of_this_package_are_found() -> None:
    assert {"loopback", "shm"} <= found().keys()
    for name in ("loopback", "shm"):
        assert issubclass(load(name), mboxio.Controller)


def test_everything_exported_exists() -> None:
    for name in mboxio.__all__:
        assert getattr(mboxio, name) is not None
    with pytest.raises(AttributeError):
        mboxio.nothing  # type: ignore[attr-defined]  # noqa: B018


@given(st.binary(max_size=24), st.integers(-4, 28), st.integers(0, 0xFFFFFFFF))
def test_words_of_a_message(message: bytes, at: int, word: int) -> None:
    if not 0 <= at <= len(message) - 4:
        with pytest.raises(IndexError):
            word_at(message, at)
        with pytest.raises(IndexError):
            with_word(message, at, word)
        return
    before = bytes(message)
    changed = with_word(message, at, word)
    assert message == before, "a message is never changed in place"
    assert word_at(changed, at) == word
    assert changed == message[:at] + word.to_bytes(4, "little") + message[at + 4 :]
    assert word_at(message, at) == int.from_bytes(message[at : at + 4], "little")


def test_a_queue_may_be_looked_at_less_often_while_nothing_is_in_flight() -> None:
    assert Capabilities(poll_s=0.002).periods_ns == (2_000_000, 2_000_000)
    assert Capabilities(poll_s=0.002, idle_poll_s=0.1).periods_ns == (2_000_000, 100_000_000)
    assert Capabilities(poll_s=0.002, idle_poll_s=0.001).periods_ns == (2_000_000, 2_000_000)
    with pytest.raises(ValueError, match="idle_poll_s"):
        Capabilities(idle_poll_s=0)


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("tx_done", "poll", "TxDone.POLL"),
        ("depth", True, "whole number"),
        ("depth", 4.0, "whole number"),
        ("poll_s", float("nan"), "finite"),
        ("timeout_s", float("inf"), "finite"),
        ("spin_s", "1", "finite"),
        ("matches_replies", 1, "True or False"),
        ("reply_credits", 2.5, "a whole number or None"),
        ("reply_credits", False, "a whole number or None"),
        ("idle_poll_s", "often", "finite number of seconds or None"),
        ("epoch_source", True, "a text or None"),
        ("epoch_source", 7, "a text or None"),
        ("depth", None, "whole number"),
        ("depth", 0, "at least one slot"),
        ("reply_credits", 0, "at least one reply credit"),
        ("message_bytes", -1, "not be negative"),
        ("poll_s", 0, "positive"),
        ("idle_poll_s", -0.5, "positive"),
        ("timeout_s", -1, "positive"),
        ("min_gap_s", -1, "not be negative"),
        ("spin_s", -1, "not be negative"),
        ("access_s", -1e-9, "not be negative"),
    ],
)
def test_a_capability_of_the_wrong_kind_is_named(field: str, value: Any, expected: str) -> None:
    with pytest.raises(ValueError, match=f"^{field}={re.escape(repr(value))}: .*{expected}"):
        Capabilities(**{field: value})


class Declares(Loopback):
    """Calls one of the functions with which drivers declare."""

    def __init__(self, declare: Callable[[Any], object]) -> None:
        super().__init__()
        self.declare = declare

    def open(self) -> None:
        super().open()
        self.declare(self)


@pytest.mark.parametrize(
    ("declare", "told"),
    [
        (lambda it: it.add_queue(8), r"add_queue\(\): 8 is no Capabilities"),
        (lambda it: it.add_queue(Capabilities), r"Capabilities \(not Capabilities\(...\)\)"),
        (lambda it: it.add_queue(Capabilities(), 3), "add_queue.*name=3 is no str"),
        (lambda it: it.add_channel(7, it.queue), "add_channel.*name=7 is no str"),
        (lambda it: it.add_channel(it.queue, "main"), "add_channel.*name=.* is no str"),
        (lambda it: it.add_channel("", it.queue), "add_channel.*not empty"),
        (lambda it: it.add_channel("main", Capabilities()), "'main'.*Capabilities.* is no queue"),
        (lambda it: it.add_channel("main", None), "'main'.*None is no queue"),
        (
            lambda it: it.add_channel("main", it.queue, correlator=Tagged),
            r"'main'.*correlator=the class Tagged \(not Tagged\(...\)\)",
        ),
        (
            lambda it: it.add_channel("main", it.queue, correlator="in order"),
            "'main'.*correlator='in order' is no Correlator",
        ),
        (lambda it: it.watch([3]), r"watch.*\[3\] is no descriptor: write watch\(one, two\)"),
        (lambda it: it.watch(sys.stdout), r"watch.*write watch\(each.fileno\(\), ...\)"),
        (lambda it: it.watch(-1), "watch.*-1 is no open descriptor"),
    ],
)
def test_a_driver_that_declares_nonsense_is_told(
    declare: Callable[[Any], object], told: str
) -> None:
    with pytest.raises((TypeError, ValueError), match=told) as caught:
        Connection(Declares(declare))
    assert "\n" not in str(caught.value)
