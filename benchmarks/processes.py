"""Starting far sides on their CPU, and programs in C."""

import ctypes
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager

from benchmarks.setting import BUILD, ROOT, Setting

__all__ = ["FIRMWARE", "LIMIT", "STEPS", "build_c", "far_side", "python_far_side"]

LIMIT = BUILD / "limit"
STEPS = BUILD / "steps"
FIRMWARE = BUILD / "firmware"
READY = b"ready\n"
PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


@contextmanager
def far_side(setting: Setting, *command: object) -> Generator["subprocess.Popen[bytes]"]:
    """Run a far side until the block ends; it has said that it is ready when the block begins.

    Raises:
        RuntimeError: it ended without saying so.
    """

    def settle_in() -> None:
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # a spinning one must not outlive us
        os.sched_setaffinity(0, {setting.cpus[1]})

    with subprocess.Popen(
        [str(each) for each in command], stdout=subprocess.PIPE, preexec_fn=settle_in
    ) as process:
        try:
            assert process.stdout is not None
            if process.stdout.readline() != READY:
                raise RuntimeError(f"the far side of {setting.key} did not start")
            yield process
        finally:
            process.kill()


@contextmanager
def python_far_side(setting: Setting, where: str) -> Generator["subprocess.Popen[bytes]"]:
    """Run `serve` of the peer in a process of its own."""
    with far_side(
        setting, sys.executable, "-m", "benchmarks.far", setting.to_json(), where
    ) as process:
        yield process


def build_c() -> None:
    """Compile what is in C here, and the firmware of the examples, with the header of this tree.

    Raises:
        RuntimeError: there is no C compiler.
    """
    compiler = shutil.which(os.environ.get("CC") or "cc")
    if compiler is None:
        raise RuntimeError("no C compiler: apt-get install gcc")
    BUILD.mkdir(parents=True, exist_ok=True)
    sources = (*(ROOT / "benchmarks").glob("*.c"), ROOT / "examples/firmware_c/firmware.c")
    for source in sources:
        options = ("-std=c11", "-O2", "-Wall", "-Wextra", f"-I{ROOT / 'src/mboxio/ring'}")
        subprocess.run([compiler, *options, source, "-o", BUILD / source.stem], check=True)
