"""The firmware of the page on microcontrollers: a blinker's author copies it as it stands there."""

import re
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

import mboxio
from mboxio import RemoteGone
from mboxio.cli.demo.microcontroller import Microcontroller
from tests.mcu.machine import build, running
from tests.shm.support import until

pytestmark = pytest.mark.once

PAGE = Path(__file__).parent.parent.parent / "docs" / "microcontroller.md"
PATIENCE_S = 30.0


def program() -> str:
    """Return the blocks of the page in one file, for the board of QEMU."""
    text = PAGE.read_text()
    memory, served = (
        dedent(each) for each in re.findall(r"^ *```c\n(.*?)^ *```$", text, re.M | re.S)
    )
    (laid_out,) = re.findall(r"^3\. .*: `(mboxio_lay_out.*;)`$", text, re.M)
    return f"""
#include BOARD
{memory}
void on_tick(void) {{}}
void on_bell(void) {{}}

int main(void)
{{
    board_start();
    {laid_out}
    for (;;) {{
{served}
    }}
}}
"""


@pytest.fixture(scope="module")
def firmware(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    (folder / "main.c").write_text(program())
    build(folder, f"ARM_SOURCES={folder}/main.c cortex_m.c", "BOARDS=mps2-an385")
    return folder / "mps2-an385.elf"


@pytest.fixture
def machine(firmware: Path) -> Iterator[Microcontroller]:
    with running(firmware=str(firmware)) as started:
        yield started


def by_probe(machine: Microcontroller) -> str:
    """Say how a debug probe reaches the memory of a processor that runs."""
    return machine.access


def by_stub(machine: Microcontroller) -> str:
    """Have the GDB stub of QEMU listen; it stops the processor for each look."""
    path = f"{machine.folder}/gdb"
    line = f"gdbserver unix:{path},server=on,wait=off"
    machine.tell("human-monitor-command", **{"command-line": line})
    return f"gdb:{path},run=yes"


@pytest.fixture(params=[by_probe, by_stub])
def client(request: Any, machine: Microcontroller, firmware: Path) -> Iterator[mboxio.Client]:
    at = f"{request.param(machine)}@0x20000000%2B0x10000"
    address = f"rings:/led?at={at}&elf={firmware}&timeout_s={PATIENCE_S}"
    with mboxio.open(address, wait_s=PATIENCE_S) as opened:
        yield opened


def test_it_answers(client: mboxio.Client) -> None:
    for _ in range(3):
        pending = [client.submit(b"on %d" % each) for each in range(client.depth)]
        assert [each.result() for each in pending] == [b"on %d" % each for each in range(8)]


def test_its_reset_ends_what_waits_and_the_next_life_answers(
    machine: Microcontroller, client: mboxio.Client
) -> None:
    """Starting zeroes this memory, and with it all that told one life from another."""
    assert client.request(b"on") == b"on"
    machine.tell("stop")
    waits = client.submit(b"off")
    machine.reset()
    machine.tell("cont")
    with pytest.raises(RemoteGone):
        waits.result()

    def answers() -> bool:
        try:
            return client.request(b"on") == b"on"
        except RemoteGone:
            return False

    until(answers, "the next life is met")
