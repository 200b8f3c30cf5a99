"""A region that another process on this machine serves: ``peer:NAME``.

That process listens on a SEQPACKET socket and hands over one sealed memfd per connection::

    page 0    magic, version, size of the region     written once, magic last
       + 40   host_armed, -, host_promise, host_cpu  written by the host
       + 80   remote_armed, -, remote_promise, remote_cpu   by the remote; see mboxio_process.h
    page 1..  the region

The socket is doorbell and interrupt, with the words of mboxio's own rings, and its end is the end
of the other side. What lies in the region is none of this module's business.
"""

import mmap
import socket
from typing import TYPE_CHECKING

from mboxio._os.descriptors import readable
from mboxio.errors import MailboxError, RemoteError, RemoteGone
from mboxio.local.doorbells import let_go, refuses_descriptors, take_doorbell
from mboxio.local.handover import receive_memory
from mboxio.local.sockets import connect, peer_name, ring_doorbell
from mboxio.regions.interrupts import Doorbell, Interrupt
from mboxio.regions.region import Memory
from mboxio.ring import armed, require_ordered_memory

if TYPE_CHECKING:
    from mboxio.ring.contract import Armed

__all__ = ["PAGE_BYTES", "PEER_HELLO", "PeerRegion", "open_peer", "prepare"]

PEER_HELLO = b"MBXR"
MAGIC = int.from_bytes(PEER_HELLO, "little")
VERSION = 1
PAGE_BYTES = 4096
SIZE = 8
HOST_ARMED, REMOTE_ARMED = 0x40, 0x80
CONNECT_S = 1.0
RINGS_PER_LOOK = 64


class PeerDoorbell(Doorbell):
    """Rings the other side's socket."""

    def __init__(self, connection: socket.socket, words: "Armed") -> None:
        self.connection = connection
        self.armed = words

    def ring(self) -> None:
        """See `Doorbell.ring`."""
        ring_doorbell(self.connection)


class PeerInterrupt(Interrupt):
    """What the other side rings."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.sure = refuses_descriptors(connection)
        self.peer = peer_name(connection)

    def fileno(self) -> int:
        """See `Interrupt.fileno`."""
        return self.connection.fileno()

    def clear(self) -> int:
        """See `Interrupt.clear`."""
        count = 0
        try:
            while count < RINGS_PER_LOOK:  # more wait for the next event
                if not take_doorbell(self.connection, self.sure):
                    raise RemoteGone(f"{self.peer} closed the connection")
                count += 1
        except BlockingIOError:
            pass
        except ConnectionResetError:
            raise RemoteGone(f"{self.peer} died") from None
        except OSError as error:
            if isinstance(error, MailboxError):
                raise
            raise RemoteGone(f"the connection to it: {error.strerror}") from None
        return count

    def unmask(self) -> None:
        """See `Interrupt.unmask`; a socket masks nothing."""

    def close(self) -> None:
        """See `Interrupt.close`."""
        let_go(self.connection)


class PeerRegion(Memory):
    """A region of another process; `open_peer` makes it.

    Args:
        name: what the other process serves it as.
        connection: to that process.
        mapping: the memory that it handed over, page 0 included.
        offset: where the window begins, in bytes of the region.
        size_bytes: its size; None: to the end of the region.

    Raises:
        RemoteError: page 0 is not what was agreed, or there is no such window.
    """

    def __init__(
        self,
        name: str,
        connection: socket.socket,
        mapping: mmap.mmap,
        offset: int = 0,
        size_bytes: int | None = None,
    ) -> None:
        page = Memory(memoryview(mapping)[:PAGE_BYTES])
        magic, version, whole = page.read_words(0, 3)
        if magic != MAGIC or version != VERSION or whole != len(mapping) - PAGE_BYTES:
            raise RemoteError(
                f"peer:{name}: page 0 says {magic:#x}, version {version}, {whole} bytes; "
                f"agreed are {MAGIC:#x}, version {VERSION}, {len(mapping) - PAGE_BYTES} bytes"
            )
        end = whole if size_bytes is None else offset + size_bytes
        if not 0 <= offset < end <= whole:
            raise RemoteError(
                f"peer:{name} has {whole} bytes, there is nothing at {offset:#x} to {end:#x}"
            )
        super().__init__(memoryview(mapping)[PAGE_BYTES + offset : PAGE_BYTES + end])
        self.name = name
        self.window = offset, size_bytes
        self.connection = connection
        self.interrupt = PeerInterrupt(connection)
        self.doorbell = PeerDoorbell(connection, armed(page, HOST_ARMED, REMOTE_ARMED))
        self.knocking: socket.socket | None = None

    def again(self) -> "PeerRegion | None":
        """See `Region.again`: knock, and the next time see whether a memory was handed over."""
        if self.knocking is None:
            try:
                self.knocking = connect(self.name, "peer")
            except MailboxError:
                return None  # nobody is there yet
        if not readable(self.knocking.fileno(), 0):
            return None
        knocking, self.knocking = self.knocking, None
        return _receive(self.name, knocking, *self.window)

    def close(self) -> None:
        """See `Region.close`."""
        if self.knocking is not None:
            let_go(self.knocking)
            self.knocking = None
        super().close()


def open_peer(where: str, offset: int, size_bytes: int | None) -> PeerRegion:
    """Open ``peer:NAME@offset+size``.

    Raises:
        RuntimeError: this build cannot share memory on this machine.
    """
    require_ordered_memory()
    connection = connect(where, "peer", CONNECT_S)
    if not readable(connection.fileno(), CONNECT_S):
        let_go(connection)
        raise RemoteGone(
            f"peer:{where}: the remote accepted the connection and handed over no memory "
            f"in {CONNECT_S:.0f} s"
        )
    return _receive(where, connection, offset, size_bytes)


def _receive(
    name: str, connection: socket.socket, offset: int, size_bytes: int | None
) -> PeerRegion:
    try:
        where = f"peer:{name}"
        mapping = receive_memory(connection, PEER_HELLO, PAGE_BYTES + 4, where)
        return PeerRegion(name, connection, mapping, offset, size_bytes)
    except BaseException:
        let_go(connection)
        raise


def prepare(memory: Memory) -> None:
    """Write page 0 of a new memory; the side that made it calls this before anybody sees it."""
    memory.write(4, VERSION, 4)
    memory.write(SIZE, memory.size_bytes - PAGE_BYTES, 4)
    memory.write(0, MAGIC, 4)
