"""Doorbells and messages on machines whose memory is weak, by the accesses that the header makes.

The operations are recorded from `mboxio_ring.h` itself; how both sides put them together is said
once, in `teller` and `sleeper`, and that is what docs/architecture.md says under "Armed words".
"""

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.tools import compile_c

from .weak_memory import INTERLEAVING, MODELS, TSO, WEAK, Registers, Step, Violation, explore

pytestmark = pytest.mark.once

FRONT, REAR, ARMED, SLOTS = 64, 128, 192, 256
WORDS = {FRONT: "front", REAR: "rear", ARMED: "armed"}
OPERATIONS = (
    *("push", "needed", "take", "give back", "room", "arm", "look", "disarm"),
    *("fencing arm", "unfenced"),
)

Operations = dict[str, list[tuple[str, str]]]


class Event(ctypes.Structure):
    """``struct event`` of the recorder."""

    _fields_ = (("what", ctypes.c_uint32), ("offset", ctypes.c_uint32))


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Operations:
    """The accesses of each operation, in order: what is done, and to which word."""
    folder = tmp_path_factory.mktemp("recorder")
    source = Path(__file__).with_name("recorder.c")
    library = ctypes.CDLL(str(compile_c(source, folder / "recorder.so", "-shared", "-fPIC")))
    memory = (ctypes.c_uint64 * 512)()
    events = (Event * 64)()
    assert library.recorder_run(memory, b"init") == 2
    library.recorder_take(events)
    found: Operations = {}
    for operation in OPERATIONS:
        assert library.recorder_run(memory, operation.encode()) >= 0
        count = library.recorder_take(events)
        found[operation] = [
            (chr(each.what), WORDS.get(each.offset, "slot") if each.offset else "")
            for each in events[:count]
        ]
    return found


def test_what_is_recorded(recorded: Operations) -> None:
    assert recorded == {
        "push": [("W", "slot"), ("P", "front")],
        "needed": [("F", ""), ("O", "armed")],
        "take": [("O", "front"), ("R", "slot")],
        "give back": [("P", "rear")],
        "room": [("O", "rear")],
        "arm": [("P", "armed"), ("F", "")],
        "look": [("O", "front")],
        "disarm": [("P", "armed")],
        "fencing arm": [("P", "armed"), ("F", ""), ("A", "")],
        "unfenced": [("O", "armed")],
    }


def steps(
    recorded: Operations, operation: str, value: int = 0, slot: int = 0, plus: str = ""
) -> list[Step]:
    """Return an operation as instructions; a load of a word goes into the register of its name."""
    found: list[Step] = []
    for what, word in recorded[operation]:
        name = f"slot{slot}" if word == "slot" else word
        match what.upper():
            case "F":
                found.append(Step("fence"))
            case "A":
                found.append(Step("fence all"))
            case "W":
                found.append(Step("store", name, 100 + slot))
            case "P":  # a small letter: without its order
                found.append(Step("store", name, value, plus, what == "P"))
            case "O":
                found.append(Step("load", name, ordered=what == "O", to=word))
            case "R":
                found.append(Step("load", name, to=word))
    return found


@dataclass(frozen=True)
class Way:
    """Who tells whom of what: messages to the consumer, or room to the producer of a full ring."""

    tell: str
    look: str
    word: str
    take: str = ""


MESSAGES = Way("push", "look", "front", "take")
ROOM = Way("give back", "room", "rear")


def is_known(known: Registers) -> bool:
    """Tell whether the other side is awake, or the doorbell was rung for this sleep."""
    return known["armed"] in (0, known.get("rung", 0))


def teller(recorded: Operations, way: Way, times: int) -> list[Step]:
    """Publish, and ring the doorbell if it is needed; a few times."""
    program: list[Step] = []
    for number in range(times):
        program += steps(recorded, way.tell, number + 1, number)
        program += steps(recorded, "needed")
        program += [go(is_known, f"told{number}"), Step("keep", "armed", to="rung"), Step("ring")]
        program += [Step("pass", label=f"told{number}")]
    return program


def sleeper(recorded: Operations, way: Way, times: int, sleeps: str = "sleeps") -> list[Step]:
    """Take what there is; if there is nothing: arm, look again, sleep, disarm."""

    def is_next(number: int) -> Callable[[Registers], bool]:
        return lambda known: known.get("taken", 0) == number < known[way.word]

    program = [Step("pass", label="look"), *steps(recorded, way.look)]
    program += [go(is_next(number), f"take{number}") for number in range(times)]
    program += [Step("count", to="sleeps"), *steps(recorded, "arm", 1, plus=sleeps)]
    program += steps(recorded, way.look)
    program += [go(is_next(number), "awake") for number in range(times)]
    program += [Step("sleep"), Step("pass", label="awake"), *steps(recorded, "disarm", 0)]
    program += [go(always, "look")]
    for number in range(times):
        program += [Step("pass", label=f"take{number}")]
        if way.take:
            program += steps(recorded, way.take, slot=number)
            program += [Step("check", when=holds(100 + number))]
        program += [Step("count", to="taken"), go(always, "look" if number < times - 1 else "end")]
    return [*program, Step("pass", label="end")]


def go(when: Callable[[Registers], bool], target: str) -> Step:
    return Step("go", when=when, target=target)


def always(known: Registers) -> bool:
    return True


def holds(value: int) -> Callable[[Registers], bool]:
    return lambda known: known["slot"] == value


def run(recorded: Operations, model: str, way: Way = MESSAGES, times: int = 2) -> int:
    return explore((teller(recorded, way, times), sleeper(recorded, way, times)), model)


each_model = pytest.mark.parametrize("model", MODELS)
each_way = pytest.mark.parametrize("way", [MESSAGES, ROOM], ids=["messages", "room"])


@each_way
@each_model
def test_nothing_is_lost(recorded: Operations, model: str, way: Way) -> None:
    assert run(recorded, model, way) > 100


@each_way
@pytest.mark.parametrize("operation", ["needed", "arm"])
def test_a_missing_fence_loses_a_wake_up(recorded: Operations, operation: str, way: Way) -> None:
    """Also on x86; only an explorer of interleavings does not notice."""
    without = [each for each in recorded[operation] if each != ("F", "")]
    assert without != recorded[operation]
    broken = {**recorded, operation: without}
    run(broken, INTERLEAVING, way)
    for model in (TSO, WEAK):
        with pytest.raises(Violation, match="somebody sleeps for ever"):
            run(broken, model, way)


@each_way
@each_model
def test_who_arms_can_make_the_fence_of_who_rings(
    recorded: Operations, model: str, way: Way
) -> None:
    promised = {**recorded, "arm": recorded["fencing arm"], "needed": recorded["unfenced"]}
    assert run(promised, model, way) > 100


@each_way
def test_a_promise_that_is_not_kept_loses_a_wake_up(recorded: Operations, way: Way) -> None:
    """The sleeper's own fence is not enough, on no machine with a buffer."""
    broken = {**recorded, "needed": recorded["unfenced"]}
    run(broken, INTERLEAVING, way)
    for model in (TSO, WEAK):
        with pytest.raises(Violation, match="somebody sleeps for ever"):
            run(broken, model, way)


@each_model
def test_a_number_that_is_used_twice_loses_a_wake_up(recorded: Operations, model: str) -> None:
    """One doorbell is enough for a sleep only because no other sleep has its number."""
    program = sleeper(recorded, MESSAGES, 2, sleeps="the same")
    with pytest.raises(Violation, match="somebody sleeps for ever"):
        explore((teller(recorded, MESSAGES, 2), program), model)


@pytest.mark.parametrize("order", ["release", "acquire"])
def test_a_message_needs_release_and_acquire(recorded: Operations, order: str) -> None:
    """On x86 all stores release and all loads acquire; elsewhere a slot would be read too early."""
    weakened = "P" if order == "release" else "O"
    relaxed = {
        operation: [(what.lower() if what == weakened else what, word) for what, word in accesses]
        for operation, accesses in recorded.items()
    }
    for model in (INTERLEAVING, TSO):
        run(relaxed, model)
    with pytest.raises(Violation, match="wrong in thread 1"):
        run(relaxed, WEAK)


@each_model
def test_who_does_not_look_again_sleeps_for_ever(recorded: Operations, model: str) -> None:
    """Looking before arming only: the machine need not even be weak."""
    program = sleeper(recorded, MESSAGES, 1)
    awake = next(at for at, each in enumerate(program) if each.target == "awake")
    del program[awake]
    with pytest.raises(Violation, match="somebody sleeps for ever"):
        explore((teller(recorded, MESSAGES, 1), program), model)


@each_model
def test_a_message_after_its_index_is_read_too_early(recorded: Operations, model: str) -> None:
    broken = {**recorded, "push": [*reversed(recorded["push"])]}
    with pytest.raises(Violation, match="wrong in thread 1"):
        run(broken, model)


@pytest.mark.parametrize("model", [INTERLEAVING, TSO])
def test_always_ringing_needs_no_fence(recorded: Operations, model: str) -> None:
    """So the pure build, which has none and shares rings on x86 only, always rings."""
    program: list[Step] = []
    for number in range(2):
        program += [*steps(recorded, "push", number + 1, number), Step("ring")]
    quiet = {**recorded, "arm": [], "disarm": []}
    explore((program, sleeper(quiet, MESSAGES, 2)), model)
