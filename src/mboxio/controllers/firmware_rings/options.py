"""The options of ``rings:``."""

from dataclasses import dataclass

from mboxio.controllers.firmware_rings.bell_options import parse_bell

__all__ = ["RingsOptions"]


@dataclass(frozen=True, kw_only=True)
class RingsOptions:
    """Options of an address: ``rings:/echo0?at=openocd:localhost:6666@0x20000000+0x4000``.

    Args:
        at: the memory in which the firmware laid its rings out, for example ``file:ram.bin`` or
            ``gdb:localhost:3333,run=yes@0x20000000+0x4000``.
        base: offset of the rings in it, in bytes.
        search: look for them in all of it. Each life of the firmware may have them elsewhere.
        elf: file of the firmware, whose symbol ``mboxio_memory`` says where they are.
        address: what the firmware calls the first byte of ``at``; -1: as ``at`` says itself.
        bell: how the firmware is rung: ``nvic:N``, interrupt N of a Cortex-M is made pending;
            ``write:ADDRESS=VALUE``, a register; ``serial:PATH`` or ``unix:PATH``, a byte, and one
            comes for each doorbell of the firmware. Left out: the memory's own doorbell, if any.
        bell_at: access path to that register, for example ``qtest:q.sock``; left out, that of
            ``at``.
        mbox: address of a mailbox that rings both ways, in place of ``bell``.
        mbox_channel: its channel.
        beat_s: the firmware's heartbeat is expected to go on so often while somebody waits for it,
            in seconds; 0: it is not watched.
        answer_s: how long the firmware may take to notice a new host, in seconds.
        echo: ``no``: for firmware that does not. Then what an earlier host asked may be answered to
            this one, and memory of a life that is over looks alive.
        poll_s: how often to look where nothing tells, while something is in flight, in seconds.
        idle_poll_s: and while nothing is, but somebody waits for notifications.
        timeout_s: default deadline of a request, in seconds.
        spin_s: longest time that a wait looks at the rings before it sleeps, in seconds.
        shared: other hosts may use the same memory.
    """

    at: str = ""
    base: int = 0
    search: bool = False
    elf: str = ""
    address: int = -1
    bell: str = ""
    bell_at: str = ""
    mbox: str = ""
    mbox_channel: str = "0"
    beat_s: float = 0.0
    answer_s: float = 1.0
    echo: bool = True
    poll_s: float = 20e-6
    idle_poll_s: float = 1e-3
    timeout_s: float = 1.0
    spin_s: float = 50e-6
    shared: bool = False

    def __post_init__(self) -> None:
        if self.base % 8 or self.base < 0:
            raise ValueError("base is a multiple of 8 bytes")
        if self.search + bool(self.elf) + bool(self.base) > 1:
            raise ValueError("base=, elf= and search= each say where the rings are: one is enough")
        if self.bell and self.mbox:
            raise ValueError("bell= and mbox= are both the doorbell: leave one out")
        if self.bell_at and not self.bell.startswith(("nvic:", "write:")):
            raise ValueError("bell_at= is where a register is: with bell=nvic:N or write:")
        if self.beat_s < 0:
            raise ValueError("beat_s must not be negative")
        if not 0 < self.answer_s < 1e6:
            raise ValueError("answer_s has to be positive")
        parse_bell(self.bell)
