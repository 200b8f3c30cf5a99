"""A serial port in the place of a socket: debug probes that serve GDB's protocol over USB."""

import errno
import fcntl
import os
import select
import stat
import termios
import time
import tty
from typing import TYPE_CHECKING

from mboxio._os.descriptors import refuse_exhausted
from mboxio._os.whose import why
from mboxio.errors import AddressError
from mboxio.regions.paths import require_terminal

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["SerialPort", "is_serial_port"]


def is_serial_port(path: str) -> bool:
    """Return whether this is a device, not the path of a socket."""
    try:
        return stat.S_ISCHR(os.stat(path).st_mode)
    except OSError:
        return False


class SerialPort:
    """An open port, with the methods of a socket that a link calls.

    Its speed stays what ``stty`` has set; over USB it means nothing.

    Args:
        path: for example ``/dev/ttyACM0``.
        timeout_s: see `settimeout`.

    Raises:
        AddressError: another program has it, this one may not, or it is no serial port.
        OSError: it cannot be opened.
    """

    def __init__(self, path: str, timeout_s: float) -> None:
        self.timeout_s = timeout_s
        flags = os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            require_terminal(path)
            self.descriptor = os.open(path, flags)
        except PermissionError as error:
            raise AddressError(
                f"no access to {path}: {why(error, path)}: join its group, and log in again"
            ) from None
        except OSError as error:
            refuse_exhausted(error, path)
            if error.errno != errno.EBUSY:
                raise
            raise AddressError(f"another program uses {path}: end it first") from None
        try:
            fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            tty.setraw(self.descriptor)
            termios.tcflush(self.descriptor, termios.TCIOFLUSH)
        except BlockingIOError:
            self.close()
            raise AddressError(f"another program uses {path}: end it first") from None
        except termios.error as error:
            self.close()
            raise AddressError(f"{path} is no serial port: {error.args[-1]}") from None
        except BaseException:
            self.close()
            raise

    def fileno(self) -> int:
        """Return the descriptor, -1 once it is closed."""
        return self.descriptor

    def settimeout(self, timeout_s: float) -> None:
        """Choose how long the next call waits for bytes, or for room to send them, in seconds."""
        self.timeout_s = timeout_s

    def recv(self, size_bytes: int) -> bytes:
        """Wait for bytes; ``b""``: the device is gone.

        Raises:
            TimeoutError: none came.
        """
        self._wait(select.POLLIN, time.monotonic() + self.timeout_s)
        return os.read(self.descriptor, size_bytes)

    def send(self, data: "Buffer") -> int:
        """Send a part of it, and return how much.

        Raises:
            TimeoutError: the device does not take it.
        """
        self._wait(select.POLLOUT, time.monotonic() + self.timeout_s)
        return os.write(self.descriptor, data)

    def shutdown(self, how: int) -> None:
        """Drop what was not sent yet: closing would wait for it.

        Raises:
            OSError: the device is gone.
        """
        try:
            termios.tcflush(self.descriptor, termios.TCIOFLUSH)
        except termios.error as error:
            raise OSError(*error.args) from None

    def close(self) -> None:
        """Close it; a second call does nothing."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1

    def _wait(self, event: int, until_s: float) -> None:
        poller = select.poll()
        poller.register(self.descriptor, event)
        if not poller.poll(max(0.0, until_s - time.monotonic()) * 1000):
            raise TimeoutError
