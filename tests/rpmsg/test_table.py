"""Resource tables and firmware files: what is packed is read again, and damage is refused."""

import struct
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mboxio.errors import RemoteError
from mboxio.rpmsg.image import find_table, make_image
from mboxio.rpmsg.message import Announcement
from mboxio.rpmsg.table import (
    ANYWHERE,
    Carveout,
    Trace,
    VirtioDevice,
    Vring,
    pack_table,
    parse_table,
)

RINGS = (Vring(ANYWHERE, 16, 4096), Vring(0x1000_0000, 256, 16, 1))
ENTRIES = (
    Carveout("vdev0buffer", ANYWHERE, 0x40000),
    VirtioDevice(RINGS, config=b"abc"),
    Trace("trace", 0x2000, 0x1000),
    Carveout("uart", 0x4000_0000, 0x1000, registers=True),
)


def test_a_table_as_linux_reads_it() -> None:
    """Source: Linux, include/linux/remoteproc.h."""
    table = pack_table([VirtioDevice((Vring(ANYWHERE, 16, 4096), Vring(ANYWHERE, 16, 4096)))])
    words = struct.unpack(f"<{len(table) // 4}I", table)
    assert words[:5] == (1, 1, 0, 0, 20)
    assert words[5:12] == (3, 7, 0, 1, 0, 0, 0x0000_0200)
    assert words[12:17] == (ANYWHERE, 4096, 16, 0, 0)


def test_what_was_packed_is_read() -> None:
    table = pack_table(ENTRIES)
    found = parse_table(table + bytes(100))
    assert found.entries == ENTRIES
    assert found.size_bytes == len(table)
    (device,) = found.rpmsg
    assert table[device.status_at] == 0
    assert struct.unpack_from("<I", table, device.ring_at(1))[0] == 0x1000_0000
    assert found.carveout("vdev0buffer") == ENTRIES[0]
    assert found.carveout("uart") is None


@pytest.mark.parametrize("wide", [False, True])
def test_a_table_is_found_in_a_file(wide: bool) -> None:
    table = pack_table(ENTRIES)
    memory = bytes(0x80) + table + bytes(0x100)
    image = make_image(memory, 0x1000, 0x80, len(table), wide=wide)
    found = find_table(image)
    assert found is not None
    assert found.table == table
    assert found.address == 0x1080


def test_a_file_without_a_table() -> None:
    table = pack_table(ENTRIES)
    image = make_image(table, 0, 0, len(table)).replace(b".resource_table", b".another_thing_")
    assert find_table(image) is None


@given(data=st.data())
@settings(max_examples=300, deadline=None)
def test_damaged_tables_and_files(data: st.DataObject) -> None:
    table = pack_table(ENTRIES)
    image = bytearray(make_image(table, 0, 0, len(table), wide=data.draw(st.booleans())))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(image) - 1))
        image[place] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(image)))
    for each in (bytes(image), bytes(image[:cut])):
        try:
            found = find_table(each)
            if found is not None:
                parse_table(found.table)
        except RemoteError:
            continue


@pytest.mark.parametrize(
    ("table", "why"),
    [
        (b"", "0 bytes"),
        (struct.pack("<4I", 2, 0, 0, 0), "version 2"),
        (struct.pack("<4I", 1, 0, 0, 1), "reserved"),
        (struct.pack("<4I", 1, 300, 0, 0), "300 entries"),
        (struct.pack("<5I", 1, 1, 0, 0, 18), "18"),
        (pack_table([VirtioDevice((replace(RINGS[0], num=3), RINGS[1]))]), "num is 3"),
        (pack_table([VirtioDevice((replace(RINGS[0], align=0), RINGS[1]))]), "align is 0"),
        (pack_table([VirtioDevice((*RINGS, RINGS[0]))]), "3 rings"),
    ],
)
def test_what_is_refused(table: bytes, why: str) -> None:
    with pytest.raises(RemoteError, match=why.replace("18", "4 bytes at 0x12")):
        parse_table(table)


def test_announcements() -> None:
    packed = Announcement("rpmsg-raw", 0x400).pack()
    assert packed == b"rpmsg-raw".ljust(32, b"\0") + struct.pack("<II", 0x400, 0)
    assert Announcement.parse(packed) == Announcement("rpmsg-raw", 0x400)
    gone = Announcement("x" * 31, 1, gone=True)
    assert Announcement.parse(gone.pack()) == gone
    assert Announcement.parse(b"y" * 32 + bytes(8)) == Announcement("y" * 31, 0)
    for wrong in (packed[:39], packed + b"\0", b"\x1b[2J".ljust(40, b"\0"), bytes(40)):
        assert Announcement.parse(wrong) is None
    for name in ("", "x" * 32, "a b", "ä", "\x1b"):
        with pytest.raises(ValueError, match="the name of a service"):
            Announcement(name, 1).pack()
