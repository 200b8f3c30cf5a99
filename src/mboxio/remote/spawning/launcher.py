"""How a process begins that ends with its parent: Python of ours, or a program in its place.

``python -m mboxio.remote.spawning.launcher`` is not for people: see `command_of`.
"""

import json
import os
import signal
import sys
from collections.abc import Sequence

__all__ = ["command_of", "die_with", "main"]

PR_SET_PDEATHSIG = 1


class Loading:
    """Whether firmware is being loaded in this process: then it must not start further ones."""

    now = False


BOOT = (
    "import json, sys; sys.path[:] = json.loads(sys.argv.pop(1)); "
    "from importlib import import_module; import_module(sys.argv.pop(1)).main(sys.argv[1:])"
)
"""Finds the same modules as this process does, also those of an archive or a changed path."""


def command_of(module: str, *arguments: str) -> list[str]:
    """Return the command that calls ``main(arguments)`` of a module in another process.

    Its output has no buffer, so that nothing of it is lost when it is killed, and it writes a
    traceback when it crashes.
    """
    path = json.dumps([os.path.abspath(each) for each in sys.path])
    return [sys.executable, "-u", "-X", "faulthandler", "-c", BOOT, path, module, *arguments]


def die_with(parent: int) -> None:
    """Ask the kernel to kill this process as soon as the thread that started it is gone.

    Args:
        parent: the process of that thread.

    Raises:
        OSError: this kernel does not do it.
    """
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    numbers = [ctypes.c_ulong(each) for each in (signal.SIGKILL, 0, 0, 0)]
    if libc.prctl(PR_SET_PDEATHSIG, *numbers):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent:  # it ended before the kernel knew
        os.kill(os.getpid(), signal.SIGKILL)


def main(arguments: Sequence[str]) -> None:
    """Become another program, which keeps what `die_with` asked for.

    Args:
        arguments: the process to end with, and the command.
    """
    parent, *command = arguments
    die_with(int(parent))
    try:
        os.execv(command[0], command)
    except OSError as error:
        print(f"mboxio: {command[0]} cannot be run: {error.strerror}", file=sys.stderr)
        sys.exit(126)
