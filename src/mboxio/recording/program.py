"""What this program records of itself: as it says, or as its environment says.

``MBOXIO_RECORD`` is ``live`` (see `mboxio.recording.live`), the path of a capture, in which ``%p``
stands for the process, or ``to:SOCKET``, by which `mboxio record -- COMMAND` gets all that the
processes of a command do. A capture that cannot be made is told once, and stops no program.
"""

import atexit
import errno
import fcntl
import os
import socket
import stat
import sys
import threading
from typing import Any

from mboxio._base.gate import complain
from mboxio._base.tap import RECORD_VARIABLE
from mboxio.capture.output import Output
from mboxio.capture.pieces import CaptureError
from mboxio.capture.writing import suffix_of
from mboxio.errors import MailboxError
from mboxio.recording.live import Live
from mboxio.recording.recorder import Recorder, Tappable
from mboxio.recording.wanted import Wanted

__all__ = ["begin"]

LIVE, TO = "live", "to:"
CLAIM = (
    os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY
)  # a FIFO without a writer is no reason to wait

_guard = threading.RLock()
_found: dict[int, "Live | Recorder | None"] = {}
_locks: list[int] = []


def begin(place: Tappable, record: "str | os.PathLike[str] | Recorder | None") -> None:
    """Record a connection or a remote from now on, if that is wanted.

    Args:
        place: which has just been made.
        record: a path, or a recorder that goes on when the place is closed; None: what the
            environment says.

    Raises:
        CaptureError, OSError: the file cannot be made.
    """
    if record is not None:
        last = not isinstance(record, Recorder)
        recorder = Recorder(record) if not isinstance(record, Recorder) else record
        place.add_tap(recorder.tap_for(place, last=last))
    if os.environ.get(RECORD_VARIABLE):
        of_program = _of_program(os.environ[RECORD_VARIABLE])
        if isinstance(of_program, Live):
            of_program.add(place)
        elif of_program is not None:
            place.add_tap(of_program.tap_for(place))


def _of_program(said: str) -> "Live | Recorder | None":
    """Return what records this process; it is made where it is needed first."""
    with _guard:
        pid = os.getpid()
        if pid not in _found:
            _found[pid] = None
            try:
                _found[pid] = made = _make(said)
            except (OSError, ValueError, MailboxError) as error:
                complain("this program is not recorded, as MBOXIO_RECORD=%s asks", said, error)
            else:
                atexit.register(_end, pid, made)
                if "multiprocessing.util" in sys.modules:  # its processes leave without atexit
                    from multiprocessing.util import Finalize

                    Finalize(None, _end, (pid, made), exitpriority=0)
        return _found[pid]


def _make(said: str) -> "Live | Recorder":
    if said == LIVE:
        return Live()
    if said.startswith(TO):
        link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        with link:
            link.connect(said.removeprefix(TO))
            wanted = Wanted.receive(link)
            return wanted.recorder(Output(link.detach(), said))
    path = said.replace("%p", str(os.getpid()))
    suffix_of(path)  # refused before a file is made
    _claim(path)
    return Recorder(path)


def _claim(path: str) -> None:
    """Keep other processes of this program from writing to the same file."""
    try:
        descriptor = os.open(path, CLAIM, 0o600)
    except OSError as error:
        if error.errno == errno.ENXIO:  # a socket
            return
        if error.errno == errno.ELOOP:
            raise CaptureError(f"{path} is a symbolic link: name the file itself") from None
        raise
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)  # a stream has its own way with many
            return
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise CaptureError(
            f"another process writes to {path}: write %p into the name, for its number"
        ) from None
    _locks.append(descriptor)


def _after_fork() -> None:
    """A child goes on without what its parent writes to."""
    global _guard
    _guard = threading.RLock()  # a thread that stayed behind may hold the old one
    _found.clear()
    while _locks:
        os.close(_locks.pop())


os.register_at_fork(after_in_child=_after_fork)


def _end(pid: int, made: Any) -> None:
    if pid == os.getpid():
        made.close()
