"""Addresses of variables out of ELF files: what the linker said, or an error that says why not."""

import subprocess
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mboxio.errors import AddressError
from mboxio.regions.finding.symbols import symbol
from tests.io.elf_files import (
    FILE_NAME,
    LOCAL,
    SECTION_NAME,
    SOMEWHERE,
    UNDEFINED,
    Symbol,
    elf_file,
)
from tests.tools import compile_c, tool

pytestmark = pytest.mark.once  # what reads them is never compiled

NAMES = st.text("abcXYZ_$.019", min_size=1, max_size=40)
each_class = pytest.mark.parametrize("wide", [False, True], ids=["32 bits", "64 bits"])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "fw.elf"


def refused(path: Path, image: bytes, *names: str) -> str:
    path.write_bytes(image)
    with pytest.raises(AddressError) as caught:
        symbol(str(path), *(names or ("_SEGGER_RTT",)))
    assert str(caught.value).startswith(f"elf={path}")
    return str(caught.value)


@given(
    addresses=st.dictionaries(NAMES, st.integers(0, (1 << 32) - 1), min_size=1, max_size=30),
    wide=st.booleans(),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_each_symbol_is_found(path: Path, addresses: dict[str, int], wide: bool) -> None:
    path.write_bytes(elf_file([Symbol(*each) for each in addresses.items()], wide=wide))
    for name, address in addresses.items():
        assert symbol(str(path), name) == address
        assert symbol(str(path), "no such name", name) == address


@each_class
def test_64_bits_of_an_address(path: Path, wide: bool) -> None:
    address = 0xFFFF_8000_1234_5678 if wide else 0x9234_5678
    path.write_bytes(elf_file([Symbol("x", address)], wide=wide))
    assert symbol(str(path), "x") == address


@given(data=st.data())
@settings(max_examples=500, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_damaged_file_is_an_error_of_the_address(path: Path, data: st.DataObject) -> None:
    symbols = [Symbol("_SEGGER_RTT", 0x2000_0000), Symbol("mboxio_memory", 0x2000_1000)]
    image = bytearray(elf_file(symbols, wide=data.draw(st.booleans())))
    for _ in range(data.draw(st.integers(1, 4))):
        image[data.draw(st.integers(0, len(image) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(image[: data.draw(st.integers(0, len(image)))])
    with suppress(AddressError):
        symbol(str(path), "_SEGGER_RTT", "mboxio_memory")


def test_the_first_name_that_is_there_counts(path: Path) -> None:
    path.write_bytes(elf_file([Symbol("b", 2), Symbol("a", 1)]))
    assert symbol(str(path), "a", "b") == 1
    assert symbol(str(path), "z", "b", "a") == 2


def test_a_name_that_several_files_use(path: Path) -> None:
    twice = [Symbol("x", 1, LOCAL), Symbol("x", 2, LOCAL)]
    assert "x is several variables: 0x1, 0x2" in refused(path, elf_file(twice), "x")
    path.write_bytes(elf_file([*twice, Symbol("x", 3)]))
    assert symbol(str(path), "x") == 3
    path.write_bytes(elf_file([Symbol("x", 1, LOCAL), Symbol("x", 1, LOCAL)]))
    assert symbol(str(path), "x") == 1


@pytest.mark.parametrize(
    ("kind", "section"), [(1, UNDEFINED), (SECTION_NAME, SOMEWHERE), (FILE_NAME, SOMEWHERE)]
)
def test_what_is_no_variable(path: Path, kind: int, section: int) -> None:
    image = elf_file([Symbol("x", 1, kind=kind, section=section)])
    assert "defines no x" in refused(path, image, "x")


def test_errors_say_what_is_wrong(path: Path, tmp_path: Path) -> None:
    with pytest.raises(AddressError, match="No such file") as caught:
        symbol(str(path), "x")
    assert caught.value.not_yet
    with pytest.raises(AddressError, match="is a folder, and has to be a regular file"):
        symbol(str(tmp_path), "x")
    assert "is no ELF file" in refused(path, b":10000000 an Intel HEX file\n")
    assert "is no ELF file" in refused(path, b"")
    whole = elf_file([Symbol("x", 1)])
    assert "big-endian" in refused(path, whole[:5] + b"\2" + whole[6:])
    assert "damaged ELF header" in refused(path, whole[:4] + b"\3" + whole[5:])
    assert "cut off" in refused(path, whole[:-1])
    assert "stripped" in refused(path, elf_file(None))
    table_at = len(whole) - 2 * 40
    for field, says in ((24, "without names"), (36, "damaged symbol table")):
        damaged = bytearray(whole)
        damaged[table_at + field] ^= 3
        assert says in refused(path, bytes(damaged))


@pytest.mark.parametrize(
    ("defined", "close"),
    [
        ("_segger_rtt", "; there is _segger_rtt"),
        ("SEGGER_RTT", "; there is SEGGER_RTT"),
        ("_SEGGER_RTT.lto_priv.0", "; there is _SEGGER_RTT.lto_priv.0"),
        ("_SEGER_RTT", "; there is _SEGER_RTT"),
        ("main", ""),
    ],
)
def test_close_names_are_told(path: Path, defined: str, close: str) -> None:
    image = elf_file([Symbol(defined, 1), Symbol("other_variable", 2)])
    assert refused(path, image).endswith(f"it defines no _SEGGER_RTT{close}")


def test_strings_of_a_table_end(path: Path) -> None:
    """A name that begins outside the strings, or never ends, is none that is looked for."""
    image = elf_file([Symbol("x", 1)]).replace(b"\0x\0", b"\0xx")
    assert "defines no x" in refused(path, image, "x")


def test_what_a_real_linker_wrote(tmp_path: Path) -> None:
    """`nm` reads the same file, and knows the same addresses."""
    source = tmp_path / "fw.c"
    source.write_text(
        "int _SEGGER_RTT[30] = {1};\n"
        "static volatile int quiet = 2;\n"
        "int main(void) { return quiet; }\n"
    )
    program = compile_c(source, tmp_path / "fw.elf")
    listed = subprocess.run([tool("nm"), program], check=True, capture_output=True, text=True)
    lines = [line.split() for line in listed.stdout.splitlines()]
    found = {line[2]: int(line[0], 16) for line in lines if len(line) == 3}
    for name in ("_SEGGER_RTT", "quiet", "main"):
        assert symbol(str(program), name) == found[name]
    subprocess.run([tool("strip"), program], check=True)
    with pytest.raises(AddressError, match="stripped"):
        symbol(str(program), "_SEGGER_RTT")
