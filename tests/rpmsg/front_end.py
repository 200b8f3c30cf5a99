"""A vhost-user front end that says what a test wants, and the back end at its other end."""

import array
import mmap
import os
import select
import socket
import struct

from mboxio.regions import Memory
from mboxio.remote.rpmsg import vhost_user as wire
from mboxio.remote.rpmsg.processor import Processor
from mboxio.remote.rpmsg.services import Services
from mboxio.remote.rpmsg.vhost_user import VhostUser
from mboxio.rpmsg.link import HostLink, Pool
from mboxio.virtio.access import words_of
from mboxio.virtio.layout import SplitLayout
from mboxio.virtio.ring import HostRing

NUM, SIZE = 16, 1 << 16
GUEST, USER = 0x8000_0000, 0x7F00_0000_0000
BASES = (0x0, 0x4000)
POOL = 0x8000


class FrontEnd:
    """Both ends of one connection. A context manager."""

    def __init__(self) -> None:
        self.ours, theirs = socket.socketpair()
        self.backend = VhostUser(theirs)
        services = Services(NUM)
        services.service("echo", address=0x400)
        self.processor = Processor(services, self.backend)
        self.memory = os.memfd_create("guest")
        os.truncate(self.memory, SIZE)
        self.kicks = [os.eventfd(0, os.EFD_NONBLOCK) for _ in range(2)]
        self.calls = [os.eventfd(0, os.EFD_NONBLOCK) for _ in range(2)]
        region = Memory(mmap.mmap(self.memory, SIZE))
        words = words_of(region)
        layouts = [SplitLayout(base, NUM, wire.ALIGN) for base in BASES]
        self.layouts = layouts
        self.region = region
        rings = [HostRing(words, each) for each in layouts]
        self.host = HostLink(rings[0], rings[1], Pool(words, POOL, GUEST + POOL, 512))

    def say(
        self, request: int, payload: bytes = b"", fds: tuple[int, ...] = (), flags: int = 1
    ) -> None:
        """Send one request, whole."""
        self.raw(wire.HEADER.pack(request, flags, len(payload)) + payload, fds)

    def raw(self, data: bytes, fds: tuple[int, ...] = ()) -> None:
        """Send bytes."""
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        self.ours.sendmsg([data], rights)

    def table(
        self, *regions: tuple[int, int, int, int], fds: tuple[int, ...], count: int = -1
    ) -> None:
        """Hand over memory: guest address, size, user address and offset of each region."""
        count = len(regions) if count < 0 else count
        packed = b"".join(wire.REGION.pack(*each) for each in regions)
        self.say(wire.SET_MEM_TABLE, struct.pack("<II", count, 0) + packed, fds)

    def addresses(self, queue: int, at: tuple[int, int, int] | None = None) -> None:
        """Say where a ring is."""
        layout = self.layouts[queue]
        parts = at or (USER + layout.base, USER + layout.used, USER + layout.available)
        self.say(wire.SET_VRING_ADDR, wire.RING.pack(queue, 0, *parts, 0))

    def set_up(self) -> None:
        """Say everything as it is."""
        self.host.start()
        self.say(wire.SET_OWNER)
        self.table((GUEST, SIZE, USER, 0), fds=(self.memory,))
        for queue in range(2):
            self.say(wire.SET_VRING_NUM, wire.STATE.pack(queue, NUM))
            self.addresses(queue)
            self.say(wire.SET_VRING_KICK, wire.NUMBER.pack(queue), (self.kicks[queue],))
            self.say(wire.SET_VRING_CALL, wire.NUMBER.pack(queue), (self.calls[queue],))
            self.say(wire.SET_VRING_ENABLE, wire.STATE.pack(queue, 1))

    def serve(self) -> bool:
        """Have the back end do all that there is to do; False: it found nobody here."""
        while True:
            if ready := select.select(self.backend.descriptors(), [], [], 0)[0]:
                if not self.backend.hear(ready):
                    return False
            elif not self.processor.serve(0):
                return True

    def echo(self, message: bytes) -> bytes:
        """Return what comes back of a message."""
        while self.host.sent() >= 0:
            pass
        assert self.host.send(7, 0x400, message) >= 0
        os.eventfd_write(self.kicks[1], 1)
        assert self.serve()
        while (answer := self.host.receive()) is not None:
            self.host.release()
            if self.host.destination == 7:
                return answer
        raise AssertionError("no answer")

    def __enter__(self) -> "FrontEnd":
        return self

    def __exit__(self, *_: object) -> None:
        self.processor.close()
        self.backend.close()
        self.ours.close()
        del self.host, self.region, self.processor, self.backend  # and the memory with them
        for each in (self.memory, *self.kicks, *self.calls):
            os.close(each)
