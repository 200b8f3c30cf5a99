"""Peers that do one evil thing without end, in a process of their own.

``python -m tests.hostile.enemies KIND NAME`` serves ``shm:NAME``, or attacks it, says ``ready``,
and goes on until it is killed.
"""

import ctypes
import mmap
import os
import select
import signal
import socket
import sys
from collections import Counter
from collections.abc import Callable
from random import Random

from mboxio.errors import MailboxError, RemoteError
from mboxio.local.sockets import DOORBELL, REFUSAL, connect, listen
from mboxio.regions import Memory
from mboxio.remote.channel import error_message
from mboxio.remote.serving.handshake import greet, new_memory
from mboxio.ring import ERROR, MESSAGE, REPLY, REQUEST, consumer, producer
from mboxio.ring.layout import ChannelSpec, MemoryLayout
from tests.io.running import FakeOpenOcd
from tests.io.stubs import FakeGdb, FakeQtest, framed
from tests.remote.minihost import MiniHost
from tests.shm.slow import SlowDescriptor

from . import evil

CHANNEL = ChannelSpec("a", 32, 256)
READY: list[SlowDescriptor] = []
LINGERING: list[socket.socket] = []
EMPTY = 1 << 30
"""Status of a BCM2835 mailbox in which nothing waits."""
STATUS = 0x18
QUIET_READS = 8
"""So often a probe's words are read before it does what it is here for."""
HANG = b"hang"
PR_SET_PDEATHSIG = 1
CALM_S = 0.5
"""So long a host has to find the folder as it should be."""


def say(link: socket.socket, message: bytes) -> None:
    """Send, and wait while the other side has not read the last ones."""
    poller = select.poll()
    poller.register(link, select.POLLOUT)
    poller.poll()
    link.send(message, socket.MSG_NOSIGNAL)


def silent(link: socket.socket, memory: Memory, layout: MemoryLayout) -> None:
    """Take nothing and answer nothing."""
    while link.recv(64):
        pass


def bells(link: socket.socket, memory: Memory, layout: MemoryLayout) -> None:
    """Ring for nothing."""
    while True:
        say(link, DOORBELL)


def slow(link: socket.socket, memory: Memory, layout: MemoryLayout) -> None:
    """Give away a descriptor whose last owner takes ten minutes to close it.

    The next one is ready before its host comes, so that it is there before it can be refused.
    """
    slow_once(link)
    if len(LINGERING) % 4:
        silent(link, memory, layout)


def slow_once(link: socket.socket) -> None:
    """Give such a descriptor away, and make the next one."""
    descriptor = READY.pop() if READY else SlowDescriptor()
    LINGERING.append(descriptor.reader)
    try:
        descriptor.send(link, DOORBELL)
    except OSError:
        LINGERING.pop().close()  # else it is we who wait
        descriptor.slow.close()
    READY.append(SlowDescriptor())


def pipes(link: socket.socket, memory: Memory, layout: MemoryLayout) -> None:
    """Send descriptors that nobody asked for."""
    random = Random(1)
    while True:
        evil.descriptors(link, random)
        say(link, DOORBELL)


def flood(kind: int, message: bytes) -> Callable[[socket.socket, Memory, MemoryLayout], None]:
    """Return what fills the ring to the host again and again."""

    def fill(link: socket.socket, memory: Memory, layout: MemoryLayout) -> None:
        ring = producer(memory, layout.channels[0].to_host, None)
        asked = consumer(memory, layout.channels[0].to_remote)
        random = Random(1)
        while True:
            asked.pop_batch(64)
            for _ in range(64):
                if not ring.push(kind, random.getrandbits(32), message):
                    break
            say(link, DOORBELL)

    return fill


def scribble(link: socket.socket, memory: Memory, layout: MemoryLayout) -> None:
    """Write anything anywhere, from the first message on, and come back for another life."""
    random = Random(memory.read(8, 4))
    while not memory.read(layout.channels[0].to_remote.front, 4):
        os.sched_yield()
    for _ in range(random.randrange(1, 200)):
        for _ in range(20):
            at = 4 * random.randrange(memory.size_bytes // 4)
            memory.write(at, random.getrandbits(random.randrange(1, 33)), 4)
        say(link, DOORBELL)


def churn(link: socket.socket, memory: Memory, layout: MemoryLayout) -> None:
    """Be gone at once."""


def die(link: socket.socket, memory: Memory, layout: MemoryLayout) -> None:
    """Be gone as soon as there is something to do."""
    while not memory.read(layout.channels[0].to_remote.front, 4):
        os.sched_yield()


def babble(link: socket.socket, memory: Memory, layout: MemoryLayout) -> None:
    """Give a long and colourful reason, and be gone."""
    say(link, REFUSAL + b"\x1b[2J\n" * 4000)


SERVES: dict[str, Callable[[socket.socket, Memory, MemoryLayout], None]] = {
    "silent": silent,
    "bells": bells,
    "descriptors": pipes,
    "slow descriptors": slow,
    "stale replies": flood(REPLY, bytes(200)),
    "errors": flood(ERROR, error_message(-5, "\x1b[2J" * 200, 256)),
    "messages": flood(MESSAGE, bytes(200)),
    "requests": flood(REQUEST, bytes(200)),
    "scribbler": scribble,
    "lives of a moment": churn,
    "lives of a request": die,
    "reasons": babble,
}


def serve(name: str, act: Callable[[socket.socket, Memory, MemoryLayout], None]) -> None:
    """Give each host a memory, and be evil."""
    listening, _ = listen(name)
    listening.setblocking(True)
    print("ready", flush=True)
    while True:
        link, _ = listening.accept()
        memory, layout, descriptor = new_memory([CHANNEL])
        try:
            greet(link, memory, descriptor)
            act(link, memory, layout)
        except (OSError, RemoteError):
            pass  # the host has gone, or we have confused ourselves
        finally:
            os.close(descriptor)
            link.close()


def come_and_go(name: str, stay: Callable[[socket.socket], object]) -> None:
    """Connect, and leave again."""
    while True:
        try:
            with connect(name) as link:
                stay(link)
        except MailboxError:
            os.sched_yield()  # others do the same


def hello(link: socket.socket) -> None:
    """Take the memory."""
    link.setblocking(True)
    try:
        _, descriptors, _, _ = socket.recv_fds(link, 64, 4)
    except OSError:
        return  # turned away
    for descriptor in descriptors:
        os.close(descriptor)


def stay(name: str) -> None:
    """Take all places, ask nothing."""
    kept: list[socket.socket] = []
    while True:
        try:
            kept.append(connect(name, patience_s=60.0))
        except MailboxError:
            pass  # it has enough
        while len(kept) > 200:
            kept.pop(0).close()


def liar(name: str) -> None:
    """Connect, and lie."""
    while True:
        try:
            with MiniHost(name) as host:
                front = host.layout.channels[0].to_remote.front
                host.region.write(front, 0xFFFFFFFF, 4)
                say(host.socket, DOORBELL)
                hello(host.socket)
        except (MailboxError, OSError, AssertionError):
            pass  # turned away


def ringing(name: str) -> None:
    """Take the memory, and ring for nothing."""
    with MiniHost(name) as host:
        while True:
            say(host.socket, DOORBELL)


def passing(name: str) -> None:
    """Send descriptors, also slow ones, with doorbells."""
    random = Random(1)
    while True:
        try:
            with connect(name, patience_s=60.0) as link:
                evil.descriptors(link, random)
                slow_once(link)
                hello(link)
        except MailboxError:
            os.sched_yield()  # it has enough


ATTACKS: dict[str, Callable[[str], None]] = {
    "hosts that come": lambda name: come_and_go(name, lambda link: None),
    "hosts that take the memory": lambda name: come_and_go(name, hello),
    "hosts that stay": stay,
    "hosts that lie": liar,
    "hosts that ring": ringing,
    "hosts that send descriptors": passing,
}


def probe(kind: type[FakeQtest | FakeGdb | FakeOpenOcd], after: bytes) -> None:
    """Answer, and soon send something more each time, or hang."""
    stub = kind(None)
    stub.words[STATUS] = stub.words[STATUS + 0x20] = EMPTY
    stub.words[0x80000000 + STATUS] = EMPTY
    reads: Counter[int] = Counter()

    def load(address: int) -> int:
        reads[stub.clients] += 1
        if reads[stub.clients] > QUIET_READS and after == HANG:
            assert stub.peer is not None
            stub.peer.recv(1, socket.MSG_PEEK)  # until it has given up, and connects again
        elif reads.total() > QUIET_READS:
            stub.after = after  # from here on, also for who connects again
        return stub.words.get(address, 0)

    stub.load = load  # type: ignore[method-assign]
    print(f"ready {stub.path}", flush=True)
    stub.run()


PROBES: dict[str, tuple[type[FakeQtest | FakeGdb | FakeOpenOcd], bytes]] = {
    "qtest": (FakeQtest, b""),
    "qtest that hangs": (FakeQtest, HANG),
    "qtest interrupts": (FakeQtest, b"IRQ raise 9\n" * 5000),
    "gdb": (FakeGdb, b""),
    "gdb that hangs": (FakeGdb, HANG),
    "openocd": (FakeOpenOcd, b""),
    "openocd that hangs": (FakeOpenOcd, HANG),
    "openocd texts": (FakeOpenOcd, b"5 0 0x5\x1a" * 5000),
    "gdb texts": (FakeGdb, framed(b"O" + b"41" * 500) * 60),
}


def spoil_file(path: str, shorten: bool) -> None:
    """Write anything anywhere into a file, from its first change on; or make it shorter then."""
    random = Random(1)
    with open(path, "r+b") as file, mmap.mmap(file.fileno(), 0) as memory:
        print("ready", flush=True)
        before = memory[:]
        while memory[:] == before:
            os.sched_yield()
        while shorten:
            file.truncate(0)
            os.sched_yield()
        while True:
            at = 4 * random.randrange(len(memory) // 4)
            memory[at : at + 4] = random.getrandbits(random.randrange(1, 33)).to_bytes(4, "little")


def spoil_folder(path: str) -> None:
    """Move a folder, what is in it, and what others may do there, again and again."""
    away, random = f"{path}.away", Random(1)
    os.makedirs(path, 0o700, exist_ok=True)
    print("ready", flush=True)
    select.select((), (), (), CALM_S)
    while True:
        what = random.randrange(4)
        try:
            if what == 0:
                os.rename(path, away)
                os.symlink(away, path)
                os.sched_yield()
                os.unlink(path)
                os.rename(away, path)
            elif what == 1:
                os.chmod(path, 0o777)
                os.sched_yield()
                os.chmod(path, 0o700)
            elif what == 2:
                os.rename(f"{path}/t.sock", f"{path}/u.sock")
                os.mkfifo(f"{path}/t.sock", 0o600)
                os.sched_yield()
                os.rename(f"{path}/u.sock", f"{path}/t.sock")
            else:
                os.rename(path, away)
                os.sched_yield()
                os.rename(away, path)
        except FileNotFoundError:
            os.sched_yield()  # the socket is not there yet


def main(kind: str, name: str) -> None:
    """Be it, for no longer than the program that started it."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if kind in SERVES:
        serve(name, SERVES[kind])
    elif kind in PROBES:
        probe(*PROBES[kind])
    elif kind == "folder":
        spoil_folder(name)
    elif kind in ("file", "short file"):
        spoil_file(name, kind == "short file")
    else:
        print("ready", flush=True)
        ATTACKS[kind](name)


if __name__ == "__main__":
    main(*sys.argv[1:])
