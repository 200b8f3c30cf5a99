"""The base of every controller whose queues are rings in memory.

A subclass says where the rings lie and how the doorbell rings; this class moves messages. One
`Lane` is one channel: its queue, the ring we produce and the ring we consume.
"""

import errno
from typing import Any

from mboxio.controller import EVENT, SENT, Busy, Controller, Outcome
from mboxio.correlate import RemoteRequest
from mboxio.errors import RemoteError
from mboxio.queue import Queue
from mboxio.ring.layout import TAG_MASK, TAG_SPAN
from mboxio.ring.ring import ERROR, MESSAGE, REPLY, REQUEST, Armed, Consumer, Producer

STATUS_BYTES = 4


class Lane:
    """One channel over a pair of rings.

    Args:
        producer: the ring towards the remote.
        consumer: the ring towards the host.
        framed: slots say what they hold (mboxio's own layout); else the correlator finds out.
    """

    __slots__ = ("channel", "consumer", "framed", "producer", "queue")

    def __init__(self, producer: Producer, consumer: Consumer, framed: bool) -> None:
        self.producer = producer
        self.consumer = consumer
        self.framed = framed
        self.queue: Any = None
        self.channel: Any = None


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
        self.wary = False  # indices may start anew at any time: ask `same_life` before acting
        self.busy = Busy("tx_done")
        self.gone = Busy("event")

    def connect_lane(self, lane: Lane, queue: Any, channel: Any) -> None:
        """Say which queue and channel a lane is."""
        lane.queue = queue
        lane.channel = channel
        queue.context = lane
        channel.context = lane
        self.lanes.append(lane)

    def drop_lanes(self) -> None:
        """Forget all lanes, so that their memory can go."""
        for lane in self.lanes:
            lane.queue.context = lane.channel.context = None
        self.lanes.clear()

    def hear(self, queue: Any) -> None:
        """Take note of an event: clear its cause."""

    def ring_doorbell(self, lane: Lane) -> None:
        """Tell the remote that something changed. Must not block; it is called under the lock."""
        raise NotImplementedError(f"{type(self).__name__} has no doorbell")

    def attend(self, queue: Any) -> None:
        """Be looked at for a queue that has no lane."""

    def arm_for(self, queue: Any) -> bool:
        """Arm for a queue that has no lane; see `Controller.arm`."""
        return False

    def excused(self) -> bool:
        """Tell whether a ring that seems to lie has another reason, which is reported then."""
        return False

    def same_life(self) -> bool:
        """Tell whether the indices that were read are those of the life they are taken for.

        Asked where ``wary`` is set, after an index was read and before anything is done; False
        after it was reported that the remote is lost.
        """
        return True

    def send(self, channel: Any, handle: int, message: bytes) -> Outcome:
        """See `Controller.send`."""
        lane = channel.context
        if self.wary and not self.same_life():
            return self.gone
        if not lane.producer.push(REQUEST if handle & 1 else MESSAGE, handle & TAG_MASK, message):
            return self.busy
        if lane.producer.doorbell_needed():
            self.ring_doorbell(lane)
        return SENT

    def reply(self, channel: Any, handle: int, tag: int, message: bytes, status: int) -> Outcome:
        """See `Controller.reply`."""
        lane = channel.context
        kind = REPLY
        if status:
            kind = ERROR
            room = lane.producer.message_bytes - STATUS_BYTES
            message = status.to_bytes(STATUS_BYTES, "little", signed=True) + message[:room]
        if not lane.producer.push(kind, tag, message):
            return self.busy
        if lane.producer.doorbell_needed():
            self.ring_doorbell(lane)
        return SENT

    def ring(self, channel: Any) -> None:
        """See `Controller.ring`."""
        self.ring_doorbell(channel.context)

    def service(self, queue: Any, why: str) -> None:
        """See `Controller.service`: TX done first, then what the remote sent, in one batch."""
        if why is EVENT:
            self.hear(queue)
        known: Queue = queue
        lane = known.context
        if lane is None or not self.linked:
            self.attend(queue)
            return
        if self.is_armed and self.armed is not None:
            self.armed.disarm()
            self.is_armed = False
        try:
            self.move(lane, known.only_replies)
        except RemoteError:
            if not self.excused():
                raise

    def move(self, lane: Lane, only_replies: bool) -> None:
        """Report TX done, unless nobody needs it now, and take what the remote sent."""
        if not only_replies:
            self.progress(lane)
        consumer = lane.consumer
        if consumer.peek():
            left = consumer.slots
            if self.wary:
                left = consumer.pending()
                if not self.same_life():
                    return
            full = lane.framed and consumer.pending() >= consumer.slots - 1
            self.drain(lane, left)
            # A remote that found its ring full sleeps until we tell that there is room again.
            if full and (self.armed is None or self.armed.peer_armed()):
                self.ring_doorbell(lane)

    def progress(self, lane: Lane) -> bool:
        """Report the messages that the remote took since the last look."""
        consumed = lane.producer.consumed()
        if consumed:
            lane.queue.take_oldest_done(consumed, 0)
        return consumed > 0

    def drain(self, lane: Lane, left: int) -> None:
        """Take what waits, so many messages at the most, and give the slots back at once."""
        consumer = lane.consumer
        try:
            while left > 0:
                left -= 1
                if lane.framed:
                    self.deliver(lane, consumer)
                else:
                    lane.channel.take_message(consumer.payload())
                consumer.advance()
                if not consumer.peek():
                    return
        finally:
            consumer.release()

    def deliver(self, lane: Lane, consumer: Consumer) -> None:
        """Hand up the message under `peek`, whose slot says what it is."""
        kind = consumer.kind
        channel = lane.channel
        if kind == REPLY:
            channel.take_completion(self.whole(lane, consumer.tag), 0, consumer.payload())
        elif kind == MESSAGE:
            channel.notify(consumer.payload())
        elif kind == REQUEST:
            channel.take_batch((RemoteRequest(consumer.tag, consumer.payload()),))
        else:
            payload = consumer.payload()
            if len(payload) < STATUS_BYTES:
                raise RemoteError(f"the remote lied: an error reply of {len(payload)} bytes")
            status = int.from_bytes(payload[:STATUS_BYTES], "little", signed=True) or errno.EIO
            handle = self.whole(lane, consumer.tag)
            channel.take_completion(handle, status, payload[STATUS_BYTES:])

    def whole(self, lane: Lane, tag: int) -> int:
        """Return the handle whose lowest 32 bits are ``tag``: the latest one that can be meant."""
        latest: int = lane.queue.window.next_seq << 1 | 1
        handle = latest - (latest & TAG_MASK) + tag
        return handle - TAG_SPAN if handle > latest else handle

    def arm(self, queue: Any) -> bool:
        """See `Controller.arm`."""
        known: Queue = queue
        lane = known.context
        if lane is None or not self.linked:
            return self.arm_for(queue)
        if self.armed is not None:
            self.armed.arm()
            self.is_armed = True
        try:
            return self.progress(lane) or lane.consumer.pending() > 0
        except RemoteError:
            if not self.excused():
                raise
            return False
