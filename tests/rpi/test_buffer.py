"""Property buffers: what is made of them, and that nothing the firmware writes can harm."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mboxio import RemoteError
from mboxio.protocols.rpi_buffer import ANSWERED, FAILURE, SUCCESS, Answer, Ask, decode, encode

pytestmark = pytest.mark.once  # buffers are never compiled

ASKS = st.lists(
    st.builds(
        Ask,
        tag=st.integers(1, 0xFFFFFFFF),
        value=st.binary(max_size=20),
        room_bytes=st.integers(0, 40),
    ),
    max_size=5,
)


def words(*numbers: int) -> bytes:
    return struct.pack(f"<{len(numbers)}I", *numbers)


def test_a_buffer_is_laid_out_as_the_firmware_wants_it() -> None:
    buffer = encode([Ask(0x00000001, room_bytes=4), Ask(0x00030002, words(3), 8)])
    assert buffer == words(48, 0, *(1, 4, 0, 0), *(0x30002, 8, 4, 3, 0), 0)


def test_answers_are_taken_out_of_it() -> None:
    asks = [Ask(0x10003, room_bytes=6), Ask(0x30006, words(0), 8)]
    reply = words(
        48, SUCCESS, *(0x10003, 8, ANSWERED | 6, 0x33221100, 0x5544), *(0x30006, 8, ANSWERED | 8)
    ) + words(0, 25000, 0)
    assert decode(reply, asks) == [
        Answer(bytes([0, 0x11, 0x22, 0x33, 0x44, 0x55]), 6),
        Answer(words(0, 25000), 8),
    ]


def test_what_was_left_alone_is_unknown_and_what_did_not_fit_is_partial() -> None:
    asks = [Ask(0x99, room_bytes=4), Ask(0x50001, room_bytes=4)]
    answers = decode(
        words(44, SUCCESS, *(0x99, 4, 0, 0), *(0x50001, 4, ANSWERED | 10, 0x64636261), 0), asks
    )
    assert answers == [Answer(b"", None), Answer(b"abcd", 10)]
    assert [each.partial for each in answers] == [False, True]


@pytest.mark.parametrize(
    ("code", "says"),
    [
        (FAILURE, "could not read the request"),
        (0, "did not touch it"),
        (0x12345678, "unknown code 0x12345678"),
    ],
)
def test_a_buffer_without_answers_is_an_error_that_says_why(code: int, says: str) -> None:
    ask = Ask(1, room_bytes=4)
    with pytest.raises(RemoteError, match=says) as caught:
        decode(words(28, code, 1, 4, ANSWERED | 4, 7, 0), [ask])
    assert caught.value.status == code


def test_another_tag_in_the_place_of_ours_is_a_lie() -> None:
    with pytest.raises(RemoteError, match="0x00000002 came back in the place of tag 0x00000001"):
        decode(words(28, SUCCESS, 2, 4, ANSWERED | 4, 7, 0), [Ask(1, room_bytes=4)])


@given(ASKS)
def test_a_buffer_has_the_size_that_it_says(asks: list[Ask]) -> None:
    buffer = encode(asks)
    size_bytes, code = struct.unpack_from("<2I", buffer)
    assert (size_bytes, code) == (len(buffer), 0)
    assert size_bytes % 4 == 0
    assert buffer[-4:] == bytes(4)


@given(ASKS)
def test_untouched_tags_are_unknown(asks: list[Ask]) -> None:
    buffer = bytearray(encode(asks))
    buffer[4:8] = words(SUCCESS)
    # The request's length never has the bit that marks an answer.
    assert decode(bytes(buffer), asks) == [Answer(b"", None) for _ in asks]


@given(ASKS, st.data())
def test_answers_come_out_as_they_were_written(asks: list[Ask], data: st.DataObject) -> None:
    buffer = bytearray(encode(asks))
    buffer[4:8] = words(SUCCESS)
    expected: list[Answer] = []
    offset = 8
    for ask in asks:
        value = data.draw(st.binary(max_size=ask.size_bytes))
        length = len(value)
        if length == ask.size_bytes:
            length += data.draw(st.integers(0, 100))
        buffer[offset + 8 : offset + 12] = words(ANSWERED | length)
        buffer[offset + 12 : offset + 12 + len(value)] = value
        expected.append(Answer(value, length))
        offset += 12 + ask.size_bytes
    assert decode(bytes(buffer), asks) == expected


def check_harmless(reply: bytes, asks: list[Ask]) -> None:
    """Whatever comes back is answers that fit, or a RemoteError of one line."""
    try:
        answers = decode(reply, asks)
    except RemoteError as error:
        assert "\n" not in str(error)  # noqa: PT017
        return
    assert all(len(each.value) <= ask.size_bytes for each, ask in zip(answers, asks, strict=True))


@given(ASKS, st.binary(max_size=200))
def test_any_bytes_do_no_harm(asks: list[Ask], reply: bytes) -> None:
    check_harmless(reply, asks)


@given(ASKS, st.data())
def test_a_scribbled_buffer_does_no_harm(asks: list[Ask], data: st.DataObject) -> None:
    buffer = bytearray(encode(asks))
    buffer[4:8] = words(SUCCESS)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(buffer) // 4 - 1))
        buffer[4 * at : 4 * at + 4] = words(data.draw(st.integers(0, 0xFFFFFFFF)))
    check_harmless(bytes(buffer), asks)
