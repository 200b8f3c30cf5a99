"""Receiving memory from another process: one sealed memfd, checked before it is mapped."""

import array
import fcntl
import mmap
import os
import socket
import stat

from mboxio._base.texts import remote_text
from mboxio._os.descriptors import exhausted, refuse_exhausted
from mboxio.errors import RemoteError, RemoteGone
from mboxio.local.doorbells import close_aside
from mboxio.local.sockets import REFUSAL, REFUSAL_BYTES_MAX

__all__ = ["SIZE_MAX", "receive_memory"]

SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW
SIZE_MAX = 0xFFFFFFFF
DESCRIPTORS_MAX = 253
"""Most descriptors that the kernel passes."""


def receive_memory(
    connection: socket.socket, hello: bytes, least_bytes: int, where: str
) -> mmap.mmap:
    """Take the one descriptor that comes with the hello message, and map its memory.

    Does not wait: call it when the connection is readable. After an error `let_go` is due.

    Args:
        hello: what the message has to be.
        least_bytes: the smallest memory that makes sense.
        where: what the remote is called, for messages.

    Raises:
        RemoteGone: the remote hung up, or refuses; the text says why.
        MailboxError: this process has no descriptor left for it.
        RemoteError: what it handed over is not what was agreed.
    """
    try:
        said, ancillary, flags, _ = connection.recvmsg(
            max(len(hello) + 1, REFUSAL_BYTES_MAX),
            socket.CMSG_SPACE(DESCRIPTORS_MAX * array.array("i").itemsize),
            # A look only: what there is no number for stays in the message, and open.
            socket.MSG_PEEK | socket.MSG_DONTWAIT | socket.MSG_CMSG_CLOEXEC,
        )
    except OSError as error:
        raise RemoteGone(f"{where}: {error}") from None
    descriptors = _descriptors(ancillary)
    try:
        if not said and not descriptors:
            raise RemoteGone(f"{where}: the remote hung up without a word")
        if said.startswith(REFUSAL):
            why = remote_text(said.removeprefix(REFUSAL))
            raise RemoteGone(f"{where}: the remote refuses: {why}")
        if flags & socket.MSG_CTRUNC and len(descriptors) < DESCRIPTORS_MAX:
            raise exhausted(where)  # the kernel had no number for what came
        if said != hello or flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC):
            raise RemoteError(f"{where}: this is no hello of mboxio: {remote_text(repr(said))}")
        if len(descriptors) != 1:
            raise RemoteError(f"{where}: {len(descriptors)} descriptors, not one")
        mapping = _map(descriptors[0], least_bytes, where)
        # Not earlier: to take a message without room for its descriptors closes them.
        connection.recv(len(hello), socket.MSG_DONTWAIT)
        os.close(descriptors.pop())  # a memory that is mapped
        return mapping
    finally:
        close_aside(descriptors)


def _map(descriptor: int, least_bytes: int, where: str) -> mmap.mmap:
    """Check seals, pages and size, and map: no access may end in a SIGBUS later.

    A memory that could shrink would do that, and one of huge pages, which can run out after a hole
    was punched. A hole in ordinary pages reads as zeros. Nothing but the seals is asked of what is
    no memfd: the answer of another file system may never come.
    """
    try:
        seals = fcntl.fcntl(descriptor, fcntl.F_GET_SEALS)
    except OSError:
        raise RemoteError(f"{where}: the descriptor is no memfd") from None
    if seals & SEALS != SEALS:
        raise RemoteError(f"{where}: the memory is not sealed against shrinking")
    # Not st_blksize, which is large as well where ordinary pages may be joined.
    if os.fstatvfs(descriptor).f_bsize != mmap.PAGESIZE:
        raise RemoteError(f"{where}: the memory is of huge pages, which can be taken away")
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode) or not least_bytes <= found.st_size <= SIZE_MAX:
        raise RemoteError(f"{where}: a memory of {found.st_size} bytes")
    try:
        return mmap.mmap(descriptor, found.st_size)
    except (OSError, ValueError) as error:
        refuse_exhausted(error, where)  # a mapping has a descriptor of its own
        raise RemoteError(f"{where}: cannot map the memory: {error}") from None


def _descriptors(ancillary: list[tuple[int, int, bytes]]) -> list[int]:
    found = array.array("i")
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            found.frombytes(data[: len(data) - len(data) % found.itemsize])
    return list(found)
