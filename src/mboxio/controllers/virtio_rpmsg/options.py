"""The options of ``virtio-rpmsg:``."""

from dataclasses import dataclass

from mboxio.controllers.replies import correlator_of
from mboxio.rpmsg.message import ADDRESS_ANY, HEADER_BYTES, Announcement

__all__ = ["VirtioRpmsgOptions", "fixed_endpoints", "numbers"]


@dataclass(frozen=True, kw_only=True)
class VirtioRpmsgOptions:
    """Options of an address: ``virtio-rpmsg:/SERVICE?at=peer:board``.

    Args:
        at: the memory in which rings and buffers lie, for example ``devmem:@0xa0100000+0x100000``.
        role: ``host`` has the buffers, as Linux has; ``remote`` uses those of a host.
        address: what the remote calls the first byte of that memory.
        table: where the resource table is: its offset in the memory in bytes, or the ELF file of
            the firmware. Without it and without ``rings`` it is at 0.
        rings: offsets of queue 0 and 1 where there is no table, ``0x4000,0x8000``.
        num: how many descriptors each has; with a table it says so.
        align: of each, in bytes; with a table it says so.
        buffers: offset of the host's buffers; -1: those of the table, or after the rings.
        buffer_bytes: size of a buffer with its header of 16 bytes.
        mbox: address of the mailbox that rings for us; left out, the memory's own doorbell.
        bells: its channels for queue 0 and 1, ``0,1``; one name is for both.
        bell_shift: a ring is a word, the number of the queue shifted by so many bits; -1: a ring
            carries nothing.
        services: what this side announces, ``name,name``.
        fixed: endpoints that nobody announces, ``name=ours:theirs,name=ours:theirs``.
        replies: how a reply is tied to its request: ``none``, ``order`` or ``order:N``,
            ``source``: by our own address, or ``tag:BYTE:BYTES``: by a number in the message, which
            the firmware echoes.
        heed_silence: do not ring where the other side asks for silence. Some ask for it and wait
            for rings all the same.
        announce_s: how long a service that is asked for may take to be announced, and a remote's
            host to be ready, in seconds.
        poll_s: how often to look where nothing tells, while something is in flight, in seconds.
        idle_poll_s: and while nothing is.
        timeout_s: default deadline of a request, in seconds.
        spin_s: longest time that a wait looks at the rings before it sleeps, in seconds.
        shared: other hosts may use the same rings.
    """

    at: str = ""
    role: str = "host"
    address: int = 0
    table: str = ""
    rings: str = ""
    num: int = 256
    align: int = 4096
    buffers: int = -1
    buffer_bytes: int = 512
    mbox: str = ""
    bells: str = ""
    bell_shift: int = -1
    services: str = ""
    fixed: str = ""
    replies: str = "none"
    heed_silence: bool = False
    announce_s: float = 1.0
    poll_s: float = 20e-6
    idle_poll_s: float = 1e-3
    timeout_s: float = 1.0
    spin_s: float = 50e-6
    shared: bool = False

    def __post_init__(self) -> None:
        if self.role not in ("host", "remote"):
            raise ValueError(f"role={self.role!r:.40} is host or remote")
        if self.rings and len(numbers(self.rings, "rings")) != 2:
            raise ValueError("rings= are two offsets, as in rings=0x4000,0x8000")
        if self.rings and self.table:
            raise ValueError("the rings are in the table: leave out table= or rings=")
        if self.buffer_bytes <= HEADER_BYTES or self.buffer_bytes % 4:
            raise ValueError("buffer_bytes is a multiple of 4, and more than the header's 16")
        if self.bells and not self.mbox:
            raise ValueError("bells= are channels of a mailbox: say which with mbox=")
        if len(self.bells.split(",")) > 2:
            raise ValueError("bells= are at most two channels: of queue 0 and of queue 1")
        if not -1 <= self.bell_shift <= 31:
            raise ValueError("bell_shift is 0 to 31 bits, or -1")
        for name in self.announced:
            Announcement(name, 1).pack()
        fixed_endpoints(self.fixed)
        if self.replies != "source":
            correlator_of(self.replies)

    @property
    def announced(self) -> list[str]:
        """What this side announces."""
        return [each for each in self.services.split(",") if each]


def numbers(text: str, option: str) -> list[int]:
    """Read ``0x4000,0x8000``.

    Raises:
        ValueError: they are no numbers.
    """
    try:
        return [int(each, 0) for each in text.split(",")]
    except ValueError:
        raise ValueError(f"{option}={text!r:.40} are numbers, as in 0x4000,0x8000") from None


def fixed_endpoints(text: str) -> dict[str, tuple[int, int]]:
    """Read ``name=ours:theirs,name=ours:theirs``.

    Raises:
        ValueError: they are no endpoints.
    """
    found: dict[str, tuple[int, int]] = {}
    for each in text.split(",") if text else ():
        name, _, addresses = each.partition("=")
        try:
            ours, theirs = (int(number, 0) for number in addresses.split(":"))
        except ValueError:
            raise ValueError(
                f"fixed={each!r:.40} is an endpoint with both addresses, as in echo=0x400:30"
            ) from None
        if not name or not (0 <= ours < ADDRESS_ANY and 0 <= theirs < ADDRESS_ANY):
            raise ValueError(f"fixed={each!r:.40}: an address is 0 to {ADDRESS_ANY - 1:#x}")
        if name in found or ours in [taken for taken, _ in found.values()]:
            raise ValueError(f"fixed={each!r:.40}: its name or our address stands there twice")
        found[name] = ours, theirs
    return found
