"""The rules of the look-up that no real board breaks, on trees that do."""

import errno
from typing import Any

import pytest

from mboxio import AddressError, DeviceTreeError
from mboxio.devicetree import DeviceTree, describe, scmi_roles
from tests.devicetree.writer import blob

ONE, NONE, THREE, NO_MAILBOX, NOBODY = 1, 2, 3, 4, 99


def board(**client: Any) -> DeviceTree:
    """A tree with providers of 1, 0 and 3 cells, a node that is none, and a client."""
    return DeviceTree(
        blob(
            {
                "one": {"phandle": ONE, "#mbox-cells": 1},
                "none": {"linux,phandle": NONE, "#mbox-cells": 0, "status": "disabled"},
                "three": {"phandle": THREE, "#mbox-cells": 3},
                "no-mailbox": {"phandle": NO_MAILBOX},
                "client": {key.replace("_", "-"): value for key, value in client.items()},
            }
        )
    )


def refused(tree: DeviceTree, which: int | str = 0, node: str = "/client") -> tuple[int, str]:
    """Return errno and text of a look-up that fails."""
    with pytest.raises(DeviceTreeError) as caught:
        tree.channel(node, which)
    assert isinstance(caught.value, AddressError)
    assert caught.value.errno is not None
    return caught.value.errno, str(caught.value)


def test_each_entry_is_as_long_as_its_provider_says() -> None:
    tree = board(mboxes=[THREE, 7, 8, 9, NONE, ONE, 5, 0, ONE, 6])
    found = tree.consumer("/client").channels
    assert [(each.provider and each.provider.name, each.cells) for each in found] == [
        ("three", (7, 8, 9)),
        ("none", ()),
        ("one", (5,)),
        (None, ()),
        ("one", (6,)),
    ]
    assert tree.channel("/client", 4).cells == (6,)


def test_an_empty_entry_keeps_its_index() -> None:
    tree = board(mboxes=[0, ONE, 5])
    assert refused(tree, 0) == (errno.ENOENT, "/client: mboxes[0] is left empty (phandle 0)")
    assert tree.channel("/client", 1).cells == (5,)


@pytest.mark.parametrize("index", [2, 1000, -1])
def test_past_the_end(index: int) -> None:
    tree = board(mboxes=[ONE, 5, ONE, 6])
    assert refused(tree, index) == (errno.ENOENT, f"/client has no mboxes[{index}]")


def test_no_mboxes_and_no_node() -> None:
    assert refused(board())[0] == errno.ENOENT
    assert refused(board(), node="/nobody") == (
        errno.ENOENT,
        "the device tree has no node '/nobody'",
    )


SUSPECT = "; or #mbox-cells = <1> of /one is wrong"


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        ([NOBODY, 1], f"mboxes[1]: no node has phandle 0x63{SUSPECT}"),
        ([NO_MAILBOX, 1], f"mboxes[1]: /no-mailbox has no #mbox-cells{SUSPECT}"),
        ([THREE, 1, 2], "mboxes[1]: the list ends after 2 of 3 cells"),
        ([ONE], "mboxes[1]: the list ends after 0 of 1 cells"),
    ],
)
def test_a_broken_entry_breaks_those_after_it_and_none_before(broken: list[int], told: str) -> None:
    tree = board(mboxes=[ONE, 5, *broken])
    assert tree.channel("/client", 0).cells == (5,)
    for index in (1, 2):
        assert refused(tree, index) == (errno.EINVAL, f"/client: {told}")
    (consumer,) = describe(tree, "t")["consumers"]
    assert [each["cells"] for each in consumer["channels"]] == [[5]]
    assert consumer["error"] == f"EINVAL: /client: {told}"


def test_bytes_that_are_no_whole_cell_do_not_count() -> None:
    tree = board(mboxes=[ONE, 5, b"\0\0\0"])
    assert [each.cells for each in tree.consumer("/client").channels] == [(5,)]
    assert tree.consumer("/client").error is None


def test_sixteen_cells_are_kept_and_all_are_skipped() -> None:
    tree = DeviceTree(
        blob(
            {
                "wide": {"phandle": 1, "#mbox-cells": 20},
                "client": {"mboxes": [1, *range(20), 1, *range(20, 40)]},
            }
        )
    )
    assert tree.channel("/client", 0).cells == tuple(range(16))
    assert tree.channel("/client", 1).cells == tuple(range(20, 36))


def test_names_are_exact() -> None:
    tree = board(mboxes=[ONE, 5, ONE, 6], mbox_names=["rxdb", "rx"])
    assert tree.channel("/client", "rx").cells == (6,)
    assert refused(tree, "r") == (
        errno.ENODATA,
        "/client has no channel 'r'; there are: rxdb, rx",
    )


def test_no_names() -> None:
    assert refused(board(mboxes=[ONE, 5]), "rx")[0] == errno.EINVAL


def test_more_names_than_entries() -> None:
    tree = board(mboxes=[ONE, 5], mbox_names=["tx", "rx"])
    assert refused(tree, "rx")[0] == errno.ENOENT


def test_status_is_not_looked_at() -> None:
    tree = board(mboxes=[NONE], status="disabled")
    assert tree.channel("/client").provider is tree.node("/none")


def test_enabled_is_what_is_enabled_all_the_way_up() -> None:
    tree = DeviceTree(
        blob(
            {
                "bus": {"status": "disabled", "mailbox": {"#mbox-cells": 0, "status": "okay"}},
                "ok": {"#mbox-cells": 0, "status": "ok"},
                "failed": {"#mbox-cells": 0, "status": "fail-needs-probe"},
            }
        )
    )
    assert [each.node.enabled for each in tree.providers()] == [False, True, False]


def test_the_owner_of_a_part() -> None:
    tree = DeviceTree(
        blob(
            {
                "compatible": "board",
                "remoteproc": {"compatible": ["dsp", "core"], "edge": {"mboxes": [0]}},
            }
        )
    )
    (consumer,) = describe(tree, "t")["consumers"]
    assert consumer["compatible"] == []
    assert consumer["owner"] == "/remoteproc"


def test_aliases() -> None:
    tree = DeviceTree(
        blob(
            {
                "aliases": {"mbox": "/soc/mailbox@1", "lost": "/nowhere"},
                "soc": {"mailbox@1": {"#mbox-cells": 0, "child": {}}},
            }
        )
    )
    assert tree.node("mbox").path == "/soc/mailbox@1"
    assert tree.node("mbox/child").path == "/soc/mailbox@1/child"
    assert tree.node("/").path == "/"
    for unknown in ("lost", "nothing", "", "soc", "/soc/mailbox"):
        with pytest.raises(DeviceTreeError, match="has no node"):
            tree.node(unknown)


# -- registers and interrupts


def test_addresses_go_through_buses() -> None:
    tree = DeviceTree(
        blob(
            {
                "#address-cells": 2,
                "#size-cells": 2,
                "soc": {
                    "#address-cells": 1,
                    "#size-cells": 1,
                    # Two windows, the second one far up; the first entry that fits counts.
                    "ranges": [0x7E000000, 0, 0x3F000000, 0x1000000, 0x40000000, 8, 0, 0x1000],
                    "low": {"#mbox-cells": 0, "reg": [0x7E00B880, 0x40]},
                    "high": {"#mbox-cells": 0, "reg": [0x40000010, 0x10]},
                    "outside": {"#mbox-cells": 0, "reg": [0x50000000, 0x10]},
                    "same": {
                        "#address-cells": 1,
                        "#size-cells": 0,
                        "ranges": b"",
                        "inside": {"#mbox-cells": 0, "reg": [0x7E000004]},
                    },
                    "closed": {"inside": {"#mbox-cells": 0, "reg": [0, 1, 2, 3, 4]}},
                },
            }
        )
    )
    found = {each.node.name: each.reg for each in tree.providers()}
    cpu = {name: [region.cpu for region in reg] for name, reg in found.items() if name != "inside"}
    assert cpu == {"low": [0x3F00B880], "high": [0x8_0000_0010], "outside": [None]}
    same, closed = (each for each in tree.providers() if each.node.name == "inside")
    assert [(each.cpu, each.size_bytes) for each in same.reg] == [(0x3F000004, 0)]
    # Two and one cells where the bus says nothing; what is left over does not count.
    assert [(each.address, each.size_bytes, each.cpu) for each in closed.reg] == [(1, 2, None)]


def test_interrupts() -> None:
    tree = DeviceTree(
        blob(
            {
                "interrupt-parent": 1,
                "gic": {"phandle": 1, "#interrupt-cells": 3},
                "exti": {"phandle": 2, "#interrupt-cells": 1},
                "relay": {"phandle": 3, "interrupt-parent": 2},
                "plain": {"#mbox-cells": 0, "interrupts": [0, 7, 4, 0, 8, 4, 0]},
                "both": {
                    "#mbox-cells": 0,
                    "interrupts": [9],
                    "interrupts-extended": [2, 61, 1, 0, 101, 4, 2],
                },
                "relayed": {"#mbox-cells": 0, "interrupt-parent": 3, "interrupts": [5]},
                "lost": {"#mbox-cells": 0, "interrupt-parent": 77, "interrupts": [5]},
            }
        )
    )
    found = {each.node.name: each.interrupts for each in tree.providers()}
    named = {
        name: [(each.parent and each.parent.name, each.cells) for each in interrupts]
        for name, interrupts in found.items()
    }
    assert named == {
        "plain": [("gic", (0, 7, 4)), ("gic", (0, 8, 4))],
        "both": [("exti", (61,)), ("gic", (0, 101, 4))],
        "relayed": [("exti", (5,))],
        "lost": [],
    }


def test_interrupt_parents_in_a_circle() -> None:
    tree = DeviceTree(
        blob(
            {
                "a": {"phandle": 1, "interrupt-parent": 2},
                "b": {"phandle": 2, "interrupt-parent": 1},
                "mailbox": {"#mbox-cells": 0, "interrupt-parent": 1, "interrupts": [5]},
            }
        )
    )
    assert tree.providers()[0].interrupts == []


@pytest.mark.parametrize("cells", [0, 5, 0x80000000, 0xFFFFFFFF])
def test_absurd_numbers_of_cells(cells: int) -> None:
    tree = DeviceTree(
        blob(
            {
                "#address-cells": cells,
                "#size-cells": 0,
                "#interrupt-cells": cells,
                "mailbox": {
                    "phandle": 1,
                    "#mbox-cells": cells,
                    "reg": [1, 2],
                    "interrupts": [1, 2],
                    "interrupts-extended": [1, 2],
                    "mboxes": [1],
                },
            }
        )
    )
    found = describe(tree, "t")
    assert found["providers"][0]["reg"] == []
    assert found["providers"][0]["interrupts"] == []
    assert ("error" in found["consumers"][0]) == (cells > 0)


# -- SCMI


@pytest.mark.parametrize(
    ("channels", "shmem", "told"),
    [
        (1, [], "SCMI has no use for 1 channels with 0 shmem"),
        (2, [1, 2, 3], "SCMI has no use for 2 channels with 3 shmem"),
        (5, [1, 2], "SCMI has no use for 5 channels with 2 shmem"),
        (2, [1, 1], "two channels of SCMI cannot share one shmem"),
    ],
)
def test_scmi_refuses(channels: int, shmem: list[int], told: str) -> None:
    tree = board(mboxes=[ONE, 5] * channels, shmem=shmem)
    with pytest.raises(DeviceTreeError, match=told) as caught:
        scmi_roles(tree.consumer("/client"))
    assert caught.value.errno == errno.EINVAL


def test_scmi_with_a_broken_list() -> None:
    tree = board(mboxes=[ONE, 5, NOBODY], shmem=[1])
    with pytest.raises(DeviceTreeError, match="no node has phandle"):
        scmi_roles(tree.consumer("/client"))
