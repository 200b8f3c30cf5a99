"""Making the memory of a new connection and handing it to the host."""

import fcntl
import mmap
import os
import socket
import struct
from collections.abc import Sequence
from typing import NamedTuple

from mboxio._os.descriptors import refuse_exhausted
from mboxio._os.whose import user
from mboxio.local.sockets import HELLO, REFUSAL, REFUSAL_BYTES_MAX
from mboxio.regions import Memory
from mboxio.remote.faults import Greeting
from mboxio.ring.layout import MAGIC, VERSION, ChannelSpec, MemoryLayout, plan, write

__all__ = [
    "Peer",
    "check_peer",
    "greet",
    "mapped",
    "memfd",
    "new_memory",
    "seal",
    "send_away",
]

SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
CREDENTIALS = struct.Struct("3i")


class Peer(NamedTuple):
    """Who is at the other end of a connection.

    Attributes:
        pid: of the process that connected.
        uid: of its user.
        epoch: of the connection's memory.
    """

    pid: int
    uid: int
    epoch: int


def check_peer(connection: socket.socket) -> tuple[int, int]:
    """Return pid and user of a host.

    Raises:
        PermissionError: it is neither our user nor root.
    """
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size)
    pid, uid, _ = CREDENTIALS.unpack(credentials)
    if uid not in (os.geteuid(), 0):
        raise PermissionError(f"the host with pid {pid} belongs to {user(uid)}")
    return pid, uid


def new_memory(specs: Sequence[ChannelSpec]) -> tuple[Memory, MemoryLayout, int]:
    """Make the memory of one connection; return it, what lies in it, and its descriptor.

    Raises:
        OSError: there is no memory or descriptor left.
    """
    # An epoch says which life of the remote this is, so it must differ and is never zero.
    epoch = int.from_bytes(os.urandom(4), "little") or 1
    layout = plan(specs, epoch)
    descriptor = memfd(layout.size_bytes)
    try:
        memory = Memory(mapped(descriptor, layout.size_bytes))
        write(memory, layout)
    except BaseException:
        os.close(descriptor)
        raise
    return memory, layout, descriptor


def greet(
    connection: socket.socket, memory: Memory, descriptor: int, greeting: Greeting = Greeting.GOOD
) -> None:
    """Send the hello with the descriptor of the memory, or what `greeting` makes of it.

    Raises:
        OSError: the host is gone.
    """
    if greeting is Greeting.SILENT:
        return
    if greeting is Greeting.BAD_MAGIC:
        memory.write(0, MAGIC ^ 0xFF, 4)
    elif greeting is Greeting.BAD_VERSION:
        memory.write(4, VERSION + 1, 4)
    seal(descriptor)
    hello = b"MBX?" if greeting is Greeting.BAD_HELLO else HELLO
    if greeting in (Greeting.TRUNCATED, Greeting.UNSEALED):
        _send_copy(connection, memory, greeting)
    elif greeting is Greeting.NO_DESCRIPTOR:
        connection.send(hello, socket.MSG_NOSIGNAL)
    else:
        count = 8 if greeting is Greeting.MANY_DESCRIPTORS else 1
        socket.send_fds(connection, [hello], [descriptor] * count, socket.MSG_NOSIGNAL)


def send_away(connection: socket.socket, why: str) -> None:
    """Tell a host why it gets no memory; it need not be there any more."""
    try:
        text = REFUSAL + why.encode(errors="replace")
        connection.send(text[:REFUSAL_BYTES_MAX], socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
    except OSError:
        pass


def _send_copy(connection: socket.socket, memory: Memory, greeting: Greeting) -> None:
    # Of memory that the host can make smaller, our own mapping would be fatal to us.
    size_bytes = memory.size_bytes // (2 if greeting is Greeting.TRUNCATED else 1)
    descriptor = memfd(size_bytes)
    try:
        os.pwrite(descriptor, memory.read_block(0, size_bytes), 0)
        if greeting is not Greeting.UNSEALED:
            seal(descriptor)
        socket.send_fds(connection, [HELLO], [descriptor], socket.MSG_NOSIGNAL)
    finally:
        os.close(descriptor)


def memfd(size_bytes: int) -> int:
    """Return the descriptor of a new memory that can be sealed."""
    try:
        descriptor = os.memfd_create("mboxio", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    except OSError as error:
        refuse_exhausted(error, "the memory of a connection")
        raise
    try:
        os.ftruncate(descriptor, size_bytes)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def mapped(descriptor: int, size_bytes: int) -> mmap.mmap:
    """Map a memory; the mapping has a descriptor of its own."""
    try:
        return mmap.mmap(descriptor, size_bytes)
    except OSError as error:
        refuse_exhausted(error, "the memory of a connection")
        raise


def seal(descriptor: int) -> None:
    """Fix the size of a memory for good: nobody's mapping of it can fail later."""
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, SEALS)
