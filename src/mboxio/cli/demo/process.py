"""The demo's firmware as a process that can be killed, and the folder it is reached in."""

import os
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator
from contextlib import contextmanager
from time import monotonic

import click

from mboxio.local.temporary import temporary_parent

__all__ = ["PATIENCE_S", "FirmwareProcess", "private_folder"]

PATIENCE_S = 30.0
"""How long a demo waits for firmware that is alive, on a machine that is busy with other things."""


@contextmanager
def private_folder() -> Generator[str]:
    """Have the sockets of ``shm:`` in a folder of our own that is removed afterwards."""
    before = os.environ.get("MBOXIO_RUNTIME_DIR")
    with tempfile.TemporaryDirectory(prefix="mboxio-demo-", dir=temporary_parent()) as folder:
        os.environ["MBOXIO_RUNTIME_DIR"] = folder
        try:
            yield folder
        finally:
            if before is None:
                del os.environ["MBOXIO_RUNTIME_DIR"]
            else:
                os.environ["MBOXIO_RUNTIME_DIR"] = before


class FirmwareProcess:
    """The process of a demo's firmware, or another that it needs.

    Args:
        name: what it serves.
        folder: where its complaints go.
        check: called every now and then while we wait.
        module: what it runs.
        what: it is.
    """

    def __init__(
        self,
        name: str,
        folder: str,
        check: Callable[[], object],
        module: str = "mboxio.cli.demo.firmware",
        what: str = "firmware",
    ) -> None:
        self.name = name
        self.module = module
        self.what = what
        self.complaints = os.path.join(folder, f"{what}.log")
        self.check = check
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it serves.

        Raises:
            ClickException: it does not come up.
        """
        with open(self.complaints, "wb") as complaints:
            self.process = subprocess.Popen(
                [sys.executable, "-m", self.module, self.name],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=complaints,
                process_group=0,  # Ctrl-C in the terminal is for us
            )
        assert self.process.stdout is not None
        end_s = monotonic() + PATIENCE_S
        while not select.select([self.process.stdout], [], [], 0.05)[0]:
            self.check()
            if monotonic() > end_s:
                raise click.ClickException(f"the {self.what} is not up after {PATIENCE_S:.0f} s")
        if not os.read(self.process.stdout.fileno(), 100):
            raise click.ClickException(f"the {self.what} failed: {self._complaint()}")

    def freeze(self) -> None:
        """Stop the process where it is, so that what is sent to it from now on stays pending.

        Returns when it stands still: a signal that was only sent may take its time.
        """
        if self.process is not None:
            self.process.send_signal(signal.SIGSTOP)
            os.waitid(os.P_PID, self.process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)

    def kill(self) -> None:
        """Send SIGKILL."""
        if self.process is not None:
            self.process.kill()

    def stop(self) -> None:
        """Kill it and leave nothing of it; idempotent."""
        process, self.process = self.process, None
        if process is None:
            return
        process.kill()
        # Both pipes are closed, and the process is waited for.
        with process:
            pass

    def _complaint(self) -> str:
        with open(self.complaints, errors="replace") as complaints:
            lines = complaints.read().splitlines()
        return lines[-1] if lines else "it says nothing"
