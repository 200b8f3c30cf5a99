"""What a hostile peer does, once; each is a function of the peer and of chance."""

import os
import socket
from collections.abc import Callable
from random import Random
from typing import Any

from mboxio import RemoteError
from mboxio.local.sockets import DOORBELL
from mboxio.remote import Faults
from tests.remote.minihost import MiniHost

CHANNELS = ("a", "b", "c")


def say(connection: socket.socket, message: bytes) -> None:
    try:
        connection.send(message, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
    except OSError:
        pass  # full, or the other side has had enough


def descriptors(connection: socket.socket, random: Random) -> None:
    """Send some that nobody asked for."""
    ends = os.pipe()
    try:
        socket.send_fds(connection, [DOORBELL], ends * random.randrange(1, 8), socket.MSG_DONTWAIT)
    except OSError:
        pass  # the kernel refuses it, or the other side has had enough
    finally:
        for end in ends:
            os.close(end)


def flood(connection: socket.socket, random: Random) -> None:
    """Ring for nothing."""
    for _ in range(random.randrange(400)):
        say(connection, DOORBELL)


def babble(connection: socket.socket, random: Random) -> None:
    """Say anything, such as a refusal, a hello or nothing at all."""
    for _ in range(random.randrange(8)):
        start = random.choice((b"MBX!", b"MBX1", b"", b"\x1b[2J"))
        say(connection, start + random.randbytes(random.randrange(200)))


def half_close(connection: socket.socket, random: Random) -> None:
    """Say no more, hear no more, or neither."""
    try:
        connection.shutdown(random.choice((socket.SHUT_RD, socket.SHUT_WR, socket.SHUT_RDWR)))
    except OSError:
        pass


SOCKETS: tuple[Callable[[socket.socket, Random], None], ...] = (
    descriptors,
    flood,
    babble,
    half_close,
)


def lie(remote: Any, channel: str, field: str, value: int) -> None:
    try:
        remote.lie(channel, field, value)
    except RemoteError:
        pass  # what it wrote before confuses its own end as well


def of_remote(remote: Any, random: Random) -> bool:
    """Do something evil to all hosts of a `Remote`; True: their replies may be anything now."""
    what = random.randrange(5)
    channel = random.choice(CHANNELS)
    if what == 0:
        for _ in range(random.randrange(100)):
            remote.scribble(random)
        return True
    if what == 1:
        field = random.choice(("front", "rear", "length", "kind"))
        bits = {"front": 32, "rear": 32, "length": 24, "kind": 8}[field]
        lie(remote, channel, field, random.getrandbits(random.randrange(1, bits + 1)))
    elif what == 2:
        for _ in range(random.randrange(30)):
            lie(remote, channel, "tag", random.getrandbits(32))
    elif what == 3:
        remote.faults = Faults(
            seed=random.getrandbits(16),
            late_probability=random.random() / 4,
            late_s=0.01,
            duplicate_probability=random.random(),
            missing_probability=random.random() / 4,
            reorder_probability=random.random(),
            oversize_probability=random.random() / 8,
        )
    else:
        act = random.choice(SOCKETS)
        for host in remote._server.live():
            act(host.socket, random)
    return False


def of_firmware(remote: Any, random: Random) -> bool:
    """As `of_remote`, of an `AcpmRemote`."""
    what = random.randrange(3)
    for sram in tuple(remote.srams):
        if what == 0:
            for _ in range(random.randrange(100)):
                sram.scribble(random)
        elif what == 1:
            sram.lie(0, random.choice(("front", "rear")), random.getrandbits(32))
    if what == 2:
        act = random.choice(SOCKETS)
        for host in remote._server.live():
            act(host.socket, random)
    return what < 2


def of_host(host: MiniHost, random: Random) -> None:
    """Do something evil to a remote of shm."""
    what = random.randrange(5)
    if what == 0:
        for _ in range(random.randrange(100)):
            word = 4 * random.randrange(host.region.size_bytes // 4)
            host.region.write(word, random.getrandbits(32), 4)
    elif what == 1:
        ring = random.choice(host.layout.channels)
        at = random.choice((ring.to_remote.front, ring.to_host.rear))
        host.region.write(at, random.getrandbits(random.randrange(1, 33)), 4)
    elif what == 2:
        producer, _ = random.choice(tuple(host.channels.values()))
        for _ in range(random.randrange(60)):
            message = random.randbytes(random.randrange(producer.message_bytes))
            try:
                producer.push(random.randrange(1, 5), random.getrandbits(32), message)
            except RemoteError:
                return  # what it wrote before confuses its own end as well
    else:
        random.choice(SOCKETS)(host.socket, random)
    say(host.socket, DOORBELL)
