"""A hostile other side: any word of rings and buffers changes while traffic runs over them.

``python -m tests.rpmsg.fuzz N``. Our side may end requests with errors, stop its queue and lose the
life. It may not crash, hang, raise anything else, touch memory outside, read what was not filled,
or remember more than its queue holds; and with another side that behaves again it works again.
"""

import sys
from collections import Counter
from random import Random
from typing import Any

from mboxio import MailboxError
from mboxio.client.connection import Connection
from mboxio.controllers.virtio_rpmsg.driver import VirtioRpmsg
from mboxio.controllers.virtio_rpmsg.options import VirtioRpmsgOptions
from mboxio.errors import MessageTooLong, RemoteError
from mboxio.regions import Memory
from mboxio.rpmsg.link import HostLink, Pool, RemoteLink, RpmsgLink
from mboxio.rpmsg.message import NAME_SERVICE, Announcement
from mboxio.sim.clock import VirtualClock
from mboxio.virtio.access import words_of
from mboxio.virtio.layout import SplitLayout
from mboxio.virtio.ring import HostRing, RemoteRing
from mboxio.virtio.words import Window, Windows
from tests.fuzzing import run_seeds

NUM, ALIGN, BUFFER_BYTES = 8, 16, 64
RINGS, POOL, SIZE = (0x0, 0x400), 0x800, 0x800 + 2 * NUM * BUFFER_BYTES
GUARD, CANARY = 4096, 0xA5
ROUND = 40
MS = 1_000_000
OURS, THEIRS = 0x500, 0x400
ROOM = BUFFER_BYTES - 16


class Fuzz:
    """One run.

    Args:
        seed: the same seed changes the same words; even ones have us as the host.
    """

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.is_host = seed % 2 == 0
        self.memory = bytearray([CANARY]) * (SIZE + 2 * GUARD)
        self.memory[GUARD : GUARD + SIZE] = bytes(SIZE)
        self.region = Memory(memoryview(self.memory)[GUARD : GUARD + SIZE])
        self.words = words_of(self.region)
        self.layouts = [SplitLayout(at, NUM, ALIGN) for at in RINGS]
        self.mutations = self.number = 0
        self.ends: Counter[str] = Counter()
        self.pending: list[Any] = []
        self.clock = VirtualClock()
        self.theirs: RpmsgLink | None = None
        if not self.is_host:
            self.begin()
        options = VirtioRpmsgOptions(
            role="host" if self.is_host else "remote",
            rings=",".join(str(at) for at in RINGS),
            num=NUM,
            align=ALIGN,
            buffers=POOL,
            buffer_bytes=BUFFER_BYTES,
            fixed=f"echo={OURS}:{THEIRS}",
            replies="tag:0:2",
            announce_s=0.0,
            timeout_s=0.002,
        )
        driver = VirtioRpmsg(options=options, region=self.region)
        self.connection = Connection(driver, address="virtio-rpmsg:", clock=self.clock)
        self.client = self.connection.client("echo")
        if self.is_host:
            self.begin()

    def begin(self) -> None:
        """Have another side that behaves, in a life of its own."""
        if self.is_host:
            rings = [RemoteRing(self.words, each) for each in self.layouts]
            self.theirs = RemoteLink(rings[0], rings[1], Windows(Window(0, self.words)))
        else:
            sides = [HostRing(self.words, each) for each in self.layouts]
            link = HostLink(sides[0], sides[1], Pool(self.words, POOL, POOL, BUFFER_BYTES))
            link.start()
            self.theirs = link

    def run(self, mutations: int) -> None:
        """Change so many words."""
        while self.mutations < mutations:
            for _ in range(ROUND):
                self.mutate()
                self.step()
            self.check()
            self.heal()

    def close(self) -> None:
        """End it; everything ends with it."""
        self.connection.close()
        assert all(request.over for request in self.pending)

    def mutate(self) -> None:
        """Change a word, the indices more often than others."""
        pick = self.random
        ring = pick.choice(self.layouts)
        offset, width = pick.choice(
            (
                (ring.available + 2, 2),
                (ring.used + 2, 2),
                (ring.available + 4 + 2 * pick.randrange(NUM), 2),
                (ring.used + 4 + 4 * pick.randrange(2 * NUM), 4),
                (ring.base + 4 * pick.randrange(4 * NUM), 4),
                (POOL + BUFFER_BYTES * pick.randrange(2 * NUM) + 4 * pick.randrange(4), 4),
                (4 * pick.randrange(SIZE // 4), 4),
            )
        )
        old = self.region.read(offset, width)
        most = (1 << 8 * width) - 1
        value = pick.choice(
            (
                pick.getrandbits(32),
                pick.randrange(9),
                old ^ 1 << pick.randrange(16),
                old + 1,
                old - 1,
            )
        )
        self.region.write(offset, value & most, width)
        self.mutations += 1

    def step(self) -> None:
        """Let one of both sides do something."""
        pick = self.random
        chance = pick.random()
        if chance < 0.45:
            self.submit()
        elif chance < 0.75:
            self.serve()
        elif chance < 0.95:
            self.connection._host.pump.look()
        else:
            self.clock.advance(pick.choice((10_000, MS, 3 * MS, 20 * MS)))
        self.collect()

    def submit(self) -> None:
        """Submit a request, or a message without one."""
        self.number += 1
        message = bytes(2) + self.number.to_bytes(4, "little") * self.random.randrange(1, 8)
        try:
            if self.number % 5:
                self.pending.append(self.client.submit(message))
            else:
                self.client.post(message)
        except MailboxError as error:
            self.ends[f"refused: {type(error).__name__}"] += 1

    def serve(self) -> None:
        """The other side is as easily fooled, and starts anew then."""
        theirs = self.theirs
        assert theirs is not None
        try:
            for _ in range(NUM):
                message = theirs.receive()
                if message is None:
                    break
                assert len(message) <= ROOM
                theirs.release()
                theirs.send(THEIRS, theirs.source, message)
            if self.random.random() < 0.1:
                theirs.send(9, NAME_SERVICE, Announcement(f"s{self.number % 5}", 9).pack())
            while theirs.sent() >= 0:
                pass
        except (MessageTooLong, RemoteError):  # a buffer may be short, too
            if self.random.random() < 0.2:
                self.begin_again()

    def begin_again(self) -> None:
        """A new life of both sides: the host's rings are empty first."""
        if not self.is_host:
            self.begin()
        self.connection.remote_restarted()
        if self.is_host:
            self.begin()

    def collect(self) -> None:
        """Take note of what is over."""
        left: list[Any] = []
        for request in self.pending:
            if not request.over:
                left.append(request)
                continue
            error = request.exception()
            assert error is None or isinstance(error, MailboxError), repr(error)
            if error is None:
                assert len(request.result()) <= ROOM
            self.ends[type(error).__name__ if error else "reply"] += 1
        self.pending = left

    def check(self) -> None:
        """Nothing outside was written, and our side remembers no more than fits."""
        guards = self.memory[:GUARD] + self.memory[GUARD + SIZE :]
        assert guards == bytes([CANARY]) * len(guards), "memory outside was written"
        queue: Any = self.client._queue
        assert 0 <= queue.slots_used <= queue.depth
        assert len(queue.window.aside) <= 1 << 16
        tags = self.client._channel.correlator
        assert len(tags.free) + len(tags.busy) == 0xFFFF, "a number was lost"

    def heal(self) -> None:
        """With another side that behaves everything ends, and the channel works again."""
        self.begin_again()
        for _ in range(20):
            if not self.connection._host.lost:
                break
            self.clock.advance(2000 * MS)
            self.connection._host.life.seek()
        assert not self.connection._host.lost
        self.clock.advance(20 * MS)
        self.connection._host.pump.look()
        self.collect()
        assert not self.pending, f"requests did not end: {self.pending}"
        request = self.client.submit(b"\0\0healed")
        self.connection._host.pump.look()
        self.serve()
        self.connection._host.pump.look()
        self.clock.advance(MS)
        self.connection._host.pump.look()
        assert request.result()[2:] == b"healed"


def main(mutations: int) -> None:
    """Run with another seed for every 20,000 mutations, in both roles."""
    run_seeds(Fuzz, mutations, 20_000)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
