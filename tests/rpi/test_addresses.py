"""What an address of the mailbox may say, and what is said to one that cannot be."""

from pathlib import Path

import pytest

import mboxio
from mboxio import AddressError
from mboxio.controllers.bcm2835 import BLOCK_BYTES
from mboxio.regions import devmem

EMPTY = (1 << 30).to_bytes(4, "little")


@pytest.fixture
def registers(tmp_path: Path) -> str:
    """Return a region that reads as a mailbox with nothing in it."""
    block = bytearray(BLOCK_BYTES)
    block[0x18:0x1C] = block[0x38:0x3C] = EMPTY
    (tmp_path / "registers").write_bytes(block)
    (tmp_path / "memory").write_bytes(bytes(0x2000))
    return f"bcm2835:?at=file:{tmp_path}/registers&pool=file:{tmp_path}/memory@0x1000"


def test_a_slot_is_rounded_up_to_what_its_address_may_be(registers: str) -> None:
    with mboxio.connect(f"{registers}&slot_bytes=20") as connection:
        queue = connection._host.find_channel("property").queue
        assert queue.capabilities.message_bytes == 32
        assert queue.capabilities.reply_credits == 8


@pytest.mark.parametrize(
    ("option", "text"),
    [
        ("slots=0", "at least one slot"),
        ("slot_bytes=-1", "at least one byte"),
        ("slot_bytes=512&slots=100", "nothing to map"),
        ("bus=-5", "32 bits"),
        ("alias=-1", "32 bits"),
        ("bus=0x100000000", "32 bits"),
        ("bus=0x102", "no room for 8 slots of 512 bytes at multiples of 16"),
    ],
)
def test_options_that_cannot_be(registers: str, option: str, text: str) -> None:
    with pytest.raises(AddressError, match=text) as caught:
        mboxio.connect(f"{registers}&{option}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("window", "text"),
    [("@0+0x10", "0x40 bytes of registers are needed, this region has 0x10"), ("@-4", "no number")],
)
def test_windows_that_cannot_be(registers: str, window: str, text: str) -> None:
    with pytest.raises(AddressError, match=text):
        mboxio.connect(registers.replace("registers&", f"registers{window}&"))


def test_who_may_not_map_the_registers_is_shown_the_kernels_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devmem, "ROOT", tmp_path)
    with pytest.raises(AddressError, match=r"no /dev/mem.*use vcio:") as caught:
        mboxio.connect("bcm2835:?at=devmem:@0x3f00b880+0x40")
    assert "\n" not in str(caught.value)
