"""The remote's end of one connection over shared memory, without sockets, threads or real time."""

import errno
import struct
from typing import Any

import pytest

from mboxio.errors import MessageTooLong, QueueFull, RemoteError
from mboxio.remote import RemoteChannel
from mboxio.remote.channel import error_message, read_error
from mboxio.remote.questions import QUESTIONS_MAX
from mboxio.ring import ERROR, MESSAGE, REPLY, REQUEST, implementations

from .bench import Bench
from .minihost import Slot

FENCED = len(implementations()) > 1


OPTIONS: dict[str, Any] = {
    "depth": 8,
    "message_bytes": 64,
    "host_sends": True,
    "host_receives": True,
    "legacy": False,
}


def channel(name: str = "c", **options: Any) -> RemoteChannel:
    made = RemoteChannel(name, **{**OPTIONS, **options})
    made.handler = lambda message: message[::-1]
    return made


def error_of(slot: Slot) -> tuple[int, int, str]:
    kind, tag, message = slot
    assert kind == ERROR
    status, text = read_error(message)
    return tag, status, text.decode()


def test_request_and_reply() -> None:
    bench = Bench(channel())
    bench.request(b"abc", b"", first_tag=0xFFFFFFFE)
    assert bench.serve() == [(REPLY, 0xFFFFFFFE, b"cba"), (REPLY, 0xFFFFFFFF, b"")]
    assert bench.end.stats.requests == bench.end.stats.replies == 2
    assert not bench.end.serve(0)


def test_many_in_flight() -> None:
    bench = Bench(channel(depth=100))
    messages = [bytes([number]) * 2 for number in range(100)]
    bench.request(*messages)
    assert bench.serve() == [(REPLY, tag, each) for tag, each in enumerate(messages, 1)]


def test_one_way_messages_have_no_reply() -> None:
    bench = Bench(channel())
    assert bench.push("c", MESSAGE, 0, b"abc")
    assert bench.serve() == []
    assert bench.end.stats.messages == 1
    # The slot is free again, and somebody may wait for that.
    bench.armed.arm()
    assert bench.push("c", MESSAGE, 0, b"abc")
    before = bench.doorbells
    bench.serve()
    assert bench.doorbells == before + 1
    assert bench.channels["c"][0].consumed() == 2


def test_legacy_channels_answer_untied() -> None:
    bench = Bench(channel(legacy=True))
    assert bench.push("c", MESSAGE, 0, b"abc")
    assert bench.serve() == [(MESSAGE, 0, b"cba")]


def test_no_reply_is_a_choice() -> None:
    served = channel()
    served.handler = lambda message: None
    bench = Bench(served)
    bench.request(b"x")
    assert bench.serve() == []
    assert bench.end.stats.requests == 1


@pytest.mark.parametrize("reply", [bytearray(b"abc"), memoryview(b"abc")])
def test_replies_are_any_bytes(reply: bytearray | memoryview) -> None:
    served = channel()
    served.handler = lambda message: reply
    bench = Bench(served)
    bench.request(b"x")
    assert bench.serve() == [(REPLY, 1, b"abc")]


@pytest.mark.parametrize("timed", [False, True])
def test_errors_are_replies(timed: bool) -> None:
    served = channel()
    if timed:
        served.simulate(1e-9, 1)

    def fail(message: bytes) -> Any:
        if message == b"type":
            return "no bytes"
        if message == b"status":
            raise RemoteError("no such register", status=-22)
        raise KeyError("ä" * 40)

    served.handler = fail
    bench = Bench(served)
    bench.request(b"", b"status", b"type")
    assert bench.push("c", MESSAGE, 0, b"nobody is told")
    first, second, third = bench.serve(now_ns=0) + bench.serve(now_ns=10)
    assert error_of(first) == (1, errno.EIO, repr(KeyError("ä" * 40))[:35])
    assert error_of(second) == (2, -22, "no such register")
    assert error_of(third)[:2] == (3, errno.EIO)
    assert bench.end.stats.failures == 4


def test_no_handler() -> None:
    bench = Bench(RemoteChannel("c", **OPTIONS))
    bench.request(b"x")
    assert error_of(bench.serve()[0]) == (1, errno.EOPNOTSUPP, "channel c has no handler")


def test_a_reply_that_is_too_long() -> None:
    served = channel()
    served.handler = lambda message: bytes(65)
    bench = Bench(served)
    bench.request(b"x")
    assert error_of(bench.serve()[0])[:2] == (1, errno.EMSGSIZE)


def test_error_messages() -> None:
    assert error_message(-5, "ää", 7) == struct.pack("<i", -5) + "ä".encode()
    assert error_message(-5, "x", 4) == struct.pack("<i", -5)
    assert read_error(b"\1\0") == (errno.EIO, b"")
    assert read_error(bytes(4)) == (errno.EIO, b"")


def test_an_error_fits_any_channel() -> None:
    served = channel(message_bytes=0)
    served.handler = lambda message: 1 / 0  # type: ignore[assignment,return-value]
    bench = Bench(served)
    bench.request(b"")
    assert error_of(bench.serve()[0]) == (1, errno.EIO, "")


@pytest.mark.parametrize(("workers", "rounds"), [(1, 8), (4, 2), (8, 1), (20, 1)])
def test_latency_is_shared_by_the_workers(workers: int, rounds: int) -> None:
    served = channel()
    served.simulate(100e-9, workers)
    bench = Bench(served)
    bench.request(*(bytes([number]) for number in range(8)))
    assert bench.serve(now_ns=0) == []
    got: list[Slot] = []
    for number in range(1, rounds + 1):
        assert bench.end.next_ns() == 100 * number
        assert bench.serve(now_ns=100 * number - 1) == []
        got += bench.serve(now_ns=100 * number)
        assert len(got) == min(number * workers, 8)
    assert [tag for _, tag, _ in got] == list(range(1, 9))


def test_connections_share_the_firmware() -> None:
    served = channel()
    served.simulate(100e-9, 1)
    one, other = Bench(served), Bench(served)
    one.request(b"a")
    other.request(b"b")
    assert one.serve(now_ns=0) == other.serve(now_ns=0) == []
    assert one.end.next_ns() == 100
    assert other.end.next_ns() == 200
    assert one.serve(now_ns=100) == [(REPLY, 1, b"a")]
    assert other.serve(now_ns=199) == []
    assert other.serve(now_ns=200) == [(REPLY, 1, b"b")]


def test_replies_wait_in_order_while_the_ring_is_full() -> None:
    bench = Bench(channel(depth=4))
    got: list[Slot] = []
    sent = 0
    while bench.push("c", REQUEST, sent, b"x"):
        sent += 1
        bench.end.serve(0)
    # A ring of 4 replies, 8 that wait and 4 requests that are not taken.
    assert sent == 16
    assert bench.end.arm()
    assert bench.end.next_ns() is not None
    assert not bench.end.notify("c", b"late")
    while len(got) < sent:
        got += bench.serve()
    assert got == [(REPLY, tag, b"x") for tag in range(sent)]
    assert bench.end.next_ns() is None


def test_a_host_that_takes_nothing_is_asked_ever_less() -> None:
    bench = Bench(channel(depth=1))
    for tag in range(2):
        bench.request(b"x", first_tag=tag)
        bench.end.serve(0)
    pauses_ns: list[int] = []
    now_ns = 0
    for _ in range(8):
        next_ns = bench.end.next_ns()
        assert next_ns is not None
        pauses_ns.append(next_ns - now_ns)
        now_ns = next_ns
        assert not bench.end.serve(now_ns)
    assert pauses_ns == [1_000_000 * min(1 << number, 32) for number in range(8)]


def test_what_waits_goes_before_what_is_new() -> None:
    bench = Bench(channel(depth=2))
    for tag in range(4):  # two lie in the ring, two wait
        bench.request(b"old", first_tag=tag)
        bench.end.serve(0)
    assert bench.pop("c") == [(REPLY, 0, b"dlo"), (REPLY, 1, b"dlo")]
    bench.request(b"new", first_tag=4)
    assert bench.end.serve(0)
    assert bench.pop("c") == [(REPLY, 2, b"dlo"), (REPLY, 3, b"dlo")]
    assert bench.serve() == [(REPLY, 4, b"wen")]
    assert bench.end.stats.replies == 5


def test_a_handler_keeps_nothing_but_its_own_answer() -> None:
    """What came before is answered and its place given back, also the place of its own message."""
    served = channel()
    bench = Bench(served)
    seen: list[tuple[int, list[Slot]]] = []

    def handler(message: bytes) -> bytes:
        seen.append((bench.channels["c"][0].consumed(), bench.pop("c")))
        if message == b"b":
            assert bench.end.notify("c", b"of its own accord")
        return message

    served.handler = handler
    bench.request(b"a", b"b", b"c")
    last = bench.serve()
    assert seen == [
        (1, []),
        (1, [(REPLY, 1, b"a")]),
        (1, [(MESSAGE, 0, b"of its own accord"), (REPLY, 2, b"b")]),
    ]
    assert last == [(REPLY, 3, b"c")]


def test_a_handler_that_closes_the_connection_answers_nothing_more() -> None:
    served = channel()
    bench = Bench(served)

    def handler(message: bytes) -> bytes:
        if message == b"b":
            bench.end.close()
        return message

    served.handler = handler
    bench.request(b"a", b"b", b"c")
    assert bench.serve() == [(REPLY, 1, b"a")]
    assert bench.end.stats.replies == 1
    assert bench.end.next_ns() is None


def test_what_ends_a_handler_takes_no_earlier_answer_along() -> None:
    served = channel()
    bench = Bench(served)

    def handler(message: bytes) -> bytes:
        if message == b"b":
            raise KeyboardInterrupt
        return message

    served.handler = handler
    bench.request(b"a", b"b", b"c")
    with pytest.raises(KeyboardInterrupt):
        bench.end.serve(0)
    assert bench.pop("c") == [(REPLY, 1, b"a")]
    assert bench.serve() == [(REPLY, 3, b"c")]


def test_one_doorbell_per_batch() -> None:
    bench = Bench(channel())
    bench.request(b"a", b"b", b"c")
    bench.armed.arm()
    assert bench.end.serve(0)
    assert bench.doorbells == 1
    bench.armed.disarm()
    bench.request(b"a")
    assert bench.end.serve(0)
    assert bench.doorbells == (1 if FENCED else 2)


def test_no_sleep_while_there_is_work() -> None:
    bench = Bench(channel(), channel("d"))
    assert bench.end.arm()
    bench.request(b"x", channel="d")
    assert not bench.end.arm()
    bench.end.disarm()


def test_notifications() -> None:
    bench = Bench(channel(depth=2))
    assert bench.end.notify("c", b"one")
    assert bench.end.notify("c", b"")
    assert not bench.end.notify("c", b"full")
    assert not bench.end.notify("unknown", b"")
    assert bench.pop("c") == [(MESSAGE, 0, b"one"), (MESSAGE, 0, b"")]
    with pytest.raises(MessageTooLong):
        bench.end.notify("c", bytes(65))


def test_asking_the_host() -> None:
    bench = Bench(channel())
    answers: list[tuple[bytes, int]] = []

    def answered(message: bytes, status: int) -> None:
        answers.append((message, status))
        raise ValueError("nobody is harmed")

    end = bench.end
    end.ask("c", b"first", answered)
    end.ask("c", b"second", answered)
    forget = end.ask("c", b"third", answered)
    end.ask("c", b"fourth", answered)
    (_, first, _), (_, second, _), (_, third, _), (_, _, last) = asked = bench.pop("c")
    assert {kind for kind, _, _ in asked} == {REQUEST}
    assert last == b"fourth"
    forget()
    assert bench.push("c", ERROR, second, error_message(7, "no", 64))
    for tag in (first, first, third, 99):
        assert bench.push("c", REPLY, tag, b"yes")
    bench.serve()
    assert answers == [(b"no", 7), (b"yes", 0)]
    assert end.stats.answered == 2
    assert end.stats.unknown == 3
    end.close()
    end.abandon()
    assert answers[2:] == [(b"the host is gone", errno.EPIPE)]


def test_asking_too_much() -> None:
    bench = Bench(channel(depth=2 * QUESTIONS_MAX))
    for _ in range(QUESTIONS_MAX):
        bench.end.ask("c", b"", lambda message, status: None)
    with pytest.raises(QueueFull) as refused:
        bench.end.ask("c", b"", lambda message, status: None)
    assert refused.value.reason == "tags"


def test_asking_with_a_full_ring() -> None:
    bench = Bench(channel(depth=1))
    answers: list[int] = []
    bench.end.ask("c", b"", lambda message, status: answers.append(status))
    for message, error in ((b"", QueueFull), (bytes(65), MessageTooLong)):
        with pytest.raises(error):
            bench.end.ask("c", message, lambda message, status: answers.append(status))
    bench.end.abandon()
    assert answers == [errno.EPIPE]


def test_one_way_channels() -> None:
    deaf = Bench(channel(host_receives=False))
    deaf.request(b"x")
    assert deaf.serve() == []
    assert deaf.end.stats.requests == 1
    silent = Bench(channel(host_sends=False))
    silent.request(b"x")
    with pytest.raises(RemoteError, match="sent on channel c"):
        silent.end.serve(0)


def test_a_host_that_lies_about_its_messages() -> None:
    bench = Bench(channel())
    bench.request(b"x")
    bench.region.write(bench.layout.channels[0].to_remote.front, 77, 4)
    with pytest.raises(RemoteError, match="front"):
        bench.end.serve(0)


def test_what_came_before_a_lie_is_answered() -> None:
    bench = Bench(channel())
    bench.request(b"ab", b"cd", b"x")
    ring = bench.layout.channels[0].to_remote
    bench.region.write(ring.base + 2 * ring.slot_bytes, 9 << 24, 4)  # no kind of message
    assert bench.end.serve(0)
    assert bench.pop("c") == [(REPLY, 1, b"ba"), (REPLY, 2, b"dc")]
    assert bench.channels["c"][0].consumed() == 2
    for _ in range(2):
        with pytest.raises(RemoteError, match="kind"):
            bench.end.serve(0)


def test_a_host_that_lies_about_what_it_took() -> None:
    bench = Bench(channel())
    bench.region.write(bench.layout.channels[0].to_host.rear, 77, 4)
    bench.request(*[b"x"] * 8)
    assert bench.end.serve(0)
    bench.request(b"now the ring seems full, so the rear is looked at")
    with pytest.raises(RemoteError, match="rear"):
        bench.end.serve(0)


def test_after_closing_nothing_is_sent() -> None:
    bench = Bench(channel())
    bench.request(b"x")
    bench.end.close()
    assert bench.serve() == []
    assert bench.end.arm()
    assert bench.end.next_ns() is None
    assert not bench.end.notify("c", b"")
    assert not bench.end.lie("c", "front", 9)


@pytest.mark.parametrize(
    "options", [{"name": ""}, {"name": "x" * 33}, {"depth": 0}, {"message_bytes": -1}]
)
def test_impossible_channels(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        RemoteChannel(**{"name": "c", **OPTIONS, **options})


@pytest.mark.parametrize(("latency_s", "workers"), [(-1.0, 1), (float("nan"), 1), (0.0, 0)])
def test_impossible_firmware(latency_s: float, workers: int) -> None:
    with pytest.raises(ValueError):
        channel().simulate(latency_s, workers)
