"""A hostile SRAM: any word changes at any time while traffic runs. ``python -m tests.acpm.fuzz N``.

The host may end requests with errors, stop queues and lose the firmware. It may not crash, hang,
raise anything else, touch memory outside the SRAM, or remember more than its queues hold; and with
firmware that behaves again it works again.
"""

import mmap
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Any

from mboxio import MailboxError, QueueFull
from mboxio.controllers.acpm import layout as acpm
from mboxio.controllers.acpm.layout import AcpmSpec, plan
from mboxio.errors import RemoteError
from mboxio.regions import Memory
from mboxio.remote.acpm.sram import AcpmRemoteChannel, Sram
from tests.fuzzing import run_seeds, told

from .support import BASE, MS, Board, numbered, own, reply_to

SPECS = (AcpmSpec(8, 16), AcpmSpec(5, 32, polled=True), AcpmSpec(80, 16))
ROUND = 40
SCRIBBLE = """
import mmap, random, struct, sys
start, rings, size, count = map(int, sys.argv[1:])
memory = mmap.mmap(0, 0)
for number in range(count):
    first = rings if number % 5000 else 0  # a changed descriptor ends a life
    offset = start + first + 4 * random.randrange((size - first) // 4)
    value = random.choice((0, 1, 7, random.getrandbits(32), random.randrange(64) << 16))
    memory[offset : offset + 4] = struct.pack("<I", value)
"""
"""What another process does to the SRAM."""
GUARD = 4096
CANARY = 0xA5


class Fuzz:
    """One run.

    Args:
        seed: the same seed changes the same words.
        memory: where the SRAM lies, `GUARD` bytes from its start; by default memory of our own.
    """

    def __init__(self, seed: int, memory: Any = None) -> None:
        self.random = Random(seed)
        size = plan(SPECS, BASE).size_bytes
        self.memory = memory or bytearray([CANARY]) * (size + 2 * GUARD)
        region = Memory(memoryview(self.memory)[GUARD : GUARD + size])
        self.board = Board(*SPECS, region=region, timeout_s=0.002, boot_word=0)
        self.board.bell.ring = self.in_the_doorbell  # type: ignore[method-assign]
        self.channels = [AcpmRemoteChannel(n, spec) for n, spec in enumerate(SPECS)]
        for channel in self.channels:
            channel.answer_with(reply_to)
        self.connection = self.board.connect()
        # Nothing unattended: no service thread polls while time passes.
        self.clients = [self.connection.client(n) for n in range(len(SPECS))]
        self.pending: list[tuple[Any, int]] = []
        self.boots = self.mutations = self.number = 0
        self.hostile = True
        self.ends: Counter[str] = Counter()
        self.targets = self.find_targets()
        self.begin()

    def find_targets(self) -> list[Callable[[], int]]:
        """Return what chooses the word to change, some places more often than others."""
        pick = self.random
        indices = [
            word
            for channel in self.board.layout.channels
            for ring in (channel.to_remote, channel.to_host)
            for word in (ring.front, ring.rear)
        ]
        slots = [
            ring
            for channel in self.board.layout.channels
            for ring in (channel.to_remote, channel.to_host)
        ]

        def slot() -> int:
            ring = pick.choice(slots)
            return ring.base + pick.randrange(ring.slots) * ring.slot_bytes

        words = self.board.region.size_bytes // 4
        array = self.board.layout.array
        described = len(SPECS) * acpm.ENTRY_WORDS
        return [
            *[lambda: pick.choice(indices)] * 8,
            *[slot] * 8,
            *[lambda: 4 * pick.randrange(words)] * 3,
            lambda: array + 4 * pick.randrange(described) if pick.random() < 0.1 else slot(),
            lambda: BASE + 4 * pick.randrange(7) if pick.random() < 0.1 else slot(),
        ]

    def begin(self) -> None:
        """Have firmware that behaves, in a life of its own."""
        self.boots += 1
        self.board.boot(self.boots)
        self.firmware = Sram(self.channels, self.board.region, self.board.layout)

    def run(self, mutations: int) -> None:
        """Change so many words."""
        while self.mutations < mutations:
            until = self.mutations + ROUND
            while self.mutations < until:
                self.mutate()
                self.step()
            self.check()
            self.heal()

    def run_beside(self, process: "subprocess.Popen[bytes]") -> None:
        """Have traffic while another process changes words."""
        self.hostile = False
        while process.poll() is None:
            self.step()
            if self.random.random() < 0.01:
                self.begin_again()
            if self.connection._host.lost and self.random.random() < 0.1:
                self.board.clock.advance(2000 * MS)
                self.connection._host.life.seek()
            if self.random.random() < 0.001:
                self.check()
        self.check()
        self.heal()

    def begin_again(self) -> None:
        """Without a new life all would soon be at a standstill; it may be disturbed as well."""
        try:
            self.begin()
        except RemoteError:
            self.ends["firmware that could not start"] += 1
        self.connection.remote_restarted()

    def close(self) -> None:
        """End it; everything ends with it."""
        self.connection.close()
        assert all(request.over for request, _ in self.pending)

    # -- what the SRAM does

    def mutate(self) -> None:
        """Change a word."""
        pick, region = self.random, self.board.region
        offset = pick.choice(self.targets)()
        old = region.read(offset, 4)
        value = pick.choice(
            (
                pick.getrandbits(32),
                pick.randrange(9),
                old ^ 1 << pick.randrange(32),
                old + pick.choice((-1, 1)) & 0xFFFFFFFF,
                0xFFFFFFFF - pick.randrange(9),
                pick.randrange(region.size_bytes),
                pick.randrange(64) << 16,
            )
        )
        region.write(offset, value, 4)
        self.mutations += 1

    def in_the_doorbell(self) -> None:
        """The host is in the middle of sending."""
        if self.hostile and self.random.random() < 0.3:
            self.mutate()

    # -- what the two sides do meanwhile

    def step(self) -> None:
        """Let the host or the firmware do something."""
        pick = self.random
        chance = pick.random()
        if chance < 0.45:
            self.submit(pick.randrange(len(SPECS)))
        elif chance < 0.75:
            self.serve()
        elif chance < 0.95:
            self.connection._host.pump.look()
        else:
            self.board.clock.advance(pick.choice((10_000, MS, 3 * MS, 20 * MS)))
        if self.pending and pick.random() < 0.2:
            self.pending[0][0].done()
            self.collect()

    def submit(self, channel: int) -> None:
        """Submit a request, or a message without one."""
        self.number += 1
        client = self.clients[channel]
        try:
            if self.number % 5:
                self.pending.append((client.submit(numbered(self.number)), self.number))
            else:
                client.post(numbered(self.number))
        except MailboxError as error:
            self.ends[f"refused: {type(error).__name__}"] += 1

    def serve(self) -> None:
        """The firmware is as easily fooled, and starts anew then."""
        try:
            self.firmware.serve(self.board.clock.now_ns())
        except RemoteError:
            if self.random.random() < 0.2:
                self.begin_again()

    def collect(self) -> None:
        """Take note of what is over."""
        left: list[tuple[Any, int]] = []
        for request, number in self.pending:
            if not request.over:
                left.append((request, number))
                continue
            error = request.exception()
            assert error is None or isinstance(error, MailboxError), repr(error)
            if error is None:
                assert len(request.result()) in {spec.slot_bytes for spec in SPECS}
            self.ends[type(error).__name__ if error else "reply"] += 1
        self.pending = left

    # -- what has to be so

    def check(self) -> None:
        """Nothing outside was written, and the host remembers no more than fits."""
        size = self.board.region.size_bytes
        guards = self.memory[:GUARD] + self.memory[GUARD + size :]
        assert guards == bytes([CANARY]) * len(guards), "memory outside the SRAM was written"
        for client in self.clients:
            queue = client._queue
            assert 0 <= queue.slots_used <= queue.depth
            assert 0 <= queue.credits_used <= queue.depth
            tags = client._channel.correlator
            assert sorted([*tags.free, *tags.busy]) == list(range(1, 64)), "a number was lost"
            assert len(queue.in_flight()) <= 2 * queue.depth
            assert len(queue.window.aside) <= queue.depth

    def heal(self) -> None:
        """With firmware that behaves everything ends, and the channels work again."""
        self.hostile = False
        self.begin()
        self.connection.remote_restarted()
        for _ in range(20):
            if not self.connection._host.lost:
                break
            self.board.clock.advance(2000 * MS)
            self.connection._host.life.seek()
        assert not self.connection._host.lost, "the descriptor is good and was not used again"
        self.board.clock.advance(20 * MS)
        self.connection._host.pump.look()
        self.collect()
        assert not self.pending, f"requests did not end: {self.pending}"
        for client in self.clients:
            self.exchange(client)
        self.hostile = True

    def exchange(self, client: Any) -> None:
        """Get the own reply of one request."""
        for _ in range(100):
            self.serve_well()
            self.number += 1
            try:
                request = client.submit(numbered(self.number))
            except QueueFull:
                continue
            self.serve_well()
            assert own(request.result()[:16], self.number) or client._channel.number == 1
            return
        raise AssertionError(f"no place for a request: {self.connection.stats()}")

    def serve_well(self) -> None:
        self.firmware.serve(self.board.clock.now_ns())
        self.connection._host.pump.look()


def beside(mutations: int) -> "Counter[str]":
    """Have another process change words for as long as it takes; return how requests ended."""
    size = plan(SPECS, BASE).size_bytes
    with tempfile.TemporaryFile() as file:
        file.write(bytes([CANARY]) * (size + 2 * GUARD))
        file.flush()
        fuzz = Fuzz(mutations, mmap.mmap(file.fileno(), 0))
        rings = min(channel.to_remote.front for channel in fuzz.board.layout.channels)
        where = [str(number) for number in (GUARD, rings, size, mutations)]
        command = [sys.executable, "-c", SCRIBBLE, *where]
        with subprocess.Popen(command, stdin=file) as process:
            fuzz.run_beside(process)
    assert process.returncode == 0
    fuzz.close()
    return fuzz.ends


def main(mutations: int) -> None:
    """Run with another seed for every 50,000 mutations, then beside another process."""
    run_seeds(Fuzz, mutations, 50_000)
    ends = told(beside(mutations))
    print(f"{mutations:,} mutations by another process at the same time: {ends}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
