"""Long computations in the pure build, whose main thread has each call made by another one."""

from collections.abc import Callable
from threading import Thread, current_thread, main_thread
from typing import TypeVar, TypeVarTuple, Unpack

from mboxio._base.native import COMPILED

__all__ = ["apart"]

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


def apart(function: Callable[[Unpack[Ts]], T], *args: Unpack[Ts]) -> T:
    """Return ``function(*args)``, called on a thread of its own where that is much faster.

    The main thread can be interrupted meanwhile; the computation then ends with the process.
    """
    if COMPILED or current_thread() is not main_thread():
        return function(*args)
    returned: list[T] = []
    raised: list[BaseException] = []

    def compute() -> None:
        try:
            returned.append(function(*args))
        except BaseException as error:
            raised.append(error)

    thread = Thread(target=compute, name="mboxio simulation", daemon=True)
    thread.start()
    thread.join()
    for error in raised:
        raise error
    return returned[0]
