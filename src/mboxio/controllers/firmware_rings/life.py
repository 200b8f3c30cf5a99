"""The lives of firmware that made its own rings: how it is reached, met, lost and met again."""

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from mboxio.controllers.batches import Batches
from mboxio.controllers.firmware_rings.bell_options import bell_of
from mboxio.controllers.firmware_rings.bells import Bell
from mboxio.controllers.firmware_rings.meeting import Meeting
from mboxio.controllers.firmware_rings.options import RingsOptions
from mboxio.controllers.firmware_rings.place import Place
from mboxio.controllers.reaching import Reaching
from mboxio.controllers.rings import RingController
from mboxio.driver.contracts import DriverChannel, DriverQueue
from mboxio.errors import RemoteError, RemoteGone
from mboxio.regions.access import nowhere, open_region
from mboxio.regions.claim import Claims
from mboxio.regions.region import Region
from mboxio.regions.views.window import Window
from mboxio.ring import require_ordered_memory
from mboxio.ring.layout import HOST_LIFE, MemoryLayout, read

__all__ = ["RingsLife"]

PAUSE_MIN_S, PAUSE_MAX_S = 20e-6, 2e-3
AGAIN_S = 0.02
"""How often firmware that does not answer is rung once more: one that starts hears nothing."""
MEET_AGAIN_S = 0.25
"""How long one try to meet the firmware again may take; the pauses between tries grow."""
TAKEN = "another host has taken its memory; whoever connects anew takes it back"


class RingsLife(RingController):
    """Reaches the memory and the doorbell, and meets the firmware.

    Args:
        options: see `RingsOptions`.
        region: the memory, if it is open.

    Raises:
        AddressError: it is not said where the memory is.
    """

    place: Place
    memory: Region
    meeting: Meeting

    def __init__(self, options: RingsOptions, region: Region | None) -> None:
        super().__init__()
        self.options = options
        if region is None and not options.at:
            raise nowhere("file:ram.bin", "the firmware's memory is")
        self.given = region
        self.region: Region | None = region
        self.bell = Bell()
        self.claims = Claims(options.shared)
        self.claimed = -1  # at which offset the rings are that nobody else may use
        self.connect: Callable[[str], Any] | None = None
        self.first: DriverQueue | None = None
        self.linked = False
        self.wary = True
        self.taken = False  # by another host
        self.knocks: deque[int] = deque(maxlen=8)  # what we wrote there in vain counts as nobody
        self.far: Batches | None = None
        self.reaching = Reaching(self, self.meet_again)
        self.stopped = threading.Event()

    def reach(self) -> None:
        """Open the memory and the doorbell, if no other host has them. Without the lock.

        Raises:
            AddressError: they cannot be used.
            RemoteGone: there are no rings.
        """
        if self.region is None:
            self.region = open_region(self.options.at)
        require_ordered_memory(self.region)
        self.place = Place(self.region, self.options)
        self.place.find()
        self.take_over(self.place.offset)
        self.bell = bell_of(self.options, self.region, self.connect, self.told)
        self.bell.open()

    def take_over(self, offset: int) -> None:
        """Keep other hosts from the rings at this offset, in place of those that we had before."""
        if offset != self.claimed:
            assert self.region is not None
            before, self.claims = self.claims, Claims(self.options.shared)
            before.close()
            self.claimed = -1
            self.claims.add(self.region, offset + HOST_LIFE, 4, "the rings")
            self.claimed = offset

    def told(self, message: bytes) -> None:
        """A port: the mailbox below was rung."""
        self.event()

    # -- meeting

    def meet(self, patience_s: float | None = None) -> tuple[Window, MemoryLayout, Meeting]:
        """Find the rings, and wait until the firmware answers. Without the lock, while lost.

        Args:
            patience_s: how long, in seconds, at each place; None: as the options say.

        Raises:
            RemoteGone: there are none, or nobody answers.
        """
        patience_s = self.options.answer_s if patience_s is None else patience_s
        until_s = time.monotonic() + patience_s
        while True:
            try:
                met = self.try_to_meet(until_s)
                if met is not None:
                    return met
            except RemoteGone:
                if time.monotonic() >= until_s:
                    raise  # it has no rings yet, and says why
                time.sleep(PAUSE_MAX_S)
            if self.stopped.is_set():
                raise RemoteGone("rings: the connection was closed")
            if time.monotonic() >= until_s:
                if self.place.pass_over():
                    until_s = time.monotonic() + patience_s
                    continue
                raise RemoteGone(
                    f"rings: a memory is there at offset {self.place.offset:#x} and nobody answers"
                    f" in {patience_s:g} s: the firmware does not run, or is of an earlier mboxio"
                    " (echo=no); one that sleeps needs a doorbell (bell=)"
                )

    def try_to_meet(self, until_s: float) -> tuple[Window, MemoryLayout, Meeting] | None:
        """Meet the firmware if it does not restart meanwhile; None: nobody answered, or it did.

        Raises:
            RemoteGone: there are no rings.
        """
        memory, layout = self.place.find()
        self.take_over(self.place.offset)
        meeting = Meeting(memory)
        self.knocks.append(meeting.life)
        meeting.knock()
        if self.options.echo and not self.answered(meeting, until_s):
            return None
        try:
            again = read(memory)
        except RemoteError as error:
            raise RemoteGone(f"rings: the firmware restarts: {error}") from None
        same = again == layout and meeting.word() == meeting.life
        return (memory, layout, meeting) if same else None

    def answered(self, meeting: Meeting, until_s: float) -> bool:
        """Ring until the firmware answers; False: in vain, or it restarted meanwhile."""
        pause_s, ring_s = PAUSE_MIN_S, 0.0
        while not meeting.is_answered():
            now_s = time.monotonic()
            if now_s >= ring_s:
                self.bell.ring()
                ring_s = now_s + AGAIN_S
            if now_s >= until_s or self.stopped.is_set() or meeting.word() != meeting.life:
                return False
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, PAUSE_MAX_S)
        return True

    # -- losing and finding it

    def lose(self, reason: str) -> None:
        """This life is over. Under the lock."""
        self.unlink()
        self.link(False, 0, reason)

    def unlink(self) -> None:
        """See `Controller.unlink`: its rings are not looked at any more."""
        self.linked = False
        if self.far is not None:
            self.far.drop()
        self.watch()

    def abort(self, channel: DriverChannel, handle: int) -> bool:
        """See `Controller.abort`: what waited here when a life ended has never left."""
        return self.far is not None and handle in self.far.dropped

    def reconnect(self) -> bool:
        """See `Controller.reconnect`; a thread waits for the firmware."""
        self.reaching.begin()
        return True

    def meet_again(self) -> None:
        """Reach what was lost, and meet the firmware of a new life."""
        region = self.region
        if region is None or self.linked or self.stopped.is_set():
            return
        found = region.again()
        if found is None:
            return
        if found is not region:
            self.region = found
            self.place, self.claimed = Place(found, self.options), -1
            if region is not self.given:
                region.close()
        if found.lost:
            found.reopen()
        if self.bell.broken:
            self.bell.open()
        if self.taken and Meeting(self.place.find()[0]).word() not in (0, *self.knocks):
            raise RemoteGone(TAKEN)  # two hosts would take it from each other for ever
        # Not noted for later: another try would knock meanwhile, with another number.
        self.locked(self.begin_life, *self.meet(MEET_AGAIN_S))

    def begin_life(self, memory: Window, layout: MemoryLayout, meeting: Meeting) -> None:
        """Begin a life that was met. Under the lock."""
        raise NotImplementedError

    def restarted(self) -> None:
        """See `Controller.restarted`."""
        self.lose("the user said that it restarted")

    # -- letting go

    def close(self) -> None:
        """See `Controller.close`: what waits is handed over, and the firmware is told."""
        self.stopped.set()
        self.reaching.join()
        region = self.region
        try:
            if self.linked and region is not None and not region.lost:
                self.say_goodbye()
        except (RemoteError, RemoteGone):
            pass  # it is gone already
        self.linked = False
        self.armed = None
        self.drop_lanes()
        self.batches = self.far = None
        self.claims.close()
        self.bell.close()
        self.region = None
        if hasattr(self, "memory"):
            self.memory.close()
        if region is not None and region is not self.given:
            region.close()

    def say_goodbye(self) -> None:
        """Tell the firmware that nobody is here any more."""
        if self.far is not None:
            self.far.hand_over()
        self.meeting.leave()
        if self.far is not None:
            self.far.region.flush()
        self.bell.ring()

    def forked(self) -> None:
        """See `Controller.forked`."""
        self.reaching.forked()
        self.claims.close()
        self.linked = False
        self.bell.forked()
        if self.region is not None and self.region.interrupt is not None:
            self.region.interrupt.close()
