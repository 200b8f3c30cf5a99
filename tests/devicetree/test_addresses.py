"""From a device tree to a controller and its channel: ``dt:`` addresses, ``xlate``, drivers."""

import asyncio
import errno
import logging
import sys
from pathlib import Path
from typing import Any

import pytest

import mboxio
from mboxio import AddressError, DeviceTreeError
from mboxio.address import by_tree as dt
from mboxio.address import catalogue
from mboxio.controllers.loopback import Loopback
from mboxio.devicetree import EPROBE_DEFER, DeviceTree, Specifier
from tests.devicetree.writer import blob

BOARD = {
    "#address-cells": 1,
    "#size-cells": 1,
    "aliases": {"firmware": "/firmware"},
    "soc": {
        "#address-cells": 1,
        "#size-cells": 1,
        "ranges": [0x7E000000, 0x3F000000, 0x1000000],
        "mailbox@7e00b880": {
            "phandle": 1,
            "compatible": ["acme,new-mbox", "acme,mbox"],
            "#mbox-cells": 1,
            "reg": [0x7E00B880, 0x40],
        },
        "off": {
            "phandle": 2,
            "compatible": "acme,mbox",
            "#mbox-cells": 1,
            "reg": [0, 1],
            "status": "disabled",
        },
        "foreign": {"phandle": 3, "compatible": "other,mbox", "#mbox-cells": 0},
        "bare": {"phandle": 4, "compatible": "acme,mbox", "#mbox-cells": 0},
    },
    "firmware": {
        "mboxes": [1, 2, 1, 0, 1, 9, 2, 0, 3, 4, 0],
        "mbox-names": ["tx", "rx", "far", "off", "foreign", "bare", "none"],
    },
    "layer": {"compatible": "acme,layer", "mboxes": [3]},
}

MODULE = """
from dataclasses import dataclass

from mboxio import Controller
from mboxio.controllers.loopback import Loopback, LoopbackOptions


@dataclass(frozen=True, kw_only=True)
class Options(LoopbackOptions):
    at: str = ""


class Mailbox(Loopback):
    Options = Options

    def __init__(self, name="", options=None):
        super().__init__(name, options, far=lambda channel, message: self.told(channel))

    def told(self, channel):
        return f"{channel} {self.options.at}".encode()


class Layer(Mailbox):
    @classmethod
    def tree_options(cls, tree, node, specifier):
        assert specifier is None
        return {"at": f"layer:{node.path}", "channels": "2"}
"""

ENTRY_POINTS = """
[mboxio.controllers]
acme = acme:Mailbox
acme-layer = acme:Layer

[mboxio.compatible]
acme,mbox = acme:Mailbox
acme,layer = acme:Layer
acme,lost = acme:Nothing
"""


@pytest.fixture
def acme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An installed package with controllers, and a board; returns the options that name it."""
    (tmp_path / "acme.py").write_text(MODULE)
    info = tmp_path / "acme-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "acme", raising=False)
    (tmp_path / "board.dtb").write_bytes(blob(BOARD))
    return f"dtb={tmp_path / 'board.dtb'}"


def test_a_consumer_reaches_its_channel(acme: str) -> None:
    for which in ("channel=rx", "channel=1"):
        with mboxio.open(f"dt:/firmware?{which}&{acme}") as client:
            assert client.request(b"?") == b"0 devmem:@0x3f00b880+0x40"


def test_the_first_channel_if_none_is_named(acme: str) -> None:
    with mboxio.open(f"dt:firmware?{acme}&channels=9") as client:
        assert client.request(b"?") == b"2 devmem:@0x3f00b880+0x40"


def test_options_go_before_what_the_tree_says(acme: str) -> None:
    with mboxio.open(f"dt:/firmware?{acme}&at=file:here&channels=3") as client:
        assert client.request(b"?") == b"2 file:here"


def test_a_provider_is_a_controller(acme: str) -> None:
    with mboxio.connect(f"dt:/soc/mailbox@7e00b880?{acme}&depth=2") as connection:
        assert connection.address == "acme:?at=devmem:@0x3f00b880+0x40&depth=2"
        assert connection.client("3").request(b"?") == b"3 devmem:@0x3f00b880+0x40"


def test_channels_of_one_connection(acme: str) -> None:
    tree = DeviceTree(blob(BOARD))
    with mboxio.connect(f"dt:/firmware?{acme}") as connection:
        channels = [connection.xlate(tree.channel("/firmware", name)) for name in ("tx", "rx")]
        assert [channel.name for channel in channels] == ["2", "0"]


def test_a_layer_is_a_controller_of_its_own(acme: str) -> None:
    with mboxio.open(f"dt:/layer?channel=1&{acme}") as client:
        assert client.request(b"?") == b"1 layer:/layer"
    with pytest.raises(AddressError, match="names a channel"):
        mboxio.connect(f"dt:/layer?channel=1&{acme}")


def test_from_an_event_loop(acme: str) -> None:
    async def main() -> bytes:
        async with mboxio.open_async(f"dt:/firmware?channel=rx&{acme}") as client:
            return await client.request(b"?")

    assert asyncio.run(main()) == b"0 devmem:@0x3f00b880+0x40"


@pytest.mark.parametrize(
    ("where", "number", "told"),
    [
        ("/firmware?channel=off", EPROBE_DEFER, "/soc/off is disabled in the device tree"),
        ("/firmware?channel=foreign", EPROBE_DEFER, "no controller here drives /soc/foreign"),
        ("/soc/foreign?x=y", EPROBE_DEFER, "drives /soc/foreign .other,mbox."),
        ("/firmware?channel=bare", errno.EINVAL, "/soc/bare has no registers that the CPU can"),
        ("/firmware?channel=far", errno.EINVAL, "has 4 channels, no number 9"),
        ("/firmware?channel=none", errno.ENOENT, r"mboxes\[6\] is left empty"),
        ("/firmware?channel=nothing", errno.ENODATA, "no channel 'nothing'; there are: tx,"),
        ("/firmware?channel=7", errno.ENOENT, r"no mboxes\[7\]"),
        ("/soc?x=y", errno.ENOENT, r"no mboxes\[0\]"),
        ("/nowhere?x=y", errno.ENOENT, "no node '/nowhere'"),
        ("/firmware?colour=red", errno.EINVAL, "acme: no option 'colour'; there are: channels,"),
    ],
)
def test_refused(acme: str, where: str, number: int, told: str) -> None:
    with pytest.raises(AddressError, match=told) as caught:
        mboxio.open(f"dt:{where}&{acme}")
    assert caught.value.errno == number


def test_without_a_tree() -> None:
    with pytest.raises(AddressError, match="/nowhere: No such file"):
        mboxio.open("dt:/firmware?dtb=/nowhere")


def test_a_driver_that_is_no_controller_is_told(
    acme: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        driven = dt.drivers()
    assert driven["acme,mbox"] == "acme"
    assert "acme,lost" not in driven
    assert "acme,lost is to be driven by acme:Nothing, which is no controller" in caplog.text


def test_only_controllers_that_exist_drive() -> None:
    assert set(dt.drivers().values()) <= set(catalogue.found())


# -- xlate


def specifier(*cells: int, **nodes: Any) -> Specifier:
    return Specifier(0, None, None, cells, dict(enumerate(nodes.values())))


def test_the_first_cell_is_the_number() -> None:
    with mboxio.Connection(Loopback()) as connection:
        assert connection.xlate(specifier(3, 1)).name == "3"
        for wrong in ((), (4,), (0x80000001,)):
            with pytest.raises(AddressError) as caught:
                connection.xlate(specifier(*wrong))
            assert caught.value.errno == errno.EINVAL


def test_any_free_channel() -> None:
    """As on Exynos: no cells, and the first channel that no client holds."""

    class AnyFree(Loopback):
        def xlate(self, specifier: Any) -> str:
            for channel in self.channels:
                if not channel.users:
                    return str(channel.name)
            raise AddressError("all channels are taken", errno=errno.EBUSY)

    with mboxio.Connection(AnyFree()) as connection:
        for name in "0123":
            assert connection.xlate(specifier()).name == name
            connection.client(name)
        with pytest.raises(AddressError) as caught:
            connection.xlate(specifier())
        assert caught.value.errno == errno.EBUSY


def test_cells_that_are_phandles() -> None:
    """As on TI: the child node says which FIFOs, and its name is the channel's."""

    class ByChild(Loopback):
        def open(self) -> None:
            super().open()
            self.add_channel("mbox-m4-0", self.queue)

        def xlate(self, specifier: Any) -> str:
            return str(specifier.nodes[0].name)

    tree = DeviceTree.open(Path(__file__).parent / "files" / "k3-am62-pocketbeagle2.dtb")
    with mboxio.Connection(ByChild()) as connection:
        found = connection.xlate(tree.channel("/bus@f0000/bus@4000000/m4fss@5000000"))
        assert found.name == "mbox-m4-0"
        with pytest.raises(AddressError, match="no channel 'mbox-r5-0'"):
            connection.xlate(tree.channel("/bus@f0000/bus@b00000/r5fss@78000000/r5f@78000000"))


def test_an_error_keeps_its_number() -> None:
    error = DeviceTreeError("no driver", errno=EPROBE_DEFER)
    assert (error.errno, error.fresh().errno) == (EPROBE_DEFER, EPROBE_DEFER)
