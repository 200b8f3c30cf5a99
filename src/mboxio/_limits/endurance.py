"""Serving threads of mboxio: an unexpected error does not end them."""

import time
from collections.abc import Callable
from threading import current_thread, main_thread

__all__ = ["Endurance", "endure", "is_for_program"]

PAUSE_MIN_S, PAUSE_MAX_S = 0.1, 10.0
CALM_S = 60.0
STOP_S = 0.02
"""How late a pause ends after whom it is made for has been stopped."""


class Endurance:
    """Says how long to pause after an error: twice as long as before, unless it was calm since."""

    def __init__(self) -> None:
        self.pause_s = PAUSE_MIN_S
        self.failed_s = 0.0

    def pause_after_error_s(self, now_s: float) -> float:
        """Count an error, and return the pause, in seconds."""
        if now_s - self.failed_s > CALM_S:
            self.pause_s = PAUSE_MIN_S
        self.failed_s = now_s
        pause_s, self.pause_s = self.pause_s, min(2 * self.pause_s, PAUSE_MAX_S)
        return pause_s


def is_for_program(error: BaseException) -> bool:
    """Return whether an exception is to end the program, so that it is not for us to go on.

    On another thread it would go unnoticed: ``sys.exit()`` would end that thread
    without a word.
    """
    return not isinstance(error, Exception) and current_thread() is main_thread()


def endure(
    serve: Callable[[], object],
    stopping: Callable[[], bool],
    complain: Callable[[BaseException], object],
) -> None:
    """Call ``serve`` until it returns; after an error, complain and go on a little later.

    Args:
        serve: serves until it is stopped.
        stopping: whether it is stopped: then there is nothing to go on with.
        complain: logs an error.
    """
    endurance = Endurance()
    while True:
        try:
            serve()
        except BaseException as error:
            if is_for_program(error):
                raise
            complain(error)
        else:
            return
        end_s = time.monotonic() + endurance.pause_after_error_s(time.monotonic())
        while not stopping() and time.monotonic() < end_s:
            time.sleep(STOP_S)
        if stopping():
            return
