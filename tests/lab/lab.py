"""A lab on this machine: coordinator, exporter and users of labgrid, each a process."""

import os
import select
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

PATIENCE_S = 60.0


class Lab:
    """A coordinator and an exporter, until the end of a ``with`` block.

    Args:
        folder: for their files.
        resources: what the exporter has, as its file says it.
    """

    def __init__(self, folder: Path, resources: str) -> None:
        self.folder = folder
        self.resources = folder / "exporter.yaml"
        self.resources.write_text(resources)
        self.address = ""
        self.stack = ExitStack()

    def start(self, *command: str, ready: str) -> str:
        """Start a program of the lab; returns the line in which it says that it is ready."""
        process = subprocess.Popen(
            [sys.executable, *command],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=self.folder,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        self.stack.callback(end, process)
        assert process.stdout is not None
        said, end_s = b"", time.monotonic() + PATIENCE_S
        while True:
            left_s = max(0.0, end_s - time.monotonic())
            assert select.select([process.stdout], [], [], left_s)[0], f"{command}: {said!r}"
            part = os.read(process.stdout.fileno(), 65536)
            said += part
            assert part, f"{command} ended: {said!r}"
            for line in said.decode().splitlines(keepends=True):
                if ready in line and line.endswith("\n"):
                    return line.strip()

    def environment(self, user: str) -> dict[str, str]:
        """Return the environment of one of the team."""
        return {
            **os.environ,
            "LG_COORDINATOR": self.address,
            "LG_USERNAME": user,
            "LG_HOSTNAME": user,
        }

    def client(self, *command: str, user: str = "alice", fails: bool = False) -> str:
        """Run ``labgrid-client``; returns what it says."""
        done = subprocess.run(
            [sys.executable, "-m", "labgrid.remote.client", *command],
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            cwd=self.folder,
            env=self.environment(user),
        )
        said = done.stdout + done.stderr
        assert (done.returncode != 0) is fails, said
        return said

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.callback(self.stack.close)
            part = "labgrid.remote"
            line = self.start("-m", f"{part}.coordinator", "-l", "127.0.0.1:0", ready="listening")
            self.address = line.rpartition(" ")[2]
            names = ("-n", "lab1", "--hostname", "127.0.0.1", "-c", self.address)
            command = ("-m", f"{part}.exporter", *names, str(self.resources))
            self.start(*command, ready="creating poll task")
            stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stack.close()


def end(process: "subprocess.Popen[bytes]") -> None:
    """End a process that was started here."""
    process.terminate()
    with process:
        pass
