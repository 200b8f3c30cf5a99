"""A vhost-user back end: a virtual machine gets an RPMsg device whose processor is in this process.

The front end, a monitor such as QEMU or User Mode Linux, connects to a Unix socket and hands over
the memory of its guest, the addresses of the rings, and descriptors by which either side is rung.
What is served over them is `Processor`'s affair::

    backend = VhostUser(connection)
    processor = Processor(services, backend)
    while True:
        readable = wait_for_input(backend.descriptors(), processor.next_ns())
        backend.hear(readable)                   # False: the front end is gone
        processor.serve(monotonic_ns())

The front end is not trusted: what it says wrongly is a `RemoteError`, and it has a second for each
request. One thing is beyond that: memory that is made shorter after it was handed over ends this
process (SIGBUS), unless it is sealed against it, and not every monitor seals it.

Source: QEMU, docs/interop/vhost-user.rst (facts only).
"""

import mmap
import os
import socket
import stat
import struct
from collections.abc import Callable
from time import monotonic

from mboxio._base.native import Mutex
from mboxio.errors import RemoteError
from mboxio.regions import Memory
from mboxio.remote.rpmsg.processor import HostSide
from mboxio.rpmsg.link import RemoteLink
from mboxio.virtio.access import words_of
from mboxio.virtio.layout import SplitLayout
from mboxio.virtio.ring import RemoteRing
from mboxio.virtio.words import Window, Windows, Words

__all__ = ["VhostUser"]

HEADER = struct.Struct("<III")
NUMBER = struct.Struct("<Q")
DESCRIPTOR = struct.Struct("i")
STATE = struct.Struct("<II")
RING = struct.Struct("<II4Q")
REGION = struct.Struct("<4Q")
VERSION, REPLY, NEED_REPLY = 1, 4, 8
GET_FEATURES, SET_FEATURES, SET_OWNER, RESET_OWNER, SET_MEM_TABLE = 1, 2, 3, 4, 5
SET_VRING_NUM, SET_VRING_ADDR, SET_VRING_BASE, GET_VRING_BASE = 8, 9, 10, 11
SET_VRING_KICK, SET_VRING_CALL, SET_VRING_ERR = 12, 13, 14
GET_PROTOCOL_FEATURES, SET_PROTOCOL_FEATURES, SET_VRING_ENABLE = 15, 16, 18
SET_BACKEND_REQ_FD, GET_CONFIG, SET_CONFIG = 21, 24, 25
NAME_SERVICE, PROTOCOL_FEATURES, VERSION_1 = 1 << 0, 1 << 30, 1 << 32
FEATURES = NAME_SERVICE | PROTOCOL_FEATURES | VERSION_1
REPLY_ACK, BACKEND_REQ, CONFIG = 1 << 3, 1 << 5, 1 << 9
PROTOCOL_OFFERED = REPLY_ACK | BACKEND_REQ | CONFIG
NO_DESCRIPTOR = 1 << 8
ALIGN = 4096
PAYLOAD_MAX, DESCRIPTORS_MAX = 4096, 8
QUEUES = 2
REQUEST_S = 1.0
"""How long the front end may take for the rest of a request, or to take a reply."""
ADDRESSES = 1 << 64
IGNORED = {
    *(SET_FEATURES, SET_OWNER, RESET_OWNER, SET_PROTOCOL_FEATURES, SET_VRING_BASE),
    *(SET_VRING_ERR, SET_CONFIG),
}
EVENT_DESCRIPTOR = "anon_inode:[eventfd]"


class Vring:
    """What the front end has said of one ring."""

    def __init__(self) -> None:
        self.num = 0
        self.at: tuple[int, int, int] | None = None
        self.kick = self.call = -1
        self.enabled = False


class VhostUser(HostSide):
    """The back end of one front end.

    One thread calls everything but `ring`, which any may call.

    Args:
        connection: from the front end; it belongs to this object from now on.
    """

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.windows = Windows()
        self.closed = False
        self._vrings = [Vring() for _ in range(QUEUES)]
        self._regions: list[tuple[int, Window]] = []
        self._kept: dict[str, int] = {}
        self._guard = Mutex()  # of the descriptors that `ring` uses
        self._end_s = 0.0
        self._take: dict[int, Callable[[bytes, list[int]], bytes | None]] = {
            GET_FEATURES: lambda _payload, _fds: NUMBER.pack(FEATURES),
            GET_PROTOCOL_FEATURES: lambda _payload, _fds: NUMBER.pack(PROTOCOL_OFFERED),
            SET_MEM_TABLE: self._memory,
            SET_VRING_NUM: self._num,
            SET_VRING_ADDR: self._addresses,
            GET_VRING_BASE: self._stop,
            SET_VRING_KICK: lambda payload, fds: self._descriptor("kick", payload, fds),
            SET_VRING_CALL: lambda payload, fds: self._descriptor("call", payload, fds),
            SET_VRING_ENABLE: self._enable,
            SET_BACKEND_REQ_FD: self._requests,
            GET_CONFIG: lambda payload, _: payload[:12] + bytes(len(payload[12:])),
        }

    # -- for the processor

    def ready(self) -> bool:
        """Return whether both rings may be used."""
        return not self.closed and all(
            each.enabled and each.at is not None and each.call >= 0 for each in self._vrings
        )

    def join(self) -> RemoteLink:
        """Return the link over the rings as they are now; raises RemoteError."""
        to_host, to_us = (self._ring(each) for each in self._vrings)
        return RemoteLink(to_host, to_us, self.windows)

    def ring(self, queue: int) -> None:
        """Interrupt the guest. A ring that was not heard yet stands for this one."""
        self._guard.acquire()
        call = self._vrings[queue].call
        try:
            if call >= 0:
                os.write(call, NUMBER.pack(1))
        except BlockingIOError:
            pass
        except OSError:  # nobody hears it any more: the connection tells
            _close(call)
            self._vrings[queue].call = -1
        finally:
            self._guard.release()

    # -- for the loop

    def descriptors(self) -> list[int]:
        """Return what becomes readable when `hear` has something to do."""
        kicks = [each.kick for each in self._vrings if each.kick >= 0]
        return [self.connection.fileno(), *kicks]

    def hear(self, readable: list[int]) -> bool:
        """Take a request of the front end, and that it rang; False: it is gone.

        Args:
            readable: which of `descriptors` are.

        Raises:
            RemoteError: it broke the protocol.
        """
        for each in self._vrings:
            if each.kick in readable:
                self._heard(each)
        if self.connection.fileno() not in readable:
            return True
        try:
            return self._request()
        except TimeoutError:
            raise RemoteError("the front end stopped in the middle of a request") from None
        except ConnectionError:
            return False

    def close(self) -> None:
        """Give everything back. To the guest, the processor is gone."""
        if self.closed:
            return
        self.closed = True
        self.connection.close()
        self._guard.acquire()
        for each in self._vrings:
            _close(each.kick, each.call)
            each.kick = each.call = -1
        self._guard.release()
        _close(*self._kept.values())
        self._kept.clear()
        self._take.clear()  # its methods are ours: without that, the memory stays until collected
        self._regions = []
        self.windows = Windows()

    # -- requests

    def _heard(self, vring: Vring) -> None:
        """Take note of a kick."""
        try:
            if os.read(vring.kick, NUMBER.size):
                return
        except BlockingIOError:
            return
        except OSError:
            pass
        raise RemoteError("the front end lied: nobody can ring where it said that it would")

    def _request(self) -> bool:
        self._end_s = monotonic() + REQUEST_S
        self.connection.settimeout(REQUEST_S)
        # Not recv_fds, which does not hand its flags on.
        room = socket.CMSG_SPACE(DESCRIPTORS_MAX * DESCRIPTOR.size)
        read, parts, got, _ = self.connection.recvmsg(HEADER.size, room, socket.MSG_CMSG_CLOEXEC)
        fds = _descriptors(parts)
        try:
            if not read:
                return False
            if got & socket.MSG_CTRUNC:
                raise RemoteError("the front end sent more descriptors than there may be")
            read += self._exactly(HEADER.size - len(read))
            request, flags, size = HEADER.unpack(read)
            if flags & 3 != VERSION or size > PAYLOAD_MAX:
                raise RemoteError(f"the front end lied: {size} bytes, flags {flags:#x}")
            payload = self._exactly(size)
            known = self._take.get(request)
            answer = known(payload, fds) if known else None
        except struct.error:
            raise RemoteError("the front end lied: a request has another length") from None
        finally:
            _close(*fds)
        if answer is None and flags & NEED_REPLY:
            answer = NUMBER.pack(0 if known or request in IGNORED else 1)
        if answer is not None:
            self.connection.sendall(HEADER.pack(request, VERSION | REPLY, len(answer)) + answer)
        return True

    def _exactly(self, size: int) -> bytes:
        read = b""
        while len(read) < size:
            self.connection.settimeout(max(self._end_s - monotonic(), 1e-3))
            more = self.connection.recv(size - len(read))
            if not more:
                raise RemoteError("the front end went in the middle of a request")
            read += more
        return read

    def _memory(self, payload: bytes, fds: list[int]) -> None:
        count, _ = STATE.unpack_from(payload)
        regions: list[tuple[int, Window]] = []
        if count != len(fds):
            raise RemoteError(f"the front end lied: {count} regions, {len(fds)} descriptors")
        for number, fd in enumerate(fds):
            address, size, user, offset = REGION.unpack_from(payload, 8 + REGION.size * number)
            found = os.fstat(fd)
            # To a mapping, 0 bytes would be the whole file.
            possible = 0 < size <= found.st_size - offset and stat.S_ISREG(found.st_mode)
            if offset % mmap.ALLOCATIONGRANULARITY or not possible:
                raise RemoteError(f"the front end lied: there is no region of {size} bytes")
            if max(address, user) + size > ADDRESSES or any(
                address < each.address + each.size_bytes and each.address < address + size
                for _, each in regions
            ):
                raise RemoteError(f"the front end lied: a region cannot lie at {address:#x}")
            try:
                words = words_of(Memory(mmap.mmap(fd, size, offset=offset)))
            except (OSError, ValueError, OverflowError) as error:
                raise RemoteError(f"the front end's memory cannot be mapped: {error}") from None
            regions.append((user, Window(address, words)))
        self._regions = regions
        self.windows = Windows(*(window for _, window in regions))

    def _vring(self, number: int) -> Vring:
        if number >= QUEUES:
            raise RemoteError(f"the front end lied: there is no queue {number}")
        return self._vrings[number]

    def _num(self, payload: bytes, _: list[int]) -> None:
        number, num = STATE.unpack(payload)
        self._vring(number).num = num

    def _addresses(self, payload: bytes, _: list[int]) -> None:
        number, _flags, descriptors, used, available, _log = RING.unpack(payload)
        self._vring(number).at = (descriptors, used, available)

    def _enable(self, payload: bytes, _: list[int]) -> None:
        number, enabled = STATE.unpack(payload)
        self._vring(number).enabled = bool(enabled)

    def _stop(self, payload: bytes, _: list[int]) -> bytes:
        number, _num = STATE.unpack(payload)
        self._vring(number).enabled = False
        return STATE.pack(number, 0)

    def _descriptor(self, name: str, payload: bytes, fds: list[int]) -> None:
        (word,) = NUMBER.unpack(payload)
        vring = self._vring(word & 0xFF)
        new = -1 if word & NO_DESCRIPTOR or not fds else fds[0]
        if new >= 0:
            if not _can_ring(new):
                raise RemoteError("the front end lied: it rings with no eventfd, pipe or socket")
            os.set_blocking(new, False)  # another who reads or fills it does not make us wait
            fds.pop(0)
        self._guard.acquire()
        old = getattr(vring, name)
        setattr(vring, name, new)
        _close(old)
        self._guard.release()

    def _requests(self, _: bytes, fds: list[int]) -> None:
        _close(self._kept.pop("requests", -1))
        if fds:
            # Nothing is asked there; its end tells the guest that we are gone.
            self._kept["requests"] = fds.pop(0)

    def _ring(self, vring: Vring) -> RemoteRing:
        if vring.at is None:
            raise RemoteError("the front end lied: a ring has no address")
        descriptors, used, available = vring.at
        words, base = self._find(descriptors)
        layout = SplitLayout(base, vring.num, ALIGN)
        distance = layout.used - layout.base
        if (available - descriptors, used - descriptors) != (16 * vring.num, distance):
            raise RemoteError("the parts of a ring do not follow each other as in a legacy device")
        try:
            return RemoteRing(words, layout)
        except ValueError as error:
            raise RemoteError(f"the front end lied: {error}") from None

    def _find(self, user: int) -> tuple[Words, int]:
        for start, window in self._regions:
            if start <= user < start + window.size_bytes:
                return window.words, user - start
        raise RemoteError(f"the front end lied: there is no memory at {user:#x}")


def _descriptors(parts: list[tuple[int, int, bytes]]) -> list[int]:
    """Return the descriptors that came with a message."""
    found: list[int] = []
    for level, kind, data in parts:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            whole = data[: len(data) - len(data) % DESCRIPTOR.size]
            found.extend(each for (each,) in DESCRIPTOR.iter_unpack(whole))
    return found


def _can_ring(descriptor: int) -> bool:
    """Return whether this is an eventfd, a pipe or, as User Mode Linux has it, a local socket."""
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISFIFO(mode):
        return True
    if stat.S_ISSOCK(mode):
        with socket.socket(fileno=os.dup(descriptor)) as each:
            return each.family == socket.AF_UNIX
    return os.readlink(f"/proc/self/fd/{descriptor}") == EVENT_DESCRIPTOR


def _close(*descriptors: int) -> None:
    for each in descriptors:
        if each >= 0:
            os.close(each)
