"""ACPM and its mailbox in a device tree, as a Google Tensor board has them."""

import errno
from pathlib import Path
from typing import Any

import pytest

from mboxio import AddressError, Connection
from mboxio.client.open import Address, resolve
from mboxio.controllers.exynos_mbox import ExynosMailbox
from mboxio.devicetree import DeviceTree
from mboxio.regions import Memory
from tests.devicetree.writer import blob


def tree(folder: Path, **more: Any) -> str:
    firmware = {"compatible": "google,gs101-acpm-ipc", "mboxes": [1], "shmem": [2], **more}
    board = {
        "#address-cells": 1,
        "#size-cells": 1,
        "mailbox@17610000": {
            "phandle": 1,
            "compatible": "google,gs101-mbox",
            "#mbox-cells": 0,
            "reg": [0x17610000, 0x1000],
        },
        "sram@2039000": {"phandle": 2, "compatible": "mmio-sram", "reg": [0x2039000, 0x40000]},
        "firmware": {"power-management": firmware},
        "other": {"mboxes": [1]},
    }
    path = folder / "board.dtb"
    path.write_bytes(blob(board))
    return f"dtb={path}"


def test_the_firmware_node_is_acpm(tmp_path: Path) -> None:
    address, specifier = resolve(f"dt:/firmware/power-management?{tree(tmp_path)}")
    assert specifier is None
    assert address == Address(
        "acpm",
        "",
        "",
        {
            "at": "devmem:@0x2039000+0x40000",
            "mbox": "exynos_mbox:?at=devmem:@0x17610000+0x1000",
        },
    )


@pytest.mark.parametrize("missing", ["shmem", "mboxes"])
def test_a_node_that_lacks_something(tmp_path: Path, missing: str) -> None:
    with pytest.raises(AddressError, match=f"power-management names no {missing}"):
        resolve(f"dt:/firmware/power-management?{tree(tmp_path, **{missing: []})}")


def test_a_mailbox_without_cells_is_any_channel_that_is_free(tmp_path: Path) -> None:
    text = tree(tmp_path)
    address, specifier = resolve(f"dt:/other?{text}")
    assert address.controller == "exynos_mbox"
    assert DeviceTree.open(text.removeprefix("dtb=")).channel("/other").cells == ()
    driver = ExynosMailbox(region=Memory(bytearray(0x1000)))
    with Connection(driver) as connection:
        names = list(connection._host.channels)
        clients = []
        for name in names:
            assert driver.xlate(specifier) == name
            clients.append(connection.client(name))
        with pytest.raises(AddressError, match="taken") as raised:
            driver.xlate(specifier)
        assert raised.value.errno == errno.EBUSY
        clients[3].close()
        assert driver.xlate(specifier) == names[3]
