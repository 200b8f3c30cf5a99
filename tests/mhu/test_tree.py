"""The MHU in a device tree: which part, which bit."""

import errno
from pathlib import Path
from typing import Any

import pytest

from mboxio import AddressError, Connection
from mboxio.client.open import Address, make, resolve
from mboxio.controllers.arm_mhu import Mhu
from tests.devicetree.writer import blob
from tests.mhu.block import Block


def tree(folder: Path, compatible: str, cells: list[int]) -> str:
    (folder / "board.dtb").write_bytes(
        blob(
            {
                "#address-cells": 1,
                "#size-cells": 1,
                "mhu@2b1f0000": {
                    "phandle": 1,
                    "compatible": [compatible, "arm,primecell"],
                    "#mbox-cells": len(cells),
                    "reg": [0x2B1F0000, 0x1000],
                },
                "scp": {"mboxes": [1, *cells]},
            }
        )
    )
    return f"dtb={folder}/board.dtb"


@pytest.mark.parametrize(
    ("compatible", "cells", "layout", "words", "channel"),
    [
        ("arm,mhu", [0], "v1-low", True, 0),
        ("arm,mhu", [1], "v1-high", True, 0),
        ("arm,mhu", [2], "v1-secure", True, 0),
        ("arm,mhu-doorbell", [1, 0], "v1-high", False, 0),
        ("arm,mhu-doorbell", [0, 31], "v1-low", False, 31),
    ],
)
def test_cells_choose_the_part_and_the_bit(
    tmp_path: Path, compatible: str, cells: list[int], layout: str, words: bool, channel: int
) -> None:
    address, specifier = resolve(f"dt:/scp?{tree(tmp_path, compatible, cells)}")
    assert address.options["at"] == "devmem:@0x2b1f0000+0x1000"
    driver: Any = make(address)
    assert (driver.options.layout, driver.options.words) == (layout, words)
    with Connection(Mhu(options=driver.options, region=Block(layout))) as connection:
        assert connection._host.controller.xlate(specifier) == channel


def test_the_mhu_itself_is_its_first_part(tmp_path: Path) -> None:
    address, _ = resolve(f"dt:/mhu@2b1f0000?{tree(tmp_path, 'arm,mhu', [0])}")
    assert address == Address(
        "mhu", "", "", {"at": "devmem:@0x2b1f0000+0x1000", "layout": "v1-low", "words": "yes"}
    )


@pytest.mark.parametrize(
    ("compatible", "cells"), [("arm,mhu", [3]), ("arm,mhu", [0, 0]), ("arm,mhu-doorbell", [0])]
)
def test_wrong_cells_are_refused(tmp_path: Path, compatible: str, cells: list[int]) -> None:
    with pytest.raises(AddressError) as caught:
        resolve(f"dt:/scp?{tree(tmp_path, compatible, cells)}")
    assert caught.value.errno == errno.EINVAL


def test_a_bit_that_is_not_there_is_refused(tmp_path: Path) -> None:
    address, specifier = resolve(f"dt:/scp?{tree(tmp_path, 'arm,mhu-doorbell', [0, 32])}")
    driver: Any = make(address)
    with (
        Connection(Mhu(options=driver.options, region=Block("v1-low"))) as connection,
        pytest.raises(AddressError, match="no doorbell 32"),
    ):
        connection._host.controller.xlate(specifier)
