"""The smallest host that can talk to a remote."""

import mmap
import os
import select
import socket

from mboxio.local.sockets import connect, ring_doorbell
from mboxio.regions import Memory, Region
from mboxio.ring import MESSAGE, REQUEST, armed, consumer, producer
from mboxio.ring.layout import MemoryLayout, read

Slot = tuple[int, int, bytes]
PATIENCE_MS = 10_000


class Rings:
    """The host's side of a memory."""

    def __init__(self, region: Region, layout: MemoryLayout) -> None:
        self.region = region
        self.layout = layout
        self.armed = armed(region, layout.host_armed, layout.remote_armed)
        self.channels = {
            each.name: (
                producer(region, each.to_remote, self.armed),
                consumer(region, each.to_host),
            )
            for each in layout.channels
        }

    def push(self, channel: str, kind: int, tag: int, message: bytes) -> bool:
        return self.channels[channel][0].push(kind, tag, message)

    def pop(self, channel: str) -> list[Slot]:
        return self.channels[channel][1].pop_batch(1 << 16)


class MiniHost(Rings):
    """A host that is connected to a serving remote."""

    def __init__(self, name: str) -> None:
        self.socket = connect(name)
        try:
            memory = receive_memory(self.socket)
            super().__init__(memory, read(memory))
        except BaseException:
            self.socket.close()
            raise

    def send(
        self, message: bytes, *, channel: str = "c", kind: int = MESSAGE, tag: int = 0
    ) -> None:
        assert self.push(channel, kind, tag, message)
        if self.armed.peer_armed():
            ring_doorbell(self.socket)

    def receive(self, count: int = 1, channel: str = "c") -> list[Slot]:
        """Wait for so many messages."""
        found: list[Slot] = []
        while True:
            found += self.pop(channel)
            if len(found) >= count:
                return found
            self.armed.arm()
            if not self.channels[channel][1].pending():
                readable(self.socket)
                assert self.socket.recv(64), "the remote is gone"
            self.armed.disarm()

    def request(self, message: bytes, *, channel: str = "c", tag: int = 1) -> Slot:
        self.send(message, channel=channel, kind=REQUEST, tag=tag)
        (reply,) = self.receive(channel=channel)
        return reply

    def wait_gone(self) -> None:
        try:
            while True:
                readable(self.socket)
                if not self.socket.recv(64):
                    return
        except ConnectionResetError:
            pass  # it did not read all doorbells before

    def __enter__(self) -> "MiniHost":
        return self

    def __exit__(self, *exception: object) -> None:
        self.socket.close()


def receive_memory(connection: socket.socket) -> Memory:
    readable(connection)
    hello, descriptors, _, _ = socket.recv_fds(connection, 16, 16)
    assert hello == b"MBX1"
    (descriptor,) = descriptors
    try:
        return Memory(mmap.mmap(descriptor, 0))
    finally:
        os.close(descriptor)


def readable(waited: socket.socket) -> None:
    poller = select.poll()
    poller.register(waited, select.POLLIN)
    assert poller.poll(PATIENCE_MS), "the remote is silent"
