"""Rings that somebody only looks at: what is said of healthy, stuck and lying ones."""

import struct
from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mboxio.regions import Memory
from mboxio.regions.region import Kind
from mboxio.rpmsg.image import make_image
from mboxio.rpmsg.looking.dump import BytesDump, RegionDump, SegmentDump
from mboxio.rpmsg.looking.explain import (
    FINDINGS_MAX,
    NOTE,
    STUCK,
    WRONG,
    LinkPicture,
    explain,
    feature_words,
    status_words,
)
from mboxio.rpmsg.looking.messages import GIVEN_BACK, SHOWN_BYTES, TAKEN, WAITS
from mboxio.rpmsg.message import NAME_SERVICE, Announcement
from mboxio.rpmsg.table import ANYWHERE, VirtioDevice, Vring
from mboxio.virtio.layout import SplitLayout
from tests.rpmsg.support import ADDRESS, Pair

NUM, BUFFER_BYTES = 8, 64
SECRET = b"\x1b]0;owned\x07"


def layouts_of(pair: Pair) -> list[SplitLayout]:
    return [SplitLayout(ADDRESS + each.base, each.num, each.align) for each in pair.layouts]


def look(pair: Pair, **more: Any) -> LinkPicture:
    """Look at both rings; not one byte changes."""
    before = bytes(pair.memory)
    dump = BytesDump(pair.memory, ADDRESS)
    picture = explain(dump, layouts_of(pair), buffer_bytes=BUFFER_BYTES, **more)
    assert bytes(pair.memory) == before
    return picture


def made() -> Pair:
    return Pair(NUM, 16, BUFFER_BYTES)


def kinds(picture: LinkPicture) -> list[str]:
    return [each.kind for each in picture.findings]


def told(picture: LinkPicture) -> str:
    return "\n".join(f"{each.kind} {each.queue} {each.text}" for each in picture.findings)


def ring_of(picture: LinkPicture, number: int) -> Any:
    ring = picture.rings[number]
    assert ring is not None
    return ring


def converse(pair: Pair, rounds: int) -> None:
    """Send messages both ways, each of which is taken."""
    for each in range(rounds):
        pair.host.send(1024, 1025, b"ask %d" % each)
        pair.remote.receive()
        pair.remote.release()
        pair.host.sent()
        pair.remote.send(1025, 1024, b"reply %d" % each)
        pair.host.receive()
        pair.host.release()


@pytest.mark.parametrize("rounds", [0, 1, 5, NUM, 3 * NUM, 70_000])
def test_a_healthy_link(rounds: int) -> None:
    """Also where the indices went round."""
    pair = made()
    converse(pair, min(rounds, 50))
    if rounds == 70_000:
        age(pair, 0xFFF0)
        converse(pair, 40)
    picture = look(pair)
    assert not picture.findings, told(picture)
    first, second = ring_of(picture, 0), ring_of(picture, 1)
    assert (first.out, first.back, first.held) == (NUM, 0, 0)
    assert (second.out, second.held) == (0, 0)
    assert all(each.state in (TAKEN, GIVEN_BACK) for each in picture.messages)


def age(pair: Pair, by: int) -> None:
    """Make both rings older than they are, by a multiple of their size."""
    assert by % NUM == 0
    for host, remote in (
        (pair.host.incoming, pair.remote.outgoing),
        (pair.host.outgoing, pair.remote.incoming),
    ):
        for side in (host, remote):
            side.made = (side.made + by) & 0xFFFF
            side.seen = (side.seen + by) & 0xFFFF
        for at in (host.available + 2, host.used + 2):
            pair.words.store16(at, (pair.words.load16(at) + by) & 0xFFFF)


def test_messages_are_shown_with_their_state() -> None:
    pair = made()
    pair.remote.send(1024, NAME_SERVICE, Announcement("echo", 1024).pack())
    pair.remote.send(1030, NAME_SERVICE, Announcement("old", 1030, gone=True).pack())
    pair.host.receive()
    pair.host.receive()
    pair.host.release()
    pair.remote.send(1024, 1025, SECRET)
    pair.host.send(1025, 1024, b"")
    pair.host.send(1025, 1024, b"z" * 40)
    picture = look(pair)
    assert not picture.findings, told(picture)
    first = [each for each in picture.messages if each.queue == 0]
    assert [each.state for each in first] == [TAKEN, TAKEN, WAITS]
    assert [each.announcement for each in first] == [
        Announcement("echo", 1024),
        Announcement("old", 1030, gone=True),
        None,
    ]
    assert first[2].first_bytes == SECRET
    second = [each for each in picture.messages if each.queue == 1]
    assert [(each.state, each.length, each.source) for each in second] == [
        (WAITS, 0, 1025),
        (WAITS, 40, 1025),
    ]
    assert len(look(pair, messages=1).messages) == 2
    assert not look(pair, messages=0).messages


def test_a_deaf_remote() -> None:
    pair = made()
    converse(pair, 3)
    while pair.host.send(1, 2, b"?") >= 0:
        pass
    picture = look(pair)
    assert kinds(picture) == [STUCK]
    assert "the host cannot send" in told(picture)
    assert ring_of(picture, 1).out == NUM


def test_a_deaf_host() -> None:
    pair = made()
    converse(pair, 3)
    while pair.remote.send(1, 2, b"?") >= 0:
        pass
    picture = look(pair)
    assert kinds(picture) == [STUCK]
    assert "the remote cannot send" in told(picture)
    assert (ring_of(picture, 0).out, ring_of(picture, 0).back) == (0, NUM)


@pytest.mark.parametrize("rounds", [0, 2, 5 * NUM])
def test_a_remote_that_keeps_buffers(rounds: int) -> None:
    """It goes on with the later ones; those that it passed over are counted and named."""
    pair = made()
    converse(pair, rounds)
    taken = [pair.remote.outgoing.take(), pair.remote.outgoing.take()]
    for _ in range(NUM - 3):
        pair.remote.send(1, 2, b"on")
        pair.host.receive()
        pair.host.release()
    pair.host.send(2, 1, b"lost")
    pair.remote.receive()
    pair.remote.head = -1
    pair.host.send(2, 1, b"taken")
    pair.remote.receive()
    pair.remote.release()
    picture = look(pair)
    assert ring_of(picture, 0).held == 2
    assert ring_of(picture, 1).held == 1
    assert "2 buffers were passed over: the remote gave back later ones" in told(picture)
    assert ", ".join(map(str, sorted(taken))) in told(picture)
    assert STUCK in kinds(picture)  # all that is out in queue 1 is held


def test_buffers_in_another_order() -> None:
    pair = made()
    for each in range(3):
        pair.host.send(1, 2, bytes([each]))
        pair.remote.receive()
    remote = pair.remote
    last = remote.head, remote.length
    (remote.head, remote.length), *remote.older = [*remote.older, last]
    remote.release()
    pair.host.send(1, 2, b"next")
    picture = look(pair)
    assert ring_of(picture, 1).held == -1
    assert kinds(picture) == [NOTE]
    assert "another order" in told(picture)


def test_a_host_that_fills_the_used_part_itself() -> None:
    """As that of rpmsg-lite does."""
    pair = made()
    words, ring = pair.words, pair.host.outgoing
    for place in range(NUM):
        words.store32(ring.used + 4 + 8 * place, place)
        words.store32(ring.used + 8 + 8 * place, BUFFER_BYTES)
    words.store16(ring.used + 2, NUM)
    assert not look(pair).findings
    assert ring_of(look(pair), 1).out == 0
    pair.remote = pair.join()
    pair.host.send(1, 2, b"one")
    pair.host.send(1, 2, b"two")
    pair.remote.receive()
    pair.remote.release()
    picture = look(pair)
    assert not picture.findings, told(picture)
    assert ring_of(picture, 1).out == 1
    assert [each.state for each in picture.messages] == [GIVEN_BACK, WAITS]


LIES: "dict[str, tuple[Callable[[Pair], object], str]]" = {
    "used index": (
        lambda pair: pair.words.store16(pair.host.incoming.used + 2, 900),
        "cannot be in one life",
    ),
    "available index": (
        lambda pair: pair.words.store16(pair.host.outgoing.available + 2, 900),
        "cannot be in one life",
    ),
    "a head that does not exist": (
        lambda pair: pair.words.store32(pair.host.incoming.used + 4, 77),
        "gave back heads that do not exist, of 8: 77 at 0",
    ),
    "a head offered that does not exist": (
        lambda pair: pair.words.store16(pair.host.incoming.available + 4, 99),
        "offered heads that do not exist",
    ),
    "a head lent twice": (
        lambda pair: pair.words.store16(pair.host.incoming.available + 4 + 2 * 6, 7),
        "the host lent buffers twice: 7",
    ),
    "a head given back twice": (
        lambda pair: pair.words.store32(pair.host.incoming.used + 4 + 8, 0),
        "the remote gave back buffers twice: 0",
    ),
    "more than was filled": (
        lambda pair: pair.words.store32(pair.host.incoming.used + 8, 17),
        "claims 5 bytes, where 1 were filled",
    ),
    "nothing filled": (
        lambda pair: pair.words.store32(pair.host.incoming.used + 8, 0),
        "claims 5 bytes, where 0 were filled",
    ),
    "more filled than there is": (
        lambda pair: pair.words.store32(pair.host.incoming.used + 8, 5000),
        "wrote more than a buffer takes: 0 with 5000 of 64",
    ),
    "a long message": (
        lambda pair: pair.words.store16(pair.pool_at + 12, 60_000),
        "claims 60000 bytes, where 5 were filled",
    ),
    "a buffer elsewhere": (
        lambda pair: pair.words.store64(pair.host.incoming.base + 16 * 5, 0x4000),
        "buffers lie outside of this memory: 5 at 0x4000",
    ),
    "two buffers in one": (
        lambda pair: pair.words.store64(
            pair.host.incoming.base + 16 * 5, ADDRESS + pair.pool_at + 4 * BUFFER_BYTES + 8
        ),
        "lie in one place: buffer 4 of queue 0 and buffer 5 of queue 0",
    ),
    "a buffer on a ring": (
        lambda pair: pair.words.store64(pair.host.incoming.base + 16 * 5, ADDRESS),
        "two things lie in one place",
    ),
    "a short buffer": (
        lambda pair: pair.words.store32(pair.host.incoming.base + 16 * 5 + 8, 8),
        "shorter than a header",
    ),
    "a long buffer": (
        lambda pair: pair.words.store32(pair.host.incoming.base + 16 * 5 + 8, 4096),
        "longer than 64 bytes",
    ),
    "a chained buffer": (
        lambda pair: pair.words.store16(pair.host.incoming.base + 16 * 5 + 12, 3),
        "flags that do not belong into this queue: 5 with 0x3",
    ),
    "a cleared ring": (
        lambda pair: [
            pair.words.store64(pair.host.incoming.base + each, 0) for each in range(0, 128, 8)
        ],
        "cleared while it was in use",
    ),
}


@pytest.mark.parametrize("name", LIES)
def test_what_cannot_be(name: str) -> None:
    pair = made()
    pair.remote.send(1, 2, b"hello")
    pair.remote.send(1, 2, b"again")
    assert not look(pair).findings
    lie, text = LIES[name]
    lie(pair)
    picture = look(pair)
    assert kinds(picture)[0] == WRONG
    assert text in told(picture)


def test_the_device() -> None:
    pair = made()
    rings = [Vring(each.base, each.num, each.align) for each in layouts_of(pair)]
    assert not look(pair, device=VirtioDevice(rings, agreed=1, status=7)).findings
    waits = look(pair, device=VirtioDevice(rings, agreed=1, status=3))
    assert "the remote waits for DRIVER_OK" in told(waits)
    pair.remote.send(1, 2, b"hello")
    over = look(pair, device=VirtioDevice(rings, agreed=1, status=0))
    assert "a life that is over" in told(over)
    broken = look(pair, device=VirtioDevice(rings, agreed=3, status=0x47))
    assert kinds(broken) == [WRONG, WRONG]
    assert "NEEDS_RESET" in told(broken)
    silent = look(pair, device=VirtioDevice(rings, features=0, status=4))
    assert kinds(silent) == [NOTE]
    assert status_words(7) == "ACKNOWLEDGE, DRIVER, DRIVER_OK"
    assert status_words(0) == "reset"
    assert status_words(0x24) == "DRIVER_OK, 0x20"
    assert feature_words(5) == "name service, bit 2"


def test_rings_that_are_not_there() -> None:
    dump = BytesDump(bytes(64))
    layouts = [SplitLayout(ANYWHERE, 16, 4096), SplitLayout(0x1000, 16, 4096)]
    picture = explain(dump, layouts)
    assert picture.rings == [None, None]
    assert "has not chosen" in told(picture)
    assert "not in this memory" in told(picture)
    assert "no ring can be" in told(explain(dump, [SplitLayout(3, 5, 7)] * 2))


def test_buffers_of_another_memory_are_one_note() -> None:
    pair = made()
    dump = BytesDump(pair.memory[: pair.pool_at], ADDRESS)
    picture = explain(dump, layouts_of(pair), buffer_bytes=BUFFER_BYTES)
    assert kinds(picture) == [NOTE]
    assert "no buffer lies in this memory" in told(picture)


def test_silence_and_rings_of_two_sizes() -> None:
    pair = made()
    pair.host.outgoing.silence(True)
    pair.remote.outgoing.silence(True)
    picture = look(pair)
    assert not ring_of(picture, 0).host_silent
    assert ring_of(picture, 0).remote_silent
    assert ring_of(picture, 1).host_silent
    layouts = layouts_of(pair)
    layouts[1] = SplitLayout(layouts[1].base, 4, 16)
    text = told(explain(BytesDump(pair.memory, ADDRESS), layouts, buffer_bytes=BUFFER_BYTES))
    assert "the rings have 8 and 4 descriptors" in text


class Moving(BytesDump):
    """A memory in which the remote goes on sending."""

    pair: Pair

    def copy(self, address: int, length: int) -> bytes | None:
        found = super().copy(address, length)
        self.pair.remote.send(1, 2, b"more")
        return found


def test_memory_that_moves_is_said_to() -> None:
    pair = made()
    dump = Moving(pair.memory, ADDRESS)
    dump.pair = pair
    picture = explain(dump, layouts_of(pair), buffer_bytes=BUFFER_BYTES)
    assert ring_of(picture, 0).moved
    assert "moved while it was read" in told(picture)


class Registers(Memory):
    """Memory that is read in words only."""

    kind = Kind.DEVICE


def test_device_memory_is_read_in_words() -> None:
    pair = made()
    pair.remote.send(1, 2, b"hello")
    region = Registers(pair.memory)
    plain, words = BytesDump(pair.memory, ADDRESS), RegionDump(region, ADDRESS)
    each = [explain(dump, layouts_of(pair), buffer_bytes=BUFFER_BYTES) for dump in (plain, words)]
    assert each[0] == each[1]
    assert words.copy(ADDRESS + 3, 7) == bytes(pair.memory[3:10])
    assert words.copy(ADDRESS - 1, 4) is None
    assert words.copy(ADDRESS, len(pair.memory) + 1) is None


@pytest.mark.parametrize("wide", [False, True])
def test_the_memory_of_an_elf_file(wide: bool) -> None:
    pair = made()
    pair.remote.send(1, 2, b"hello")
    image = make_image(bytes(pair.memory), ADDRESS, 0, 16, wide=wide)
    dump = SegmentDump(BytesDump(image))
    assert dump.copy(ADDRESS, len(pair.memory)) == bytes(pair.memory)
    assert dump.copy(ADDRESS, len(pair.memory) + 1) is None
    picture = explain(dump, layouts_of(pair), buffer_bytes=BUFFER_BYTES)
    assert picture == look(pair)


@settings(max_examples=100)
@given(st.binary(max_size=300), st.booleans(), st.data())
def test_any_elf_file_is_refused_or_read(tail: bytes, wide: bool, data: Any) -> None:
    """Nothing but RemoteError comes of it, and no more memory than was asked for."""
    from mboxio.errors import RemoteError

    image = bytearray(make_image(bytes(64), ADDRESS, 0, 16, wide=wide)[:400] + tail)
    for _ in range(data.draw(st.integers(0, 8))):
        image[data.draw(st.integers(0, len(image) - 1))] = data.draw(st.integers(0, 255))
    try:
        dump = SegmentDump(BytesDump(image))
    except RemoteError:
        return
    found = dump.copy(ADDRESS, 64)
    assert found is None or len(found) == 64
    dump.holds(1 << 63, 1 << 40)


@settings(max_examples=100)
@given(
    st.integers(0, 1 << 32),
    st.sampled_from([1, 2, 4, 16, 64]),
    st.sampled_from([4, 16, 64]),
    st.integers(0, 60),
)
def test_any_bytes_are_some_picture(seed: int, num: int, align: int, changes: int) -> None:
    """Noise, or a ring of which some bytes are noise: it ends, and what is said has limits."""
    random = Random(seed)
    pair = Pair(num, align, BUFFER_BYTES)
    for _ in range(random.randrange(3 * num + 1)):
        side = random.choice([pair.host, pair.remote])
        side.send(random.randrange(64), random.randrange(64), random.randbytes(40))
    if changes > 50:
        pair.memory[:] = random.randbytes(len(pair.memory))
    for _ in range(changes):
        start = random.choice([each.base for each in pair.layouts] + [pair.pool_at])
        at = min(start + random.randrange(20 * num), len(pair.memory) - 1)
        pair.memory[at] = random.randrange(256)
    picture = look(pair, messages=5)
    assert len(picture.findings) <= FINDINGS_MAX
    assert all(len(each.text) < 500 for each in picture.findings)
    assert len(picture.messages) <= 10
    assert all(len(each.first_bytes) <= SHOWN_BYTES for each in picture.messages)
    for ring in picture.rings:
        assert ring is not None
        assert -1 <= ring.out <= num
        assert -1 <= ring.held <= max(0, ring.out)


def test_the_largest_ring_takes_a_moment_only() -> None:
    """Noise in 32,768 descriptors: nothing is compared more often than it has to be."""
    layout = SplitLayout(0, 1 << 15, 4096)
    memory = bytearray(Random(1).randbytes(layout.size_bytes))
    struct.pack_into("<H", memory, layout.available + 2, 100)
    struct.pack_into("<H", memory, layout.used + 2, 65_536 - 32_000)
    picture = explain(BytesDump(memory), [layout, layout])
    assert len(picture.findings) <= FINDINGS_MAX
