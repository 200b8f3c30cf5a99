"""Firmware in Python, step by step: what ``mboxio_firmware.h`` does, on any region."""

import threading
from collections.abc import Callable, Iterator

from mboxio.errors import RemoteError
from mboxio.regions.region import Region
from mboxio.ring.contract import ERROR, MESSAGE, REPLY, REQUEST
from mboxio.ring.layout import (
    HEARTBEAT,
    HOST_LIFE,
    HOST_READY,
    HOST_SEEN,
    MAGIC,
    ChannelSpec,
    MemoryLayout,
    plan,
    write,
)
from mboxio.ring.reference import ReferenceConsumer, ReferenceProducer

SPECS = (ChannelSpec("echo0", 8, 56), ChannelSpec("echo1", 8, 56))


class Firmware:
    """Two echo channels.

    Args:
        memory: its RAM.
        specs: what it offers.
        greets: says "hello" on channel 0 to each host, once it may speak.
    """

    def __init__(
        self,
        memory: Region,
        specs: tuple[ChannelSpec, ...] = SPECS,
        *,
        greets: bool = False,
    ) -> None:
        self.memory = memory
        self.specs = specs
        self.greets = greets
        self.heard: list[tuple[int, bytes]] = []  # host's life, message
        self.layout: MemoryLayout | None = None
        self.steps = self.run()
        self.answer: Callable[[bytes], bytes] = bytes
        self.lives = 0
        self.silent = False
        self.lock = threading.RLock()  # a host meets it on a thread of its own

    def reset(self) -> None:
        """Start again, wherever it was."""
        with self.lock:
            self.steps = self.run()

    def step(self) -> None:
        """Go on by one access or so; from any thread."""
        with self.lock:
            next(self.steps)

    def settle(self, limit: int = 500) -> None:
        """Go on until nothing is left to do."""
        with self.lock:
            for _ in range(limit):
                if next(self.steps):
                    return

    def run(self) -> Iterator[bool]:
        """Yield after each step: whether a round is over in which nothing was done."""
        while True:
            try:
                yield from self.live()
            except RemoteError:
                continue  # the host lied: a new life

    def live(self) -> Iterator[bool]:
        memory = self.memory
        self.lives += 1
        life, greeted = 0, False
        epoch = memory.read(8, 4)
        memory.write(0, 0, 4)
        yield False
        memory.write(HOST_LIFE, 0, 4)
        yield False
        layout = plan(self.specs, (epoch + 1) & 0xFFFFFFFF)
        for offset in range(4, layout.size_bytes, 4 * 97):
            count = min(97, (layout.size_bytes - offset) // 4)
            memory.write_words(offset, [0] * count)
            yield False
        write(memory, layout)
        self.layout = layout
        assert memory.read(0, 4) == MAGIC
        yield False
        rings = [
            (ReferenceConsumer(memory, each.to_remote), ReferenceProducer(memory, each.to_host))
            for each in layout.channels
        ]
        while True:
            worked = False
            found = memory.read(HOST_LIFE, 4)
            if found != life:
                yield False
                for incoming, outgoing in rings:
                    incoming.reset()
                    yield False
                    outgoing.reset()
                    yield False
                life, greeted, worked = found, False, True
                memory.write(HOST_SEEN, life, 4)
                yield False
            if self.greets and life and not greeted and memory.read(HOST_READY, 4) == life:
                greeted = worked = rings[0][1].push(MESSAGE, 0, b"hello")
                yield False
            for incoming, outgoing in rings if life and not self.silent else ():
                while incoming.peek():
                    yield False
                    message = incoming.payload()
                    self.heard.append((life, message))
                    if incoming.kind == REQUEST:
                        kind = ERROR if message[:1] == b"!" else REPLY
                        text = b"\x16\0\0\0no" if kind == ERROR else self.answer(message)
                        if not outgoing.push(kind, incoming.tag, text):
                            break
                    yield False
                    incoming.advance()
                    incoming.release()
                    worked = True
            memory.write(HEARTBEAT, memory.read(HEARTBEAT, 4) + 1 & 0xFFFFFFFF, 4)
            yield not worked
