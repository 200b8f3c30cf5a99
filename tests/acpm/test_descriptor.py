"""The descriptor in SRAM: bit-exact, and whatever it says is either used safely or refused."""

import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mboxio import RemoteError
from mboxio.controllers.acpm import layout as acpm
from mboxio.controllers.acpm.layout import AcpmLayout, AcpmSpec, plan, read, write
from mboxio.regions import Memory
from mboxio.sim.words_only import WordsOnly

pytestmark = pytest.mark.once  # the layout is never compiled

SIZE = 0x4000
SPECS = (AcpmSpec(4, 16), AcpmSpec(8, 32, polled=True), AcpmSpec(2, 4))


def image(specs: Any = SPECS, base: int = 0x100) -> tuple[Memory, AcpmLayout]:
    region = Memory(bytearray(SIZE))
    layout = plan(specs, base)
    write(region, layout, boot=7)
    return region, layout


def test_the_words_lie_where_linux_reads_them() -> None:
    """By hand, from the offsets that the format gives."""
    memory = bytearray(0x1000)
    struct.pack_into("<I", memory, 0x200 + 0x08, 0x300)
    struct.pack_into("<I", memory, 0x200 + 0x18, 2)
    for number, (mlen, polled) in enumerate(((16, 1), (12, 0))):
        at = 0x300 + 0x48 * number
        for offset, value in (
            (0x00, 5 + number),
            (0x10, 0x400 + 16 * number),
            (0x14, 0x404 + 16 * number),
            (0x18, 0x500 + 0x100 * number),
            (0x28, 0x408 + 16 * number),
            (0x2C, 0x40C + 16 * number),
            (0x30, 0x800 + 0x100 * number),
            (0x34, 4),
            (0x38, mlen),
            (0x44, polled),
        ):
            struct.pack_into("<I", memory, at + offset, value)
    first, second = read(Memory(memory), 0x200).channels
    assert (first.id, first.polled, second.id, second.polled) == (5, True, 6, False)
    ours, theirs = first.to_remote, first.to_host
    assert (ours.rear, ours.front, ours.base) == (0x400, 0x404, 0x500)
    assert (theirs.rear, theirs.front, theirs.base) == (0x408, 0x40C, 0x800)
    assert (ours.slots, ours.slot_bytes, ours.framed) == (4, 16, False)
    assert second.to_host.slot_bytes == 12


def test_what_is_written_is_read() -> None:
    region, layout = image()
    assert read(region, 0x100).channels == layout.channels
    assert region.read(0x100, 4) == 7


def test_device_memory_is_read_in_words() -> None:
    region = WordsOnly(SIZE)
    layout = plan(SPECS, 0x100)
    write(region, layout)
    assert read(region, 0x100).channels == layout.channels


def test_a_channel_without_messages_is_no_lie() -> None:
    """Firmware has channels with messages of 0 bytes; what else it says of them is not used."""
    region, layout = image()
    entry = layout.array + acpm.ENTRY_BYTES
    region.write_words(entry, [0xFFFFFFFF] * acpm.ENTRY_WORDS)
    region.write(entry + acpm.SLOT_BYTES, 0, 4)
    carrying = [channel.carries for channel in read(region, 0x100).channels]
    assert carrying == [True, False, True]


LIES = {
    "no channels": (0x118, 0, "0 channels"),
    "too many channels": (0x118, 65, "65 channels"),
    "an array outside": (0x108, SIZE - 8, "array of 3 channels"),
    "an array between words": (0x108, 0x142, "array of 3 channels"),
    "an array over the header": (0x108, 0x110, "overlaps"),
}
FIELD_LIES = {
    "rear outside": (acpm.RX_REAR, SIZE, "rear reaches"),
    "rear between words": (acpm.RX_REAR, 0x402, "not a multiple"),
    "front on rear": (acpm.RX_FRONT, None, "same word"),
    "slots outside": (acpm.RX_BASE, SIZE - 16, "base reaches"),
    "slots over the descriptor": (acpm.TX_BASE, 0x140, "overlaps"),
    "slots over the other ring": (acpm.TX_BASE, -1, "overlaps"),
    "slots beyond the address space": (acpm.TX_BASE, 0xFFFFFFF0, "base reaches"),
    "front far outside": (acpm.TX_FRONT, 0xFFFFFFFC, "front reaches"),
    "one slot": (acpm.SLOTS, 1, "1 slots"),
    "no slots": (acpm.SLOTS, 0, "0 slots"),
    "endless slots": (acpm.SLOTS, 0xFFFFFFFF, "slots, not"),
    "odd messages": (acpm.SLOT_BYTES, 18, "not a positive multiple"),
    "endless messages": (acpm.SLOT_BYTES, 0xFFFFFFFC, "reaches"),
}


@pytest.mark.parametrize(("offset", "value", "text"), LIES.values(), ids=LIES)
def test_a_header_that_lies(offset: int, value: int, text: str) -> None:
    region, _ = image()
    region.write(offset, value, 4)
    with pytest.raises(RemoteError, match=text):
        read(region, 0x100)


@pytest.mark.parametrize(("field", "value", "text"), FIELD_LIES.values(), ids=FIELD_LIES)
def test_descriptors_that_lie(field: int, value: int | None, text: str) -> None:
    region, layout = image()
    ours = layout.channels[0].to_remote
    told = {None: ours.rear, -1: ours.base}.get(value, value)
    region.write(layout.array + field, told, 4)  # type: ignore[arg-type]
    with pytest.raises(RemoteError, match=text) as caught:
        read(region, 0x100)
    assert "0x100" in str(caught.value)


@pytest.mark.parametrize("base", [SIZE, SIZE - 0x18, 0x102, -4])
def test_a_base_outside(base: int) -> None:
    region, _ = image()
    with pytest.raises(RemoteError, match="not usable"):
        read(region, base)


@pytest.mark.parametrize(
    ("specs", "text"),
    [((), "0 channels"), ((AcpmSpec(1, 16),), "1 slots"), ((AcpmSpec(4, 6),), "multiple of 4")],
)
def test_impossible_plans(specs: Any, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        plan(specs)


@given(
    st.lists(
        st.builds(
            AcpmSpec,
            slots=st.integers(2, 64),
            slot_bytes=st.integers(1, 16).map(lambda words: 4 * words),
            polled=st.booleans(),
        ),
        min_size=1,
        max_size=8,
    ),
    st.integers(0, 64).map(lambda lines: 64 * lines),
)
def test_any_plan_is_read_as_it_was_made(specs: list[AcpmSpec], base: int) -> None:
    layout = plan(specs, base)
    region = Memory(bytearray(layout.size_bytes))
    write(region, layout)
    assert read(region, base) == layout


@given(
    st.lists(
        st.tuples(
            st.integers(0, (SIZE - 4) // 4),
            st.integers(0, 0xFFFFFFFF) | st.integers(0, SIZE) | st.integers(0, 64),
        ),
        min_size=1,
        max_size=12,
    ),
    st.lists(st.integers(0x100 // 4, 0x240 // 4), max_size=12),
)
def test_whatever_it_says_is_safe_or_refused(
    anywhere: list[tuple[int, int]], described: list[int]
) -> None:
    """What is accepted lies inside, aligned, and no two things share a byte."""
    region, _ = image()
    for number, (word, value) in enumerate(anywhere):
        place = described[number] if number < len(described) else word
        region.write(4 * place, value, 4)
    try:
        layout = read(region, 0x100)
    except RemoteError:
        return
    used = bytearray(SIZE)

    def use(start: int, size: int) -> None:
        assert 0 <= start <= start + size <= SIZE
        assert start % 4 == 0
        assert not any(used[start : start + size]), "two things share a byte"
        used[start : start + size] = b"\1" * size

    use(layout.base, acpm.HEADER_BYTES)
    use(layout.array, acpm.ENTRY_BYTES * len(layout.channels))
    for channel in layout.channels:
        for ring in (channel.to_remote, channel.to_host) if channel.carries else ():
            assert ring.slots >= 2
            use(ring.front, 4)
            use(ring.rear, 4)
            use(ring.base, ring.slots * ring.slot_bytes)
