"""The world: board, firmware and clients on one clock, and what is measured there."""

from random import Random
from typing import NoReturn

from mboxio._base.tap import Tap
from mboxio.client.blocking import Client
from mboxio.client.connection import Connection
from mboxio.sim.clock import LATE_TIMER, VirtualClock
from mboxio.sim.world.apart import apart
from mboxio.sim.world.board import Board
from mboxio.sim.world.client import SimulatedClient
from mboxio.sim.world.firmware import Firmware
from mboxio.sim.world.load import Load
from mboxio.sim.world.loop import VirtualLoop
from mboxio.sim.world.mailbox import Mailbox
from mboxio.sim.world.measured import Measured, jain, percentile
from mboxio.sim.world.tally import Tally

__all__ = ["World", "simulate"]

SPIN_MIN_NS = 100
"""A look takes this long at least: a model of free accesses must not spin for ever."""
PRIME = 1_000_003


class Over(BaseException):
    """The end of a run, out of the timers of the clock."""


class World:
    """The real core in virtual time, on a board that does not exist. A context manager.

    The host is one processor: while it accesses registers, nothing else happens there. The
    firmware is another one and goes on. Everything follows from the seed.

    >>> from mboxio.sim.world import Board, Exponential, Load, World
    >>> board = Board(depth=8, workers=4, service=Exponential(20), tx_done="irq")
    >>> with World(board, Load(clients=16), seed=1) as world:
    ...     world.run(seconds=0.01)
    ...     measured = world.measured()
    >>> measured.wrong, measured.done > 500, measured.fairness > 0.9
    (0, True, True)

    Args:
        board: the board.
        load: its clients.
        seed: of all that is drawn.
        tap: told what happens to messages.
    """

    def __init__(self, board: Board, load: Load, *, seed: int = 1, tap: Tap | None = None) -> None:
        if load.message_bytes > board.message_bytes:
            raise ValueError(
                f"message_bytes={load.message_bytes}: the board takes {board.message_bytes}"
            )
        self.board = board
        self.load = load
        self.clock = VirtualClock()
        self.tally = Tally(load.clients)
        self.firmware = self.make_firmware(Random(seed * PRIME))
        self.mailbox = self.make_mailbox()
        self.connection = Connection(self.mailbox, address="sim", clock=self.clock, tap=tap)
        self.loop = VirtualLoop(self.clock, self.connection._host.pump)
        self.mailbox.loop = self.loop
        self.spin_ns = round(board.spin_us * 1000)
        self.spins_until_ns = -1
        self.sent = self.loop.set_timer if not self.spin_ns else self.start_spinning
        self.clients = [
            self.make_client(index, Random(seed * PRIME + 1 + index))
            for index in range(load.clients)
        ]
        self.from_counts = self.counts()
        for each in self.clients:
            each.start()

    # -- what it is made of

    def make_firmware(self, random: Random) -> Firmware:
        """Return the far side."""
        return Firmware(self.board, self.clock, random)

    def make_mailbox(self) -> Mailbox:
        """Return the driver."""
        return Mailbox(self.board, self.clock, self.firmware)

    def open_client(self, index: int) -> Client:
        """Return the real client of a number."""
        load = self.load
        channels = self.board.queues * self.board.channels
        from_queueing = load.deadline == "queueing"
        queue_us = load.queue_timeout_us
        return self.connection.client(
            index % channels,
            backlog=load.backlog,
            timeout_s=None if from_queueing else load.timeout_us / 1e6,
            queue_timeout_s=None
            if from_queueing
            else (load.timeout_us if queue_us is None else queue_us) / 1e6,
        )

    def make_client(self, index: int, random: Random) -> SimulatedClient:
        """Return a client."""
        client = self.open_client(index)
        client._at_home = self.loop
        return SimulatedClient(self, self.load, client, index, random)

    # -- running

    def run(self, seconds: float) -> None:
        """Let virtual time pass.

        A host that cannot keep up would never come to the end: then what is overdue stays so.
        """
        end_ns = self.clock.now_ns() + round(seconds * 1e9)
        # Of what is overdue, the first comes first: this, before what was due after the end.
        end = self.clock.call_at(end_ns, self.end)
        try:
            self.clock.advance(end_ns - self.clock.now_ns())
        except Over:
            pass
        finally:
            end.cancel()

    def end(self) -> NoReturn:
        """The time of `run` is over."""
        raise Over

    def warm_up(self, seconds: float) -> None:
        """Let time pass, and measure from then on."""
        self.run(seconds)
        self.tally.restart(self.clock.now_ns())
        self.from_counts = self.counts()
        self.firmware.false_time_outs = 0

    def start_spinning(self) -> None:
        """Go on looking for a while."""
        self.loop.set_timer()
        spins = self.spins_until_ns >= 0
        self.spins_until_ns = self.clock.now_ns() + self.spin_ns
        if not spins:
            self.clock.call_at(self.clock.now_ns(), self.spin, LATE_TIMER)

    def spin(self) -> None:
        """Look, and again after that."""
        begun_ns = self.clock.now_ns()
        if begun_ns >= self.spins_until_ns or not self.tally.live:
            self.spins_until_ns = -1
            return
        self.mailbox.spin()
        again_ns = max(self.clock.now_ns(), begun_ns + SPIN_MIN_NS)
        self.clock.call_at(again_ns, self.spin, LATE_TIMER)

    # -- what came out

    def counts(self) -> tuple[int, int, int, int]:
        """Return interrupts, accesses, doorbells and looks so far."""
        mailbox = self.mailbox
        return mailbox.interrupts, mailbox.accesses, mailbox.doorbells, mailbox.looks

    def held(self) -> int:
        """Return how many slots, credits and tags outlive their requests now."""
        return sum(
            each.held_slots + each.held_credits + len(each.held_tags)
            for each in self.connection.stats().values()
        )

    def measured(self) -> Measured:
        """Return what was measured since the warm-up."""
        tally = self.tally
        ordered = sorted(tally.latencies_ns)
        done = len(ordered)
        seconds = (self.clock.now_ns() - tally.from_ns) / 1e9
        counts = [now - before for now, before in zip(self.counts(), self.from_counts, strict=True)]
        interrupts, accesses, doorbells, looks = (each / max(1, done) for each in counts)
        return Measured(
            seconds=seconds,
            requests=tally.requests,
            done=done,
            timed_out=tally.timed_out,
            false_time_outs=self.firmware.false_time_outs,
            failed=tally.failed,
            refused=tally.refused.total(),
            wrong=tally.wrong,
            per_second=done / seconds if seconds else 0.0,
            p50_us=percentile(ordered, 0.5),
            p99_us=percentile(ordered, 0.99),
            p999_us=percentile(ordered, 0.999),
            max_us=percentile(ordered, 1.0),
            fairness=jain(tally.done_by),
            interrupts=interrupts,
            accesses=accesses,
            doorbells=doorbells,
            looks=looks,
            host_busy=counts[1] * self.mailbox.access_ns / 1e9 / seconds if seconds else 0.0,
            live_max=tally.live_max,
            memory_bytes=tally.live_max * self.load.message_bytes,
            held=self.held(),
        )

    def close(self) -> None:
        """End everything."""
        self.stop()
        self.connection.close()

    def stop(self) -> None:
        """Begin no request any more."""
        for each in self.clients:
            each.stopped = True

    def __enter__(self) -> "World":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def simulate(
    board: Board, load: Load, *, seed: int = 1, seconds: float = 0.1, warm_up_s: float = 0.005
) -> Measured:
    """Run a load on a board in virtual time, and return what was measured.

    The same arguments give the same result, on every build and Python.

    >>> from dataclasses import replace
    >>> from mboxio.sim.world import Board, Exponential, Load, simulate
    >>> board = Board(depth=1, workers=4, service=Exponential(20), tx_done="ack")
    >>> load = Load(clients=8, think=Exponential(10))
    >>> one, many = (simulate(replace(board, depth=depth), load) for depth in (1, 8))
    >>> many.per_second > 2 * one.per_second
    True

    Args:
        board: the board.
        load: its clients.
        seed: of all that is drawn.
        seconds: virtual time that is measured, after
        warm_up_s: seconds that are not.

    Raises:
        ValueError: the load does not fit the board.
    """
    return apart(_simulate, board, load, seed, seconds, warm_up_s)


def _simulate(board: Board, load: Load, seed: int, seconds: float, warm_up_s: float) -> Measured:
    with World(board, load, seed=seed) as world:
        world.warm_up(warm_up_s)
        world.run(seconds)
        return world.measured()
