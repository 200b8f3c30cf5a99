"""The commands of the page of the firmware example, run as they are."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tests.docs.pages import FIRMWARE_MCU, blocks
from tests.tools import HEADER_FOLDER, tool, without_preloads

pytestmark = pytest.mark.once

BUILD, RUN = (block.text for block in blocks(FIRMWARE_MCU, "sh"))
BOARDS = {"mps2-an385", "mps2-an521", "nucleo-f446re", "pico2"}


@pytest.fixture
def shell(tmp_path: Path) -> Callable[[str], str]:
    """Run commands in a copy of the example and return what they print; nothing stays behind."""
    example = tmp_path / "examples" / "firmware_mcu"
    shutil.copytree(FIRMWARE_MCU.parent, example)
    ring = tmp_path / "src" / "mboxio" / "ring"
    ring.parent.mkdir(parents=True)
    ring.symlink_to(HEADER_FOLDER)
    command = tmp_path / "bin" / "mboxio"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m mboxio "$@"\n')
    command.chmod(0o755)
    path = f"{command.parent}:{os.environ['PATH']}"

    def run(text: str) -> str:
        said = tmp_path / "said"
        with said.open("w") as output:
            process = subprocess.Popen(
                [tool("bash"), "-e", "-c", text],
                cwd=example,
                env={**without_preloads(), "PATH": path},
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                assert process.wait(150) == 0, said.read_text()
            finally:
                with suppress(ProcessLookupError):  # what it left running in the background
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        return said.read_text()

    return run


def test_it_is_built(shell: Callable[[str], str], tmp_path: Path) -> None:
    tool("arm-none-eabi-gcc")
    said = shell(BUILD)
    asleep, awake = (
        {each.stem: each.read_bytes() for each in (tmp_path / "build" / name).glob("*.elf")}
        for name in ("firmware_mcu", "firmware_mcu_spin")
    )
    assert asleep.keys() == awake.keys() == BOARDS
    assert not {*asleep.values()} & {*awake.values()}
    assert "cortex-m3" in said


def test_it_answers_in_qemu(shell: Callable[[str], str]) -> None:
    tool("arm-none-eabi-gcc")
    tool("qemu-system-arm")
    assert shell(f"make -s BOARDS=mps2-an385\n{RUN}").endswith("helloagain")
