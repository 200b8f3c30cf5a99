"""The short way of ordinary requests and the general way: the same life with and without it."""

import os
import re
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from mboxio import Capabilities, Connection, MailboxError, RemoteGone, Request, connect
from mboxio._base.clock import Watcher
from mboxio._base.native import COMPILED
from mboxio.controllers.rings import SHORTCUT_VARIABLE, Lane, RingController
from mboxio.regions.region import Memory
from mboxio.ring import ERROR, MESSAGE, REPLY, REQUEST, armed, consumer, producer
from mboxio.ring.layout import HOST_ARMED, REMOTE_ARMED, ChannelSpec, plan
from mboxio.sim import VirtualClock
from mboxio.testing.tracer import Tracer
from tests.shm.support import answer
from tests.tools import examples

needs_shortcuts = pytest.mark.skipif(not COMPILED, reason="the pure build has no short way")
DEPTH = 4
BYTES = 16


TAGS = re.compile(r"held_tags=\(([^)]*)\)")  # which are random


def number_of_tags(found: re.Match[str]) -> str:
    return f"held_tags={len(re.findall(r'[0-9]+', found[1]))}"


class Rings(RingController):
    """A controller over rings in this process; the test is the remote at their other ends."""

    def __init__(self) -> None:
        super().__init__()
        self.doorbells = 0
        self.broken: Exception | None = None

    def open(self) -> None:
        layout = plan([ChannelSpec("a", DEPTH, BYTES)], 1)
        self.memory = bytearray(layout.size_bytes)
        region = Memory(self.memory)
        rings = layout.channels[0]
        self.front = rings.to_host.front
        sending, receiving = producer(region, rings.to_remote), consumer(region, rings.to_host)
        self.taking, self.answering = (
            consumer(region, rings.to_remote),
            producer(region, rings.to_host),
        )
        lane = Lane(sending, receiving, True)
        queue = self.add_queue(
            Capabilities(
                depth=DEPTH, reply_credits=DEPTH, message_bytes=BYTES, matches_replies=True
            )
        )
        self.connect_lane(lane, queue, self.add_channel("a", queue))
        self.armed = sending.armed = armed(region, HOST_ARMED, REMOTE_ARMED)
        self.sleeper = armed(region, REMOTE_ARMED, HOST_ARMED)
        self.find_shortcuts()

    def close(self) -> None:
        self.drop_lanes()
        self.armed = None

    def ring_doorbell(self, lane: Lane) -> None:
        self.doorbells += 1
        if self.broken is not None:
            raise type(self.broken)(*self.broken.args)


class Told(Watcher):
    """Notes what is over, in the order in which it is told."""

    def __init__(self, told: list[Any]) -> None:
        self.told = told

    def fire(self, core: Any, waitable: Any) -> None:
        self.told.append((waitable.status, waitable.over))


def deadline_of(request: Request[Any]) -> int | None:
    """Return when a request is due; of one that is over and holds nothing, nobody reads it."""
    due_ns = request._deadline_ns
    return None if request.over and not request._holds else due_ns


class World:
    """One life of host and remote, by the same steps as another one."""

    def __init__(self, short: bool) -> None:
        before = os.environ.get(SHORTCUT_VARIABLE)
        os.environ[SHORTCUT_VARIABLE] = "1" if short else "0"
        try:
            self.clock = VirtualClock()
            self.driver = self.new_driver()
            self.points: list[str] = []
            self.connection = Connection(self.driver, clock=self.clock)
        finally:
            if before is None:
                del os.environ[SHORTCUT_VARIABLE]
            else:
                os.environ[SHORTCUT_VARIABLE] = before
        self.clients = [self.new_client() for _ in range(2)]
        self.requests: list[Any] = []
        self.flows: list[Any] = []
        self.buffers: list[bytearray] = []
        self.told: list[Any] = []
        self.unanswered: list[tuple[int, bytes]] = []
        self.tags: list[int] = []
        self.channel: Any = self.clients[0]._channel
        assert (self.channel.shortcut is not None) == short

    def new_driver(self) -> Any:
        return Rings()

    def new_client(self) -> Any:
        return self.connection.client("a", backlog=1, timeout_s=1.0)

    def outcome(self, act: "Callable[[World], Any]") -> Any:
        """Return what came out of a step, as far as it can be compared."""
        try:
            return act(self)
        except (MailboxError, TypeError, ValueError) as error:
            return (type(error).__name__, str(error))

    def seen(self) -> Any:
        """Return everything that somebody can see."""
        queue = self.channel.queue
        return {
            "requests": [
                (
                    *(each.status, each.stage, each.handed_over, each._holds, each._tied),
                    *(str(each._value), deadline_of(each), each.over, each.data),
                )
                for each in self.requests
            ],
            "queue": (queue.slots_used, queue.credits_used, queue.window.used, len(queue.line)),
            "numbers": (queue.window.next_seq, queue.next_deadline_ns, str(queue.fault)),
            "stats": TAGS.sub(number_of_tags, repr(self.connection._host.stats())),
            "buffers": self.buffers,
            "flows": [[self.entry(each) for each in flow._in_line()] for flow in self.flows],
            "told": self.told,
            "doorbells": self.driver.doorbells,
        }

    def submit(self, who: int, message: Any, **options: Any) -> Any:
        request = self.clients[who].submit(message, **options)
        self.requests.append(request)
        return request.status

    def post(self, who: int, message: Any) -> Any:
        self.requests.append(self.clients[who].post(message))
        return self.requests[-1].status

    def entry(self, entry: Any) -> Any:
        """Return what can be compared of a message of `map`, or of the end of one."""
        if isinstance(entry, Request):
            return (entry.status, entry.handed_over, str(entry._value), deadline_of(entry))
        return (type(entry).__name__, str(entry))

    def map(self, who: int, messages: list[Any], window: int, timeout_s: float) -> Any:
        flow = self.clients[who].map(
            messages, window=window, timeout_s=timeout_s, return_errors=True
        )
        self.flows.append(flow)
        return self.entry(flow._oldest())

    def go_on(self, which: int) -> Any:
        """Take the next reply of `map` if there is one, and send what fits."""
        if not self.flows:
            return None
        flow = self.flows[which % len(self.flows)]
        oldest = flow._oldest()
        if oldest is None or not flow._is_over(oldest):
            return self.entry(oldest)
        return str(next(flow))

    def take(self) -> Any:
        """The remote takes all messages. Tags are random, so their order is compared."""
        taken = []
        while (message := self.driver.taking.take()) is not None:
            kind, tag = self.driver.taking.kind, self.driver.taking.tag
            if kind == REQUEST:
                self.unanswered.append((tag, message))
                self.tags.append(tag)
            taken.append((kind, message))
        self.driver.taking.release()
        return taken

    def answer(self, which: int, kind: int, text: bytes) -> Any:
        if not self.unanswered:
            return None
        tag, message = self.unanswered.pop(which % len(self.unanswered))
        return self.driver.answering.push(kind, tag, text + message[:4])

    def lie(self, which: int, off: int) -> Any:
        """An answer once more, or one to a tag that is near to a real one."""
        if not self.tags:
            return None
        tag = (self.tags[which % len(self.tags)] + off) & 0xFFFFFFFF
        return self.driver.answering.push(REPLY, tag, b"lie")

    def index_lies(self) -> None:
        front = self.driver.front
        self.driver.memory[front : front + 4] = b"\xff\xff\0\0"

    def look(self) -> None:
        self.channel.host.pump.look()

    def close(self) -> None:
        self.connection.close()
        self.flows.clear()


NUMBERS = st.integers(0, 3)
MESSAGES = st.sampled_from([b"", b"abcd", b"x" * BYTES, b"y" * (BYTES + 1), bytearray(b"12"), 7])


class TwoWorlds(RuleBasedStateMachine):
    """Each step in both worlds, with the same outcome."""

    world: type[World] = World

    def __init__(self) -> None:
        super().__init__()
        self.worlds = (self.world(True), self.world(False))
        self.closed = False

    def both(self, act: Callable[[World], Any]) -> None:
        short, general = (world.outcome(act) for world in self.worlds)
        assert short == general

    @rule(who=st.integers(0, 1), message=MESSAGES, timeout_s=st.sampled_from([None, 0.5, 2.0, -1]))
    def submit(self, who: int, message: Any, timeout_s: float | None) -> None:
        self.both(lambda world: world.submit(who, message, timeout_s=timeout_s))

    @rule(who=st.integers(0, 1), message=MESSAGES)
    def submit_as_usual(self, who: int, message: Any) -> None:
        self.both(lambda world: world.submit(who, message))

    @rule(who=st.integers(0, 1), size=st.integers(0, 12))
    def submit_into(self, who: int, size: int) -> None:
        def act(world: World) -> Any:
            world.buffers.append(bytearray(size))
            return world.submit(who, b"into", into=world.buffers[-1])

        self.both(act)

    @rule(who=st.integers(0, 1), message=MESSAGES)
    def post(self, who: int, message: Any) -> None:
        self.both(lambda world: world.post(who, message))

    @rule(
        who=st.integers(0, 1),
        messages=st.lists(MESSAGES, max_size=7),
        window=st.integers(1, 6),
        timeout_s=st.sampled_from([0.5, 2.0]),
    )
    def map(self, who: int, messages: list[Any], window: int, timeout_s: float) -> None:
        self.both(lambda world: world.map(who, messages, window, timeout_s))

    @rule(which=NUMBERS)
    def go_on(self, which: int) -> None:
        self.both(lambda world: world.go_on(which))

    @rule()
    def take(self) -> None:
        self.both(lambda world: world.take())

    @rule(which=NUMBERS, kind=st.sampled_from([REPLY, REPLY, REPLY, ERROR]))
    def answer(self, which: int, kind: int) -> None:
        self.both(lambda world: world.answer(which, kind, b"\5\0\0\0answer"))

    @rule(which=NUMBERS, off=st.sampled_from([0, 0, 2, 1 << 16, 1 << 31]))
    def lie(self, which: int, off: int) -> None:
        self.both(lambda world: world.lie(which, off))

    @rule(kind=st.sampled_from([MESSAGE, REQUEST]))
    def speak(self, kind: int) -> None:
        self.both(lambda world: world.driver.answering.push(kind, 77, b"hear"))

    @rule()
    def look(self) -> None:
        self.both(World.look)

    @rule(seconds=st.sampled_from([0.1, 0.5, 1.0, 3.0]))
    def time_passes(self, seconds: float) -> None:
        self.both(lambda world: world.clock.advance(int(seconds * 1e9)))
        self.both(World.look)

    @rule(which=st.integers(0, 20))
    def cancel(self, which: int) -> None:
        def act(world: World) -> Any:
            return world.requests and world.requests[which % len(world.requests)].cancel()

        self.both(act)

    @rule(which=st.integers(0, 20))
    def forget(self, which: int) -> None:
        def act(world: World) -> Any:
            return world.requests and world.requests.pop(which % len(world.requests)).status

        self.both(act)

    @rule()
    def remote_sleeps(self) -> None:
        self.both(lambda world: world.driver.sleeper.arm())

    @rule()
    def remote_wakes(self) -> None:
        self.both(lambda world: world.driver.sleeper.disarm())

    @rule()
    def host_sleeps(self) -> None:
        self.both(lambda world: world.channel.host.pump.arm())

    @rule(broken=st.sampled_from([None, None, OSError("broken bell"), RemoteGone("it left")]))
    def bell(self, broken: Exception | None) -> None:
        for world in self.worlds:
            world.driver.broken = broken

    @rule()
    def watch(self) -> None:
        def act(world: World) -> Any:
            if world.requests:
                world.requests[-1]._add_watcher(Told(world.told))

        if self.worlds[0].requests and not self.worlds[0].requests[-1].over:
            self.both(act)

    @precondition(lambda self: not self.closed)
    @rule(rarely=st.integers(0, 7))
    def close_a_client(self, rarely: int) -> None:
        if not rarely:
            self.closed = True
            self.both(lambda world: world.clients[0].close())

    @rule(rarely=st.integers(0, 5))
    def another_life(self, rarely: int) -> None:
        if not rarely:
            for world in self.worlds:
                world.unanswered.clear()
                world.tags.clear()
            self.both(lambda world: world.driver.link(True, world.channel.host.life.number + 1))

    @rule(rarely=st.integers(0, 9))
    def index_lies(self, rarely: int) -> None:
        if not rarely:
            for world in self.worlds:
                world.index_lies()

    @invariant()
    def nobody_sees_a_difference(self) -> None:
        short, general = (world.seen() for world in self.worlds)
        assert short == general

    def teardown(self) -> None:
        for world in self.worlds:
            world.close()
        self.nobody_sees_a_difference()


TwoWorlds.TestCase.settings = settings(
    max_examples=examples(60), stateful_step_count=40, deadline=None
)
TestTwoWorlds = needs_shortcuts(TwoWorlds.TestCase)


@needs_shortcuts
def test_a_burst_takes_the_short_way() -> None:
    """What is ordinary goes there, or the comparison would compare nothing."""
    short, general = World(True), World(False)
    for world in (short, general):
        for number in range(DEPTH):
            world.submit(0, bytes([number]))
        world.take()
        while world.unanswered:
            world.answer(0, REPLY, b"")
        shortcut = world.channel.shortcut
        assert shortcut is None or shortcut.take(9) == DEPTH
        world.look()
        assert [each.result() for each in world.requests] == [bytes([n]) for n in range(DEPTH)]
    assert short.seen() == general.seen()
    short.close()
    general.close()


class QuickTracer(Tracer):
    """Says that it is quick, or there would be no short way to trace."""

    def is_quick(self, channel: int) -> bool:
        return True


@needs_shortcuts
def test_the_short_way_does_not_end_with_the_requests_that_are_kept_for_it(firmware: Any) -> None:
    count = 1500  # of which 1,024 are kept at most
    points: Counter[str] = Counter()
    tracer = QuickTracer(lambda point, _: points.update([point]))
    firmware("t", {"a": (2048, 24)})
    with connect("shm:t") as connection, connection.client("a", timeout_s=20) as client:
        for _ in range(2):
            points.clear()
            connection._host.add_tap(tracer)
            requests = [client.submit(b"%d" % number) for number in range(count)]
            assert [each.result() for each in requests] == [answer(b"%d" % n) for n in range(count)]
            connection._host.drop_tap(tracer)
            assert points["request.sent"] == count
            assert points["request.sending"] < count // 10  # where the remote slept
            del requests  # what was kept is used in the second turn
