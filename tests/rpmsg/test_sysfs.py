"""What there is, in a made sysfs; and which of it an address means."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mboxio import AddressError
from mboxio.controllers.rpmsg import RpmsgOptions, sysfs
from mboxio.controllers.rpmsg.choosing import choose, fits_address
from mboxio.controllers.rpmsg.options import ANY, Wanted
from tests.rpmsg.fake_kernel import FakeSystem

pytestmark = pytest.mark.once  # what reads it is never compiled

SERVICES = {"rpmsg-raw": 0x400, "rpmsg-tty": 0x401, "pmic": 0x402}


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[FakeSystem]:
    made = FakeSystem(tmp_path, dict(SERVICES))
    made.start()
    yield made
    made.shut_down()


def wanted(name: str = "", channel: str = "", **options: object) -> Wanted:
    return Wanted.of(name, channel, RpmsgOptions(**options))  # type: ignore[arg-type]


# -- what there is


def test_a_processor_is_found(kernel: FakeSystem) -> None:
    (found,) = sysfs.processors(kernel.root)
    assert (found.node, found.name, found.state) == ("remoteproc0", "imx-rproc", "running")
    assert (found.firmware, found.recovery) == ("echo.elf", "enabled")
    assert sysfs.state_of(found.folder) == ("running", "enabled")


def test_a_vdev_belongs_to_its_processor(kernel: FakeSystem) -> None:
    (found,) = sysfs.vdevs(kernel.root)
    assert (found.name, found.processor, found.control) == ("virtio0", "remoteproc0", "rpmsg_ctrl0")
    assert found.identity == kernel.vdev.stat().st_ino


def test_a_vdev_without_services_is_found(kernel: FakeSystem) -> None:
    for name, address in SERVICES.items():
        kernel.destroy(name, address)
    assert [each.name for each in sysfs.vdevs(kernel.root)] == ["virtio0"]
    assert not sysfs.services(kernel.root)


def test_another_life_has_another_identity(kernel: FakeSystem) -> None:
    (before,) = sysfs.vdevs(kernel.root)
    kernel.recover()
    (after,) = sysfs.vdevs(kernel.root)
    assert after.name == before.name
    assert after.identity != before.identity


def test_services_are_found_with_what_has_them(kernel: FakeSystem) -> None:
    found = {each.name: each for each in sysfs.services(kernel.root)}
    assert found.keys() == SERVICES.keys(), "the control device is no service"
    raw, tty, pmic = found["rpmsg-raw"], found["rpmsg-tty"], found["pmic"]
    assert (raw.driver, raw.node, raw.tty, raw.src) == ("rpmsg_chrdev", "rpmsg0", "", 0x400)
    assert (tty.driver, tty.node, tty.tty) == ("rpmsg_tty", "", "ttyRPMSG0")
    assert (pmic.driver, pmic.node, pmic.src, pmic.dst) == ("", "", ANY, 0x402)
    assert {each.vdev.name for each in found.values()} == {"virtio0"}


def test_endpoints_are_told_apart(kernel: FakeSystem) -> None:
    kernel.add_node(kernel.control, "made", ANY, 0x402, made=True)
    own, made = sysfs.endpoints(kernel.root)
    assert (own.node, own.name, own.control, own.vdev) == ("rpmsg0", "rpmsg-raw", "", "virtio0")
    assert (made.name, made.control, made.vdev) == ("made", "rpmsg_ctrl0", "virtio0")
    assert (made.src, made.dst) == (ANY, 0x402)


def test_a_machine_without_rpmsg_has_nothing(tmp_path: Path) -> None:
    assert not sysfs.processors(tmp_path)
    assert not sysfs.vdevs(tmp_path)
    assert not sysfs.services(tmp_path)
    assert not sysfs.endpoints(tmp_path)
    assert not sysfs.holders("rpmsg0", tmp_path)


def test_holders_are_named(tmp_path: Path) -> None:
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/rpmsg0").touch()
    (tmp_path / "proc").symlink_to("/proc")
    with open(tmp_path / "dev/rpmsg0"):
        (found,) = sysfs.holders("rpmsg0", tmp_path)
        assert found.pid == os.getpid()
        assert str(os.getuid()) in str(found)
    assert not sysfs.holders("rpmsg0", tmp_path)


@given(attribute=st.sampled_from(["name", "src", "dst"]), content=st.binary(max_size=80))
def test_hostile_attributes_break_nothing(
    tmp_path_factory: pytest.TempPathFactory, attribute: str, content: bytes
) -> None:
    kernel = FakeSystem(tmp_path_factory.mktemp("hostile"), {"pmic": 0x402})
    kernel.start()
    folder = next(kernel.vdev.glob("virtio0.pmic.*"))
    (folder / attribute).write_bytes(content)
    for each in sysfs.services(kernel.root):
        assert 0 <= each.dst <= ANY
        assert 0 <= each.src <= ANY
    with suppress(AddressError):
        chosen = choose(kernel.root, wanted("virtio0"))
        assert all(fits_address(each.channel) for each in chosen.places)
    with pytest.raises(AddressError) as caught:
        choose(kernel.root, wanted("virtio0", "never announced"))
    assert str(caught.value).isprintable()


# -- which of it an address means


@pytest.mark.parametrize(
    ("name", "channel"),
    [
        ("pmic", ""),
        ("pmic", "0"),
        ("virtio0", "pmic"),
        ("remoteproc=imx-rproc", "pmic"),
        ("remoteproc=remoteproc0", "pmic"),
        ("", "pmic"),
    ],
)
def test_a_service_is_found(kernel: FakeSystem, name: str, channel: str) -> None:
    chosen = choose(kernel.root, wanted(name, channel))
    (place,) = chosen.places
    assert (place.channel, place.name, place.dst) == ("pmic", "pmic", 0x402)
    assert chosen.vdev.name == "virtio0"


@pytest.mark.parametrize("name", ["", "virtio0", "remoteproc=imx-rproc"])
def test_all_services_that_a_program_may_use(kernel: FakeSystem, name: str) -> None:
    chosen = choose(kernel.root, wanted(name))
    assert [each.channel for each in chosen.places] == ["pmic", "rpmsg-raw"]


def test_those_that_are_listed(kernel: FakeSystem) -> None:
    chosen = choose(kernel.root, wanted("virtio0", services="rpmsg-raw,pmic@0x402"))
    assert [each.channel for each in chosen.places] == ["rpmsg-raw", "pmic@0x402"]
    assert [each.dst for each in chosen.places] == [0x400, 0x402]


def test_an_address_without_a_name_service(kernel: FakeSystem) -> None:
    (place,) = choose(kernel.root, wanted("virtio0", "silent", dst=0x409)).places
    assert (place.name, place.dst, place.service) == ("silent", 0x409, None)


def test_what_is_missing_may_come_and_what_is_there_is_listed(kernel: FakeSystem) -> None:
    with pytest.raises(AddressError, match="no service 'gpio' is announced on virtio0") as caught:
        choose(kernel.root, wanted("virtio0", "gpio"))
    assert caught.value.not_yet
    assert "virtio0/pmic at 0x402" in str(caught.value)


def test_a_processor_that_is_off_is_what_is_missing(kernel: FakeSystem) -> None:
    kernel.stop()
    with pytest.raises(AddressError, match=r"imx-rproc\) is offline: echo start > /sys/class"):
        choose(kernel.root, wanted("pmic"))


def test_an_unknown_processor_is_told_with_those_that_there_are(kernel: FakeSystem) -> None:
    with pytest.raises(AddressError, match=r"remote processors: remoteproc0 \(imx-rproc\)"):
        choose(kernel.root, wanted("remoteproc=dsp", "pmic"))


def test_two_of_one_name_are_listed(kernel: FakeSystem) -> None:
    kernel.announce("pmic", 0x409)
    with pytest.raises(AddressError, match=r"pmic at 0x402, virtio0/pmic at 0x409: add dst") as e:
        choose(kernel.root, wanted("pmic"))
    assert not e.value.not_yet
    (place,) = choose(kernel.root, wanted("pmic", dst=0x409)).places
    assert place.dst == 0x409
    names = [each.channel for each in choose(kernel.root, wanted("virtio0")).places]
    assert names == ["pmic@0x402", "pmic@0x409", "rpmsg-raw"]


@pytest.mark.parametrize(
    ("name", "channel", "options", "text"),
    [
        ("pmic", "other", {}, "is a service already"),
        ("pmic", "", {"services": "a"}, "is a service already"),
        ("remoteproc=", "", {}, "lacks the name"),
        ("virtio0", "c", {"services": "a,b"}, "not among"),
        ("virtio0", "", {"services": "a,b", "dst": 1}, "several are listed"),
    ],
)
def test_contradictions_are_refused(
    name: str, channel: str, options: dict[str, object], text: str
) -> None:
    with pytest.raises(AddressError, match=text):
        wanted(name, channel, **options)


@pytest.mark.parametrize(
    "options",
    [
        {"replies": "maybe"},
        {"replies": "order:0"},
        {"replies": "tag:3:2"},
        {"replies": "tag:0:3"},
        {"replies": "tag::1"},
        {"dst": 0xFFFFFFFF},
        {"src": 1 << 32},
        {"message_bytes": 0},
        {"message_bytes": 65536},
        {"framing": "slip"},
        {"fd": 3, "tty": "/dev/ttyRPMSG0"},
        {"hello": "hex:123"},
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        RpmsgOptions(**options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("hello", "message"),
    [(None, None), ("", b""), ("hi", b"hi"), ("hex:0102", b"\1\2"), ("hex:", b"hex:")],
)
def test_a_greeting_is_a_text_or_digits(hello: str | None, message: bytes | None) -> None:
    assert RpmsgOptions(hello=hello).greeting() == message
