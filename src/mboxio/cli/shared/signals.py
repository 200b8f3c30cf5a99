"""Ctrl-C at a safe point: between two waits, never in the middle of a call of the library."""

import signal
from types import FrameType

import click

from mboxio import Request

__all__ = ["LOOK_S", "Signals"]

LOOK_S = 0.1


class Signals:
    """Notes signals that end a program, for `check`: cleaning up is never cut short."""

    def __init__(self) -> None:
        self.number = 0

    def __enter__(self) -> "Signals":
        numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        self.before = {number: signal.signal(number, self.note) for number in numbers}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)

    def note(self, number: int, frame: FrameType | None) -> None:
        """Remember the signal."""
        self.number = number

    def check(self) -> None:
        """End the command if a signal came; the exit code is that of a shell."""
        if self.number:
            raise click.exceptions.Exit(128 + self.number)

    def wait(self, request: Request[bytes]) -> None:
        """Wait until a request is over."""
        while not request.wait(LOOK_S):
            self.check()
