"""``mboxio list --dtb``."""

import json
import re
from pathlib import Path

import pytest

from mboxio.address import by_tree as dt
from mboxio.controllers import loopback
from mboxio.controllers.loopback import Loopback
from tests.cli.conftest import Invoke, one_line
from tests.devicetree.writer import blob

FILES = Path(__file__).parent.parent / "devicetree" / "files"
BEAGLE = str(FILES / "k3-am62-pocketbeagle2.dtb")
EVB = str(FILES / "mt8183-evb.dtb")
DEMO = str(FILES / "corstone1000-mps3.dtb")
WRONG = 2


def test_json_is_one_line_for_each_file(invoke: Invoke) -> None:
    expected = {
        each["dtb"]: each
        for each in map(json.loads, (FILES / "expected.jsonl").read_text().splitlines())
    }
    for args in (["--dtb", EVB, BEAGLE], [f"--dtb={EVB}", "--dtb", BEAGLE]):
        lines = invoke("list", "--json", *args).stdout.splitlines()
        assert [json.loads(line) for line in lines] == [
            expected["mt8183-evb.dtb"],
            expected["k3-am62-pocketbeagle2.dtb"],
        ]


def test_wide(invoke: Invoke) -> None:
    result = invoke("list", "--dtb", BEAGLE, env={"COLUMNS": "120"})
    assert [line.rstrip() for line in result.stdout.splitlines()] == [
        "BeagleBoard.org PocketBeagle2  beagle,am62-pocketbeagle2, ti,am625",
        "3 providers (1 disabled), 3 consumers",
        "",
        "provider                                  compatible             cells  address     "
        "driver",
        "/bus@f0000/bus@48000000/mailbox@4d000000  ti,am654-secure-proxy  1      0x4d000000  -",
        "/bus@f0000/mailbox@43600000               ti,am654-secure-proxy  1      0x43600000  "
        "disabled",
        "/bus@f0000/mailbox@29000000               ti,am64-mailbox        1      0x29000000  -",
        "",
        "consumer                                           channel  cells      provider",
        "/bus@f0000/bus@4000000/m4fss@5000000               0        mbox-m4-0  "
        "/bus@f0000/mailbox@29000000",
        "/bus@f0000/bus@b00000/r5fss@78000000/r5f@78000000  0        mbox-r5-0  "
        "/bus@f0000/mailbox@29000000",
        "/bus@f0000/system-controller@44043000              0 rx     12         "
        "/bus@f0000/bus@48000000/mailbox@4d000000",
        "                                                   1 tx     13         "
        "/bus@f0000/bus@48000000/mailbox@4d000000",
        "",
    ]


@pytest.mark.parametrize("file", sorted(FILES.glob("*.dtb")), ids=lambda path: path.stem)
def test_narrow(invoke: Invoke, file: Path) -> None:
    """Paths break before a slash, compatibles after the vendor, and nothing else breaks."""
    result = invoke("list", "--dtb", str(file), env={"COLUMNS": "80"})
    lines = result.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    shown = {word for line in lines for each in line.split() for word in re.split("[/,]", each)}
    assert words(file) <= shown


def test_very_narrow(invoke: Invoke) -> None:
    """Where there is no room for whole names, numbers still are whole."""
    ironhide = str(FILES / "r8a78000-ironhide.dtb")
    shown = invoke("list", "--dtb", ironhide, env={"COLUMNS": "52"}).stdout
    assert max(map(len, shown.splitlines())) <= 52
    assert {"cells", "address", "driver", "0x189e1000", "disabled"} <= set(shown.split())


def words(file: Path) -> set[str]:
    """Return what may not break: names of channels, and the parts of compatibles and paths."""
    (found,) = (
        each
        for each in map(json.loads, (FILES / "expected.jsonl").read_text().splitlines())
        if each["dtb"] == file.name
    )
    channels = [channel for each in found["consumers"] for channel in each["channels"]]
    names = {each["name"] for each in channels if each["name"]}
    names |= {part for each in found["providers"] for part in each["compatible"][0].split(",")}
    nodes = [each["path"] for each in found["providers"] + found["consumers"]]
    nodes += [each["provider"] for each in channels if each["provider"]]
    nodes += [path for each in channels for path in each.get("cell_nodes", {}).values()]
    return names | {part for path in nodes for part in path.split("/")[1:]}


def test_empty_entries_and_no_consumers(invoke: Invoke) -> None:
    lines = [line.split() for line in invoke("list", "--dtb", EVB).stdout.splitlines()]
    assert ["1", "empty"] in lines
    assert "2 providers (2 disabled), 0 consumers" in invoke("list", "--dtb", DEMO).stdout


def test_a_driver_is_shown(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(dt.COMPATIBLE, "mediatek,mt8183-gce", "loopback")
    assert "0x10238000  loopback" in invoke("list", "--dtb", EVB).stdout


def test_a_tree_that_is_broken_or_says_nothing(invoke: Invoke, tmp_path: Path) -> None:
    path = tmp_path / "board.dtb"
    path.write_bytes(blob({"model": "no\x1b[31m colour", "a": {"mboxes": [7]}}))
    lines = invoke("list", "--dtb", str(path)).stdout.splitlines()
    assert lines[0].rstrip() == "no\\x1b[31m colour"
    assert lines[1] == "0 providers, 1 consumer"
    assert lines[4].split(maxsplit=2) == ["/a", "0", "/a: mboxes[0]: no node has phandle 0x7"]
    path.write_bytes(blob({}))
    shown = invoke("list", "--dtb", str(path), env={"COLUMNS": "500"}).stdout.splitlines()
    assert [line.rstrip() for line in shown] == [str(path), "0 providers, 0 consumers", ""]


def test_a_long_table_is_cut(invoke: Invoke, tmp_path: Path) -> None:
    path = tmp_path / "board.dtb"
    path.write_bytes(blob({f"c{at}": {"mboxes": [0, 0]} for at in range(501)}))
    shown = invoke("list", "--dtb", str(path)).stdout.splitlines()
    assert [line.split() for line in shown if line][-3:-1] == [
        ["/c499", "0", "empty"],
        ["1", "empty"],
    ]
    assert shown[-1] == "Of each table the first 1,000 lines; --json has all."
    path.write_bytes(blob({f"c{at}": {"mboxes": [0, 0]} for at in range(500)}))
    assert "--json" not in invoke("list", "--dtb", str(path)).stdout


def test_an_overlay(invoke: Invoke, tmp_path: Path) -> None:
    path = tmp_path / "rpmsg.dtbo"
    content = {"a": {"mboxes": [0xFFFFFFFF, 1]}}
    fixups = {"mu": "/fragment@0/__overlay__/a:mboxes:0"}
    tree = {"fragment@0": {"target-path": "/", "__overlay__": content}, "__fixups__": fixups}
    path.write_bytes(blob(tree))
    shown = invoke("list", "--dtb", str(path), env={"COLUMNS": "500"}).stdout.splitlines()
    assert shown[2].startswith("an overlay for / with &mu open: apply it with fdtoverlay, or read")
    assert "/fragment@0/__overlay__/a: mboxes[0]: &mu is open" in shown[5]


@pytest.mark.parametrize(
    ("args", "told"),
    [
        ("list loopback: loopback:", "Got unexpected extra argument (loopback:)"),
        ("list --dtb /nowhere", "/nowhere: No such file or directory"),
        ("list --dtb /etc/passwd --json", "/etc/passwd: no device tree"),
        ("list --dtb /dev/zero", "/dev/zero: no device tree"),
        (f"request dt:/soc?dtb={EVB} x", "/soc has no mboxes[0]"),
        (f"list dt:/soc/mailbox@10238000?dtb={EVB}", "no controller here drives /soc/mailbox@1"),
    ],
)
def test_one_line(invoke: Invoke, args: str, told: str) -> None:
    result = invoke(*args.split())
    assert told in one_line(result.stderr_bytes)
    assert (result.exit_code, result.stdout) == (WRONG, "")


def test_an_address_by_device_tree(
    invoke: Invoke, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class Mailbox(Loopback):
        @classmethod
        def tree_options(cls, tree: object, node: object, specifier: object) -> dict[str, str]:
            return {"channels": "2"}

    monkeypatch.setattr(loopback, "Loopback", Mailbox)
    monkeypatch.setitem(dt.COMPATIBLE, "mediatek,mt8183-gce", "loopback")
    shown = invoke("list", f"dt:/soc/mailbox@10238000?dtb={EVB}", "--json").stdout
    assert [each["channel"] for each in json.loads(shown)] == ["0", "1"]
    consumer = f"dt:/soc/syscon@14000000?channel=1&dtb={EVB}"
    assert invoke("request", consumer, "hi").stdout == "hi"
