"""A device tree as a folder, and which tree the running kernel's is."""

import errno
import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import mboxio
from mboxio import AddressError, DeviceTreeError
from mboxio.devicetree import DeviceTree, Node, describe, files, folder
from tests.devicetree.writer import blob

pytestmark = pytest.mark.once

FILES = Path(__file__).parent / "files"
NOBODY = 65534
BOARD = {
    "model": "Board",
    "soc": {"mailbox@7e00b880": {"#mbox-cells": 0, "phandle": 1}},
    "firmware": {"mboxes": [1]},
}


def unfold(node: Node, path: Path) -> None:
    """Write a tree as the kernel shows it."""
    path.mkdir()
    (path / "name").write_bytes(node.name.partition("@")[0].encode() + b"\0")
    for name, value in node.properties.items():
        (path / name).write_bytes(value)
    for child in node.children:
        taken = (path / child.name).exists()
        unfold(child, path / (f"{child.name}#1" if taken else child.name))


def unfolded(path: Path, tree: dict[str, Any] | None = None) -> Path:
    unfold(DeviceTree(blob(BOARD if tree is None else tree)).root, path)
    return path


@contextmanager
def without_rights() -> Iterator[None]:
    """Be somebody for whom modes count: for root they do not."""
    user = os.geteuid()
    os.seteuid(NOBODY if user == 0 else user)
    try:
        yield
    finally:
        os.seteuid(user)


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder that everybody may enter."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.mark.parametrize("file", sorted(FILES.glob("*.dtb")), ids=lambda path: path.name)
def test_a_folder_says_what_the_file_says(file: Path, tmp_path: Path) -> None:
    tree = DeviceTree.open(file)
    unfold(tree.root, tmp_path / "base")
    same = DeviceTree.open(f"{tmp_path}/base/")
    nodes = {each.path: each.properties for each in tree.nodes}
    assert {each.path: each.properties for each in same.nodes} == nodes
    for part in ("providers", "consumers"):
        found, expected = ({e["path"]: e for e in describe(t, "")[part]} for t in (same, tree))
        assert found == expected
    assert [each.name for each in DeviceTree(same.data).nodes] == [e.name for e in same.nodes]


def test_a_node_that_is_called_like_a_property(tmp_path: Path) -> None:
    root = Node("", None)
    root.properties["model"] = root.properties["x"] = b""
    for name in ("x", "y"):
        root.children.append(Node(name, root))
    unfold(root, tmp_path / "base")
    assert sorted(each.name for each in (tmp_path / "base").iterdir() if each.is_dir()) == [
        "x#1",
        "y",
    ]
    tree = DeviceTree.open(tmp_path / "base")
    assert [each.name for each in tree.root.children] == ["x", "y"]
    assert set(tree.root.properties) == {"model", "x"}


def test_only_the_name_that_the_kernel_made_is_left_out(tmp_path: Path) -> None:
    base = unfolded(tmp_path / "base")
    (base / "firmware" / "name").write_bytes(b"another\0")
    assert DeviceTree.open(base).node("/firmware").properties["name"] == b"another\0"
    assert "name" not in DeviceTree.open(base).node("/soc/mailbox@7e00b880").properties


def test_what_is_neither_node_nor_property_is_left_out(tmp_path: Path) -> None:
    base = unfolded(tmp_path / "base")
    (tmp_path / "secret").write_text("secret")
    (base / "up").symlink_to(base)
    (base / "self").symlink_to("self")
    (base / "file").symlink_to(tmp_path / "secret")
    os.mkfifo(base / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(base / "socket"))
        tree = DeviceTree.open(base)
    assert {each.name for each in tree.root.children} == {"soc", "firmware"}
    assert set(tree.root.properties) == {"model"}
    link = tmp_path / "device-tree"
    link.symlink_to(base)
    assert DeviceTree.open(link).data == tree.data


def test_a_property_that_the_kernel_keeps_to_root(public: Path) -> None:
    base = unfolded(public / "base")
    (base / "security-password").touch(0)
    with without_rights():
        assert set(DeviceTree.open(base).root.properties) == {"model"}


@pytest.mark.parametrize("which", ["soc", "firmware/mboxes", "."])
def test_what_cannot_be_read_is_named(public: Path, which: str) -> None:
    base = unfolded(public / "base")
    closed = base / which
    closed.chmod(0)
    try:
        with without_rights(), pytest.raises(AddressError) as caught:
            DeviceTree.open(base)
    finally:
        closed.chmod(0o755)
    assert caught.value.errno == errno.EACCES
    said = f"{closed}: Permission denied: {closed} belongs to user "
    assert str(caught.value).startswith(said)


@pytest.mark.parametrize("target", [None, "/dev/null", "pipe"])
@pytest.mark.parametrize("gone", ["firmware/mboxes", "soc"])
def test_what_vanishes_meanwhile_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gone: str, target: str | None
) -> None:
    """Gone between the list and the opening, or something else by then."""
    base = unfolded(tmp_path / "base")
    listed = folder.Folder._entries

    def then_it_goes(
        self: folder.Folder, descriptor: int, path: str
    ) -> tuple[list[str], list[str]]:
        found = listed(self, descriptor, path)
        if path == str((base / gone).parent):
            (base / gone).rename(tmp_path / "elsewhere")
            if target == "pipe":
                os.mkfifo(base / gone)
            elif target is not None:
                (base / gone).symlink_to(target)
        return found

    monkeypatch.setattr(folder.Folder, "_entries", then_it_goes)
    tree = DeviceTree.open(base)
    left = {each.path for each in tree.nodes} | {
        f"{e.path}/{p}" for e in tree.nodes for p in e.properties
    }
    assert f"/{gone}" not in left
    assert "/firmware" in left


# -- limits


def test_no_device_tree(tmp_path: Path) -> None:
    (tmp_path / "soc").mkdir()
    with pytest.raises(
        DeviceTreeError, match=f"{tmp_path}: no device tree: the folder has neither"
    ):
        DeviceTree.open(tmp_path)


def test_too_large(tmp_path: Path) -> None:
    base = unfolded(tmp_path / "base")
    with (base / "soc" / "large").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(DeviceTreeError, match="base/soc: longer than any device tree"):
        DeviceTree.open(base)


def test_too_deep(tmp_path: Path) -> None:
    base = unfolded(tmp_path / "base")
    (base / "/".join("a" * 63)).mkdir(parents=True)
    assert DeviceTree.open(base).node("/" + "/".join("a" * 63))
    (base / "/".join("a" * 64)).mkdir()
    with pytest.raises(DeviceTreeError, match="nested deeper than any device tree"):
        DeviceTree.open(base)


# -- the running kernel's


@pytest.fixture
def kernel(public: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the running kernel's trees are to be: ``fdt`` and ``base``, none yet."""
    monkeypatch.setattr(files, "LIVE", str(public / "fdt"))
    monkeypatch.setattr(files, "LIVE_FOLDERS", (str(public / "none"), str(public / "base")))
    return public


def test_the_file_goes_before_the_folder(kernel: Path) -> None:
    unfolded(kernel / "base")
    (kernel / "fdt").write_bytes(blob(BOARD))
    tree = DeviceTree.open()
    assert (tree.source, tree.data) == (str(kernel / "fdt"), blob(BOARD))


def test_the_folder_where_there_is_no_file(kernel: Path) -> None:
    unfolded(kernel / "base")
    assert DeviceTree.open().source == str(kernel / "base")


def test_the_folder_where_the_file_is_that_of_root(kernel: Path) -> None:
    unfolded(kernel / "base")
    (kernel / "fdt").write_bytes(blob({}))
    (kernel / "fdt").chmod(0o400 if os.geteuid() == 0 else 0)
    with without_rights():
        assert DeviceTree.open().source == str(kernel / "base")
        with pytest.raises(
            AddressError, match=r"fdt: Permission denied: .*fdt belongs to user .*none is for"
        ):
            DeviceTree.open(kernel / "fdt")


def test_none_at_all(kernel: Path) -> None:
    (kernel / "base").mkdir()  # as containers hide it
    with pytest.raises(AddressError) as caught:
        DeviceTree.open()
    assert caught.value.errno == errno.ENOENT
    told = str(caught.value)
    assert told.startswith(
        f"no device tree of the running kernel, name a .dtb: {kernel}/fdt: No such file"
    )
    assert f"{kernel}/base: no device tree: the folder has neither" in told


def test_an_address_says_which_tree_has_no_such_node(kernel: Path) -> None:
    unfolded(kernel / "base")
    with pytest.raises(DeviceTreeError, match=f"the device tree .{kernel}/base. has no node '/a'"):
        mboxio.connect("dt:/a")


def test_an_error_names_a_folder_once(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DeviceTreeError) as caught:
        files.read(tmp_path / "empty")
    assert str(caught.value).count(str(tmp_path)) == 1
