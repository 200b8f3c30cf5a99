"""Rings in memory shared with another process on this machine: ``shm:NAME``.

The remote listens on a socket and hands over one sealed memfd per connection; see
`mboxio.remote`. The socket is doorbell, wait source and liveness. The remote is not trusted:
everything about the memory is checked before it is mapped, and its indices never afterwards.
"""

import mmap
import os
import socket
from dataclasses import dataclass

from mboxio._os.descriptors import readable
from mboxio.controllers.rings import Lane, RingController
from mboxio.driver.capabilities import Capabilities
from mboxio.driver.contracts import DriverQueue
from mboxio.errors import MailboxError, RemoteError, RemoteGone
from mboxio.local.doorbells import let_go, refuses_descriptors, take_doorbell
from mboxio.local.handover import receive_memory
from mboxio.local.sockets import (
    HELLO,
    HOST_NEVER_RECEIVES,
    HOST_NEVER_SENDS,
    LEGACY,
    connect,
    peer_name,
    peer_pid,
    ring_doorbell,
)
from mboxio.regions.region import Memory
from mboxio.ring import armed, consumer, producer, require_ordered_memory
from mboxio.ring.layout import TABLE, ChannelLayout, read

CONNECT_MAX_S = 1_000_000
"""What the kernel can count in milliseconds, and more."""


@dataclass(frozen=True, kw_only=True)
class ShmOptions:
    """Options of an address: ``shm:demo?connect_timeout_s=5``.

    Args:
        connect_timeout_s: how long the remote may take to hand over its memory, in seconds.
        timeout_s: default deadline of a request, in seconds.
        spin_s: longest time that a wait looks at the rings before it sleeps, in seconds.
    """

    connect_timeout_s: float = 1.0
    timeout_s: float = 1.0
    spin_s: float = 50e-6

    def __post_init__(self) -> None:
        if not 0 <= self.connect_timeout_s <= CONNECT_MAX_S:
            raise ValueError(f"connect_timeout_s is 0 or more seconds, at most {CONNECT_MAX_S}")


class SharedMemory(RingController):
    """The host's end of a connection to `mboxio.remote.Remote` or a firmware in C.

    Args:
        name: what the remote is called.
        options: see `ShmOptions`.

    Raises:
        AddressError: no such name is possible, or nobody may be asked under it.
        RemoteGone: nobody serves there.
    """

    Options = ShmOptions

    def __init__(self, name: str, options: ShmOptions | None = None) -> None:
        super().__init__()
        self.name = name
        self.options = options or ShmOptions()
        self.socket: socket.socket | None = None
        self.pidfd = -1
        self.sure = False  # that no message on the socket carries descriptors
        self.linked = False
        self.memory: mmap.mmap | None = None

    # -- reaching the remote

    def open(self) -> None:
        """See `Controller.open`."""
        require_ordered_memory()
        self.socket = connect(self.name, patience_s=self.options.connect_timeout_s)
        if not readable(self.socket.fileno(), self.options.connect_timeout_s):
            raise RemoteGone(
                f"shm:{self.name}: the remote accepted the connection and handed over no memory "
                f"in {self.options.connect_timeout_s} s"
            )
        self.take_memory()

    def reconnect(self) -> bool:
        """See `Controller.reconnect`: knock again; the memory comes as an event."""
        try:
            knocking = connect(self.name)
        except MailboxError:
            return True  # nobody is there yet
        self.decide(self.await_memory, knocking)
        return True

    def await_memory(self, knocking: socket.socket) -> None:
        """Watch a new connection, unless the link has come up. Under the lock."""
        if self.linked or self.is_closed():
            let_go(knocking)
            return
        self.hang_up()
        self.socket = knocking
        self.watch(knocking.fileno())

    def take_memory(self) -> None:
        """Receive, check and map the remote's memory; then the link is up.

        Raises:
            RemoteGone: the remote hung up.
            RemoteError: what it handed over is not what was agreed.
        """
        assert self.socket is not None
        where = f"shm:{self.name}"
        self.memory = receive_memory(self.socket, HELLO, TABLE, where)
        self.sure = refuses_descriptors(self.socket)
        region = Memory(self.memory)
        layout = read(region)
        found = {each.name or str(number): each for number, each in enumerate(layout.channels)}
        self.check_channels(found)
        for name, each in found.items():
            self.add_lane(name, each, region)
        self.armed = armed(region, layout.host_armed, layout.remote_armed)
        for lane in self.lanes:
            lane.producer.armed = self.armed
        self.find_shortcuts()
        self.is_armed = False
        self.pidfd = _pidfd(self.socket)
        self.linked = True
        descriptors = (self.socket.fileno(), self.pidfd)
        self.watch(*(each for each in descriptors if each >= 0))
        self.link(True, layout.epoch)

    def check_channels(self, found: dict[str, ChannelLayout]) -> None:
        """Refuse a remote that came back as another one, before anything is changed."""
        missing = [name for name in self.declared_channels() if name not in found]
        if missing:
            raise RemoteError(f"shm:{self.name}: the remote came back without channel {missing}")
        for name, channel in self.declared_channels().items():
            ours, theirs = channel.context, found[name]
            kept = (ours.producer.slots, ours.consumer.slots, ours.producer.message_bytes)
            came = (theirs.to_remote.slots, theirs.to_host.slots, theirs.to_remote.message_bytes)
            if kept != came:
                raise RemoteError(f"shm:{self.name}: channel {name!r} came back with other rings")

    def add_lane(self, name: str, found: ChannelLayout, region: Memory) -> None:
        """Make a channel over a pair of rings, or put new rings under one that exists."""
        known = self.declared_channels().get(name)
        sending = producer(region, found.to_remote, None)
        receiving = consumer(region, found.to_host)
        if known is not None:
            lane = known.context
            lane.producer, lane.consumer = sending, receiving
            return
        lane = Lane(sending, receiving, True)
        queue = self.add_queue(
            Capabilities(
                depth=sending.slots - 1,
                reply_credits=receiving.slots - 1,
                message_bytes=sending.message_bytes,
                matches_replies=not found.flags & LEGACY,
                epoch_source="a new connection has new memory",
                timeout_s=self.options.timeout_s,
                spin_s=self.options.spin_s,
            ),
            name,
        )
        channel = self.add_channel(
            name,
            queue,
            can_send=not found.flags & HOST_NEVER_SENDS,
            can_receive=not found.flags & HOST_NEVER_RECEIVES,
        )
        self.connect_lane(lane, queue, channel)

    # -- events

    def hear(self, queue: DriverQueue) -> None:
        """Read doorbells; notice the memory of a new life and the end of this one.

        All queues share the socket, which is read once per event.
        """
        if self.socket is None or queue is not self.declared_queues()[0]:
            return
        if not self.linked:
            if not readable(self.socket.fileno(), 0):
                return  # an event is a hint: the memory has not come yet
            try:
                self.take_memory()
            except MailboxError as error:
                self.lose(str(error))
            return
        try:
            if not take_doorbell(self.socket, self.sure):  # others are the next event
                self.lose_process("closed the connection")
        except BlockingIOError:
            if self.has_ended():
                self.lose_process("ended")
        except ConnectionResetError:
            self.lose_process("died")
        except OSError as error:
            self.lose(error.strerror or str(error))

    def has_ended(self) -> bool:
        """Return whether its process has ended; False where nothing says that."""
        return self.pidfd >= 0 and readable(self.pidfd, 0)

    def lose_process(self, what: str) -> None:
        """The remote is gone, and its process may be as well: its sockets close before it ends."""
        assert self.socket is not None
        self.lose(f"{peer_name(self.socket)} {'ended' if self.has_ended() else what}")

    def ring_doorbell(self, lane: Lane) -> None:
        """See `RingController.ring_doorbell`."""
        if self.socket is not None:
            ring_doorbell(self.socket)

    def lose(self, reason: str) -> None:
        """The remote is gone. What it still wrote is read no more."""
        self.hang_up()
        self.link(False, 0, reason)

    # -- letting go

    def hang_up(self) -> None:
        """Close the connection; its memory goes with the last ring over it."""
        self.linked = False
        self.drop_shortcuts()
        self.watch()
        if self.socket is not None:
            let_go(self.socket)
            self.socket = None
        if self.pidfd >= 0:
            os.close(self.pidfd)
            self.pidfd = -1
        self.memory = None

    def close(self) -> None:
        """See `Controller.close`."""
        self.hang_up()
        self.drop_lanes()
        self.armed = None

    def forked(self) -> None:
        """See `Controller.forked`."""
        self.linked = False
        if self.socket is not None:
            self.socket.close()  # not `let_go`, whose shutdown would end the parent's connection
        if self.pidfd >= 0:
            os.close(self.pidfd)
            self.pidfd = -1


def _pidfd(connection: socket.socket) -> int:
    """Return a descriptor that is readable when the peer's process ends; -1 if there is none."""
    pid = peer_pid(connection)
    try:
        return os.pidfd_open(pid) if pid > 0 and hasattr(os, "pidfd_open") else -1
    except OSError:
        return -1
