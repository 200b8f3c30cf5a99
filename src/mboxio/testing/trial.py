"""One check's controller: connected, watched, and the steps that checks are made of."""

import os
import select
import threading
from collections.abc import Callable
from typing import Any, NoReturn

from mboxio._base.completion import Completion
from mboxio._base.request import Owner, Request
from mboxio._host.host import Host
from mboxio.client.blocking import Client
from mboxio.driver.capabilities import TxDone
from mboxio.driver.controller import EVENT, LOOK, POLL, Controller
from mboxio.errors import QueueFull, RemoteGone, RequestTimeout
from mboxio.testing.bench import Bench
from mboxio.testing.watch import Log, Watched

__tracebackhide__ = True  # pytest shows the test and the driver, not what lies between

Factory = Callable[[], Controller | Bench]
PAUSE_NS = 2_000_000


class Skip(Exception):
    """The check cannot be made here; says why."""


class Overdue(AssertionError):
    """Something did not happen in time: worth a look at what the driver has not reported."""


def fail(text: str) -> NoReturn:
    """Say what the driver did wrong."""
    raise AssertionError(text)


def require(condition: object, text: str) -> None:
    """Say what the driver did wrong unless the condition holds."""
    if not condition:
        fail(text)


def left_open() -> tuple[set[str], set[threading.Thread]]:
    """Return the descriptors and threads of this process."""
    try:
        descriptors = set(os.listdir("/proc/self/fd"))
    except OSError:
        descriptors = set[str]()  # no such folder here: only threads are looked at
    return descriptors, set(threading.enumerate())


class Trial:
    """A new controller under test.

    Args:
        factory: makes it, and more of them if the check asks.
    """

    connection: Watched
    host: Host
    channel: Any
    queue: Any
    client: Client

    def __init__(self, factory: Factory) -> None:
        made = factory()
        self.factory = factory
        self.bench = made if isinstance(made, Bench) else Bench(controller=made)
        self.patience_s = self.bench.patience_s
        self.log = Log()
        self.before = left_open()
        self.connected = False
        self.opened = False
        self.stalled = False
        self.closed = False
        self.others: list[Trial] = []

    def open(self) -> None:
        """Connect, and open a client of the channel under test."""
        self.connection = Watched(self.bench.controller, self.log)
        self.host = self.connection._host
        self.connected = True
        self.channel = self.host.find_channel(self.bench.channel)
        self.queue = self.channel.queue
        self.client = self.new_client()
        self.opened = True

    def other(self) -> "Trial":
        """Make another controller."""
        other = Trial(self.factory)
        self.others.append(other)
        return other

    def close(self) -> None:
        """Close everything. Idempotent."""
        for other in self.others:
            other.close()
        if self.closed:
            return
        self.closed = True
        try:
            if self.connected:
                self.connection.close()
        finally:
            if self.bench.close is not None:
                self.bench.close()

    def require_nothing_left(self, when: str) -> None:
        """Fail if the closed controller left a thread or descriptor behind."""
        descriptors, threads = left_open()
        for thread in threads - self.before[1]:
            fail(f"{when}, thread {thread.name!r} still runs: close() ends and joins it")
        for number in descriptors - self.before[0]:
            fail(f"{when}, descriptor {number} is still open: close() closes it")

    # -- what there is

    def require_need(self, need: str) -> None:
        """Skip the check if the bench or the channel does not offer this."""
        lacking = NEEDS[need](self)
        if lacking:
            raise Skip(lacking)

    def has(self, need: str) -> bool:
        """Return whether the bench and the channel offer this."""
        return not NEEDS[need](self)

    def new_client(self, **options: Any) -> Client:
        """Open another client of the channel under test."""
        return self.connection.client(
            self.bench.channel,
            timeout_s=self.patience_s,
            queue_timeout_s=self.patience_s,
            correlator=self.bench.correlator,
            **options,
        )

    def capacity(self) -> int:
        """Return how many requests (or one-way messages) may be in flight."""
        room = [self.queue.depth]
        if self.has("reply"):
            room.append(self.queue.credits)
            correlator = self.channel.correlator
            if self.channel.ties and not correlator.in_order and not correlator.own_tags:
                room.append(len(correlator.free) + len(correlator.busy))
        return int(min(room))

    def message(self, number: int) -> bytes:
        """Make the message with this number."""
        if self.bench.message is not None:
            return self.bench.message(number)
        room: int = self.channel.message_bytes
        if room >= 8:
            return bytes(4) + number.to_bytes(4, "little")
        size = min(room, 4)
        return (number % (1 << 8 * size)).to_bytes(size, "little")

    # -- steps

    def now_ns(self) -> int:
        """Return the time."""
        return self.host.gate.clock.now_ns()

    def service(self, *whys: str) -> None:
        """Call the driver's ``service`` as the core does."""
        for why in whys or (LOOK, EVENT, POLL):
            self.host.gate.enter()
            try:
                self.host.controller.service(self.queue, why)
            finally:
                self.host.gate.leave()

    def arm(self) -> bool:
        """Call the driver's ``arm`` as the core does."""
        self.host.gate.enter()
        try:
            return self.host.controller.arm(self.queue)
        finally:
            self.host.gate.leave()

    def readable(self, timeout_s: float = 0.0) -> bool:
        """Return whether a descriptor of the driver is or becomes readable."""
        poller = select.poll()
        for descriptor in self.host.pump.descriptors:
            poller.register(descriptor, select.POLLIN)
        return bool(poller.poll(timeout_s * 1e3))

    def soon(self, condition: Callable[[], object], text: str) -> None:
        """Drive the controller until the condition holds; fail if it takes too long."""
        until_ns = self.now_ns() + int(self.patience_s * 1e9)
        while not condition():
            if self.now_ns() >= until_ns:
                raise Overdue(f"{text} (waited {self.patience_s} s)")
            self.host.pump.wait(Completion(Owner()), self.now_ns() + PAUSE_NS)

    def submit(self, message: bytes, client: Client | None = None) -> Any:
        """Hand a request over as soon as there is a place for it."""
        sender = client or self.client
        accepted: list[Any] = []
        refused: list[Exception] = []

        def attempt() -> bool:
            try:
                accepted.append(sender.submit(message))
            except (QueueFull, RemoteGone) as error:
                refused[:] = [error]
            return bool(accepted)

        try:
            self.soon(attempt, "no place")
        except Overdue:
            text = f"no request was accepted for {self.patience_s} s: {refused[0]}"
            raise Overdue(text) from None
        return accepted[0]

    def own_reply(self, message: bytes, request: Request) -> None:
        """Require that a request ends with the reply to its own message."""
        if not request.wait(self.patience_s):
            raise Overdue(f"request {message!r} is not over: {request!r}")
        error = request.exception()
        if error is not None:
            kind = Overdue if isinstance(error, RequestTimeout) else AssertionError
            raise kind(f"request {message!r} got no reply but {type(error).__name__}: {error}")
        assert self.bench.reply is not None
        on_wire = message
        if self.channel.ties:
            on_wire = self.channel.correlator.stamp(message, request.tag)
        expected = self.bench.reply(on_wire)
        got = request.result()
        require(got == expected, f"request {message!r} got the reply {got!r}, not {expected!r}")

    def exchange(self, number: int, client: Client | None = None) -> None:
        """Send one request and require its own reply."""
        message = self.message(number)
        self.own_reply(message, self.submit(message, client))

    def over(self, requests: list[Any], what: str) -> None:
        """Require that all of these end well."""
        for request in requests:
            if not request.wait(self.patience_s):
                raise Overdue(f"{what} is not over: {request!r}")
            request.result()

    def use(self) -> None:
        """Do with the client whatever the channel can do."""
        if self.has("reply"):
            self.exchange(1)
        elif self.has("tx_done"):
            self.client.send(self.message(1))
        elif self.bench.notify is not None and self.channel.can_receive:
            with self.client.subscribe() as messages:
                self.bench.notify(self.bench.channel, self.message(1))
                messages.get(self.patience_s)

    def stall(self) -> None:
        """Stall the far side if that is possible."""
        if self.bench.stall is not None:
            self.bench.stall()
            self.stalled = True

    def resume(self) -> None:
        """Let the far side go on."""
        self.stalled = False
        if self.bench.resume is not None:
            self.bench.resume()

    def require_no_strays(self) -> None:
        """Fail if a reply turned up that no request was waiting for."""
        self.service()
        stats = self.connection.stats()[self.channel.name]
        require(not stats.late, f"{stats.late} replies were reported a second time")
        require(not stats.unknown, f"{stats.unknown} replies answer nothing that was sent")
        require(not stats.notifications, f"{stats.notifications} replies came as notifications")

    def require_nothing_held(self, what: str) -> None:
        """Wait until nothing outlives its request any more."""
        self.soon(
            lambda: not self.channel.held() and not self.queue.slots_used,
            f"{what}: {self.queue.slots_used} slots and {len(self.channel.held())} ended requests "
            "are still held; report TX done and late replies, or prove in abort() that none comes",
        )


def _given(field: str, text: str) -> Callable[[Trial], str]:
    return lambda trial: "" if getattr(trial.bench, field) is not None else text


def _replies(trial: Trial) -> str:
    if not trial.channel.can_send:
        return "the channel is listen-only"
    if trial.bench.reply is None:
        return "the far side does not answer"
    return "" if trial.channel.ties_replies else "the channel cannot tie replies to requests"


def _tx_done(trial: Trial) -> str:
    if not trial.channel.can_send:
        return "the channel is listen-only"
    acknowledged = trial.queue.capabilities.tx_done is TxDone.ACK
    return "TX done is the client's to say (ACK)" if acknowledged else ""


def _ends(trial: Trial) -> str:
    return _replies(trial) and _tx_done(trial)


NEEDS: dict[str, Callable[[Trial], str]] = {
    "send": lambda trial: "" if trial.channel.can_send else "the channel is listen-only",
    "receive": lambda trial: "" if trial.channel.can_receive else "the channel is send-only",
    "reply": _replies,
    "tx_done": _tx_done,
    "ends": _ends,
    "matches": lambda trial: (
        "" if trial.queue.capabilities.matches_replies else "the driver does not call complete()"
    ),
    "descriptors": lambda trial: (
        "" if trial.host.pump.descriptors else "the driver watches no descriptors"
    ),
    "events": lambda trial: (
        "received messages are polled for" if trial.queue.capabilities.polls_events else ""
    ),
    **{
        field: _given(field, f"the bench has no {field}()")
        for field in ("taken", "notify", "ask", "stall", "restart", "kill")
    },
}
"""What a check may need: returns why it is lacking, or an empty string."""
