"""Frames from another machine: whatever comes, they are sound frames, or `BadFrame`."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mboxio import MailboxError, QueueFull, RemoteError, RemoteGone, RequestTimeout
from mboxio._base.states import FOREVER
from mboxio.errors import ClosedError
from mboxio.far import frames as wire
from mboxio.far.failures import body_of, error_of
from mboxio.far.frames import BadFrame, Frame, pack
from mboxio.far.head import Head, framed
from mboxio.far.hello import Channel, Hello
from tests.far.support import HEAD, frames_of

CHANNELS = 3
ALL = wire.TO_GATEWAY | wire.TO_USER
HEADS = st.tuples(
    *(st.integers(0, 45), st.sampled_from([0, 0, 0, 1]), st.integers(0, 4)),
    *(st.integers(-2, 2), st.integers(0, 2), st.integers(0, 1), st.integers(0, 1)),
    *(st.integers(0, 20), st.binary(max_size=20)),
).map(lambda each: HEAD.pack(*each[:-1]) + each[-1])
BYTES = st.one_of(st.binary(max_size=100), st.lists(HEADS, max_size=4).map(b"".join))

HELLO = Hello(
    life=7,
    user="alice",
    address="shm:demo",
    epoch_source=None,
    up=True,
    epoch=1,
    reason="",
    channels=(Channel(name="pmic", depth=4, in_flight=8, message_bytes=64, rights=("request",)),),
)


def sound(frame: Frame) -> bool:
    """Whether a frame says something; written apart from what reads it."""
    rules = (
        frame.channel < CHANNELS,
        not frame.queue_us or frame.kind in (wire.REQUEST, wire.POST),
        frame.kind not in (wire.HANDED, wire.TAKEN) or (frame.data and not len(frame.data) % 8),
        frame.kind not in (wire.CANCEL, wire.OPEN) or not frame.data,
        frame.kind not in (wire.REQUEST, wire.DONE, wire.NOTE) or not frame.status,
    )
    return all(rules)


@given(BYTES, st.sampled_from([wire.TO_GATEWAY, wire.TO_USER, ALL]))
def test_bytes_are_sound_frames_or_refused(message: bytes, kinds: frozenset[int]) -> None:
    found: list[Frame] = []
    try:
        found.extend(frames_of(message, kinds, CHANNELS))
    except BadFrame:
        return
    assert found
    assert all(each.kind in kinds and sound(each) for each in found)
    again = b"".join(
        pack(f.kind, f.channel, f.handle, f.data, f.status, f.queue_us, f.reply_us) for f in found
    )
    assert again == message, "something in it was not read"


@given(st.lists(st.binary(max_size=30), min_size=1, max_size=5), st.integers(0, (1 << 64) - 1))
def test_what_was_packed_is_read(texts: list[bytes], handle: int) -> None:
    message = b"".join(pack(wire.REQUEST, 2, handle, text, 0, 5, 6) for text in texts)
    expected = [Frame(wire.REQUEST, 2, 0, handle, 5, 6, text) for text in texts]
    assert list(frames_of(message, wire.TO_GATEWAY, CHANNELS)) == expected
    [handed] = frames_of(wire.pack_handles(wire.TAKEN, 1, [handle, 1]), wire.TO_USER, CHANNELS)
    assert wire.handles(handed) == (handle, 1)
    with pytest.raises(BadFrame):
        list(frames_of(message[:-1] + b"", wire.TO_GATEWAY, 2))


@given(st.integers(0, FOREVER))
def test_durations_travel(duration_ns: int) -> None:
    there = wire.nanoseconds(wire.microseconds(duration_ns))
    assert there == FOREVER if duration_ns // 1000 >= wire.FOR_EVER else there <= duration_ns
    assert duration_ns - there < 1000
    assert wire.microseconds(-5) == 0


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (QueueFull("full", handed_over="no", stage="queue"), QueueFull),
        (RequestTimeout("late", handed_over="yes", stage="reply"), RequestTimeout),
        (RemoteError("no", handed_over="yes", status=-7, errno=7), RemoteError),
        (ClosedError("closed", handed_over="unknown", stage="tx_done"), RemoteGone),
        (MailboxError("strange"), MailboxError),
    ],
)
def test_errors_keep_what_they_say(error: MailboxError, kind: type[MailboxError]) -> None:
    status, body = body_of(error)
    there = error_of(status, body, "pmic")
    assert type(there) is kind
    assert (there.stage, str(there), there.channel) == (error.stage, str(error), "pmic")
    assert there.handed_over == (error.handed_over or "unknown")
    assert getattr(there, "status", None) == getattr(error, "status", None)


@given(st.integers(-(1 << 31), (1 << 31) - 1), st.binary(max_size=10))
def test_any_failure_is_an_error_or_refused(status: int, body: bytes) -> None:
    try:
        assert isinstance(error_of(status, body, "pmic"), MailboxError)
    except BadFrame:
        assert len(body) < 3 or max(body[:3]) >= 3


@given(st.binary(max_size=60))
def test_any_hello_is_one_or_refused(data: bytes) -> None:
    with pytest.raises(BadFrame):
        Hello.parse(data)


@given(st.data())
def test_a_changed_hello_is_one_or_refused(data: st.DataObject) -> None:
    packed = bytearray(HELLO.pack())
    packed[data.draw(st.integers(0, len(packed) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = Hello.parse(bytes(packed))
    except BadFrame:
        return
    assert found.channels[0].depth >= 1
    assert set(found.channels[0].rights) <= {"observe", "notifications", "request"}


def test_a_hello_arrives_and_another_version_does_not() -> None:
    assert Hello.parse(HELLO.pack()) == HELLO
    with pytest.raises(BadFrame, match="version 2"):
        Hello.parse(HELLO.pack().replace(b'"version": 1', b'"version": 2'))


@given(
    *(st.integers(0, 255), st.integers(0, (1 << 16) - 1), st.integers(-(1 << 31), (1 << 31) - 1)),
    *(st.integers(0, (1 << 64) - 1), st.integers(0, (1 << 32) - 1), st.integers(0, (1 << 32) - 1)),
    *(st.binary(max_size=9), st.binary(max_size=9)),
)
def test_heads_are_what_the_page_says(
    kind: int,
    channel: int,
    status: int,
    handle: int,
    queue_us: int,
    reply_us: int,
    data: bytes,
    before: bytes,
) -> None:
    numbers = (channel, status, handle, queue_us, reply_us)
    frame = HEAD.pack(kind, 0, *numbers, len(data)) + data
    assert framed(kind, *numbers, data) == frame
    head = Head()
    head.read(before + frame, len(before))
    assert (head.kind, head.zero, head.length) == (kind, 0, len(data))
    assert (head.channel, head.status, head.handle, head.queue_us, head.reply_us) == numbers


@pytest.mark.parametrize("at", [-1, 1, 1 << 62])
def test_no_head_is_read_beyond_its_message(at: int) -> None:
    with pytest.raises((IndexError, struct.error)):
        Head().read(pack(wire.DONE), at)
