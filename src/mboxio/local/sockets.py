"""Where remotes on this machine listen, how they are reached, and what both sides agree on.

``shm:NAME`` is a remote with rings of mboxio's own, ``peer:NAME`` one that shares a region.

The sockets lie in a folder that nobody else can look into. A lock file beside each socket says
whether its remote lives: the kernel drops the lock with the process, so a socket file that was
left behind is recognised and replaced.
"""

import errno
import fcntl
import os
import re
import socket
import stat
import struct
import time

from mboxio._base.texts import remote_text
from mboxio._os.descriptors import refuse_exhausted, require
from mboxio._os.whose import myself, user, why
from mboxio.errors import AddressError, RemoteGone
from mboxio.local.doorbells import REFUSAL, let_go, refuse_descriptors
from mboxio.local.elsewhere import invoker, looked_at, of_invoker
from mboxio.local.folder import check_private, folder_path, make_folder, may_own, runtime_folder

__all__ = [
    "DOORBELL",
    "HELLO",
    "HOST_NEVER_RECEIVES",
    "HOST_NEVER_SENDS",
    "LEGACY",
    "REFUSAL",
    "REFUSAL_BYTES_MAX",
    "connect",
    "listen",
    "peer_name",
    "peer_pid",
    "ring_doorbell",
    "runtime_folder",
    "socket_path",
    "unlisten",
]

HELLO = b"MBX1"
"""The one message with which the remote hands over the descriptor of the memory."""
REFUSAL_BYTES_MAX = 256
DOORBELL = b"\0"
"""Every message after that, in both directions."""

HOST_NEVER_SENDS = 1
"""Flag of a channel: there the host only listens."""
HOST_NEVER_RECEIVES = 2
"""Flag of a channel: there the host only sends."""
LEGACY = 4
"""Flag of a channel: it has no requests; what the remote answers is an unsolicited message."""

STARTED_BY = {"shm": "mboxio serve", "peer": "python -m mboxio.remote.acpm"}
"""What starts a remote of each scheme."""

CREDENTIALS = struct.Struct("3i")
"""What SO_PEERCRED tells: process, user and group."""

WAITING_MAX = 128
"""How many hosts may have knocked before the remote looks, also while others knock without end."""

BUSY_PAUSE_S = 0.001

LOCK_TRIES = 100
"""Each one in vain means that another remote began or ended just then."""

# sun_path has 108 bytes, the last of which is zero.
PATH_BYTES_MAX = 107
NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")


def socket_path(name: str, scheme: str = "shm", *, host: bool = False) -> str:
    """Return the path of the socket of ``scheme:name``, whether it exists or not.

    Its folder is $MBOXIO_RUNTIME_DIR, else $XDG_RUNTIME_DIR/mboxio, else /tmp/mboxio-UID.

    Args:
        name, scheme: of the remote.
        host: somebody connects: for that, root may use the folder of another user if it is named
            by MBOXIO_RUNTIME_DIR, or belongs to who called sudo.

    Raises:
        AddressError: no such name is possible, the path is too long, or others can get at the
            folder.
    """
    if not NAME.fullmatch(name):
        raise AddressError(
            f"{scheme}:{name} is no name: use 1 to 64 letters, digits, '.', '_' and '-'"
        )
    folder = folder_path()
    kind = "" if scheme == "shm" else f"@{scheme}"  # no name has an @
    path = os.path.join(folder, f"{name}{kind}.sock")
    if len(os.fsencode(path)) > PATH_BYTES_MAX:
        raise AddressError(
            f"the path {path} is longer than {PATH_BYTES_MAX} bytes: set MBOXIO_RUNTIME_DIR to a"
            " shorter one"
        )
    check_private(folder, may_own(host))
    return path


def listen(name: str, scheme: str = "shm") -> tuple[socket.socket, int]:
    """Listen as the remote of ``scheme:name``; the folder is made if it is missing.

    Returns:
        The listening socket, which does not block, and the descriptor of the lock; `unlisten`
        takes both.

    Raises:
        RuntimeError: this Python lacks what it takes.
        AddressError: somebody serves this name already, or as `socket_path`.
    """
    require("eventfd", "memfd_create")
    address = f"{scheme}:{name}"
    path = socket_path(name, scheme)
    make_folder(os.path.dirname(path))
    lock = _lock(address, _lock_path(path))
    listening = None
    try:
        _remove_stale(path)
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        listening.setblocking(False)
        listening.bind(path)
        os.chmod(path, 0o600)
        refuse_descriptors(listening)
        listening.listen(WAITING_MAX)
    except BaseException as error:
        if listening is not None:
            listening.close()
        _unlock(path, lock)
        refuse_exhausted(error, address)
        raise
    return listening, lock


def unlisten(path: str, listening: socket.socket, lock: int) -> None:
    """Stop listening, and leave no file behind.

    Args:
        path: of the socket, as `socket_path` said.
        listening, lock: from `listen`; both are closed.
    """
    # Who deleted the lock may have let another remote in: then the socket is that one's.
    if _is_named(lock, _lock_path(path)):
        _remove(path)
    _send_home(listening)
    listening.close()
    _unlock(path, lock)  # last: from here on another remote may take the name


def _send_home(listening: socket.socket) -> None:
    """Let go of who still waits to be accepted."""
    try:
        listening.shutdown(socket.SHUT_RDWR)  # nobody more comes
        while True:
            let_go(listening.accept()[0])
    except OSError:
        pass  # that was the last, or there is no descriptor to accept one by


def connect(name: str, scheme: str = "shm", patience_s: float = 0.0) -> socket.socket:
    """Connect to the remote of ``scheme:name``.

    Args:
        name, scheme: of the remote.
        patience_s: how long to try again, in seconds, while too many hosts are waiting there.

    Returns:
        The connected socket, which does not block.

    Raises:
        RuntimeError: this Python lacks what it takes.
        RemoteGone: nobody serves this name, or too many hosts are waiting there.
        AddressError: it belongs to somebody else, or as `socket_path`.
    """
    require("eventfd")
    path = socket_path(name, scheme, host=True)
    until_s = time.monotonic() + patience_s
    try:
        while True:
            try:
                return _connected(path, may_own(True))
            except BlockingIOError:
                if time.monotonic() >= until_s:
                    raise
                time.sleep(BUSY_PAUSE_S)  # nothing tells when there is a place in its queue
    except OSError as error:
        refuse_exhausted(error, f"{scheme}:{name}")
        for other in of_invoker(os.path.basename(path)):
            owners = frozenset({invoker()})
            try:
                check_private(os.path.dirname(other), owners)
                return _connected(other, owners)
            except (OSError, AddressError):
                continue  # the first folder is the one to tell of
        raise _cannot_connect(name, scheme, path, error) from None


class Stranger(PermissionError):
    """Somebody listens there who is not to be asked; the text says who."""


def _connected(path: str, owners: frozenset[int] | None) -> socket.socket:
    """Connect, and ask the kernel who is there: one of ``owners`` or root; None: anybody may be."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        connection.setblocking(False)  # said so, sockets of event libraries obey as well
        connection.connect(path)
        uid = _peer(connection)[1]
        if owners is not None and uid not in owners | {0}:
            raise Stranger(errno.EACCES, f"{user(uid)} serves there, and this is {myself()}")
    except BaseException:
        connection.close()
        raise
    return connection


def peer_pid(connection: socket.socket) -> int:
    """Return the process at the other end; 0: it has no number here, as from another container."""
    return _peer(connection)[0]


def peer_name(connection: socket.socket) -> str:
    """Return what errors call the process at the other end; "it" where a number says no more."""
    pid = peer_pid(connection)
    return f"process {pid}" if pid not in (0, os.getpid()) else "it"


def _peer(connection: socket.socket) -> tuple[int, int, int]:
    """Return process, user and group of the other end, as they were when it listened."""
    packed = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size)
    pid, uid, gid = CREDENTIALS.unpack(packed)
    return pid, uid, gid


def ring_doorbell(connection: socket.socket) -> None:
    """Wake the peer. Where that fails it has doorbells waiting, or the socket will say it is gone.

    It never waits and never raises, because it is called after the message is in the ring.
    """
    try:
        connection.send(DOORBELL, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
    except OSError:
        pass


def _lock_path(path: str) -> str:
    return path.removesuffix(".sock") + ".lock"


def _lock(address: str, path: str) -> int:
    """Return the descriptor of a lock that is held.

    Whoever held it before may have removed the file after we opened it: a lock on a file without a
    name keeps nobody out, so it counts only while the name still means this file.
    """
    for _ in range(LOCK_TRIES):
        try:
            lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            refuse_exhausted(error, address)
            raise AddressError(f"the lock {path} cannot be opened: {why(error, path)}") from None
        owner = ""
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_named(lock, path):
                os.ftruncate(lock, 0)
                os.write(lock, b"%d\n" % os.getpid())
                return lock
        except BlockingIOError:
            if _is_named(lock, path):
                owner = remote_text(os.read(lock, 32).strip()) or "unknown"
        except BaseException:
            os.close(lock)
            raise
        os.close(lock)
        if owner:
            raise AddressError(f"somebody serves {address} already (pid {owner})")
    raise AddressError(f"the lock {path} is removed again and again: who does that?")


def _unlock(path: str, lock: int) -> None:
    """Give the name of a socket up, and its lock file with it: nobody else can hold it yet."""
    if _is_named(lock, _lock_path(path)):
        _remove(_lock_path(path))
    os.close(lock)


def _is_named(descriptor: int, path: str) -> bool:
    """Return whether a path still means the file that is open."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.lstat(path))
    except FileNotFoundError:
        return False


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass


def _remove_stale(path: str) -> None:
    try:
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            raise AddressError(f"{path} is in the way: it is no socket")
        os.unlink(path)
    except FileNotFoundError:
        pass


def _cannot_connect(name: str, scheme: str, path: str, error: OSError) -> AddressError | RemoteGone:
    address = f"{scheme}:{name}"
    if isinstance(error, (FileNotFoundError, ConnectionRefusedError)):
        start = f"start the remote, for example: {STARTED_BY[scheme]} {address}"
        return RemoteGone(f"nobody serves {address}; {start} ({looked_at(path)})")
    if isinstance(error, BlockingIOError):
        return RemoteGone(f"the remote of {address} is busy and accepts nobody now")
    if isinstance(error, Stranger):
        return AddressError(f"{address} belongs to somebody else: {error.strerror} ({path})")
    if isinstance(error, PermissionError):
        return AddressError(f"no access to {address}: {why(error, path)}")
    if error.errno in (errno.EPROTOTYPE, errno.ENOTSOCK):
        return AddressError(f"{path} is no socket of a remote")
    return RemoteGone(f"no connection to {address}: {error.strerror}")
