"""Hostile firmware: any word of its memory changes at any time. ``python -m`` and this.

The host may end requests with errors and lose the firmware. It may not crash, hang, raise anything
else, or write outside the memory; and with firmware that behaves again it works again.
"""

import sys
from collections import Counter
from random import Random
from time import monotonic
from typing import Any

from mboxio import Connection, MailboxError
from mboxio.controllers.firmware_rings.driver import FirmwareRings
from mboxio.controllers.firmware_rings.options import RingsOptions
from mboxio.regions.region import Kind, Memory
from mboxio.ring.layout import HOST_LIFE, TABLE, plan
from tests.firmware_rings.model import SPECS, Firmware
from tests.firmware_rings.test_meeting import Stepped
from tests.fuzzing import run_seeds

GUARD = 4096
CANARY = 0xA5
ROUND = 50
HEAL_S = 20.0
KINDS = (Kind.NORMAL, Kind.DEVICE, Kind.REMOTE)


class Hostile(Stepped):
    """The memory, in which words change between two accesses of the host."""

    fuzz: "Fuzz | None" = None

    def happen(self) -> None:
        super().happen()
        if self.fuzz is not None and self.fuzz.random.random() < 0.05:
            self.fuzz.mutate()

    def buffer(self) -> memoryview | None:
        return self.memory.buffer() if self.kind is Kind.NORMAL else None

    def read_block(self, offset: int, size_bytes: int) -> bytes:
        self.happen()
        return self.memory.read_block(offset, size_bytes)

    def write_block(self, offset: int, data: Any) -> None:
        self.happen()
        self.memory.write_block(offset, data)


class Fuzz:
    """One run.

    Args:
        seed: the same seed changes the same words.
    """

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.layout = plan(SPECS, 1)
        size = self.layout.size_bytes
        self.bytes = bytearray([CANARY]) * (size + 2 * GUARD)
        self.memory = Memory(memoryview(self.bytes)[GUARD : GUARD + size])
        self.firmware = Firmware(self.memory)
        self.firmware.settle()
        self.region = Hostile(self.firmware, KINDS[seed % 3], [3], {})
        options = RingsOptions(answer_s=0.5, timeout_s=0.003, shared=True)
        self.driver = FirmwareRings(options=options, region=self.region)
        self.connection = Connection(self.driver)
        self.clients = [self.connection.client(n, backlog=8) for n in range(len(SPECS))]
        self.pending: list[Any] = []
        self.mutations = 0
        self.ends: Counter[str] = Counter()
        rings = [ring for each in self.layout.channels for ring in (each.to_remote, each.to_host)]
        self.indices = [word for ring in rings for word in (ring.front, ring.rear)]
        self.slots = [ring.base + n * ring.slot_bytes for ring in rings for n in range(ring.slots)]

    def run(self, mutations: int) -> None:
        """Change so many words."""
        while self.mutations < mutations:
            until = self.mutations + ROUND
            self.region.fuzz = self
            while self.mutations < until:
                self.mutate()
                self.step()
            self.region.fuzz = None
            self.heal()

    def close(self) -> None:
        """End it; everything ends with it."""
        self.connection.close()
        assert all(request.over for request in self.pending)
        assert set(self.bytes[:GUARD] + self.bytes[-GUARD:]) == {CANARY}

    def mutate(self) -> None:
        """Change a word."""
        pick = self.random
        offset = pick.choice(
            (
                pick.choice(self.indices),
                pick.choice(self.slots) + pick.choice((0, 4, 8)),
                4 * pick.randrange(self.memory.size_bytes // 4),
                HOST_LIFE if pick.random() < 0.1 else pick.choice(self.indices),
                4 * pick.randrange(TABLE // 4) if pick.random() < 0.1 else pick.choice(self.slots),
            )
        )
        old = self.memory.read(offset, 4)
        value = pick.choice(
            (
                pick.getrandbits(32),
                pick.randrange(10),
                old ^ 1 << pick.randrange(32),
                old + pick.choice((-1, 1)) & 0xFFFFFFFF,
                pick.randrange(self.memory.size_bytes),
                3 << 24 | pick.randrange(64),
            )
        )
        self.memory.write(offset, value, 4)
        self.mutations += 1

    def step(self) -> None:
        """Let the host or the firmware do something."""
        chance = self.random.random()
        try:
            if chance < 0.5:
                client = self.random.choice(self.clients)
                self.pending.append(client.submit(b"%d" % self.mutations))
            elif chance < 0.6:
                self.random.choice(self.clients).post(b"one way")
            elif chance < 0.8:
                self.connection._host.pump.look()
            else:
                for _ in range(self.random.randrange(20)):
                    self.firmware.step()
        except MailboxError as error:
            self.ends[f"refused: {type(error).__name__}"] += 1
        while len(self.pending) > 8:
            self.collect(self.pending.pop(0))

    def collect(self, request: Any) -> None:
        try:
            request.result()
            self.ends["reply"] += 1
        except MailboxError as error:
            self.ends[type(error).__name__] += 1

    def heal(self) -> None:
        """With firmware that behaves, everything works again."""
        for request in self.pending:
            self.collect(request)
        self.pending.clear()
        self.firmware.reset()
        self.firmware.settle()
        self.connection.remote_restarted()
        until_s = monotonic() + HEAL_S
        for client in self.clients:
            while True:
                try:
                    assert client.request(b"healed", timeout_s=0.05) == b"healed"
                    break
                except MailboxError:
                    assert monotonic() < until_s, self.connection.stats()
                    self.driver.reaching.run()
        for counts in self.connection.stats().values():
            assert counts.in_flight == counts.queued == counts.held_slots == 0


if __name__ == "__main__":
    run_seeds(Fuzz, int(sys.argv[1]), 5_000)
