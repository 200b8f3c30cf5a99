"""The memory layout: what is planned is read back, and nothing that is read is believed."""

import struct
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mboxio.errors import RemoteError
from mboxio.regions import Memory, Region
from mboxio.ring.layout import (
    CHANNELS_MAX,
    ENTRY,
    LINE_BYTES,
    TABLE,
    ChannelSpec,
    RingLayout,
    plan,
    read,
    write,
)
from mboxio.sim.words_only import WordsOnly

SPECS = (ChannelSpec("pmic", 8, 20, flags=5), ChannelSpec("größe", 1, 0), ChannelSpec("", 3, 1000))


def written(region: Region | None = None) -> Region:
    layout = plan(SPECS, epoch=7)
    region = region or Memory(bytearray(layout.size_bytes))
    write(region, layout)
    return region


@pytest.mark.parametrize("kind", [Memory, WordsOnly])
def test_what_is_written_is_read(kind: type[Memory] | type[WordsOnly]) -> None:
    layout = plan(SPECS, epoch=7)
    region = WordsOnly(layout.size_bytes) if kind is WordsOnly else None
    assert read(written(region)) == layout
    assert [each.name for each in layout.channels] == [spec.name for spec in SPECS]
    assert [each.to_host.slots for each in layout.channels] == [9, 2, 4]
    assert [each.to_host.message_bytes for each in layout.channels] == [24, 0, 1000]
    assert (layout.epoch, layout.channels[0].flags) == (7, 5)


@given(
    st.lists(
        st.builds(
            ChannelSpec,
            st.just(""),
            st.integers(1, 40),
            st.integers(0, 100),
            st.integers(0, 2**32 - 1),
        ),
        min_size=1,
        max_size=20,
    )
)
def test_every_plan_is_readable(specs: list[ChannelSpec]) -> None:
    layout = plan(specs, epoch=2**32 - 1)
    region = Memory(bytearray(layout.size_bytes))
    write(region, layout)
    assert read(region) == layout


def test_words_of_different_writers_lie_on_different_lines() -> None:
    layout = plan(SPECS, epoch=1)
    host, remote = {layout.host_armed}, {layout.remote_armed, layout.heartbeat}
    for channel in layout.channels:
        host |= {channel.to_remote.front, channel.to_host.rear}
        remote |= {channel.to_remote.rear, channel.to_host.front}
    assert not {each // LINE_BYTES for each in host} & {each // LINE_BYTES for each in remote}


def test_the_magic_is_written_last() -> None:
    class Recorder(WordsOnly):
        def write_words(self, offset: int, words: object) -> None:
            offsets.append(offset)
            super().write_words(offset, words)  # type: ignore[arg-type]

    offsets: list[int] = []
    layout = plan(SPECS, epoch=1)
    write(Recorder(layout.size_bytes), layout)
    assert offsets[0] == offsets[-1] == 0
    assert offsets.count(0) == 2
    assert offsets[-2] == 4


def test_each_word_is_read_once() -> None:
    class Counter(WordsOnly):
        def read_words(self, offset: int, count: int) -> list[int]:
            offsets.extend(range(offset, offset + 4 * count, 4))
            return super().read_words(offset, count)

    offsets: list[int] = []
    region = Counter(plan(SPECS, epoch=7).size_bytes)
    written(region)
    offsets.clear()
    read(region)
    assert len(set(offsets)) == len(offsets)


@pytest.mark.parametrize(
    ("specs", "text"),
    [
        ([], "0 channels"),
        ([ChannelSpec("", 1, 1)] * (CHANNELS_MAX + 1), "1025 channels"),
        ([ChannelSpec("x" * 33, 1, 1)], "over 32 bytes"),
        ([ChannelSpec("a\n", 1, 1)], "not printable"),
        ([ChannelSpec("a", 0, 1)], "depth 0"),
        ([ChannelSpec("a", 65536, 1)], "depth 65536"),
        ([ChannelSpec("a", 1, -1)], "-1 message bytes"),
        ([ChannelSpec("a", 1, 1 << 24)], "16777216 message bytes"),
        ([ChannelSpec("a", 1, 1, flags=-1)], "flags"),
        ([ChannelSpec("a", 1, 1)] * 2, "two channels are called 'a'"),
        ([ChannelSpec("", 65535, 1 << 20)], "the channels need"),
    ],
)
def test_a_bad_plan_is_refused(specs: list[ChannelSpec], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        plan(specs, epoch=0)


def test_a_bad_epoch_is_refused() -> None:
    with pytest.raises(ValueError, match="epoch"):
        plan(SPECS, epoch=-1)


def test_a_small_region_is_refused() -> None:
    with pytest.raises(IndexError):
        write(Memory(bytearray(256)), plan(SPECS, epoch=0))


def first(field: int) -> int:
    """Return the offset of a word of the first channel's entry after its name."""
    return TABLE + 32 + 4 * field


@pytest.mark.parametrize(
    ("offset", "value", "text"),
    [
        (0, 0, "magic"),
        (4, 2, "version 2"),
        (12, 100, "claims 100 bytes"),
        (12, 1 << 30, "claims"),
        (16, 0, "0 channels"),
        (16, CHANNELS_MAX + 1, "1025 channels"),
        (16, 1000, "a table of 1000 channels"),
        (20, 65, "table .* at offset 65"),
        (20, 0xFFFFFFC0, "table"),
        (20, 0, "a table of 3 channels at offset 0"),
        (20, 384, "overlaps|name"),
        (first(-8), 0xFF, "name"),
        (first(-8), 0x0A, "name"),
        (first(-1), 1, "name"),
        (first(2), 1, "to_remote: front at offset 1,"),
        (first(2), 0xFFFFFFFC, "front reaches"),
        (first(3), 0xFFFFFFFC, "rear reaches"),
        (first(3), 68, "shares a cache line|overlaps"),
        (first(4), 8, "base"),
        (first(4), 64, "overlaps"),
        (first(4), 0xFFFFFFC0, "base reaches"),
        (first(5), 1, "1 slots"),
        (first(5), 65537, "65537 slots"),
        (first(6), 0, "slots of 0 bytes"),
        (first(6), 12, "slots of 12 bytes"),
        (first(6), 0xFFFFFFF8, "base reaches"),
        (first(6), 64, "overlaps|lies among"),
    ],
)
def test_a_lie_is_told(offset: int, value: int, text: str) -> None:
    region = written()
    region.write(offset, value, 4)
    with pytest.raises(RemoteError, match=text):
        read(region)


def test_equal_names_are_told() -> None:
    region = written()
    region.write_words(TABLE + ENTRY.size, region.read_words(TABLE, 8))
    with pytest.raises(RemoteError, match="two channels are called 'pmic'"):
        read(region)


def test_words_of_two_writers_on_one_line_are_told() -> None:
    layout = plan(SPECS, epoch=0)
    ring = layout.channels[0].to_remote
    channel = replace(layout.channels[0], to_remote=replace(ring, rear=ring.front + 8))
    bad = replace(layout, channels=(channel, *layout.channels[1:]))
    region = Memory(bytearray(layout.size_bytes))
    write(region, bad)
    with pytest.raises(RemoteError, match="cache line"):
        read(region)


@given(st.integers(0, 191))
def test_too_few_bytes_are_told(size_bytes: int) -> None:
    with pytest.raises(RemoteError, match="too few"):
        read(Memory(bytearray(size_bytes)))


@given(st.data())
def test_fuzz_of_a_good_memory(data: st.DataObject) -> None:
    region = written()
    used = TABLE + len(SPECS) * ENTRY.size
    words = st.integers(0, used // 4 - 1).map(lambda index: 4 * index)
    nearby = st.integers(-4, 4)
    for _ in range(data.draw(st.integers(1, 3))):
        offset = data.draw(words)
        change = data.draw(st.integers(0, 2**32 - 1) | nearby.map(lambda each: each * 8))
        region.write(offset, (region.read(offset, 4) + change) % 2**32, 4)
    believed(region)


@given(st.binary(min_size=400, max_size=800))
def test_fuzz_of_noise(noise: bytes) -> None:
    memory = bytearray(noise)
    struct.pack_into("<6I", memory, 0, 0x3158424D, 1, 0, len(memory), 1, TABLE)
    believed(Memory(memory))


def believed(region: Region) -> None:
    """Read a memory: either it is refused or everything in it can be used."""
    try:
        layout = read(region)
    except RemoteError:
        return
    for channel in layout.channels:
        for ring in (channel.to_remote, channel.to_host):
            assert ring.problem(region.size_bytes) is None


@pytest.mark.parametrize(
    ("ring", "text"),
    [
        (RingLayout(0, 4, 64, 4, 6, framed=False), "slots of 6 bytes"),
        (RingLayout(0, 0, 64, 4, 8), "same word"),
        (RingLayout(0, 68, 64, 4, 8), "rear at offset 68 lies among"),
        (RingLayout(0, 4, 68, 4, 8), "base at offset 68"),
        (RingLayout(-4, 4, 64, 4, 8), "front reaches from -4"),
    ],
)
def test_a_bad_ring_is_told(ring: RingLayout, text: str) -> None:
    assert text in (ring.problem(256) or "")
