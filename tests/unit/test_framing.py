"""Framings: what goes in comes out, in any pieces, and damage costs one message."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mboxio import RemoteError, WrongMessage
from mboxio.controllers.framing import (
    CobsFraming,
    LengthFraming,
    LineFraming,
    framing_of,
)

pytestmark = pytest.mark.once  # framings are never compiled

LONGEST = 600
messages = st.lists(st.binary(max_size=LONGEST) | st.sampled_from([b"", b"\0" * 300, b"x" * 254]))
texts = st.lists(
    st.text(st.characters(codec="utf-8", exclude_characters="\n\r"), max_size=99).map(str.encode)
)


@st.composite
def pieces(draw: st.DrawFn, data: bytes) -> list[bytes]:
    cuts = sorted(draw(st.lists(st.integers(0, len(data)), max_size=6)))
    bounds = [0, *cuts, len(data)]
    return [data[begin:end] for begin, end in pairwise(bounds)]


@pytest.mark.parametrize("name", ["cobs", "length", "length:4", "line", "end:0d0a", "end:0d0a0d0b"])
@given(data=st.data())
def test_messages_come_out_as_they_went_in(name: str, data: st.DataObject) -> None:
    sent = data.draw(texts if name.startswith(("line", "end")) else messages)
    framing, other = framing_of(name, LONGEST), framing_of(name, LONGEST)
    stream = b"".join(framing.encode(each) for each in sent)
    found = [each for piece in data.draw(pieces(stream)) for each in other.feed(piece)]
    assert found == sent
    assert not other.damaged


@given(message=st.binary(max_size=LONGEST))
def test_cobs_has_no_zero_within(message: bytes) -> None:
    encoded = CobsFraming(LONGEST).encode(message)
    assert encoded.index(0) == len(encoded) - 1
    assert len(encoded) <= len(message) + len(message) // 254 + 2


def test_cobs_known_answers() -> None:
    framing = CobsFraming(LONGEST)
    assert framing.encode(b"") == b"\1\0"
    assert framing.encode(b"\0") == b"\1\1\0"
    assert framing.encode(b"\x11\x22\0\x33") == b"\3\x11\x22\2\x33\0"


@pytest.mark.parametrize("name", ["cobs", "line"])
@given(noise=st.binary(max_size=3 * LONGEST), data=st.data())
def test_the_next_message_is_found_after_any_noise(
    name: str, noise: bytes, data: st.DataObject
) -> None:
    framing = framing_of(name, LONGEST)
    end = b"\0" if name == "cobs" else b"\n"
    stream = noise + end + framing.encode(b"here")
    found = [each for piece in data.draw(pieces(stream)) for each in framing.feed(piece)]
    assert found[-1] == b"here"
    assert all(len(each) <= LONGEST for each in found)
    assert len(framing.kept) <= LONGEST + LONGEST // 254 + 2


def test_damage_is_counted() -> None:
    cobs = CobsFraming(4)
    assert cobs.feed(b"\5ab\0" + b"\7abcdef\0" + b"\0\0" + b"\2a\0") == [b"a"]
    assert cobs.damaged == 2
    line = LineFraming(4)
    assert line.feed(b"too long\nok\r\n") == [b"ok"]
    assert line.damaged == 1


def test_a_length_that_cannot_be_is_a_lie() -> None:
    framing = LengthFraming(8)
    assert framing.feed(b"\1\0a\x09\0bbb") == [b"a"], "before the lie"
    with pytest.raises(RemoteError, match="9 bytes"):
        framing.feed(b"bbbbbb")
    assert framing.feed(b"\1\0c") == [b"c"], "it begins again"


@pytest.mark.parametrize("message", [b"two\nlines", b"cr\r"])
def test_a_line_is_one_line(message: bytes) -> None:
    with pytest.raises(WrongMessage):
        LineFraming(99).check(message)


def test_a_shell_hears_lines_and_says_until_its_prompt() -> None:
    shell = framing_of("prompt:uart:~$ ", 99)
    assert shell.encode(b"kernel uptime") == b"kernel uptime\n"
    assert shell.feed(b"Uptime: 5 ms\r\nuart") == []
    copy = shell.copy()
    assert shell.feed(b":~$ next") == [b"Uptime: 5 ms\r\n"]
    assert shell.pending == 4
    assert copy.feed(b":~$ ") == [b"Uptime: 5 ms\r\n"], "a copy goes its own way"


def test_raw_bytes_are_cut_where_they_are_too_long() -> None:
    assert framing_of("raw", 3).feed(b"1234567") == [b"123", b"456", b"7"]


@pytest.mark.parametrize("text", ["", "lines", "end:", "end:x", "length:3", "prompt:", "cobs:1"])
def test_what_is_no_framing(text: str) -> None:
    with pytest.raises(ValueError, match="framing="):
        framing_of(text, 9)
