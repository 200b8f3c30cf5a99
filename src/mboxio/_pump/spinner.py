"""Spinning: looking for an answer for a while before a sleep, which costs a wake-up."""

import os
from typing import Any

from mboxio._base.request import Request
from mboxio._base.states import DONE, FOREVER
from mboxio._pump.turns import Turns
from mboxio._queue.above import Living
from mboxio._queue.queue import Queue
from mboxio.driver.controller import LOOK, Controller, Probe
from mboxio.driver.shortcut import Shortcut

LOOKS_PER_TURN = 32
"""How often a spinner's look is a full turn. Reading the clock costs as much as a look, so a
spinner does without for 31 of them, which is short beside any useful `spin_s`."""

CPUS = os.cpu_count() or 1
"""Of the machine: this process may be bound to one of them and the remote to another."""


class Spinner(Turns):
    """How long a waiter looks before it sleeps, and where.

    Args:
        life: see `Turns`.
        controller: see `Turns`.
    """

    def __init__(self, life: Living, controller: Controller) -> None:
        super().__init__(life, controller)
        self.distant = False  # an access takes long: no spinning, no accesses on an event loop
        self.spin_ns = 0  # the longest; 0: waiters sleep at once
        self.spin_now_ns = 0  # it pays less often, so it is shorter now

    def spin_for(self, spin_s: float) -> None:
        """A queue whose answers come within ``spin_s`` as a rule is worth that much looking.

        Not where a look is dear, on any queue, or where the remote needs the only CPU.
        """
        pays = CPUS > 1 and not self.distant
        self.spin_ns = max(self.spin_ns, int(spin_s * 1e9)) if pays else 0
        self.spin_now_ns = self.spin_ns

    def spin(self, waitable: Request, until_ns: int) -> bool:
        """Look for a while before sleeping; how long depends on how well that went lately.

        Most looks only ask whether there is news where the answer must come from. Now and then one
        is a full turn: other queues and the time must not cost the spinner anything.
        """
        queue: Any = waitable._owner._queue
        probe: Probe | None = queue.probe if isinstance(queue, Queue) else None
        spins = probe is not None and self.spin_now_ns > 0
        only_replies = waitable._tied
        near = False
        now_ns = end_ns = looks = 0
        while True:
            looks += 1
            full = not spins or looks % LOOKS_PER_TURN == 0
            if full:
                now_ns = self.clock.now_ns()
                # From the first full turn on: an answer that comes before needs no clock.
                end_ns = end_ns or min(now_ns + self.spin_now_ns, until_ns)
            if full or (probe is not None and probe.news(only_replies)):  # without the lock
                looked = False
                self.gate.enter()
                try:
                    if full:
                        self.turn(now_ns, LOOK)
                    else:
                        self.glance(waitable, queue, looks == 1)
                    looked = True
                finally:  # where the spinner leaves by an exception, sleepers are announced again
                    if not looked or self.gate.interrupted is not None:
                        self.rearm()
                    self.gate.leave()
            if waitable.over:
                break
            if looks == 1 and probe is not None and probe.shares_cpu():
                near = True  # looking on would keep the remote from answering
                spins = False
            if spins:
                if full and now_ns >= end_ns:
                    break
                if looks == 1 and until_ns != FOREVER and self.clock.now_ns() >= until_ns:
                    break  # on a busy CPU 31 more looks take long
                self.clock.relax()
            elif looks == 1 and self.descriptors:
                self.clock.give_way()  # on a CPU that both share, the remote may have answered then
            else:
                break
        # Its looks took the announcement back. A hint that spares the lock: `rearm` asks again.
        if self.listening or self.loops:
            self.gate.enter()
            try:
                self.rearm()
            finally:
                self.gate.leave()
        # Where the remote was near, it has not spun and so has learned nothing.
        if self.spin_ns and not near:  # grow slowly where it paid, halve where it did not
            if waitable._state == DONE:  # not timed out, which a busy CPU does within a few looks
                self.look_longer()
            else:
                self.spin_now_ns = max(self.spin_ns // 32, self.spin_now_ns // 2)
        return bool(waitable.over)

    def catch(self, waitable: Request, shortcut: Shortcut | None) -> bool:
        """Take the reply of an ordinary request if it comes at once: the first looks of `spin`.

        Returns:
            False if there is more to do than to look for it, and `Pump.drive` does it.
        """
        # Where others sleep, looks have to be followed by an announcement, which `spin` makes.
        if shortcut is None or self.spin_now_ns <= 0 or self.listening or self.loops:
            return False
        looks = shortcut.look(waitable)
        if not looks:
            return False
        if looks == 1 and len(self.queues) > 1:
            self.gate.enter()
            try:
                self.serve_others()
            finally:
                self.gate.leave()
        if self.spin_now_ns < self.spin_ns:
            self.look_longer()
        return True

    def look_longer(self) -> None:
        """Spinning paid: the next one may take longer."""
        self.spin_now_ns = min(self.spin_ns, self.spin_now_ns + self.spin_ns // 8)

    def glance(self, waitable: Request, queue: Queue, first: bool) -> None:
        """Look as a spinner does: where its answer must come from. Under the lock."""
        self.serve_spinner(queue, waitable._tied)
        if first and waitable.over and len(self.queues) > 1:
            self.serve_others()

    def serve_others(self) -> None:
        """Who finds its answer at once is behind: so others are there as well. Under the lock."""
        for other in self.queues:
            if other.credits_used and other.probe.news(True):
                self.serve_spinner(other, True)

    def serve_spinner(self, queue: Queue, only_replies: bool) -> None:
        """Service one queue for a waiter that needs no news of slots. Under the lock."""
        queue.only_replies = only_replies and not queue.line and queue.stalled is None
        try:
            self.serve(queue, 0, LOOK)  # time 0: nothing is due yet, and no clock is read
        finally:
            queue.only_replies = False
