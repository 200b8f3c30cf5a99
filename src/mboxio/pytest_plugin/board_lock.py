"""A lock that all processes of a user on this machine share, and that names its holder."""

import fcntl
import hashlib
import os
import time

from mboxio._base.texts import printable
from mboxio.local.sockets import runtime_folder

__all__ = ["BoardLock"]

PAUSE_MAX_S = 0.1
HOLDER_BYTES_MAX = 500


class BoardLock:
    """A lock on a file in the folder of the sockets; it is released with its process.

    Args:
        key: names the locked thing.

    Raises:
        AddressError: there is no private folder, see `runtime_folder`.
    """

    def __init__(self, key: str) -> None:
        digest = hashlib.sha256(key.encode()).hexdigest()[:16]
        self.path = os.path.join(runtime_folder(), f"board-{digest}.lock")
        self._descriptor = -1

    def acquire(self, wait_s: float, holder: str) -> None:
        """Wait for the lock.

        Args:
            wait_s: how long, in seconds.
            holder: text for the error of a test that waits in vain.

        Raises:
            TimeoutError: others had it all that time; the text names the last holder.
        """
        until_s = time.monotonic() + wait_s
        pause_s = 0.001
        while not self._take(holder):
            left_s = until_s - time.monotonic()
            if left_s <= 0:
                raise TimeoutError(
                    f"in use for {wait_s:g} s (--mboxio-lock-wait), now by {self._holder()}"
                )
            # The kernel has no wait for a lock that ends after a time.
            time.sleep(min(pause_s, left_s))
            pause_s = min(2 * pause_s, PAUSE_MAX_S)

    def release(self) -> None:
        """Let others have it; idempotent."""
        if self._descriptor >= 0:
            try:
                os.unlink(self.path)  # no other process can hold it yet
            except FileNotFoundError:
                pass  # a user has deleted it
            os.close(self._descriptor)
            self._descriptor = -1

    def _take(self, holder: str) -> bool:
        """Return whether the lock is ours now.

        The one before may have removed the file after we opened it: then the lock is on a file that
        no other process finds.
        """
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(self.path, flags, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(descriptor), os.lstat(self.path)):
                os.ftruncate(descriptor, 0)
                os.write(descriptor, holder.encode()[:HOLDER_BYTES_MAX])
                self._descriptor = descriptor
                return True
        except (BlockingIOError, FileNotFoundError):
            pass
        finally:
            if self._descriptor != descriptor:
                os.close(descriptor)
        return False

    def _holder(self) -> str:
        try:
            with open(self.path, "rb") as file:
                said = file.read(HOLDER_BYTES_MAX).decode(errors="replace")
        except FileNotFoundError:
            said = ""
        return printable(said) or "another test"
