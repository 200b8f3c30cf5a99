"""Looking on and giving way, with no host and no real time."""

from collections import deque

from mboxio.remote.serving.rounds import RemoteEnd, Rounds
from mboxio.sim import VirtualClock

LONG_NS = 1_000_000_000


class Pretended(RemoteEnd):
    """Somebody with so many messages, who says that its CPU is ours or another one."""

    def __init__(self, name: str, near: bool) -> None:
        self.name = name
        self.near = near
        self.closed = self.asked = False
        self.bells = 0
        self.messages = 0

    def stirs(self) -> bool:
        return self.messages > 0

    def serve(self, now_ns: int) -> bool:
        served.append(self.name)
        self.messages -= 1
        return True

    def shares_cpu(self) -> bool:
        return self.near


class Hosts(VirtualClock):
    """The time, in which a host runs whenever we give way."""

    def __init__(self) -> None:
        super().__init__()
        self.given = 0
        self.asking: deque[Pretended] = deque()

    def give_way(self) -> None:
        self.given += 1
        if self.asking:
            self.asking.popleft().messages += 1


served: list[str] = []


def rounds_of(*ends: Pretended) -> tuple[Rounds, Hosts]:
    served.clear()
    rounds, clock = Rounds(), Hosts()
    rounds.clock = clock
    rounds.ends.extend(ends)
    rounds.now_ns = rounds.worked_ns = 0
    return rounds, clock


def test_on_a_cpu_of_its_own_it_looks_on() -> None:
    host = Pretended("host", near=False)
    rounds, clock = rounds_of(host)
    host.messages = 2
    assert rounds.look(50_000, LONG_NS)
    assert served == ["host", "host"]
    assert (rounds.near, clock.given) == (False, 0)
    assert rounds.idle_ns >= 50_000


def test_on_the_hosts_cpu_it_gives_way_once_in_place_of_looking_on() -> None:
    host = Pretended("host", near=True)
    rounds, clock = rounds_of(host)
    host.messages = 1
    clock.asking.extend([host, host])
    assert rounds.look(50_000, LONG_NS)
    assert served == ["host"] * 3, "what the host asked meanwhile is served before any sleep"
    assert (rounds.near, clock.given) == (True, 3)
    assert clock.now_ns() < 50_000
    # Nor does it look on later, before there was anything else to do.
    assert not rounds.look(50_000, LONG_NS)
    assert (rounds.near, clock.given) == (True, 3)
    # The host has moved.
    host.near, host.messages = False, 1
    assert rounds.look(50_000, LONG_NS)
    assert (rounds.near, clock.given) == (False, 3)


def test_what_one_host_says_counts_after_its_own_messages_only() -> None:
    liar, other = Pretended("liar", near=True), Pretended("other", near=False)
    rounds, clock = rounds_of(liar, other)
    liar.messages = other.messages = 1
    assert rounds.look(50_000, LONG_NS)
    assert (rounds.near, clock.given) == (False, 0)
    assert rounds.idle_ns >= 50_000
