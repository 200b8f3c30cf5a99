"""The recorded scripts with something else in them: other times, statuses, answers and clients."""

import copy
import random
from typing import Any

import pytest

from tests.kernel.model import Model
from tests.kernel.replay import mismatch_of
from tests.kernel.test_traces import TRUTH
from tests.tools import seeds

SEEDS = 200
STATUSES = [0, 0, "EIO", "EBUSY", "ETIME", "EINVAL"]
PERIODS_MS = [1, 2, 5, 8]
TIMES_MS = [0, 1, 2, 3, 5, 7, 11, 40]
YES_OR_NO = [True, False]
ANSWERS: dict[str, list[Any]] = {
    "send_data": STATUSES,
    "startup": STATUSES,
    "flush": STATUSES,
    "last_tx_done": YES_OR_NO,
    "peek_data": YES_OR_NO,
    "module_get": YES_OR_NO,
}

# What ends a request twice is a fault of the original, and chance makes that of many scripts.
CLASSIC = [each for each in TRUTH if "send_request" not in str(each["controllers"])]


class Changes:
    """What may be different in a script."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.trace = copy.deepcopy(self.random.choice(CLASSIC))
        for step in self.trace["steps"]:
            del step["expect"]
        del self.trace["final"]
        for _ in range(self.random.randint(1, 4)):
            self.random.choice([self.wait, self.step, self.answer, self.client, self.method])()

    def wait(self) -> None:
        """Time passes between two steps."""
        steps = self.trace["steps"]
        at = self.random.randint(1, len(steps))
        steps.insert(at, {"op": "advance", "ms": self.random.choice(TIMES_MS)})

    def step(self) -> None:
        """A step has another time or status."""
        step = self.random.choice(self.trace["steps"])
        for key in {"ms", "after", "timeout"} & step.keys():
            step[key] = self.random.choice(TIMES_MS)
        if "status" in step:
            step["status"] = self.random.choice(STATUSES)

    def answer(self) -> None:
        """An op or a callback answers something else, or takes longer."""
        scripts = [
            (op, entries)
            for ops in self.trace["behaviour"].values()
            for op, entries in ops.items()
            if entries
        ]
        if scripts:
            op, entries = self.random.choice(scripts)
            at = self.random.randrange(len(entries))
            entry = entries[at] if isinstance(entries[at], dict) else {"ret": entries[at]}
            entries[at] = entry
            if op in ANSWERS and self.random.random() < 0.5:
                entry["ret"] = self.random.choice(ANSWERS[op])
            elif op != "module_get":
                entry["spin"] = self.random.choice(TIMES_MS)

    def client(self) -> None:
        """A client blocks for another time or no more, or learns itself what left."""
        client = self.random.choice(self.trace["clients"])
        client["tx_block"] = client["tx_block"] and self.random.random() < 0.5
        client["tx_tout"] = self.random.choice(TIMES_MS)
        client["knows_txdone"] = self.random.random() < 0.3

    def method(self) -> None:
        """It is learnt otherwise what left."""
        ctrl = self.random.choice(self.trace["controllers"])
        if "last_tx_done" in (ctrl["ops"] or ()):
            ctrl["txdone"] = self.random.choice(["irq", "poll", "ack"])
            ctrl["txpoll_period"] = self.random.choice(PERIODS_MS)


def expected(seed: int) -> Any:
    """Make a changed trace: the script, with what the model says of it."""
    trace = Changes(seed).trace
    for step, said in zip(trace["steps"], Model(trace).run(), strict=True):
        step["expect"] = said
    return trace


@pytest.mark.parametrize("seed", seeds(SEEDS))
def test_a_changed_script(seed: int) -> None:
    assert mismatch_of(expected(seed)) is None
