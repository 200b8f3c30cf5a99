"""A core that is wrong in one use: shrinking leaves that one, and a command that fails too."""

import shlex
from collections.abc import Callable
from importlib import import_module
from typing import Any

import pytest

from mboxio.sim.swarm import Faults, Uses, drawn, run, shrink
from mboxio.sim.swarm.client import SwarmClient
from mboxio.sim.swarm.faulty_mailbox import FaultyMailbox
from mboxio.sim.swarm.threads import Mapper, Waiter
from tests.cli.conftest import Invoke, invoke

__all__ = ["invoke"]

Method = Callable[..., Any]


def scribbles(check: Method) -> Method:
    def scribbling(self: SwarmClient, memory: bytearray) -> None:
        memory[0] ^= 1  # as a reply that came late would
        check(self, memory)

    return scribbling


def forgets(leave_fifo: Method) -> Method:
    def forgetting(self: FaultyMailbox, *args: Any) -> None:
        leave_fifo(self, *args)
        self.faulty.heard.clear()  # done, and the firmware never had it

    return forgetting


def sleeps(live: Method) -> Method:
    def sleeping(self: Waiter) -> None:
        live(self)
        self.ended = False  # as if it had never come back

    return sleeping


def keeps_back(work: Method) -> Method:
    def keeping_back(self: Mapper) -> None:
        work(self)
        self.missing += 1

    return keeping_back


def plant(monkeypatch: pytest.MonkeyPatch, place: str, method: str, planted: Any) -> None:
    """Put a class with a fault in the place of one that may be compiled."""
    where, _, name = place.rpartition(".")
    module, _, owner = where.rpartition(".")
    holder: Any = import_module(where) if owner.islower() else getattr(import_module(module), owner)
    base = getattr(holder, name)
    faulty = type(base.__name__, (base,), {method: planted(getattr(base, method))})
    monkeypatch.setattr(holder, name, faulty)


@pytest.mark.parametrize(
    ("use", "place", "method", "planted"),
    [
        ("into", "mboxio.sim.swarm.world.SwarmClient", "check", scribbles),
        ("one_way", "mboxio.sim.swarm.world.SwarmWorld.mailbox_class", "leave_fifo", forgets),
        ("waiters", "mboxio.sim.swarm.world.Waiter", "live", sleeps),
        ("mappers", "mboxio.sim.swarm.world.Mapper", "work", keeps_back),
    ],
)
def test_what_is_left_is_the_use_that_fails(
    use: str,
    place: str,
    method: str,
    planted: Callable[[Method], Method],
    monkeypatch: pytest.MonkeyPatch,
    invoke: Invoke,
) -> None:
    plant(monkeypatch, place, method, planted)
    uses = Uses.parse("one_way,into" if use in ("one_way", "into") else f"into,{use}")
    faults = Faults.parse("lost=0.2,late")
    first = drawn(4, faults=faults, uses=uses, matching="order", clients=4, seconds=0.01)
    assert run(first).problems
    small = shrink(first, lambda smaller: bool(run(smaller).problems))
    assert [name for name, number in small.uses.numbers().items() if number] == [use]
    assert small.uses.numbers()[use] <= 1
    assert small.board.matching == "hardware"
    result = invoke(*shlex.split(small.command())[1:])
    assert result.exit_code == 1
    assert small.command() in result.output.splitlines()
    assert invoke(*shlex.split(small.command())[1:], "--uses", "none").exit_code == 0


def test_a_fault_of_boards_in_order_keeps_them(monkeypatch: pytest.MonkeyPatch) -> None:
    def miscounts(read: Method) -> Method:
        def mistaken(self: FaultyMailbox, letter: Any) -> None:
            read(self, letter)
            if self.board.matching == "order":
                letter.port.unanswered.add(-1)

        return mistaken

    plant(monkeypatch, "mboxio.sim.swarm.world.SwarmWorld.mailbox_class", "read", miscounts)
    first = drawn(4, faults=Faults(), uses=Uses(), matching="order", clients=4, seconds=0.002)
    small = shrink(first, lambda smaller: bool(run(smaller).problems))
    assert "--matching order" in small.command()


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("lots", "no use 'lots'"),
        ("waiters=1.5", "'1.5' is no whole number"),
        ("into=x", "'x' is no rate"),
        ("into=2", "parts, 0 to 1"),
        ("mappers=-1", "0 waiters and mappers at least"),
    ],
)
def test_what_is_no_use(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        Uses.parse(text)
