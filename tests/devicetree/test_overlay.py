"""Overlays: what is open, what is their own, and the tree that fdtoverlay makes of them."""

import errno
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from mboxio import DeviceTreeError
from mboxio.devicetree import DeviceTree, describe
from tests.devicetree.writer import blob
from tests.tools import tool

OPEN = 0xFFFFFFFF
OWN = {"phandle": 1, "#mbox-cells": 1}

Compile = Callable[[str], Path]


def overlay(content: dict[str, object], **more: object) -> DeviceTree:
    """An overlay with one fragment, for ``/``."""
    fragment = {"target-path": "/", "__overlay__": content}
    fixups = {f"__{name}__": value for name, value in more.items()}
    return DeviceTree(blob({"fragment@0": fragment, **fixups}))


@pytest.fixture
def dtc(tmp_path: Path) -> Compile:
    """Compiles a source with its labels."""
    program = tool("dtc")

    def run(source: str) -> Path:
        output = tmp_path / f"{len(list(tmp_path.iterdir()))}.dtb"
        command = [program, "-q", "-@", "-O", "dtb", "-o", str(output)]
        subprocess.run(command, input="/dts-v1/;" + source, text=True, check=True)
        return output

    return run


def errors(tree: DeviceTree) -> list[str]:
    return [str(each.error) for each in tree.consumers()]


AT = "/fragment@0/__overlay__/a"


def test_the_open_label_is_told() -> None:
    tree = overlay({"a": {"mboxes": [OPEN, 0, 1]}}, fixups={"mu": f"{AT}:mboxes:0"})
    told = (
        f"{AT}: mboxes[0]: &mu is open, because this is an overlay and 'mu' a label of the tree "
        "that it goes onto: apply it with fdtoverlay, or read the running kernel's tree "
        "(/proc/device-tree)"
    )
    assert errors(tree) == [told]
    with pytest.raises(DeviceTreeError, match="&mu is open") as caught:
        tree.channel(AT)
    assert caught.value.errno == errno.EINVAL
    assert describe(tree, "t")["overlay"] == {"targets": ["/"], "open": {"mu": [f"{AT}:mboxes:0"]}}


def test_the_label_is_that_of_this_property_and_place() -> None:
    content = {"m": OWN, "a": {"mboxes": [1, 5, OPEN, 6], "shmem": [OPEN, 1]}}
    tree = overlay(
        content,
        fixups={"memory": f"{AT}:shmem:0", "mu": [f"{AT}b:mboxes:0", f"{AT}:mboxes:8"]},
        local_fixups={
            "fragment@0": {"__overlay__": {"a": {"mboxes": [0], "shmem": [4]}}},
        },
    )
    (consumer,) = tree.consumers()
    assert [each.cells for each in consumer.channels] == [(5,)]
    assert "mboxes[1]: &mu is open" in str(consumer.error)
    assert [each and each.name for each in consumer.shmem] == [None, "m"]
    assert tree.channel(AT, 0).provider is tree.node("/fragment@0/__overlay__/m")


def test_what_a_fixup_names_is_open_whatever_stands_there() -> None:
    for stands in (0, 1):
        tree = overlay({"m": OWN, "a": {"mboxes": [stands, 5]}}, fixups={"mu": f"{AT}:mboxes:0"})
        assert "&mu is open" in errors(tree)[0]


def test_a_number_of_the_other_tree_is_not_one_of_the_overlay() -> None:
    local = {"fragment@0": {"__overlay__": {"b": {"mboxes": [0]}}}}
    content = {"m": OWN, "a": {"mboxes": [1, 5], "shmem": [1]}, "b": {"mboxes": [1, 6, 0]}}
    a, b = overlay(content, local_fixups=local).consumers()
    assert "phandle 0x1 is open, because this is an overlay and only the tree" in str(a.error)
    assert (a.channels, a.shmem) == ([], [None])
    assert ([each.cells for each in b.channels], b.error) == ([(6,), ()], None)


def test_an_overlay_without_fixups() -> None:
    """As old compilers made them: it does not say which numbers are its own."""
    tree = overlay({"m": OWN, "a": {"mboxes": [1, 5, OPEN, 5]}})
    assert [each.cells for each in tree.consumers()[0].channels] == [(5,)]
    assert "mboxes[1]: phandle 0xffffffff is open, because this is an overlay" in errors(tree)[0]


def test_fixups_that_cannot_be() -> None:
    wrong = ["", ":", "a:b", f"{AT}:mboxes:-1", f"{AT}:mboxes:\u0663", f"{AT}:mboxes:" + "9" * 5000]
    tree = overlay({"a": {"mboxes": [OPEN]}}, fixups={"mu": wrong, "none": b""})
    assert "phandle 0xffffffff is open" in errors(tree)[0]


def test_a_reference_that_nobody_filled_in_elsewhere() -> None:
    tree = DeviceTree(blob({"__symbols__": {"a": "/a"}, "a": {"mboxes": [OPEN, 1]}}))
    assert tree.overlay is None
    told = "/a: mboxes[0]: phandle 0xffffffff stands for a reference that was never filled in"
    assert errors(tree) == [told]


def test_addresses_of_an_unknown_bus_are_not_guessed() -> None:
    mailbox = {"#mbox-cells": 0, "reg": [1, 2, 3, 4], "interrupts-extended": [OPEN, 1, 4]}
    (provider,) = overlay({"m": mailbox}).providers()
    assert (provider.reg, provider.interrupts) == ([], [])
    said = {"#address-cells": 1, "#size-cells": 1, "m": mailbox}
    (provider,) = overlay(said).providers()
    assert [(each.address, each.size_bytes, each.cpu) for each in provider.reg] == [
        (1, 2, None),
        (3, 4, None),
    ]


def test_a_node_of_the_other_tree() -> None:
    tree = overlay({"a": {"mboxes": [OPEN]}}, fixups={"mu": f"{AT}:mboxes:0"})
    with pytest.raises(DeviceTreeError, match="no node '/a'; it is an overlay for / with &mu open"):
        tree.node("/a")


BOARD = """
/ { soc { mu: mailbox@1 { #mbox-cells = <2>; }; i2c: i2c@2 { }; }; };
"""

OVERLAYS = {
    "fragments": """/plugin/;
/ {
    fragment@0 { target-path = "/"; __overlay__ { cm7 { mboxes = <&mu 0 1>, <&mu 3 1>; }; }; };
    fragment@1 { target = <&i2c>; __overlay__ { status = "okay"; }; };
};""",
    "sugar": """/plugin/;
&{/} { cm7 { mboxes = <&mu 0 1>, <&mu 3 1>; }; };
&i2c { status = "okay"; };""",
}


@pytest.mark.parametrize("source", OVERLAYS.values(), ids=OVERLAYS)
def test_as_dtc_compiles_it_and_fdtoverlay_merges_it(
    dtc: Compile, tmp_path: Path, source: str
) -> None:
    base, alone = dtc(BOARD), dtc(source)
    tree = DeviceTree.open(alone)
    assert tree.overlay is not None
    assert tree.overlay.targets == ["/", "&i2c"]
    assert sorted(tree.overlay.labels) == ["i2c", "mu"]
    assert "/__overlay__/cm7: mboxes[0]: &mu is open" in errors(tree)[0]
    merged = tmp_path / "merged"
    subprocess.run([tool("fdtoverlay"), "-i", base, "-o", merged, alone], check=True)
    whole = DeviceTree.open(merged)
    assert whole.overlay is None
    assert "overlay" not in describe(whole, "t")
    assert whole.channel("/cm7", 1).cells == (3, 1)
    assert whole.channel("/cm7", 1).provider is whole.node("mu")


def test_a_mailbox_of_the_overlay_itself(dtc: Compile) -> None:
    tree = DeviceTree.open(
        dtc(
            """/plugin/; &{/} { own: mailbox { #mbox-cells = <1>; }; a { mboxes = <&own 7>; }; };"""
        )
    )
    assert tree.overlay is not None
    assert tree.overlay.labels == {}
    assert errors(tree) == ["None"]
    assert tree.channel("/fragment@0/__overlay__/a").provider is tree.node("own")


def test_nodes_about_others_use_nothing() -> None:
    """Labels may be called like properties, and ``__local_fixups__`` repeats their names."""
    labels = {"mboxes": "/b", "phandle": "/b"}
    tree = DeviceTree(blob({"__symbols__": labels, "__local_fixups__": {"b": {"mboxes": [0]}}}))
    assert (tree.consumers(), tree.phandles) == ([], {})


def test_a_board_that_keeps_its_labels_is_no_overlay(dtc: Compile) -> None:
    tree = DeviceTree.open(dtc(BOARD))
    assert tree.overlay is None
    assert tree.node("mu").path == "/soc/mailbox@1"
