"""Firmware in a process of its own, under command."""

import ast
import os
import select
import subprocess
import sys
import time
from typing import Any

PATIENCE_S = 20.0
"""How long anything may take that has to happen; reached only by a failing test."""
SCRIPT = os.path.join(os.path.dirname(__file__), "firmware.py")


class FirmwareProcess:
    """See `firmware.Firmware` for the arguments and the commands. A context manager."""

    def __init__(self, address: str, *channels: tuple[str, dict[str, Any]]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, SCRIPT, repr((address, *channels))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self.received = b""
        self.over = False
        try:
            assert self.line() == "ready"
        except BaseException:
            self.kill()
            raise

    def line(self) -> str:
        """Return its next line."""
        assert self.process.stdout is not None
        end_s = time.monotonic() + PATIENCE_S
        while b"\n" not in self.received:
            left_s = max(end_s - time.monotonic(), 0)
            assert select.select([self.process.stdout], [], [], left_s)[0], "it says nothing"
            chunk = os.read(self.process.stdout.fileno(), 65536)
            assert chunk, "the firmware ended"
            self.received += chunk
        line, _, self.received = self.received.partition(b"\n")
        return line.decode()

    def do(self, *command: Any) -> Any:
        """Give it a command and return what that came to."""
        assert self.process.stdin is not None
        self.process.stdin.write(repr(command).encode() + b"\n")
        self.process.stdin.flush()
        how, outcome = ast.literal_eval(self.line())
        assert how == "done", outcome
        return outcome

    def kill(self) -> None:
        """Send SIGKILL and wait for the end. Idempotent."""
        if not self.over:
            self.over = True
            self.process.kill()
            with self.process:
                pass

    def __enter__(self) -> "FirmwareProcess":
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
