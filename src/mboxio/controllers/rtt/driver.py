"""RTT: ``rtt:/0?at=gdb:localhost:3333@0x20000000+0x10000&framing=line``.

For firmware that has SEGGER's RTT, or what speaks like it (Zephyr's shell and logs, defmt). Each
channel is a pair of byte streams in the memory of the target, found by a control block. There is no
doorbell: both sides look. Nothing of messages is on the wire, so where they begin and which one
answers which is an option.

TX done is when the target has read the last byte of a message. A message goes in whole or not at
all. The target is not trusted: its offsets are checked each time, and each look begins with the
question whether this is still the life that was attached to.
"""

from mboxio.controllers.reaching import Reaching
from mboxio.controllers.rtt.channels import RttChannel
from mboxio.controllers.rtt.finding import Found, find, read_block
from mboxio.controllers.rtt.options import RttOptions
from mboxio.controllers.rtt.streams import OtherLife
from mboxio.controllers.rtt.taking import RttTaking
from mboxio.driver.capabilities import Capabilities, TxDone
from mboxio.driver.controller import Probe
from mboxio.errors import AddressError, RemoteError, RemoteGone
from mboxio.regions.access import nowhere, open_region
from mboxio.regions.region import Region
from mboxio.ring import require_ordered_memory

__all__ = ["Rtt"]

REPLY_CREDITS = 1 << 16
"""More than are ever awaited. They are counted so that a queue is polled quickly while some are."""
LIVES = "the control block is gone, elsewhere or has other offsets, or the connection to it is new"


class Rtt(RttTaking):
    """The host's side of RTT. Only channels with clients are touched.

    Args:
        name: ignored; there is one control block in each memory.
        options: see `RttOptions`.
        region: the memory, in place of ``options.at``; it is not closed.

    Raises:
        AddressError: it is not said where the memory is.
    """

    Options = RttOptions

    def __init__(
        self,
        name: str = "",
        options: RttOptions | None = None,
        *,
        region: Region | None = None,
    ) -> None:
        super().__init__(options or RttOptions(), region)
        if region is None and not self.options.at:
            raise nowhere("gdb:localhost:3333@0x20000000+0x10000", "the target's memory is")
        self.name = name
        self.given = region
        self.wanted = ""
        self.life = 1
        self.reaching = Reaching(self, self.reach_again)

    # -- set-up

    def expect(self, channel: str) -> None:
        """See `Controller.expect`: firmware may set its buffers up late."""
        self.wanted = channel

    def open(self) -> None:
        """See `Controller.open`: takes as long as a search does."""
        if self.region is None:
            self.region = open_region(self.options.at)
        require_ordered_memory(self.region)
        self.found = found = find(self.region, self.options)
        names = list(found.names.values())
        if self.wanted and not self.wanted.isdecimal() and self.wanted not in names:
            known = ", ".join(names) or "none"
            raise AddressError(
                f"rtt: the firmware has no channel {self.wanted!r}; names that can be read here: "
                f"{known} (those in flash need elf=)",
                not_yet=True,
            )
        capabilities = self.capabilities()
        self.first = self.add_queue(capabilities, "control block")
        self.first.polls_events = False
        self.declare(found)
        self.linked = True
        self.hear()
        self.link(True, self.life)

    def capabilities(self) -> Capabilities:
        """Say what each channel can do."""
        options = self.options
        return Capabilities(
            depth=options.depth,
            reply_credits=REPLY_CREDITS,
            tx_done=TxDone.POLL,
            message_bytes=options.message_bytes,
            epoch_source=LIVES,
            poll_s=options.poll_s,
            polls_events=True,
            idle_poll_s=options.idle_poll_s,
            timeout_s=options.timeout_s,
            spin_s=options.spin_s,
            access_s=self.region.access_s,
        )

    def declare(self, found: Found) -> None:
        """Make the channels that are not there yet, in the order of their numbers."""
        block = found.block
        for number in range(len(self.rows), max(len(block.ups), len(block.downs))):
            row = RttChannel(number, self.options)
            name = found.names.get(number, str(number))
            queue = self.add_queue(self.capabilities(), name)
            queue.polls_events = False  # until it has clients
            row.channel = self.add_channel(
                name,
                queue,
                correlator=row.correlator,
                can_send=number < len(block.downs),
                can_receive=number < len(block.ups),
                context=row,
            )
            self.rows.append(row)

    def hear(self) -> None:
        """Watch the interrupt of the region, if it has one: of memory that a process serves."""
        if self.region.interrupt is not None:
            self.watch(*self.region.interrupt.descriptors())

    # -- lives of the firmware

    def lose(self, reason: str) -> None:
        """This life is over. Under the lock."""
        self.unlink()
        self.link(False, 0, reason)

    def unlink(self) -> None:
        """See `Controller.unlink`: its buffers are not looked at any more."""
        self.linked = False
        self.view = None
        for row in self.rows:
            row.channel.queue.probe = Probe()
            row.detach()
        self.watch()

    def reconnect(self) -> bool:
        """See `Controller.reconnect`; a thread searches, for as long as that takes."""
        if self.region is None:
            return False
        self.reaching.begin()
        return True

    def reach_again(self) -> None:
        """Reach the memory, and look where the control block is now."""
        self.region.reopen()
        region = self.region.again()
        if region is None:
            return
        try:
            found = find(region, self.options)
        except BaseException:
            if region is not self.region:
                region.close()
            raise
        self.decide(self.come_back, region, found)

    def come_back(self, region: Region, found: Found) -> None:
        """Begin a new life. Under the lock."""
        if self.linked or self.is_closed():
            if region is not self.region:
                region.close()
            return
        if region is not self.region:
            old, self.region = self.region, region
            if old is not self.given:
                old.close()
        self.found = found
        self.declare(found)
        self.life += 1
        self.linked = True
        self.hear()
        self.link(True, self.life)
        self.decide(self.attach_all)  # before anything is sent

    def attach_all(self) -> None:
        """Take over the channels in use. Under the lock, after the link is up."""
        try:
            for row in self.rows:
                if row.used:
                    self.attach(row)
        except OtherLife as end:
            self.lose(str(end))
        except (AddressError, RemoteError, RemoteGone) as error:
            self.lose(str(error))

    def restarted(self) -> None:
        """See `Controller.restarted`: most firmware has its control block where it was."""
        for row in self.rows:
            row.detach()
        if not self.linked:
            return
        memory, base = self.found.memory, self.found.block.base
        try:
            block = read_block(self.region, base, memory)
        except (RemoteError, RemoteGone) as error:
            self.lose(str(error))
            return
        self.found = Found(block, memory, self.found.names)
        self.declare(self.found)
        self.attach_all()

    # -- letting go

    def close(self) -> None:
        """See `Controller.close`."""
        self.linked = False
        self.reaching.join()
        for row in self.rows:
            row.detach()
        region, self.region = self.region, None
        if region is not None and region is not self.given:
            region.close()

    def forked(self) -> None:
        """See `Controller.forked`."""
        self.reaching.forked()
        self.linked = False
        for row in self.rows:
            row.claims.close()
        if self.region is not None and self.region.interrupt is not None:
            self.region.interrupt.close()
