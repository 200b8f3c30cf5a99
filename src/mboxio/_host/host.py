"""The host's side of an attached controller: its queues, channels, pump, link and lifetime."""

import os
import threading
import warnings
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from mboxio._base.clock import SYSTEM, Clock
from mboxio._base.deputies import deputise
from mboxio._base.gate import Gate, complain
from mboxio._base.native import COMPILED
from mboxio._base.request import Lent, Request
from mboxio._base.states import FOREVER
from mboxio._base.tap import Tap
from mboxio._host.hurry import Hurry
from mboxio._host.life import Life
from mboxio._limits.awaited import register
from mboxio._pump.pump import Pump
from mboxio._pump.worker import Worker
from mboxio._queue.above import Joining, LoopSide
from mboxio._queue.channel import Channel
from mboxio._queue.leftovers import adopt
from mboxio._queue.queue import Queue
from mboxio._queue.stats import ChannelStats, collect
from mboxio.driver.capabilities import Capabilities
from mboxio.driver.controller import Controller
from mboxio.driver.correlate import Correlator
from mboxio.driver.declaring import check_channel, check_descriptors, check_queue
from mboxio.errors import AddressError, ClosedError, ForkedError

if TYPE_CHECKING:
    from asyncio import Future

_LIVE: "weakref.WeakSet[Host]" = weakref.WeakSet()


def _forget_locals(error: BaseException) -> None:
    """Clear the calls that failed: what they kept may be views of memory that is to be let go."""
    import traceback  # rarely needed, and not small

    told: BaseException | None = error
    while told is not None:
        traceback.clear_frames(told.__traceback__)
        told = told.__context__


def named(channels: dict[str, Channel], name: str) -> Channel | None:
    """Return the channel of a name or number; None: there is none."""
    found = channels.get(name)
    if found is None and name.isdecimal() and int(name) < len(channels):
        found = list(channels.values())[int(name)]
    return found


class Host:
    """An attached controller, as the core sees it; users hold it by a `Connection`.

    Args:
        controller: the driver to attach.
        address: how the user called it, for messages.
        clock: the clock of everything on this connection.
        tap: told what happens to messages; see `mboxio._base.tap`.
    """

    queue_class: type[Queue] = Queue
    channel_class: type[Channel] = Channel
    is_remote = False

    def __init__(
        self,
        controller: Controller,
        *,
        address: str = "",
        clock: Clock = SYSTEM,
        tap: Tap | None = None,
    ) -> None:
        self.controller = controller
        self.address = address or type(controller).__name__.lower()
        self.gate = Gate(clock)
        self.queues: list[Queue] = []
        self.channels: dict[str, Channel] = {}
        self.closed = False
        self.admin = threading.RLock()  # opening and closing of clients; never held with the gate
        self.hurry = Hurry(self.gate, self.queues)
        self.life = Life(self)
        self.pump = Pump(self.life, controller)
        self.worker = Worker(self.pump)
        self.pump.worker = self.worker
        controller.host = self
        _LIVE.add(self)
        if tap is not None:
            self.add_tap(tap)
        try:
            controller.open()
        except BaseException as error:
            self.closed = True  # first: a finalizer has nothing left to do
            _forget_locals(error)
            controller.close()
            self.gate.call(self.pump.close)
            self.gate.close()
            raise

    # -- what drivers declare with (see Controller)

    def add_queue(self, capabilities: Capabilities, name: str) -> Queue:
        """See `Controller.add_queue`."""
        check_queue(capabilities, name)
        queue = self.queue_class(self.gate, self.controller, capabilities, name, self.pump)
        self.queues.append(queue)
        self.pump.queues = list(self.queues)
        self.pump.look_first = any(each.capabilities.look_first for each in self.queues)
        if capabilities.access_s > 0:
            self.pump.distant = True
            register(self.hurry)
        self.pump.spin_for(capabilities.spin_s)
        self.declared(queue)
        return queue

    def add_channel(
        self,
        name: str,
        queue: Queue,
        correlator: Correlator | None,
        can_send: bool,
        can_receive: bool,
        context: object,
    ) -> Channel:
        """See `Controller.add_channel`."""
        if check_channel(name, queue, correlator, self.queues) in self.channels:
            raise AddressError(f"there is a channel {name!r} already")
        channel = self.channel_class(
            self, name, len(self.channels), queue, correlator, can_send, can_receive, context
        )
        self.channels = {**self.channels, name: channel}  # replaced: it is read without the lock
        self.declared(channel)
        return channel

    @property
    def lost(self) -> bool:
        """Whether the remote is gone."""
        return self.gate.lost

    def declared(self, what: Queue | Channel) -> None:
        """A driver declared a queue or channel; for those who watch."""

    def watch(self, descriptors: tuple[int, ...]) -> None:
        """See `Controller.watch`."""
        self.gate.call(self.pump.watch, check_descriptors(descriptors))

    def find_channel(self, name: str | int) -> Channel:
        """Look a channel up by name or number. Where the remote may have announced it, look there.

        Raises:
            AddressError: there is none; the text lists those that exist.
        """
        channel = named(self.channels, str(name))
        if channel is None and not (self.lost or self.gate.lock.mine() or self.gate.forked):
            self.pump.look()  # nobody may have looked since it was announced
            channel = named(self.channels, str(name))
        if channel is None:
            known = ", ".join(f"{c.number}={c.name}" for c in self.channels.values())
            raise AddressError(
                f"{self.address!r} has no channel {name!r}; there are: {known or 'none'}"
            )
        return channel

    def stats(self) -> dict[str, ChannelStats]:
        """See `Connection.stats`."""
        return self.gate.run(lambda: collect(self.channels.values(), self.queues))

    # -- who listens to what happens

    def facts_of(self, channel: int) -> tuple[str, int, int]:
        """See `Place.facts_of`."""
        found = list(self.channels.values())[channel]  # a name may be another one's number
        return found.name, found.queue.depth, found.message_bytes

    @property
    def tap_clock(self) -> Clock:
        """See `mboxio.recording.recorder.Tappable`."""
        return self.gate.clock

    def add_tap(self, tap: Tap) -> None:
        """Tell a listener what happens from now on, and how the link is. Without the lock."""
        tap.join(self)
        self.gate.call(self.life.listen, tap)

    def drop_tap(self, tap: Tap) -> None:
        """Tell it nothing more. Without the lock."""
        self.gate.call(self.gate.drop_tap, tap)

    # -- clients come and go

    def join(self, channel: Channel, client: Joining) -> None:
        """Add a client; the first one starts the channel. Without the lock."""
        with self.admin:
            self.check_open()
            if channel.users == 0:
                self.controller.start(channel)
            channel.users += 1  # a `start` that raised has left none
            client._joined = True
            self.gate.call(channel.add_client, client)

    def leave(self, channel: Channel) -> None:
        """A client left; the last one stops the channel. Without the lock."""
        with self.admin:
            channel.users -= 1
            if channel.users == 0 and not self.gate.forked:
                try:
                    self.controller.stop(channel)
                except Exception as error:
                    complain("stop() of %r raised", channel, error)

    def check_open(self) -> None:
        """Raise what a use after `close` or ``fork`` deserves."""
        if self.gate.forked:
            raise ForkedError("this connection belongs to the parent process; connect again")
        if self.closed:
            raise ClosedError(f"{self.address}: the connection is closed")

    def loop_port(self, pump: Pump) -> LoopSide:
        """Return the port of the running event loop at ``pump``."""
        from mboxio._pump.running import running_port

        return running_port(pump)

    def forget_future(self, pump: Pump, waitable: Request, future: "Future[Any]") -> None:
        """Give up a future that `loop_port` made."""
        from mboxio._pump.loops import forget

        forget(pump, waitable, future)

    # -- reports of the driver, under the lock

    def take_event(self) -> None:
        """Something happened: wake the thread or loop that serves the pump."""
        self.pump.kick()

    def adopt(self, channel: Channel, tag: int, lent: Callable[[int], Lent] | None) -> None:
        """See `Controller.left_behind`."""
        adopt(channel, tag, lent)

    # -- the end

    def close(self) -> None:
        """Close all clients, stop all channels, let go of the controller. Idempotent."""
        if self.gate.lock.mine():  # a finalizer in the middle of an op: afterwards
            self.gate.post(self.close)
            return
        with self.admin:
            if self.closed:
                return
            self.closed = True
            if self.gate.forked:
                return
            for channel in self.channels.values():
                for client in list(channel.clients):
                    client.close()
            self.gate.call(self.decide_close)
            try:
                self.controller.close()
            except Exception as error:
                complain("close() of %r raised", self.controller, error)
        self.worker.stop(5.0)  # without `admin`, which the callbacks that it finishes may need
        for port in list(self.pump.loops):
            port.close()
        self.gate.call(self.pump.close)
        _LIVE.discard(self)
        for tap in self.gate.taps:
            tap.leave()
        self.gate.close()

    def __del__(self) -> None:
        """A program forgot the connection: say so, and close it."""
        if self.closed or self.gate.forked:
            return
        try:
            text = f"unclosed connection to {self.address}: use it in a with statement, or close it"
            warnings.warn(text, ResourceWarning, source=self, stacklevel=2)
        finally:
            self.worker.hold()
            self.close()

    def decide_close(self) -> None:
        """End what is left. Under the lock."""
        for queue in self.queues:
            queue.forget_all("close")
            queue.answers.clear()
        self.pump.queues = []
        self.pump.descriptors = ()
        self.pump.reconnect_ns = FOREVER
        self.pump.kick()

    def described(self) -> str:
        """Return where it leads and how it is, for people."""
        state = "closed" if self.closed else "lost" if self.lost else "connected"
        return f"{self.address} {state}, {len(self.channels)} channels"

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.described()}>"


if not COMPILED:
    deputise(Host, "close", "join", "leave")


def _after_fork() -> None:
    """Mark everything dead in a forked child and close its copies of the descriptors."""
    for host in list(_LIVE):
        host.gate.forked = True
        host.admin = threading.RLock()  # a thread that stayed behind may hold the old one
        host.pump.forked()
        for port in host.pump.loops:
            port.forked()
        try:
            host.controller.forked()
        except Exception as error:
            complain("forked() of %r raised", host.controller, error)


os.register_at_fork(after_in_child=_after_fork)
