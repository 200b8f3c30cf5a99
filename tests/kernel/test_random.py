"""Random scripts: `mboxio.linux` does what the rules say, and the rules what the kernel did."""

from typing import Any

import pytest

from tests.kernel.model import Model
from tests.kernel.replay import mismatch_of
from tests.kernel.scripts import Script
from tests.kernel.test_traces import TRUTH
from tests.tools import seeds

SEEDS = 300

# The model has requests that end once, and no second opinion of it.
REPEATED = [trace for trace in TRUTH if "double_completion" not in trace.get("quirk", "")]


@pytest.mark.parametrize("trace", REPEATED, ids=lambda trace: trace["name"])
def test_the_model_is_right(trace: Any) -> None:
    state = blocked = None
    for step, said in zip(trace["steps"], Model(trace).run(), strict=True):
        expect = step["expect"]
        if "state" in expect:
            state, blocked = expect["state"], expect.get("blocked", [])
        assert said == {
            "ret": expect["ret"],
            "t": expect["t"],
            "events": expect["events"],
            "state": state,
            "blocked": blocked,
        }


def expected(seed: int) -> Any:
    """Make a random trace: the script, with what the model says of it."""
    trace = Script(seed).trace()
    for step, said in zip(trace["steps"], Model(trace).run(), strict=True):
        step["expect"] = said
    return trace


@pytest.mark.parametrize("seed", seeds(SEEDS))
def test_a_random_script(seed: int) -> None:
    assert mismatch_of(expected(seed)) is None


def test_completions_inside_an_op_wake_in_their_order() -> None:
    """Also those of another channel, whose lock is not held."""
    requests = [
        {"op": "send_request", "chan": f"M/{n}", "req": f"r{n}", "wait": f"w{n}"} for n in range(3)
    ]
    waits = [{"op": "wait_request", "wait": f"w{n}", "err_of": f"r{n}"} for n in range(2)]
    inside = [{"op": "complete", "req": f"r{n}", "status": 0} for n in range(2)]
    last = {**requests[2], "chan": "M/0"}
    trace: Any = {
        "controllers": [{"id": "M", "num_chans": 2, "txdone": None, "ops": ["send_request"]}],
        "clients": [Script(0).client("A")],
        "behaviour": {"M/0": {"send_request": [None, {"do": inside}]}},
        "steps": [
            {"op": "register", "ctrl": "M"},
            *({"op": "bind", "chan": f"M/{n}", "client": "A"} for n in range(2)),
            *({"op": "spawn", "thread": f"T{n}", "do": [requests[n], waits[n]]} for n in range(2)),
            last,
        ],
    }
    for step, said in zip(trace["steps"], Model(trace).run(), strict=True):
        step["expect"] = said
    returned = [each["by"] for each in said["events"] if each["ev"] == "return"]
    assert returned[-2:] == ["thread:T0", "thread:T1"]
    assert mismatch_of(trace) is None
