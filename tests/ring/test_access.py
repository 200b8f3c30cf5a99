"""Regions by name."""

from pathlib import Path

import pytest

from mboxio import AddressError
from mboxio.regions import open_region


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "sram.bin"
    path.write_bytes(bytes(range(256)) * 64)
    return path


def test_a_whole_file(image: Path) -> None:
    with open_region(f"file:{image}") as region:
        assert region.size_bytes == 0x4000
        region.write(4, 0xDEADBEEF, 4)
        assert region.read_words(4, 1) == [0xDEADBEEF]
    assert image.read_bytes()[4:8] == b"\xef\xbe\xad\xde"


def test_a_window(image: Path) -> None:
    with open_region(f"file:{image}@0x1010+0x20") as region:
        assert region.size_bytes == 0x20
        assert region.read(0, 1) == 0x10
    region.close()


def test_a_default_size(image: Path) -> None:
    with open_region(f"file:{image}@16", 8) as region:
        assert region.size_bytes == 8


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("sram.bin", "begins with one of file:"),
        ("tape:0", "begins with one of file:"),
        ("file:/nowhere", "No such file"),
        ("file:IMAGE@0x4000", "nothing to map at 0x4000"),
        ("file:IMAGE@0+0x4001", "has 16384 bytes"),
        ("file:IMAGE@zero", "'zero' is no number"),
    ],
)
def test_what_is_refused(image: Path, text: str, words: str) -> None:
    with pytest.raises(AddressError, match=words):
        open_region(text.replace("IMAGE", str(image)))
