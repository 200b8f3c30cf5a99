"""What addresses may say: values of options, where something is, controllers of other packages."""

import dataclasses
import re
import typing
from pathlib import Path

import pytest

import mboxio
from mboxio import AddressError
from mboxio.address import catalogue
from mboxio.controllers.shm import ShmOptions
from mboxio.regions import open_region

NUMERIC = [
    (name, field.name, kind)
    for name in sorted(catalogue.BUILT_IN)
    for options in [catalogue.load(name).Options]
    for field in dataclasses.fields(options)
    for kind in [typing.get_type_hints(options)[field.name]]
    if kind in (int, float)
]

ABSURD = [
    "nan",
    "-nan",
    "inf",
    "-inf",
    "1e300",
    "-1e300",
    "-0.5",
    f"1{30 * '0'}",
    "-99",
    "9" * 6000,
    "",
]


@pytest.mark.once
@pytest.mark.parametrize("text", ABSURD)
@pytest.mark.parametrize(("controller", "option", "kind"), NUMERIC)
def test_numbers_that_make_no_sense_are_refused_in_one_line(
    tmp_path: Path, controller: str, option: str, kind: type, text: str
) -> None:
    (tmp_path / "registers").write_bytes(bytes(0x10000))
    at = f"&at=file:{tmp_path / 'registers'}" if "at" in fields(controller) else ""
    with pytest.raises(AddressError, match=f"^{re.escape(controller)}:.*{option}") as caught:
        mboxio.connect(f"{controller}:x?{option}={text}{at}")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


def fields(controller: str) -> set[str]:
    return {field.name for field in dataclasses.fields(catalogue.load(controller).Options)}


@pytest.mark.parametrize(
    ("address", "says"),
    [
        (
            "shm:x?connect_timeout_s=-1",
            "^shm:x.connect_timeout_s=-1: connect_timeout_s is 0 or more seconds, at most 1000000$",
        ),
        ("shm:x?timeout_s=-1", "^shm: option timeout_s=-1.0: this is a time of 0 or more seconds"),
        ("shm:x?timeout_s=2000000", "this is a time of 0 or more seconds, at most 1000000"),
        ("shm:x?connect_timeout_s=1e-12", "this is a time of 0 or more seconds"),
        ("loopback:?channels=0", "at least one channel"),
        ("loopback:?channels=1000000000", "write a number from 0 to 65536"),
        ("loopback:?message_bytes=99999999999", "write a number from 0 to 1073741824"),
        ("bcm2835:?bus=-2", "addresses of 32 bits"),
        ("acpm:?boot_word=-2&at=file:x", "write a number from -1 to"),
        ("mhu:?words=maybe", "is not of type bool: write yes or no"),
    ],
)
def test_what_the_text_says(address: str, says: str) -> None:
    with pytest.raises(AddressError, match=says):
        mboxio.connect(address)


@pytest.mark.parametrize("timeout_s", [-1.0, float("nan"), float("inf")])
def test_options_in_python_are_no_less_strict(timeout_s: float) -> None:
    with pytest.raises(ValueError, match="0 or more seconds, at most"):
        ShmOptions(connect_timeout_s=timeout_s)


@pytest.mark.parametrize(
    ("region", "says"),
    [
        ("gdb:localhost:1@-4+4", "'-4' is no number"),
        ("gdb:localhost:1@0+0", "a region has at least one byte"),
        ("gdb:localhost:1@0x10000000000000000+4", "ends within 64 bits"),
        ("qtest:/x@0xffffffffffffffff+4", "ends within 64 bits"),
        ("qtest:/x,irq_in=/cpu,line=-1@0+4", "neither|nobody|is no number"),
        (f"uio:3/{'9' * 6000}", "is no number"),
        ("gdb://localhost:1@0+4", "leave out the //"),
        ("uio://3", "leave out the //"),
    ],
)
def test_regions_are_no_less_strict(region: str, says: str) -> None:
    with pytest.raises(mboxio.MailboxError, match=says):
        open_region(region)


def test_the_address_of_a_web_page_is_none() -> None:
    says = "^'shm://demo/pmic': leave out the //, as in shm:demo/pmic$"
    with pytest.raises(AddressError, match=says):
        mboxio.open("shm://demo/pmic")


@pytest.mark.parametrize("controller", ["acpm", "bcm2835", "exynos_mbox", "mhu"])
def test_where_it_is_is_asked_in_one_form(controller: str) -> None:
    says = rf"^{controller}: say where( the \w+ (is|are))?: \?at=REGION, for example \?at=\w+:"
    for address in (f"{controller}:", f"{controller}:?at="):
        with pytest.raises(AddressError, match=says.replace(":", r":(\?at=:)?", 1)):
            mboxio.connect(address)


# -- controllers of other packages


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Install a package whose entry points are bad, but one."""
    about = tmp_path / "acme_k7-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-k7\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(
        "[mboxio.controllers]\n"
        "k7missing = acme_k7_nowhere:K7\n"
        "k7class = acme_k7:Nothing\n"
        "k7number = acme_k7:NUMBER\n"
        "k7broken = acme_k7_broken:K7\n"
        "k7 = acme_k7:K7\n"
    )
    (tmp_path / "acme_k7.py").write_text(
        "from mboxio.controllers.loopback import Loopback as K7\nNUMBER = 7\n"
    )
    (tmp_path / "acme_k7_broken.py").write_text("raise RuntimeError('no\\nlicence')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("controller", "says"),
    [
        ("k7missing", "ModuleNotFoundError: No module named 'acme_k7_nowhere'"),
        ("k7class", "AttributeError: module 'acme_k7' has no attribute 'Nothing'"),
        ("k7number", "acme_k7:NUMBER is no class of controllers with a dataclass Options"),
        ("k7broken", "RuntimeError: no licence"),
    ],
)
def test_a_broken_controller_is_told_with_its_package(
    package: Path, controller: str, says: str
) -> None:
    says = f"controller '{controller}' of package acme-k7 cannot be loaded: {says}"
    with pytest.raises(AddressError) as caught:
        mboxio.connect(f"{controller}:")
    assert str(caught.value) == says
    assert catalogue.broken_controllers()[controller] == says


def test_its_neighbours_work(package: Path) -> None:
    assert "k7" not in catalogue.broken_controllers()
    assert {"k7", "k7broken", "loopback"} <= catalogue.found().keys()
    with mboxio.open("k7:") as client:
        assert client.request(b"x") == b"x"
