"""Services, messages, buffers and lives in any order: nothing is lost, doubled or misaddressed."""

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from mboxio.remote.rpmsg.services import RpmsgService
from tests.tools import examples

from .back import HOST, MS, Back

NAMES = [f"service-{number}" for number in range(6)]
LATENCIES_S = [0.0, 1e-3]


class Lives(RuleBasedStateMachine):
    """The model: which services there are, and which answers this life owes."""

    def __init__(self) -> None:
        super().__init__()
        self.back = Back(begin=False)
        self.present: dict[str, RpmsgService] = {}
        self.ready = False
        self.number = 0
        self.owed: dict[str, list[bytes]] = {name: [] for name in NAMES}

    # -- the processor

    @rule(name=st.sampled_from(NAMES), latency_s=st.sampled_from(LATENCIES_S))
    def comes(self, name: str, latency_s: float) -> None:
        if name not in self.present:
            self.present[name] = self.back.services.service(
                name, lambda message: message[::-1], latency_s=latency_s
            )

    @precondition(lambda self: self.present)
    @rule(data=st.data())
    def goes(self, data: Any) -> None:
        name = data.draw(st.sampled_from(sorted(self.present)))
        self.settle()  # what was sent to it is answered before
        self.present.pop(name).withdraw()

    @rule()
    def serves(self) -> None:
        if self.back.end.stirs():
            self.back.end.serve(self.back.now_ns)

    @rule(ns=st.integers(0, 3 * MS))
    def time_passes(self, ns: int) -> None:
        self.back.now_ns += ns

    @rule(leaking=st.booleans())
    def leaks(self, leaking: bool) -> None:
        self.back.processor.leaking = leaking

    @rule(silent=st.booleans())
    def is_silent(self, silent: bool) -> None:
        self.back.processor.silent = silent

    # -- the host

    @rule()
    def begins(self) -> None:
        self.back.host.begin()
        self.ready = True
        self.forget()

    @rule(seen=st.booleans())
    def resets(self, seen: bool) -> None:
        self.back.host.reset()
        self.ready = False
        self.forget()
        if seen:
            self.serves()

    @precondition(lambda self: self.ready)
    @rule()
    def looks(self) -> None:
        self.back.host.look()
        self.check()

    @precondition(lambda self: self.ready)
    @rule(data=st.data())
    def sends(self, data: Any) -> None:
        known = sorted(set(self.back.host.services) & set(self.present))
        if not known:
            return
        name = data.draw(st.sampled_from(known))
        if self.back.host.services[name] != self.present[name].address:
            return  # it went and came again, and the host knows nothing of it yet
        message = b"%d" % self.number
        if self.back.host.send(name, message, HOST + NAMES.index(name)):
            self.number += 1
            self.owed[name].append(message[::-1])

    @precondition(lambda self: self.ready)
    @rule()
    def settle(self) -> None:
        """Everything that can happen does."""
        if not self.ready:
            return
        self.back.processor.silent = self.back.processor.leaking = False
        for _ in range(40):
            self.back.step(MS)
            self.check()
        assert not any(self.owed.values())
        assert self.back.host.services == {
            name: service.address for name, service in self.present.items()
        }

    # -- what has to be so

    def forget(self) -> None:
        for owed in self.owed.values():
            owed.clear()

    def check(self) -> None:
        """Compare what came with what was owed, service by service, in order."""
        for source, to, message in self.back.host.messages:
            name = NAMES[to - HOST]
            assert self.owed[name].pop(0) == message
            assert source == self.present[name].address
        self.back.host.messages.clear()

    @invariant()
    def nothing_is_taken_for_a_lie(self) -> None:
        assert not self.back.processor.broken
        assert self.back.stats.dropped == 0
        assert self.back.stats.unknown == 0


TestLives = Lives.TestCase
TestLives.settings = settings(max_examples=examples(60), stateful_step_count=40)
