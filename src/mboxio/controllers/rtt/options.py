"""The options of ``rtt:``."""

from dataclasses import dataclass

from mboxio.controllers.framing import framing_of
from mboxio.controllers.replies import correlator_of

__all__ = ["RttOptions"]

MESSAGE_BYTES_MAX = 1 << 20
DEPTH_MAX = 1 << 16
ANY_BYTE = ("cobs", "length")
"""Framings of messages in which any byte may stand, as in a tag."""


@dataclass(frozen=True, kw_only=True)
class RttOptions:
    """Options of an address: ``rtt:/0?at=file:/dev/shm/ram&address=0x20000000&framing=line``.

    Args:
        at: memory of the target, for example ``gdb:localhost:3333@0x20000000+0x10000``.
        address: what the firmware calls the first byte of it; -1: its address behind a probe,
            else 0.
        base: where the control block is, as an offset in bytes; -1: by ``elf``, or it is searched
            for.
        elf: the firmware's ELF file: its symbol ``_SEGGER_RTT`` is the control block, and the names
            of channels are read from it.
        framing: where messages begin and end: ``raw`` (as they come), ``line``, ``end:HEX`` (the
            bytes that end one), ``prompt:TEXT`` (a shell: lines go, and what comes ends with the
            prompt), ``length`` or ``length:BYTES`` (little-endian, in front) or ``cobs``.
        replies: how a reply is tied to its request: ``none``; ``order`` or ``order:IN_FLIGHT``;
            ``tag:OFFSET:BYTES``, a little-endian number in each message that the firmware returns.
        message_bytes: longest message.
        depth: messages of a channel that may be in its buffer at once.
        poll_s: how often to look while something is in flight, in seconds.
        idle_poll_s: and while nothing is.
        timeout_s: default deadline of a request, in seconds.
        spin_s: longest time that a wait looks at the buffers before it sleeps, in seconds.
        shared: other hosts may use the same channels.
    """

    at: str = ""
    address: int = -1
    base: int = -1
    elf: str = ""
    framing: str = "raw"
    replies: str = "none"
    message_bytes: int = 1024
    depth: int = 16
    poll_s: float = 100e-6
    idle_poll_s: float = 10e-3
    timeout_s: float = 1.0
    spin_s: float = 50e-6
    shared: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.message_bytes <= MESSAGE_BYTES_MAX:
            raise ValueError(f"message_bytes={self.message_bytes} is not 1 to {MESSAGE_BYTES_MAX}")
        if not 0 < self.depth <= DEPTH_MAX:
            raise ValueError(f"depth={self.depth} is not 1 to {DEPTH_MAX}")
        if self.base >= 0 and self.base % 4:
            raise ValueError(
                f"base={self.base:#x}: the control block begins with a word of 4 bytes"
            )
        framing_of(self.framing, self.message_bytes)
        if correlator_of(self.replies) is None:
            return
        if self.framing == "raw":
            raise ValueError(f"replies={self.replies}: framing=raw knows no messages; add framing=")
        if self.replies.startswith("tag") and not self.framing.startswith(ANY_BYTE):
            raise ValueError(
                f"replies={self.replies}: a tag may be any byte, also one that ends a message: "
                "write framing=cobs or framing=length"
            )
