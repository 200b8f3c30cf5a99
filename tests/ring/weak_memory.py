"""A machine with store buffers and invalidation queues, and every way in which it can run.

Each thread has a program. A store goes into the thread's buffer and reaches memory at any later
time; from there it waits in a queue at every other thread, which may go on reading the old value
until the entry is applied. What the three machines may do:

- ``INTERLEAVING``: nothing of that. This is what an explorer of interleavings knows.
- ``TSO`` (x86): a buffer for each thread, first in, first out.
- ``WEAK`` (Arm, RISC-V, POWER): stores to different words leave the buffer in any order, and the
  queues are applied in any order. A release store leaves after all that is before it, an acquire
  load applies the queue after it has loaded, a full fence waits for the buffer and applies the
  queue.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

INTERLEAVING, TSO, WEAK = "interleaving", "TSO", "weak"
MODELS = (INTERLEAVING, TSO, WEAK)

Registers = dict[str, int]


@dataclass(frozen=True)
class Step:
    """One instruction.

    Args:
        what: ``store``, ``load``, ``fence``, ``fence all`` (in every thread), ``ring``, ``sleep``,
            ``go``, ``count``, ``keep``, ``check`` or ``pass``.
        word: of a store or load; the register that is kept in another one.
        value: of a store.
        plus: a register that is added to the value.
        ordered: a store releases, a load acquires.
        to: register of a load, count or keep.
        when: the jump is taken, or the check passes; gets the registers.
        target: label of a jump.
        label: of this instruction.
    """

    what: str
    word: str = ""
    value: int = 0
    plus: str = ""
    ordered: bool = False
    to: str = ""
    when: Callable[[Registers], bool] = lambda registers: True
    target: str = ""
    label: str = ""


@dataclass(frozen=True)
class Thread:
    """What a thread knows; ``cache`` is what it reads, ``queue`` what it has yet to notice."""

    at: int = 0
    registers: tuple[tuple[str, int], ...] = ()
    buffer: tuple[tuple[str, int, bool], ...] = ()
    cache: tuple[tuple[str, int], ...] = ()
    queue: tuple[tuple[str, int], ...] = ()
    doorbells: int = 0

    def read(self, word: str) -> int:
        """Return what a load gets: the thread's own latest store, or what it knows."""
        for stored, value, _ in reversed(self.buffer):
            if stored == word:
                return value
        return dict(self.cache).get(word, 0)

    def know(self, *news: tuple[str, int]) -> "Thread":
        """Apply entries of the queue, or the own store."""
        return replace(self, cache=tuple(sorted({**dict(self.cache), **dict(news)}.items())))

    def settled(self) -> "Thread":
        """Apply the whole queue."""
        return replace(self.know(*self.queue), queue=())


State = tuple[Thread, ...]


class Violation(AssertionError):
    """A way to run that ends badly, step by step."""


def explore(programs: tuple[list[Step], ...], model: str) -> int:
    """Run the programs in every way that the model allows; return the number of states.

    Raises:
        Violation: a check fails, or somebody sleeps for ever.
    """
    start: State = tuple(Thread() for _ in programs)
    came_from: dict[State, tuple[State, str] | None] = {start: None}
    pending = [start]
    while pending:
        state = pending.pop()
        moved = False
        for note, following in moves(programs, state, model):
            moved = True
            if following not in came_from:
                came_from[following] = (state, note)
                pending.append(following)
            if note.startswith("wrong"):
                raise Violation(story(came_from, following))
        asleep = any(
            thread.at < len(program) for thread, program in zip(state, programs, strict=True)
        )
        if not moved and asleep:
            raise Violation(story(came_from, state) + "\nsomebody sleeps for ever")
    return len(came_from)


def story(came_from: dict[State, Any], state: State) -> str:
    """Return how a state was reached."""
    notes: list[str] = []
    while came_from[state] is not None:
        state, note = came_from[state]
        notes.append(note)
    return "\n".join(reversed(notes))


def moves(
    programs: tuple[list[Step], ...], state: State, model: str
) -> Iterator[tuple[str, State]]:
    """Yield everything that can happen next."""
    for me, (thread, program) in enumerate(zip(state, programs, strict=True)):
        for place, (word, value, releases) in enumerate(thread.buffer):
            earlier = thread.buffer[:place]
            held = earlier and (
                model == TSO or releases or any(word == each[0] for each in earlier)
            )
            if not held:
                rest = earlier + thread.buffer[place + 1 :]
                yield (
                    f"{me}: {word} = {value} reaches memory",
                    reach(state, me, replace(thread, buffer=rest), word, value, model),
                )
        for place, (word, value) in enumerate(thread.queue):
            if all(word != each[0] for each in thread.queue[:place]):
                rest_of_queue = thread.queue[:place] + thread.queue[place + 1 :]
                knows = replace(thread.know((word, value)), queue=rest_of_queue)
                yield f"{me}: notices {word} = {value}", put(state, me, knows)
        if thread.at < len(program):
            yield from run(state, me, program, model)


def run(state: State, me: int, program: list[Step], model: str) -> Iterator[tuple[str, State]]:
    """Yield what the next instruction of a thread does; nothing while it has to wait."""
    thread, step = state[me], program[state[me].at]
    registers = dict(thread.registers)
    onward = replace(thread, at=thread.at + 1)
    note = f"{me}: {step.what} {step.word or step.to}"
    value = step.value + (registers.get(step.plus, 0) if step.plus else 0)
    match step.what:
        case "store" if model == INTERLEAVING:
            yield f"{note} = {value}", reach(state, me, onward, step.word, value, model)
        case "store":
            entry = (step.word, value, step.ordered)
            yield (
                f"{note} = {value}",
                put(state, me, replace(onward, buffer=(*thread.buffer, entry))),
            )
        case "load":
            registers[step.to] = thread.read(step.word)
            onward = replace(onward, registers=tuple(sorted(registers.items())))
            if step.ordered:
                onward = onward.settled()
            yield f"{note} is {registers[step.to]}", put(state, me, onward)
        case "fence" if not thread.buffer:
            yield note, put(state, me, onward.settled())
        case "fence all" if not any(each.buffer for each in state):
            yield note, tuple(each.settled() for each in put(state, me, onward))
        case "ring" if not thread.buffer:  # a system call, or MBOXIO_BEFORE_DOORBELL
            rung = put(state, me, onward)
            for other, each in enumerate(rung):
                if other != me:
                    rung = put(rung, other, replace(each, doorbells=each.doorbells + 1))
            yield note, rung
        case "sleep" if thread.doorbells:
            yield f"{me}: wakes up", put(state, me, replace(onward.settled(), doorbells=0))
        case "count":
            registers[step.to] = registers.get(step.to, 0) + 1
            yield note, put(state, me, replace(onward, registers=tuple(sorted(registers.items()))))
        case "keep":
            registers[step.to] = registers[step.word]
            yield note, put(state, me, replace(onward, registers=tuple(sorted(registers.items()))))
        case "go":
            at = next(at for at, each in enumerate(program) if each.label == step.target)
            target = replace(thread, at=at) if step.when(registers) else onward
            yield (
                f"{me}: goes on at {program[target.at].label or target.at}",
                put(state, me, target),
            )
        case "pass":
            yield note, put(state, me, onward)
        case "check":
            good = step.when(registers)
            yield note if good else f"wrong in thread {me}: {registers}", put(state, me, onward)
        case _:
            return


def reach(state: State, me: int, thread: Thread, word: str, value: int, model: str) -> State:
    """A store reaches memory, and with it the queues of all others."""
    state = put(state, me, thread.know((word, value)))
    for other, each in enumerate(state):
        if other != me:
            noticed = (
                replace(each, queue=(*each.queue, (word, value)))
                if model == WEAK
                else each.know((word, value))
            )
            state = put(state, other, noticed)
    return state


def put(state: State, me: int, thread: Thread) -> State:
    """Return the state with one thread changed."""
    return (*state[:me], thread, *state[me + 1 :])
