"""A signal handler raises while the service thread is being started: it starts, once."""

import signal
import sys
import threading
from types import FrameType
from typing import Any

import mboxio
from mboxio._base.native import COMPILED

from .support import PATIENCE_S
from .test_foreign_code import TooLong, handling, limit, strike

LINES_MAX = 400
"""More than are run from the kick to the thread."""


class AtLine:
    """Strikes at the n-th line that is run below `Worker.kick`."""

    def __init__(self, line: int) -> None:
        self.left = line

    def __call__(self, frame: FrameType, event: str, arg: object) -> Any:
        code = frame.f_code
        if event == "call" and code.co_name == "kick" and code.co_filename.endswith("worker.py"):
            return self.within
        below = frame.f_back is not None and frame.f_back.f_trace is not None
        return self.within if below else None

    def within(self, frame: FrameType, event: str, arg: object) -> Any:
        if event == "line":
            self.left -= 1
            if self.left == 0:
                strike()
        return self.within


def test_the_service_thread_starts_once_whatever_interrupts() -> None:
    struck = 0
    with handling(limit):
        for line in range(1, LINES_MAX):
            tracer = AtLine(line)
            called: list[bytes] = []
            over = threading.Event()

            def callback(request: Any, called: list[bytes] = called, over: Any = over) -> None:
                called.append(request.result())
                over.set()

            before = set(threading.enumerate())
            with mboxio.connect("loopback:") as connection, connection.client(0) as client:
                request = client.submit(b"x")
                sys.settrace(tracer)
                try:
                    request.add_done_callback(callback)
                except TooLong:
                    struck += 1
                finally:
                    sys.settrace(None)
                assert over.wait(PATIENCE_S), f"interrupted at line {line}"
                started = set(threading.enumerate()) - before
                for thread in started:
                    if thread is not connection._host.worker.thread and COMPILED:
                        thread.join(PATIENCE_S)  # it came in vain
                        assert not thread.is_alive()
            assert called == [b"x"]
            if tracer.left > 0:
                break
    assert struck > 10 or not COMPILED
    assert signal.getsignal(signal.SIGUSR1) is not limit
