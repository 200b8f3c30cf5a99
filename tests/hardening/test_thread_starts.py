"""A signal handler raises while the service thread is being started: it starts, once."""

import sys
import threading
from types import FrameType
from typing import Any

import mboxio
from mboxio._base.native import COMPILED

from .support import PATIENCE_S
from .test_foreign_code import TooLong, handling, limit, strike

POINTS_MAX = 400
"""More than there are from the kick to the thread."""


class AtPoint:
    """Strikes at the n-th point of `Worker.kick` at which Python looks for signals.

    These are the begin of a function, and the end of a call. It spares `threading`, whose
    ``Thread.start`` does not bear an exception in the middle itself.
    """

    def __init__(self, point: int) -> None:
        self.left = point
        self.below = 0

    def __call__(self, frame: FrameType, event: str, arg: object) -> None:
        code = frame.f_code
        if code.co_name == "kick" and code.co_filename.endswith("worker.py"):
            self.below += {"call": 1, "return": -1}.get(event, 0)
        ours = "mboxio" in code.co_filename
        if self.below and ours and event in ("call", "return", "c_return"):
            self.left -= 1
            if self.left == 0:
                strike()


def test_the_service_thread_starts_once_whatever_interrupts() -> None:
    struck = 0
    with handling(limit):
        for point in range(1, POINTS_MAX):
            striking = AtPoint(point)
            called: list[bytes] = []
            over = threading.Event()

            def callback(request: Any, called: list[bytes] = called, over: Any = over) -> None:
                called.append(request.result())
                over.set()

            before = set(threading.enumerate())
            with mboxio.connect("loopback:") as connection, connection.client(0) as client:
                request = client.submit(b"x")
                sys.setprofile(striking)
                try:
                    request.add_done_callback(callback)
                except TooLong:
                    struck += 1
                finally:
                    sys.setprofile(None)
                assert over.wait(PATIENCE_S), f"interrupted at point {point}"
                for thread in set(threading.enumerate()) - before:
                    if thread is not connection._host.worker.thread and COMPILED:
                        thread.join(PATIENCE_S)  # it came in vain
                        assert not thread.is_alive()
            assert called == [b"x"]
            if striking.left > 0:
                break
    assert struck > 3 or not COMPILED
