"""Device trees of real boards, compared with what other tools say of them."""

import json
from pathlib import Path

import pytest

from mboxio.devicetree import DeviceTree, describe, scmi_roles

pytestmark = pytest.mark.once

FILES = Path(__file__).parent / "files"
EXPECTED = [json.loads(line) for line in (FILES / "expected.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("expected", EXPECTED, ids=[each["dtb"] for each in EXPECTED])
def test_as_other_tools_say(expected: dict[str, object]) -> None:
    """Made with dtc and pylibfdt, which agreed."""
    name = str(expected["dtb"])
    assert describe(DeviceTree.open(FILES / name), name) == expected


def test_every_file_says_where_it_is_from() -> None:
    named = {line.split("\t")[0] for line in (FILES / "SOURCES.tsv").read_text().splitlines()[1:]}
    assert named == {path.name for path in FILES.glob("*.dtb")}
    assert named == {each["dtb"] for each in EXPECTED}


def test_cells_that_are_phandles() -> None:
    tree = DeviceTree.open(FILES / "k3-am62-pocketbeagle2.dtb")
    specifier = tree.channel("/bus@f0000/bus@4000000/m4fss@5000000")
    assert specifier.nodes[0].name == "mbox-m4-0"
    assert specifier.nodes[0].cells("ti,mbox-rx") == (0, 0, 0)


def test_labels() -> None:
    tree = DeviceTree.open(FILES / "k3-am62-pocketbeagle2.dtb")
    assert tree.node("mailbox0_cluster0").path == "/bus@f0000/mailbox@29000000"
    assert tree.node("mailbox0_cluster0/mbox-m4-0").name == "mbox-m4-0"


@pytest.mark.parametrize(
    ("file", "roles"),
    [
        ("morello-fvp.dtb", {"tx": 0, "rx": 1}),
        ("zena-css-fvp.dtb", {"tx": 0, "tx_reply": 1, "rx": 2}),
        ("imx952-evk.dtb", {"tx": 0, "tx_reply": 1, "rx": 2, "rx_reply": 3}),
    ],
)
def test_scmi_goes_by_numbers(file: str, roles: dict[str, int]) -> None:
    found = scmi_roles(DeviceTree.open(FILES / file).consumer("/firmware/scmi"))
    assert {role: specifier.index for role, specifier in found.items()} == roles


def test_shared_memory_has_an_address() -> None:
    tree = DeviceTree.open(FILES / "morello-fvp.dtb")
    tx, rx = tree.consumer("/firmware/scmi").shmem
    assert tx is not None
    assert rx is not None
    assert [region.cpu for region in tree.regions(tx) + tree.regions(rx)] == [0x6000000, 0x6000080]
