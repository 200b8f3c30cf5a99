"""Boards with faults: nothing is lost or wrong, and a fault of the core would be found."""

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from mboxio.errors import MailboxError, OutOfStep
from mboxio.sim.swarm import Campaign, Faults, Scenario, Uses, Verdict, drawn, examine, run, shrink
from mboxio.sim.swarm.client import SwarmClient
from mboxio.sim.swarm.faults import RATES_MAX
from mboxio.sim.swarm.faulty import FaultyFirmware
from mboxio.sim.swarm.faulty_mailbox import FaultyMailbox
from mboxio.sim.swarm.world import SwarmWorld
from mboxio.sim.world import Board, Load
from mboxio.sim.world.board import MATCHINGS
from mboxio.sim.world.firmware import Letter

# Of two runs with every fault on every build and Python: see `EventHash`.
EVENTS = {3: "e508089d14bb6537", 4: "0a791e8193f60e22"}


def brief(seed: int, faults: str = "all") -> Scenario:
    return drawn(seed, faults=Faults.parse(faults), seconds=0.01)


def first_failure(seeds: range, faults: str) -> Verdict:
    verdicts = (run(drawn(seed, faults=Faults.parse(faults), seconds=0.02)) for seed in seeds)
    return next(verdict for verdict in verdicts if verdict.problems)


@pytest.mark.parametrize("first", range(1, 41, 8))
def test_seeds(first: int) -> None:
    found = Campaign(first=first, seeds=8, jobs=1, seconds=0.004).run(lambda found: None)
    assert [each.scenario.command() for each in found.failures] == []
    assert (found.wrong, found.lost, found.left) == (0, 0, 0)
    assert found.requests == sum(found.ends.values()) > 100


def test_every_fault_happens_and_every_end_is_met() -> None:
    faults, ends = Counter[str](), Counter[str]()
    for seed in range(20):
        often = replace(Faults.parse("all"), restart=0.005, silence=0.005, oversized=0.005)
        verdict = run(replace(brief(seed), faults=often))
        assert not verdict.problems
        faults.update(verdict.faults)
        ends.update(verdict.ends)
    assert faults.keys() == RATES_MAX.keys()
    assert ends.keys() == {"done", "failed", "timed out", "cancelled"}


@pytest.mark.parametrize("seed", EVENTS)
def test_the_same_events_everywhere(seed: int) -> None:
    assert run(brief(seed), hashed=True).events == EVENTS[seed]


@pytest.mark.parametrize(
    "uses",
    [Uses(one_way=0.3), Uses(into=0.4), Uses(waiters=2), Uses(mappers=2)],
    ids=["one-way", "into", "waiters", "mappers"],
)
@pytest.mark.parametrize("matching", MATCHINGS)
def test_every_verb_under_faults(uses: Uses, matching: str) -> None:
    one = brief(4, "lost,late,reordered,busy,cancelled")
    verdict = run(replace(one, uses=uses, board=replace(one.board, matching=matching)))
    assert verdict.problems == ()
    assert verdict.ends["done"] > 20


def test_out_of_step_lasts_from_a_lost_reply_until_the_proof(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    refused_in_step: list[bool] = []
    left_out_of_step: list[bool] = []

    class Counting(SwarmClient):
        def refused(self, error: MailboxError) -> None:
            if isinstance(error, OutOfStep):
                answered = not self.client._channel.context.unanswered
                refused_in_step.append(answered or not self.client._channel.order.out_of_step)
            SwarmClient.refused(self, error)

    class Proving(FaultyMailbox):
        def restart(self, reason: str) -> None:
            FaultyMailbox.restart(self, reason)
            channels: list[Any] = list(self.channels)
            left_out_of_step.extend(each.order.out_of_step for each in channels)

    monkeypatch.setattr("mboxio.sim.swarm.world.SwarmClient", Counting)
    monkeypatch.setattr(SwarmWorld, "mailbox_class", Proving)
    one = brief(4, "lost=0.05")
    board = replace(one.board, matching="order", tx_done="irq", channels=1, queues=1)
    verdict = run(replace(one, board=board, uses=Uses()))
    assert verdict.problems == ()
    assert refused_in_step
    assert verdict.refused["OutOfStep"] == len(refused_in_step)
    assert not any(refused_in_step)
    assert left_out_of_step
    assert not any(left_out_of_step)


def test_a_write_into_memory_that_was_given_back_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Scribbling(SwarmClient):
        def check(self, memory: bytearray) -> None:
            memory[0] ^= 1  # as a reply that came late would
            super().check(memory)

    monkeypatch.setattr("mboxio.sim.swarm.world.SwarmClient", Scribbling)
    found = run(replace(brief(4, "lost,late"), uses=Uses(into=0.5)))
    assert "came into the memory of" in found.problems[0]


def test_another_seed_gives_other_events() -> None:
    one = brief(3)
    assert run(one, hashed=True).events != run(replace(one, seed=5), hashed=True).events


def test_what_a_command_says_changes_nothing_else() -> None:
    uses = Uses.parse("into,waiters=2")
    said = drawn(7, faults=Faults(lost=0.5), uses=uses, matching="order", clients=2, seconds=0.25)
    assert replace(said.board, matching=drawn(7).board.matching) == drawn(7).board
    assert replace(said.load, clients=drawn(7).load.clients) == drawn(7).load
    assert said.command() == (
        "mboxio sim --seed 7 --faults lost=0.5 --uses into=0.3,waiters=2"
        " --matching order --clients 2 --seconds 0.25"
    )
    assert (Faults.parse(str(said.faults)), Uses.parse(str(uses))) == (said.faults, uses)


# -- what the oracle would say of a core that is wrong


def test_a_reply_to_another_request_is_found_and_made_small(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The core believes a lie about a request that is under way: nobody could tell it."""

    class Liar(FaultyFirmware):
        def lie(self, letter: Letter, now_ns: int) -> None:
            channel = letter.channel
            for request in channel.queue.in_flight():
                if request.handle != letter.handle and request._owner._channel is channel:
                    lied = self.letter(channel, letter.port, request.handle, letter.data, now_ns)
                    self.mailbox.answer(lied, now_ns)
                    return

    monkeypatch.setattr(SwarmWorld, "firmware_class", Liar)
    board = Board(depth=8, workers=4, matching="hardware")
    scenario = replace(brief(1), board=board, load=Load(clients=16), seconds=0.004)
    found = run(scenario)
    assert found.wrong > 0
    assert "got the reply to another one" in found.problems[0]
    small = shrink(scenario, lambda smaller: run(smaller).wrong > 0)
    assert [name for name, rate in small.faults.numbers().items() if rate] == ["wrong"]
    assert small.load.clients < 16
    assert small.seconds < 0.004
    assert run(small).wrong > 0


def test_what_is_left_behind_is_found_and_made_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """The end of a life frees nothing, because the core never hears of it."""

    class Secretive(FaultyMailbox):
        def link(self, up: bool, epoch: int, reason: str = "", sought: bool = True) -> None:
            if not reason:
                super().link(up, epoch)

    monkeypatch.setattr(SwarmWorld, "mailbox_class", Secretive)
    found = first_failure(range(5), "lost,double,error")
    assert found.left > 0
    small = shrink(found.scenario, lambda smaller: run(smaller).left > 0)
    assert [name for name, rate in small.faults.numbers().items() if rate] == ["lost"]


def test_a_run_that_differs_from_itself_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    runs = Counter[str]()

    class Remembering(FaultyFirmware):
        def happened(self, fault: str) -> None:
            super().happened(fault)
            runs[fault] += 1
            self.clock.jump(runs[fault] % 1000)  # what happened before changes what comes

    monkeypatch.setattr(SwarmWorld, "firmware_class", Remembering)
    assert "not the same events twice" in examine(brief(50)).problems[-1]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [("lots", "no fault 'lots'"), ("lost=x", "'x' is no rate"), ("lost=2", "it is a rate, 0 to 1")],
)
def test_what_is_no_fault(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        Faults.parse(text)
