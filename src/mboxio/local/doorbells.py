"""Doorbells as they come, and the end of a connection: nobody waits for what they carry.

A message may carry descriptors. Whoever takes it, or closes the socket in which it lies, closes
those that nobody else has, and that takes as long as the sender likes: a TCP socket lingers. So a
message is looked at before it is taken, a connection over which descriptors come is ended, and a
thread of its own closes it. Linux 6.16 and later refuses such messages to their senders.
"""

import errno
import os
import socket
import struct
import threading
from collections.abc import Callable, Sequence
from typing import TypeVar

from mboxio._base.texts import remote_text

__all__ = [
    "REFUSAL",
    "close_aside",
    "let_go",
    "refuse_descriptors",
    "refuses_descriptors",
    "take_doorbell",
]

SO_PASSRIGHTS = 83
"""Of Linux 6.16 and later, where the numbers are those of most architectures."""
REFUSAL = b"MBX!"
"""How a message begins by which a remote sends a host away, at once or later; then comes why."""
MESSAGE_BYTES = 64
"""More than a doorbell has, and enough for a reason."""
CREDENTIALS = socket.CMSG_SPACE(struct.calcsize("3i"))
UNREAD_MAX = 1024
"""More messages than lie in a socket, unless somebody made its buffer larger."""
ASIDE_S = 0.02
"""How long to wait for a thread that closes, which is done at once as a rule."""


T = TypeVar("T")


class Unwanted(ConnectionAbortedError):
    """Somebody sends something else where only doorbells are agreed, and that is the end."""


def refuse_descriptors(connection: socket.socket) -> bool:
    """Have the kernel refuse messages with descriptors; False: it cannot.

    What came before is still there. What a listening socket accepts inherits it.
    """
    try:
        connection.setsockopt(socket.SOL_SOCKET, SO_PASSRIGHTS, 0)
    except OSError:
        return False
    return True


def refuses_descriptors(connection: socket.socket) -> bool:
    """As `refuse_descriptors`; True only if no message with descriptors came before, either."""
    if not refuse_descriptors(connection):
        return False
    try:
        connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def take_doorbell(connection: socket.socket, sure: bool) -> bytes:
    """Take one message that waits; empty: the other side is gone.

    Args:
        connection: where; it does not block.
        sure: no message there can carry descriptors.

    Raises:
        Unwanted: it carries descriptors, and is left where it is (`let_go` ends this), or it is
            the reason why the other side goes.
        OSError: none waits, or the connection is broken.
    """
    if not sure:
        flags = socket.MSG_PEEK | socket.MSG_DONTWAIT
        if connection.recvmsg(MESSAGE_BYTES, 0, flags)[2] & socket.MSG_CTRUNC:
            raise Unwanted(errno.ECONNABORTED, "it sends descriptors")
    message = connection.recv(MESSAGE_BYTES, socket.MSG_DONTWAIT)
    if message.startswith(REFUSAL):
        raise Unwanted(errno.ECONNABORTED, f"it says: {remote_text(message[len(REFUSAL) :])}")
    return message


def let_go(connection: socket.socket) -> None:
    """End and close a connection, and never wait for what lies in it unread."""
    try:
        connection.shutdown(socket.SHUT_RDWR)  # nothing more comes
    except OSError:
        pass  # the other side was faster
    if _safe(connection):
        connection.close()
    else:
        _aside(_empty, connection)


def close_aside(descriptors: Sequence[int]) -> None:
    """Close what may take any time, on a thread of its own."""
    if descriptors:
        _aside(_close, descriptors)


def _aside(work: Callable[[T], object], what: T) -> None:
    closing = threading.Thread(target=work, args=(what,), name="mboxio-close", daemon=True)
    closing.start()
    closing.join(ASIDE_S)


def _close(descriptors: Sequence[int]) -> None:
    for descriptor in descriptors:
        try:
            os.close(descriptor)
        except OSError:
            pass  # the file system behind it reports a failure; it is closed


def _empty(connection: socket.socket) -> None:
    """Take what lies in a connection, and close it then.

    Event loops have copies of its descriptor, and who sleeps on it holds it as well: whichever is
    the last to let go of it would wait for what still lies there.
    """
    try:
        while connection.recvmsg(1, 0, socket.MSG_DONTWAIT)[2] & socket.MSG_CTRUNC:
            pass  # a message, as its credentials show, which find no room
    except OSError:
        pass  # that was all
    connection.close()


def _safe(connection: socket.socket) -> bool:
    """Take all messages that carry nothing; False: something may be left."""
    flags = socket.MSG_PEEK | socket.MSG_DONTWAIT
    try:
        # Credentials tell a message without content from the end.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
    except OSError:
        return False
    for _ in range(UNREAD_MAX):
        try:
            _, ancillary, found, _ = connection.recvmsg(1, CREDENTIALS, flags)
            if found & socket.MSG_CTRUNC:
                return False
            if not ancillary:
                return True
            connection.recv(1, socket.MSG_DONTWAIT)
        except ConnectionResetError:
            continue  # told once, and messages may follow
        except OSError:
            return True  # nothing waits
    return False
