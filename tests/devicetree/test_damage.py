"""Whatever the bytes are: a tree, or one clear error."""

import os
import struct
import tracemalloc
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mboxio import AddressError, DeviceTreeError
from mboxio.devicetree import DeviceTree, describe, scmi_roles
from tests.devicetree.writer import BEGIN_NODE, END, END_NODE, PROP, assemble, blob

pytestmark = pytest.mark.once

FILES = Path(__file__).parent / "files"
REAL = (FILES / "corstone1000-mps3.dtb").read_bytes()
RICH = (FILES / "morello-fvp.dtb").read_bytes()
HEADER_BYTES = 40


def use(data: bytes) -> bool:
    """Do everything with a device tree; returns whether it was one."""
    try:
        tree = DeviceTree(data)
    except DeviceTreeError:
        return False
    describe(tree, "t")
    for consumer in tree.consumers():
        for which in (0, 1, 7, "tx", "none"):
            with suppress(DeviceTreeError):
                tree.channel(consumer.node, which)
        with suppress(DeviceTreeError):
            scmi_roles(consumer)
    with suppress(DeviceTreeError):
        tree.node("mailbox/child")
    return True


def words(*numbers: int) -> bytes:
    return struct.pack(f">{len(numbers)}I", *numbers)


def test_the_whole_ones_are_trees() -> None:
    assert use(REAL)
    assert use(RICH)
    assert use(REAL + b"more")


def test_cut_anywhere() -> None:
    assert [size for size in range(len(REAL)) if use(REAL[:size])] == []


@pytest.mark.parametrize("at", range(HEADER_BYTES))
def test_a_wrong_byte_in_the_header(at: int) -> None:
    for wrong in (0, 1, 0x7F, 0x80, 0xFF, REAL[at] ^ 1, REAL[at] ^ 4):
        use(REAL[:at] + bytes([wrong]) + REAL[at + 1 :])


@pytest.mark.parametrize("step", range(8))
def test_one_wrong_bit(step: int) -> None:
    for at in range(HEADER_BYTES + step, len(REAL), 8):
        damaged = bytearray(REAL)
        damaged[at] ^= 1 << (at + step) % 8
        use(bytes(damaged))


@settings(deadline=None, max_examples=300)
@given(st.binary(max_size=200))
@example(b"")
@example(b"\xd0\x0d\xfe\xed")
def test_any_bytes(data: bytes) -> None:
    use(data)
    use(REAL[:HEADER_BYTES] + data)
    use(REAL[: len(REAL) // 2] + data + REAL[len(REAL) // 2 + len(data) :])


@settings(deadline=None, max_examples=300)
@given(st.lists(st.tuples(st.integers(0, len(RICH) - 1), st.integers(0, 255)), max_size=8))
def test_several_wrong_bytes(changes: list[tuple[int, int]]) -> None:
    damaged = bytearray(RICH)
    for at, byte in changes:
        damaged[at] = byte
    use(bytes(damaged))


tokens = st.sampled_from([BEGIN_NODE, END_NODE, PROP, 4, END, 0, 5, 8, 0x61000000, 0xFFFFFFFF])


@settings(deadline=None, max_examples=500)
@given(st.lists(tokens, max_size=40))
def test_any_tokens(found: list[int]) -> None:
    use(assemble(words(*found), b"#mbox-cells\0reg\0mboxes\0"))


@settings(deadline=None, max_examples=300)
@given(
    st.dictionaries(
        st.sampled_from(
            [
                *("#address-cells", "#size-cells", "#interrupt-cells", "#mbox-cells", "ranges"),
                *("reg", "mboxes", "interrupts", "interrupts-extended", "interrupt-parent"),
                *("phandle", "linux,phandle", "mbox-names", "shmem", "status", "compatible"),
            ]
        ),
        st.lists(st.sampled_from([0, 1, 2, 3, 5, 0x61620000, 0xFFFFFFFF]), max_size=9)
        | st.binary(max_size=9),
        max_size=16,
    )
)
def test_any_values(properties: dict[str, object]) -> None:
    child = {**properties, "child": properties}
    assert use(blob({**properties, "phandle": 5, "a": child, "aliases": {"mailbox": "/a"}}))


def wrong() -> Iterator[tuple[str, bytes, bytes, str]]:
    """Yield a name, a structure, strings, and what is told."""
    root = words(BEGIN_NODE, 0)
    yield "nothing", b"", b"", "ends in the middle"
    yield "no end", root + words(END_NODE), b"", "ends in the middle"
    yield "open", root + words(END), b"", "token 0x9 at 0x8"
    yield "two roots", (root + words(END_NODE)) * 2 + words(END), b"", "no node can begin at 0xc"
    yield "no root", words(END), b"", "token 0x9 at 0x0"
    yield "closed twice", root + words(END_NODE, END_NODE), b"", "token 0x2 at 0xc"
    yield "no name", words(BEGIN_NODE) + b"abcd", b"", "no node can begin at 0x0"
    yield "outside", words(PROP, 0, 0), b"a\0", "the property at 0x0"
    yield "late", root + root + words(END_NODE, PROP, 0, 0), b"a\0", "the property at 0x14"
    yield "no key", root + words(PROP, 0, 2), b"a\0", "the property at 0x8"
    yield "open key", root + words(PROP, 0, 0), b"a", "the property at 0x8"
    yield "too long", root + words(PROP, 5, 0, 0), b"a\0", "the property at 0x8"
    yield "huge", root + words(PROP, 0xFFFFFFFF, 0, 0), b"a\0", "the property at 0x8"
    yield "deep", root * 65, b"", "nested too deep"
    yield "a long way", (words(BEGIN_NODE) + b"a" * 99 + b"\0") * 11, b"", "nested too deep"


@pytest.mark.parametrize(
    ("structure", "strings", "told"), [each[1:] for each in wrong()], ids=[e[0] for e in wrong()]
)
def test_wrong_structure(structure: bytes, strings: bytes, told: str) -> None:
    with pytest.raises(DeviceTreeError, match=f"a damaged device tree: .*{told}"):
        DeviceTree(assemble(structure, strings))


@pytest.mark.parametrize(
    ("word", "number", "told"),
    [
        (0, 0xD00DFEEE, "no device tree: a .dtb begins with d0 0d fe ed"),
        (1, 39, "it has 39 bytes by its header, here are"),
        (1, 1 << 20, "it has 1048576 bytes by its header, here are"),
        (2, 8, "a block lies outside"),
        (2, 57, "a block lies outside"),
        (2, 0xFFFFFFFC, "a block lies outside"),
        (3, 0xFFFFFFFC, "a block lies outside"),
        (4, 0xFFFFFFF8, "a block lies outside"),
        (5, 3, "a device tree of version 3 "),
        (6, 18, "a device tree of version 17 .readable as 18."),
        (8, 0xFFFFFFFF, "a block lies outside"),
        (9, 0xFFFFFFFF, "a block lies outside"),
    ],
)
def test_wrong_header(word: int, number: int, told: str) -> None:
    data = bytearray(blob({}))
    struct.pack_into(">I", data, 4 * word, number)
    with pytest.raises(DeviceTreeError, match=told):
        DeviceTree(bytes(data))


def test_a_newer_version_that_says_it_can_be_read() -> None:
    structure = words(BEGIN_NODE, 0, END_NODE, END)
    for version in (16, 17, 18):
        assert DeviceTree(assemble(structure, b"", version=version)).nodes


def test_a_hostile_tree_costs_what_its_bytes_cost() -> None:
    """Long lists where each entry makes something."""
    entries = 10_000
    data = blob(
        {
            "#address-cells": 1,
            "#size-cells": 0,
            "#interrupt-cells": 1,
            "interrupt-parent": 1,
            "a": {
                "phandle": 1,
                "#mbox-cells": 0,
                "#interrupt-cells": 0,
                "reg": bytes(4 * entries),
                "ranges": bytes(4 * entries),
                "interrupts-extended": [1] * entries,
                "mboxes": [0] * entries,
                "shmem": [1] * entries,
            },
        }
    )
    tracemalloc.start()
    try:
        assert use(data)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 200 * len(data)


# -- files


def test_open_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "board.dtb"
    path.write_bytes(REAL[:1000])
    with pytest.raises(DeviceTreeError, match=r"board\.dtb: a damaged device tree: it has 3224"):
        DeviceTree.open(path)
    with pytest.raises(AddressError, match="No such file") as caught:
        DeviceTree.open(tmp_path / "none")
    assert caught.value.errno == 2


def test_what_stands_behind_a_tree_does_not_count(tmp_path: Path) -> None:
    """As in a partition of flash."""
    path = tmp_path / "partition"
    path.write_bytes(REAL + bytes(8 << 20))
    assert DeviceTree.open(path).data == REAL


def test_a_pipe(tmp_path: Path) -> None:
    """One that nobody writes into is not waited for."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    with pytest.raises(DeviceTreeError, match="no device tree"):
        DeviceTree.open(path)
    reader, writer = os.pipe()
    try:
        os.write(writer, REAL)
        os.close(writer)
        assert DeviceTree.open(f"/dev/fd/{reader}").data == REAL
    finally:
        os.close(reader)


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/null"])
def test_no_file_is_read_for_ever(device: str) -> None:
    with pytest.raises(DeviceTreeError, match="no device tree"):
        DeviceTree.open(device)


def test_a_file_that_only_begins_like_one(tmp_path: Path) -> None:
    path = tmp_path / "disk"
    with path.open("wb") as file:
        file.write(REAL[:4])
        file.truncate(1 << 32)
    with pytest.raises(DeviceTreeError, match="longer than any device tree: more than 4 MiB"):
        DeviceTree.open(path)
