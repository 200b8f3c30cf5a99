"""A descriptor that whoever closes it last waits for, until the test lets it go."""

import os
import socket
import struct
import threading
from types import TracebackType
from typing import Any

LINGER_S = 600
"""Longer than a test may take: a receiver that closes it hangs."""


_sending = threading.Lock()


def _receive(connection: socket.socket, *args: int) -> tuple[bytes, list[Any], int, Any]:
    with _sending:
        pass
    return super(socket.socket, connection).recvmsg(*args)


class SlowDescriptor:
    """A TCP socket with unread data that lingers; ``send`` gives the last reference away."""

    def __init__(self) -> None:
        with socket.socket() as listening:
            listening.bind(("127.0.0.1", 0))
            listening.listen(1)
            self.reader = socket.create_connection(listening.getsockname())
            self.slow, _ = listening.accept()
        self.slow.setblocking(False)
        try:
            while True:
                self.slow.send(bytes(1 << 16))
        except BlockingIOError:
            pass
        self.slow.setblocking(True)
        self.slow.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("2i", 1, LINGER_S))

    def __enter__(self) -> "SlowDescriptor":
        setattr(socket.socket, "recvmsg", _receive)  # noqa: B010
        return self

    def send(self, connection: socket.socket, message: bytes, *, more: int = 0) -> None:
        """Send it along with a message; nobody here looks at that before our copy is closed."""
        with _sending:
            socket.send_fds(connection, [message], [self.slow.fileno()] * (1 + more))
            self.slow.close()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        delattr(socket.socket, "recvmsg")
        self.let_go()

    def let_go(self) -> None:
        """End the wait of whoever closes it, and wait for that."""
        self.reader.close()  # data unread: a reset
        self.slow.close()  # if it was not sent
        while threads := closing():
            for thread in threads:
                if thread.is_alive():
                    thread.join()
                else:  # its start is under way, and to join it then is an error
                    os.sched_yield()


def closing() -> list[threading.Thread]:
    """Return the threads that close something slow."""
    return [thread for thread in threading.enumerate() if thread.name == "mboxio-close"]
