"""What a processor can do wrong on its rings, and a host has to survive."""

from mboxio.rpmsg.link import RemoteLink
from mboxio.rpmsg.message import HEADER, HEADER_BYTES
from mboxio.virtio.layout import WRITABLE
from mboxio.virtio.ring import RemoteRing

__all__ = ["FIELDS", "lie", "spoilt"]

FIELDS = ("index", "head", "filled", "again")


def spoilt(
    link: RemoteLink,
    source: int,
    destination: int,
    message: bytes,
    length: int | None,
    filled: int | None,
) -> bool:
    """Send a message whose numbers are wrong; False: there is no buffer.

    Args:
        link: of the processor.
        source, destination: the addresses in its header.
        message: what is behind that; it is cut to what the buffer takes.
        length: what the header says; None: the truth.
        filled: what the ring says; None: the truth.
    """
    ring = link.outgoing
    if link.next_head < 0:
        head = ring.take()
        if head < 0:
            return False
        link.next_head = head
        link.require(ring, WRITABLE)
    head = link.next_head
    window = link.windows.find(ring.address, ring.length)
    offset = ring.address - window.address
    message = message[: ring.length - HEADER_BYTES]
    said = len(message) if length is None else length & 0xFFFF
    window.words.copy_in(offset, HEADER.pack(source, destination, 0, said, 0) + message)
    link.next_head = -1
    ring.give(head, HEADER_BYTES + len(message) if filled is None else filled)
    return True


def lie(ring: RemoteRing, field: str, value: int) -> None:
    """Write a wrong number into the used part of a ring.

    Args:
        ring: of the processor.
        field: ``index``: this is the used index; ``head``, ``filled``: a buffer is given back that
            has this number, or so many bytes filled; ``again``: the buffer that was given back
            `value` buffers ago is given back once more.

    Raises:
        ValueError: there is no such field.
    """
    if field not in FIELDS:
        raise ValueError(f"no field {field!r} to lie about; there are: {', '.join(FIELDS)}")
    words = ring.words
    if field == "index":
        ring.made = value & 0xFFFF
        words.store16(ring.used + 2, ring.made)
        return
    entry = ring.used + 4 + 8 * (ring.made % ring.num)
    last = ring.used + 4 + 8 * ((ring.made - 1 - (value if field == "again" else 0)) % ring.num)
    words.store32(entry, value if field == "head" else words.load32(last))
    words.store32(entry + 4, value if field == "filled" else words.load32(last + 4))
    ring.made = (ring.made + 1) & 0xFFFF
    words.store16(ring.used + 2, ring.made)
