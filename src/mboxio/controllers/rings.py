"""The base of every controller whose queues are rings in memory.

A subclass says where the rings lie and how the doorbell rings; this class moves messages. One
`Lane` is one channel: its queue, the ring we produce and the ring we consume.
"""

import errno
import os
from typing import Any, Protocol

from mboxio._base.classes import overrides
from mboxio._base.native import COMPILED
from mboxio.driver.contracts import DriverChannel, DriverQueue
from mboxio.driver.controller import EVENT, SENT, Busy, Controller, Outcome, Probe
from mboxio.driver.correlate import RemoteRequest
from mboxio.driver.shortcut import Shortcut
from mboxio.errors import RemoteError
from mboxio.ring.contract import ERROR, MESSAGE, REPLY, REQUEST, Armed, Consumer, Producer
from mboxio.ring.layout import TAG_MASK, TAG_SPAN

STATUS_BYTES = 4
GENERAL = frozenset({"send", "service", "drain"})
"""Ops of `RingController` that a shortcut knows: a driver with others has none."""
SHORTCUT_VARIABLE = "MBOXIO_SHORTCUT"
"""0: connections made from now on have no short way of ordinary requests, to compare."""


class Lane(Probe):
    """One channel over a pair of rings, and the probe of its queue.

    Args:
        producer: the ring towards the remote.
        consumer: the ring towards the host.
        framed: slots say what they hold (mboxio's own layout); else the correlator finds out.
    """

    __slots__ = ("channel", "consumer", "framed", "owes", "producer", "queue")

    def __init__(self, producer: Producer, consumer: Consumer, framed: bool) -> None:
        self.producer = producer
        self.consumer = consumer
        self.framed = framed
        self.owes = False  # a doorbell, for something that lies in the ring
        self.queue: Any = None
        self.channel: Any = None

    def news(self, only_replies: bool) -> bool:
        """See `Probe.news`. Called without the lock: the rings may go at any time."""
        consumer: Any = self.consumer  # read once: another thread may drop it after the test
        producer: Any = self.producer
        if consumer is None or producer is None:
            return False
        return consumer.news() or (not only_replies and producer.news())

    def shares_cpu(self) -> bool:
        """See `Probe.shares_cpu`; called as `news` is."""
        producer: Any = self.producer
        armed: Any = None if producer is None else producer.armed
        return armed is not None and armed.shares_cpu()


class Batching(Protocol):
    """See `mboxio.controllers.batches.Batches`."""

    def accept(self, lane: Lane, handle: int) -> Outcome:
        """A message was written."""
        ...

    def begin(self, lane: Lane) -> bool:
        """A look at a lane begins; False: it had better not."""
        ...

    def end(self, lane: Lane) -> bool:
        """A look is over; whether slots were given back."""
        ...


class RingController(Controller):
    """Moves messages between queues and rings; see the module's text.

    A subclass calls `connect_lane` for each lane and overrides `ring_doorbell`, and `hear` where
    something has to be read when an event comes.
    """

    def __init__(self) -> None:
        self.lanes: list[Lane] = []
        self.linked = True
        self.armed: Armed | None = None
        self.is_armed = False
        self.wary = False  # indices may restart at any time: ask `same_life` before acting
        self.batches: Batching | None = None  # where the rings lie behind something slow
        self.busy = Busy("tx_done")
        self.gone = Busy("event")

    def connect_lane(self, lane: Lane, queue: DriverQueue, channel: DriverChannel) -> None:
        """Say which queue and channel a lane is."""
        lane.queue = queue
        lane.channel = channel
        if lane.framed:  # handles are the tags: what lies there before its question can name none
            queue.conceal()
        queue.context = queue.probe = lane
        channel.context = lane
        self.lanes.append(lane)

    def find_shortcuts(self) -> None:
        """Give ordinary requests a short way over the rings that the lanes have now.

        Called where all of that is in place; without it, all requests take the general way.
        """
        self.drop_shortcuts()
        overridden = overrides(type(self), RingController, GENERAL)
        if not overridden and os.environ.get(SHORTCUT_VARIABLE) != "0":
            for lane in self.lanes:
                lane.channel.shortcut = shortcut(self, lane)

    def drop_shortcuts(self) -> None:
        """All requests take the general way from now on."""
        for lane in self.lanes:
            lane.channel.shortcut = None

    def drop_lanes(self) -> None:
        """Forget all lanes, so that their memory can go."""
        self.drop_shortcuts()
        for lane in self.lanes:
            lane.queue.context = lane.channel.context = None
            lane.queue.probe = Probe()
        self.lanes.clear()

    def hear(self, queue: DriverQueue) -> None:
        """Take note of an event: clear its cause."""

    def ring_doorbell(self, lane: Lane) -> None:
        """Tell the remote that something changed. Must not block; it is called under the lock."""
        raise NotImplementedError(f"{type(self).__name__} has no doorbell")

    def attend(self, queue: DriverQueue) -> None:
        """Be looked at for a queue that has no lane."""

    def arm_for(self, queue: DriverQueue) -> bool:
        """Arm for a queue that has no lane; see `Controller.arm`."""
        return False

    def excused(self) -> bool:
        """Return whether there is another reason than a lie, which has been reported then."""
        return False

    def same_life(self) -> bool:
        """Return whether the indices that were read are those of the life they are taken for.

        Asked where ``wary`` is set, after an index was read and before anything is done; False
        after it was reported that the remote is lost.
        """
        return True

    def send(self, channel: DriverChannel, handle: int, message: bytes) -> Outcome:
        """See `Controller.send`."""
        lane = channel.context
        if self.wary and self.batches is None and not self.undisturbed(self.same_life):
            return self.gone
        if not lane.producer.push(REQUEST if handle & 1 else MESSAGE, handle & TAG_MASK, message):
            return self.busy
        if self.batches is not None:
            return self.batches.accept(lane, handle)
        if lane.producer.doorbell_needed():
            self.ring_surely(lane)
        return SENT

    def ring_surely(self, lane: Lane) -> None:
        """Ring for a message that lies in the ring: it left, whatever a signal handler raises.

        Signals may come faster than a doorbell is rung; then the next look rings it.
        """
        lane.owes = True  # before the attempt: an interrupted doorbell is rung by the next look
        try:
            self.ring_doorbell(lane)
        except BaseException as error:
            if not self.put_off(error):
                lane.owes = False  # the bell is broken
                raise
            self.undisturbed(self.ring_doorbell, lane)
        lane.owes = False
        self.rang(lane.channel)

    def reply(
        self, channel: DriverChannel, handle: int, tag: int, message: bytes, status: int
    ) -> Outcome:
        """See `Controller.reply`."""
        # `same_life` is not asked: only framed lanes bring requests, and no two lives share rings.
        lane = channel.context
        kind = REPLY
        if status:
            kind = ERROR
            room = lane.producer.message_bytes - STATUS_BYTES
            message = status.to_bytes(STATUS_BYTES, "little", signed=True) + message[:room]
        if not lane.producer.push(kind, tag, message):
            return self.busy
        if self.batches is not None:
            return self.batches.accept(lane, handle)
        if lane.producer.doorbell_needed():
            self.ring_surely(lane)
        return SENT

    def ring(self, channel: DriverChannel) -> None:
        """See `Controller.ring`."""
        self.ring_doorbell(channel.context)

    def service(self, queue: DriverQueue, why: str) -> None:
        """See `Controller.service`: TX done first, then what the remote sent, in one batch."""
        if why is EVENT:
            self.hear(queue)
        known = queue
        lane = known.context
        if lane is None or not self.linked:
            self.attend(queue)
            return
        if self.batches is not None and not self.batches.begin(lane):
            return
        if lane.owes:
            self.ring_surely(lane)
        if self.is_armed and self.armed is not None:
            self.armed.disarm()  # before the rings are read: doorbells are needless from here on
            self.is_armed = False
        if not self.wary:
            self.move(lane, known.only_replies)
            return
        try:
            self.move_warily(lane, known.only_replies)
        except RemoteError:
            if not self.excused():
                raise
        if self.batches is not None and self.batches.end(lane) and lane.owes:
            self.ring_surely(lane)

    def move(self, lane: Lane, only_replies: bool) -> None:
        """Report TX done, unless it is not needed now, and take what the remote sent."""
        if not only_replies:
            self.progress(lane)
        waiting = lane.consumer.pending()
        if waiting:
            # Also what comes meanwhile, up to one ring.
            self.drain(lane, lane.consumer.slots)
            self.tell_of_room(lane, waiting)

    def move_warily(self, lane: Lane, only_replies: bool) -> None:
        """As `move`, where nothing that was read counts before it is known whose life it is of.

        A remote may restart between any two readings, also between a length and its message.
        """
        consumed = 0 if only_replies else lane.producer.consumed()
        waiting = lane.consumer.pending()
        if not (consumed or waiting):
            return
        lie: RemoteError | None = None
        taken: list[tuple[int, int, bytes]] = []
        try:
            for _ in range(waiting):
                message = lane.consumer.take()
                if message is None:
                    break
                taken.append((lane.consumer.kind, lane.consumer.tag, message))
        except RemoteError as error:
            lie = error
        if not self.same_life():
            lie = None  # it holds this frame, and with it the ring of a life that is over
            return
        if consumed:
            lane.queue.take_oldest_done(consumed, 0)
        try:
            for kind, tag, message in taken:
                hand_up(lane, kind, tag, message)
        finally:
            lane.consumer.release()
        if lie is not None:
            try:
                raise lie
            finally:
                lie = None
        self.tell_of_room(lane, waiting)

    def tell_of_room(self, lane: Lane, waited: int) -> None:
        """Ring for a remote that found its ring full: it sleeps until there is room again."""
        if not lane.framed or waited < lane.consumer.slots - 1:
            return
        if self.batches is not None:
            lane.owes = True  # when the room is there
        elif self.armed is None or self.armed.peer_armed():
            self.ring_surely(lane)

    def progress(self, lane: Lane) -> bool:
        """Report the messages that the remote took since the last look."""
        consumed = lane.producer.consumed()
        if consumed and (not self.wary or self.same_life()):
            lane.queue.take_oldest_done(consumed, 0)
        return consumed > 0

    def drain(self, lane: Lane, left: int) -> None:
        """Take up to ``left`` messages, and return their slots together."""
        consumer = lane.consumer
        if lane.channel.shortcut is not None:
            left -= lane.channel.shortcut.take(left)
        try:
            while left > 0:
                message = consumer.take()
                if message is None:
                    return
                left -= 1
                hand_up(lane, consumer.kind, consumer.tag, message)
        finally:
            consumer.release()  # also after a lie: what was taken before it is the remote's again

    def arm(self, queue: DriverQueue) -> bool:
        """See `Controller.arm`."""
        known = queue
        lane = known.context
        if lane is None or not self.linked:
            return self.arm_for(queue)
        sure = True
        if self.armed is not None:
            sure = self.armed.arm()  # before the look at the rings, never after it
            self.is_armed = True
        try:
            return self.progress(lane) or lane.consumer.pending() > 0 or not sure
        except RemoteError:
            if not self.excused():
                raise
            return False


def shortcut(controller: RingController, lane: Lane) -> Shortcut | None:
    """Return the short way over a lane, None where there is none."""
    if not COMPILED or not lane.framed or controller.armed is None:
        return None
    from mboxio.controllers.ring_shortcut import RingShortcut
    from mboxio.ring.compiled import CompiledArmed, CompiledConsumer, CompiledProducer

    rings = (type(lane.producer), type(lane.consumer), type(controller.armed))
    if rings != (CompiledProducer, CompiledConsumer, CompiledArmed) or controller.wary:
        return None
    both_ways = lane.channel.can_send and lane.channel.ties_replies
    if not both_ways or lane.queue.polls_tx or lane.queue.gap_ns:
        return None
    return RingShortcut(controller, lane)


def hand_up(lane: Lane, kind: int, tag: int, message: bytes) -> None:
    """Hand up a message that was taken."""
    if not lane.framed:
        lane.channel.take_message(message)
    elif kind == REPLY:
        lane.channel.take_completion(whole(lane, tag), 0, message)
    else:
        deliver(lane, kind, tag, message)


def deliver(lane: Lane, kind: int, tag: int, message: bytes) -> None:
    """Hand up a message that is not an ordinary reply."""
    channel = lane.channel
    if kind == MESSAGE:
        channel.notify(message)
    elif kind == REQUEST:
        channel.take_batch((RemoteRequest(tag, message),))
    else:
        if len(message) < STATUS_BYTES:
            raise RemoteError(f"the remote lied: an error reply of {len(message)} bytes")
        # An error reply with status 0 is an error all the same.
        status = int.from_bytes(message[:STATUS_BYTES], "little", signed=True) or errno.EIO
        channel.take_completion(whole(lane, tag), status, message[STATUS_BYTES:])


def whole(lane: Lane, tag: int) -> int:
    """Return the handle whose lowest 32 bits are ``tag``: the latest one that can be meant.

    A request that is held for longer than the numbers last is found all the same.
    """
    window = lane.queue.window
    latest: int = ((window.next_seq + 1) << window.shift) - 1
    handle = latest - (latest & TAG_MASK) + tag
    if handle > latest:
        handle -= TAG_SPAN
    if window.aside and window.find(handle) is None:
        held = window.find_end(tag, TAG_MASK)
        if held is not None:
            handle = held.handle
    return handle
