"""What the addresses of somebody else may reach: nothing else is opened, read or imported."""

import asyncio
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from click.testing import CliRunner

import mboxio
from mboxio import AddressError
from mboxio.cli.app import app
from mboxio.client.open import resolve

from .test_addresses import acme

pytestmark = pytest.mark.once  # addresses are never compiled

__all__ = ["acme"]  # the fixture

Way = Callable[[str, Any], object]


async def _connected(address: str, allow: Any) -> None:
    async with mboxio.connect_async(address, allow=allow, wait_s=1):
        pass


async def _opened(address: str, allow: Any) -> None:
    async with mboxio.open_async(address, allow=allow, wait_s=1):
        pass


def _open(address: str, allow: Any) -> None:
    mboxio.open(address, allow=allow, wait_s=1).close()


def _connect(address: str, allow: Any) -> None:
    mboxio.connect(address, allow=allow, wait_s=1).close()


WAYS: dict[str, Way] = {
    "connect": _connect,
    "open": _open,
    "connect_async": lambda address, allow: asyncio.run(_connected(address, allow)),
    "open_async": lambda address, allow: asyncio.run(_opened(address, allow)),
}


def twice(text: str) -> str:
    return quote(quote(text, safe=""), safe="")


REFUSED = [
    ("shm:x", ("peer",), "shm"),
    ("shm:x", (), "shm"),
    ("acme:", ("shm",), "acme"),  # of another package
    ("nobody:x", ("shm",), "nobody"),
    ("acpm:?at=file:{image}", ("acpm", "peer"), "file"),
    ("acpm:?at={encoded}", ("acpm", "peer"), "file"),
    ("bcm2835:?at=uio:0&pool=devmem:0+4", ("bcm2835", "uio"), "devmem"),
    ("exynos_mbox:?at=gdb:localhost:1@0+0x54", ("exynos_mbox",), "gdb"),
    ("acpm:?at=peer:x&mbox=exynos_mbox:?at=peer:y", ("acpm", "peer"), "exynos_mbox"),
    ("acpm:?at=peer:x&mbox=exynos_mbox:?at=file:{image}", ("acpm", "peer", "exynos_mbox"), "file"),
    ("acpm:?at=peer:x&mbox=exynos_mbox:?at={twice}", ("acpm", "peer", "exynos_mbox"), "file"),
    ("acpm:?at=peer:x&mbox=acme:", ("acpm", "peer"), "acme"),
    ("acpm:?at=peer:x&mbox=dt:/firmware", ("acpm", "peer"), "dt"),
    ("acme:?at=FILE:{image}", ("acme",), "file"),
    ("acme:?at=x,file:{image}", ("acme",), "file"),
    ("acme:?node=/x&dtb={tree}", ("acme",), "file"),
    ("acme:file:{image}", ("acme",), "file"),
    ("acme:?file:x=1", ("acme",), "file"),
    ("dt:/firmware", ("acme", "devmem"), "dt"),
    ("dt:/firmware?dtb={tree}", ("acme", "devmem", "dt"), "file"),
    ("dt:/firmware?dtb={tree}", ("dt", "file", "devmem"), "acme"),  # is not imported
    ("dt:/firmware?dtb={tree}", ("dt", "file", "acme"), "devmem"),
    ("dt:/firmware?dtb={tree}&at=gdb:localhost:1@0+4", ("dt", "file", "acme", "devmem"), "gdb"),
]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("address", "allow", "culprit"), REFUSED)
def test_nothing_else_is_reached(
    acme: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    way: str,
    address: str,
    allow: tuple[str, ...],
    culprit: str,
) -> None:
    tree, image = tmp_path / "board.dtb", tmp_path / "image"
    image.write_bytes(bytes(4096))
    text = address.format(
        image=image,
        tree=tree,
        encoded=f"%66ile:{quote(str(image))}",
        twice=twice(f"file:{image}").replace("file", "%2566ile"),
    )
    opened: list[str] = []
    real = os.open

    def note(path: str, *arguments: Any, **more: Any) -> int:
        opened.append(str(path))
        return real(path, *arguments, **more)

    monkeypatch.setattr(os, "open", note)
    with pytest.raises(AddressError, match=f"'{culprit}' is not allowed here; allowed: ") as caught:
        WAYS[way](text, allow)
    assert "\n" not in str(caught.value)
    assert str(image) not in opened
    if not {"dt", "file"} <= set(allow):
        assert str(tree) not in opened
    if "acme" not in allow:
        assert "acme" not in sys.modules


@pytest.mark.parametrize("way", WAYS)
def test_what_is_allowed_is_reached(acme: str, way: str) -> None:
    if way.startswith("connect"):
        WAYS[way]("loopback:", ["loopback"])
        WAYS[way](f"dt:/soc/mailbox@7e00b880?{acme}", {"dt", "file", "acme", "devmem"})
    else:
        WAYS[way]("loopback:/0", ("loopback",))
        WAYS[way](f"dt:/firmware?{acme}", ("dt", "file", "acme", "devmem"))


def test_a_controller_connects_only_to_what_is_allowed() -> None:
    """What it asks for while it is opened has the same bounds."""
    from mboxio.address.address import Address
    from mboxio.client.open import make

    acpm: Any = make(Address.parse("acpm:?at=peer:x"), frozenset({"acpm", "peer"}))
    with pytest.raises(AddressError, match="'loopback' is not allowed here"):
        acpm.connect("loopback:")


def test_an_address_that_is_encoded_without_end_is_refused() -> None:
    text = "file:"
    for _ in range(20):
        text = quote(text, safe="").replace("f", "%66") if "%" not in text else quote(text)
    with pytest.raises(AddressError, match="is encoded more than 8 times"):
        resolve(f"acpm:?at={text}", ("acpm",))


@pytest.mark.parametrize("allow", ["shm", 7, (1, 2)])
def test_names_are_a_collection(allow: Any) -> None:
    for way in WAYS.values():
        with pytest.raises(TypeError):
            way("loopback:/0", allow)


COMMANDS = [
    ("request", "ADDRESS", "x"),
    ("send", "ADDRESS", "x"),
    ("listen", "ADDRESS"),
    ("bench", "ADDRESS"),
    ("list", "ADDRESS"),
    ("rpi", "ADDRESS"),
]


@pytest.mark.parametrize("command", COMMANDS)
def test_the_command_takes_it(command: tuple[str, ...]) -> None:
    words = [each.replace("ADDRESS", "loopback:") for each in command]
    result = CliRunner().invoke(app, ["--allow", "shm, peer", *words])
    assert result.exit_code == 2
    assert "'loopback' is not allowed here; allowed: peer, shm" in result.output


def test_the_command_serves_only_what_is_allowed(tmp_path: Path) -> None:
    result = CliRunner().invoke(
        app, ["--allow", "acpm,peer", "serve", f"acpm:?at=file:{tmp_path}/new", "--echo"]
    )
    assert result.exit_code == 2
    assert "'file' is not allowed here; allowed: acpm, peer" in result.output
    assert not (tmp_path / "new").exists()


def test_the_command_reaches_what_is_allowed() -> None:
    result = CliRunner().invoke(app, ["--allow", "loopback", "request", "loopback:", "x"])
    assert result.exit_code == 0
