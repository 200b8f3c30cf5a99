"""What serves until Ctrl-C, and says so first."""

import signal
import socket
import sys
from collections.abc import Callable
from typing import Protocol

import click

from mboxio import AddressError

__all__ = ["until_interrupted"]


class Serves(Protocol):
    """A remote, or what plays one."""

    def start(self) -> None:
        """Serve from now on, on another thread."""

    def stop(self) -> None:
        """Serve no longer."""


def until_interrupted(
    server: Serves, told: Callable[[], str], renew: Callable[[], None] | None = None
) -> None:
    """Serve until Ctrl-C or SIGTERM; neither cuts the end short.

    Args:
        server: is started, and stopped in the end.
        told: returns the line that is printed once it serves.
        renew: is called at each SIGHUP, which otherwise ends the program.
    """
    # Each signal puts a byte there, whatever thread the kernel gives it to. signal.pause() would go
    # on if one came just before it began, until the next one.
    bell, clapper = socket.socketpair()
    clapper.setblocking(False)
    before = signal.set_wakeup_fd(clapper.fileno(), warn_on_full_buffer=False)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        server.start()
        if renew is not None:
            signal.signal(signal.SIGHUP, lambda number, frame: renew())
        click.echo(told())
        sys.stdout.flush()
        while bell.recv(64):
            pass  # the handlers have run by now
    except (ValueError, RuntimeError) as error:
        if isinstance(error, AddressError):
            raise
        raise click.ClickException(str(error)) from None
    except KeyboardInterrupt:
        return  # this is how it is meant to end
    finally:
        for each in (signal.SIGINT, signal.SIGTERM):
            signal.signal(each, signal.SIG_IGN)
        server.stop()
        signal.set_wakeup_fd(before)
        bell.close()
        clapper.close()
