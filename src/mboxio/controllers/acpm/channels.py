"""The channels of ACPM: declared by the descriptor, and taken over when somebody uses them."""

from mboxio.controllers.acpm.descriptor import Descriptor
from mboxio.controllers.acpm.doorbell import Doorbells
from mboxio.controllers.acpm.layout import TAG_BITS, TAG_LOW_BIT, AcpmChannel
from mboxio.controllers.acpm.leftovers import drop_received, left_over
from mboxio.controllers.acpm.options import AcpmOptions
from mboxio.controllers.acpm.tree import AcpmNode
from mboxio.controllers.batches import Batches
from mboxio.controllers.rings import Lane
from mboxio.driver.capabilities import Capabilities, TxDone
from mboxio.driver.contracts import DriverChannel
from mboxio.driver.correlate import Tagged
from mboxio.errors import AddressError, MailboxError
from mboxio.regions.claim import Claims
from mboxio.regions.region import Kind, Region
from mboxio.ring import consumer, producer

__all__ = ["AcpmChannels"]

SAFETY_S = 0.2
"""How often a channel with interrupts is looked at all the same, where another mailbox tells."""
LOOKS_PER_SLOT = 4
"""How often a ring is looked at until no reply comes meanwhile: notifications may never end."""
LOOK_S = 1e-3
"""When to try again if a ring that should have a place has none."""


class AcpmChannels(AcpmNode):
    """Channels of one SRAM, each with its pair of rings.

    Args:
        options: see `AcpmOptions`.
        region: the SRAM, if it is open.
    """

    def __init__(self, options: AcpmOptions, region: Region | None) -> None:
        super().__init__()
        self.options = options
        self.region = region
        self.bells = Doorbells(options.mbox)
        self.claims = Claims(options.shared)
        self.used: list[DriverChannel] = []  # channels that have or had clients
        self.linked = False
        self.descriptor = Descriptor(options.base, options.boot_word)
        self.far: Batches | None = None  # where the SRAM is behind something slow

    def declare(self, each: AcpmChannel) -> None:
        """Make the channel of one entry of the descriptor; its rings are not touched yet."""
        assert self.region is not None
        polled = each.polled or not self.bells.tell(self.region)
        mailbox = self.bells.below is not None
        batched = is_batched(self.region)  # what waits here is handed over by a look
        depth = max(each.to_remote.slots - 1, 1) if each.carries else 1
        name = str(each.number)
        queue = self.add_queue(
            Capabilities(
                depth=depth,
                reply_credits=depth,
                tx_done=TxDone.POLL if polled else TxDone.IRQ,
                message_bytes=each.to_remote.slot_bytes if each.carries else 0,
                always_replies=True,
                epoch_source="the descriptor changed, or the connection to the region is new",
                poll_s=self.options.poll_s
                if polled or batched
                else SAFETY_S
                if mailbox
                else LOOK_S,
                polls_events=polled or mailbox or batched,
                idle_poll_s=self.options.idle_poll_s if polled else SAFETY_S,
                timeout_s=self.options.timeout_s,
                access_s=self.region.access_s,
            ),
            name,
        )
        queue.polls_events = False  # until it is started
        tags = Tagged(word=0, low_bit=TAG_LOW_BIT, bits=TAG_BITS, first=1)
        self.add_channel(name, queue, correlator=tags)

    def start(self, channel: DriverChannel) -> None:
        """See `Controller.start`: from now on the channel's rings are ours."""
        each = self.descriptor.channel(channel.number)
        if not each.carries:
            raise AddressError(f"acpm: channel {channel.name} carries no messages (mlen is 0)")
        if channel in self.used:
            return
        assert self.region is not None
        # One word stands for the channel: the index that only its host writes.
        self.claims.add(self.region, each.to_remote.front, 4, f"channel {channel.name}")
        self.bells.add(channel, None if each.polled else self.told)
        try:
            self.locked(self.take, channel)
        except MailboxError:
            self.bells.drop(channel)
            raise

    def told(self, message: bytes) -> None:
        """A port: the mailbox below was rung."""
        self.event()

    def take(self, channel: DriverChannel) -> None:
        """Start to use a channel's rings as they are. Under the lock."""
        if self.linked:
            self.attach(channel, False, met=True)
        channel.queue.polls_events = channel.queue.capabilities.polls_events
        self.used.append(channel)

    def attach(self, channel: DriverChannel, fresh: bool, met: bool = False) -> None:
        """Take over a channel's rings; nothing of ours is in flight there. Under the lock.

        In memory that is not fresh, an earlier life of either side may have left something. What
        it received is nobody's. Its messages that have no answer yet will get one, so their tags
        are held until then: those that it has taken only in a life that is ``met`` here, since a
        life that ended answers nothing.

        Raises:
            RemoteError: an index is impossible.
        """
        assert self.region is not None
        each = self.descriptor.channel(channel.number)
        region: Region = self.region
        if self.far is not None:
            region = self.far.region
            self.far.region.forget()
            self.far.add(channel.number, each.to_remote, each.to_host)
        sending = producer(region, each.to_remote, self.armed)
        receiving = consumer(region, each.to_host)
        lane: Lane = channel.context or Lane(sending, receiving, False)
        if channel.context is None:
            self.connect_lane(lane, channel.queue, channel)
        lane.producer, lane.consumer = sending, receiving
        if not fresh:
            taken, waiting = self.left_there(lane, each)
            if met:
                for tag in taken:
                    self.left_behind(channel, tag)
                self.tx_done(channel.queue, len(taken))
            for tag in waiting:
                self.left_behind(channel, tag)
        if self.far is not None:
            self.far.region.flush()

    def left_there(self, lane: Lane, each: AcpmChannel) -> tuple[list[int], list[int]]:
        """Drop what was received and return what `left_over` does, both of one moment.

        A reply that comes between the two would stand among those that are dropped already: its
        message would not be held, and the reply would meet the next one of its tag. So all is read
        again until no reply has come meanwhile. There is an end to them: nobody sends here.
        """
        assert self.region is not None
        looks = LOOKS_PER_SLOT * each.to_host.slots
        while True:
            looks -= 1
            front = self.region.read(each.to_host.front, 4)
            drop_received(lane)
            found = left_over(self.region, lane, each)
            if self.region.read(each.to_host.front, 4) == front or looks <= 0:
                return found
            if self.far is not None:
                self.far.region.forget()


def is_batched(region: Region) -> bool:
    """Return whether messages move in batches: who sleeps behind it is not asked for each."""
    armed = region.doorbell is not None and region.doorbell.armed is not None
    return region.kind is Kind.REMOTE and not armed
