"""Rings in memory that the firmware made: ``rings:/echo0?at=openocd:localhost:6666@0x20000000``.

Firmware of a microcontroller lays mboxio's own rings out in its RAM (``mboxio_firmware.h``), and
the host finds them there: through a debug probe, in the memory of an emulator, or mapped. Nobody
hands that memory over, so both sides meet first (`meeting`), and each look at the rings is believed
only if the host's own number still stands there after it.

Behind something slow, messages move in batches (`mboxio.controllers.batches`).
"""

from collections.abc import Callable
from typing import Any

from mboxio.controllers.batches import Batches
from mboxio.controllers.firmware_rings.life import TAKEN, RingsLife
from mboxio.controllers.firmware_rings.meeting import Meeting
from mboxio.controllers.firmware_rings.options import RingsOptions
from mboxio.controllers.rings import Lane
from mboxio.driver.capabilities import Capabilities, TxDone
from mboxio.driver.contracts import DriverQueue
from mboxio.errors import RemoteError, RemoteGone
from mboxio.regions.region import Kind, Region
from mboxio.regions.views.batched import Batched
from mboxio.regions.views.window import Window
from mboxio.ring import armed, consumer, producer
from mboxio.ring.layout import (
    HEARTBEAT,
    HOST_LIFE,
    ChannelLayout,
    MemoryLayout,
)

__all__ = ["FirmwareRings"]

LIFE_S = 0.02
"""How often it is looked whether the firmware restarted, while something is in flight."""
SAFETY_S = 0.2
"""How long something may be in flight without news before the firmware is rung once more: a
doorbell that comes while it starts is lost."""


class FirmwareRings(RingsLife):
    """The host's end of rings that firmware laid out.

    Args:
        name: not used; there is one in each memory.
        options: see `RingsOptions`.
        region: the memory, in place of ``options.at``; it is not closed.

    Raises:
        AddressError: it is not said where the memory is.
    """

    Options = RingsOptions

    def __init__(
        self,
        name: str = "",
        options: RingsOptions | None = None,
        *,
        region: Region | None = None,
    ) -> None:
        super().__init__(options or RingsOptions(), region)
        self.name = name
        self.beat: int = 0
        self.beat_ns = 0
        self.look_ns = 0
        self.news_ns = 0
        self.quiet = True  # nothing is in flight

    # -- set-up

    def stack(self, connect: Callable[[str], Any]) -> None:
        """See `Controller.stack`."""
        self.connect = connect

    def open(self) -> None:
        """See `Controller.open`."""
        self.reach()
        memory, layout, meeting = self.meet()
        looks = Capabilities(spin_s=self.options.spin_s, access_s=memory.access_s)
        self.first = self.add_queue(looks, "life")
        for number, each in enumerate(layout.channels):
            name = each.name or str(number)
            self.add_channel(name, self.add_queue(self.capabilities(each, memory), name))
        self.locked(self.begin, memory, layout, meeting)

    def capabilities(self, each: ChannelLayout, memory: Region) -> Capabilities:
        """Say what the queue of a channel can do."""
        options, hears = self.options, self.bell.hears
        return Capabilities(
            depth=each.to_remote.slots - 1,
            reply_credits=each.to_host.slots - 1,
            message_bytes=each.to_remote.message_bytes,
            matches_replies=True,
            tx_done=TxDone.IRQ if hears else TxDone.POLL,
            poll_s=LIFE_S if hears else options.poll_s,
            polls_events=True,
            idle_poll_s=SAFETY_S if hears else options.idle_poll_s,
            epoch_source="our own number in the memory, which starting firmware takes away",
            timeout_s=options.timeout_s,
            spin_s=options.spin_s,
            access_s=memory.access_s,
        )

    def begin(self, memory: Window, layout: MemoryLayout, meeting: Meeting) -> None:
        """Take over the rings of a life in which both sides have met. Under the lock."""
        self.batches = self.far = None
        far = Batched(memory) if memory.kind is Kind.REMOTE else None
        near: Region = memory if far is None else far
        self.memory, self.meeting = near, Meeting(near, meeting.life)
        declared = list(self.declared_channels().values())
        words = None
        if self.bell.rings and far is None:
            words = armed(near, layout.host_armed, layout.remote_armed)
        for channel, each in zip(declared, layout.channels, strict=True):
            sending = producer(near, each.to_remote, words)
            receiving = consumer(near, each.to_host)
            receiving.reset()  # what waited for an earlier host is nobody's
            if channel.context is None:
                self.connect_lane(Lane(sending, receiving, True), channel.queue, channel)
            lane: Any = channel.context
            lane.producer, lane.consumer, lane.owes = sending, receiving, False
        self.armed = words if self.bell.hears else None
        self.is_armed = False
        if far is not None:
            self.batches = self.far = Batches(far, self.same_life, self.now_ns, met=True)
            for number, each in enumerate(layout.channels):
                self.far.add(number, each.to_remote, each.to_host)
            if self.bell.hears:
                far.write(layout.host_armed, 1, 4)  # each of its messages is rung for
            far.flush()
        self.meeting.say_ready()
        if far is not None:
            far.flush()
        if self.meeting.word() != meeting.life:
            raise RemoteGone("rings: the firmware restarted while it was met")
        self.beat, self.beat_ns = near.read(HEARTBEAT, 4), self.now_ns()
        self.news_ns = self.beat_ns
        self.linked = True
        self.taken = False
        self.watch(*self.bell.descriptors())
        self.link(True, meeting.life)
        self.ring_doorbell(None)

    # -- looks

    def hear(self, queue: DriverQueue) -> None:
        """See `RingController.hear`: all queues share the doorbell, which is read once."""
        if queue is not self.first:
            return
        try:
            self.bell.clear()
            self.news_ns = self.now_ns()
        except RemoteGone as error:
            self.lose(str(error))

    def attend(self, queue: DriverQueue) -> None:
        """See `RingController.attend`: whether it is alive, now and then while it is waited for."""
        now_ns = self.now_ns()
        if queue is not self.first or not self.linked or now_ns < self.look_ns:
            return
        self.look_ns = now_ns + int(max(LIFE_S, 8 * self.memory.access_s) * 1e9)
        try:
            busy = any(each.queue.slots_used or each.queue.credits_used for each in self.lanes)
            if not self.same_life():
                return
            if self.options.beat_s and not self.heart_beats(now_ns, busy):
                return
            if busy and now_ns - self.news_ns > SAFETY_S * 1e9:
                self.news_ns = now_ns
                self.ring_doorbell(None)
        except RemoteGone as error:
            self.lose(str(error))

    def heart_beats(self, now_ns: int, busy: bool) -> bool:
        """Lose firmware whose heart stands still; while nothing is asked of it, it may sleep."""
        beat = self.read_anew(HEARTBEAT)
        if beat != self.beat or self.quiet:
            self.beat, self.beat_ns = beat, now_ns
        elif now_ns - self.beat_ns > self.options.beat_s * 1e9:
            self.lose(f"its heart has stood still for {self.options.beat_s:g} s: it hangs")
            return False
        self.quiet = not busy
        return True

    def arm_for(self, queue: DriverQueue) -> bool:
        """See `RingController.arm_for`."""
        self.bell.unmask()
        return False

    def ring_doorbell(self, lane: Lane | None) -> None:
        """See `RingController.ring_doorbell`."""
        self.bell.ring()

    # -- lives

    def read_anew(self, offset: int) -> int:
        """Read a word of the memory as it is now."""
        if isinstance(self.memory, Batched):
            self.memory.fetch(offset, 4)
        return self.memory.read(offset, 4)

    def same_life(self) -> bool:
        """See `RingController.same_life`."""
        if not self.linked:
            return False
        word = self.read_anew(HOST_LIFE)
        if word == self.meeting.life:
            if self.far is not None:
                self.far.proven()
            return True
        self.taken = word != 0
        self.lose(TAKEN if self.taken else "it restarted")
        return False

    def excused(self) -> bool:
        """See `RingController.excused`: indices restart with a life."""
        try:
            return not self.same_life()
        except RemoteGone as error:
            self.lose(str(error))
            return True

    def begin_life(self, memory: Window, layout: MemoryLayout, meeting: Meeting) -> None:
        """Begin a life that was met on another thread. Under the lock."""
        if self.is_closed() or self.linked:
            return
        ours = [(c.context.producer, c.context.consumer) for c in self.declared_channels().values()]
        theirs = [(each.to_remote, each.to_host) for each in layout.channels]
        same = len(ours) == len(theirs) and all(
            (sending.slots, receiving.slots, sending.message_bytes)
            == (to_remote.slots, to_host.slots, to_remote.message_bytes)
            for (sending, receiving), (to_remote, to_host) in zip(ours, theirs, strict=True)
        )
        if not same:
            self.still_lost("the firmware came back with other channels; connect again")
            return
        try:
            self.begin(memory, layout, meeting)
        except (RemoteError, RemoteGone) as error:
            self.still_lost(str(error))
