"""What two rings say about a link: whose the buffers are, the last messages, what cannot be.

Nothing is believed and nothing is written; any bytes are some picture. A memory that is in use
changes while it is read: `RingState.moved` tells so.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from mboxio.rpmsg.looking.dump import Dump
from mboxio.rpmsg.looking.messages import SeenMessage, last_messages
from mboxio.rpmsg.looking.ring_state import RingState, read_ring
from mboxio.rpmsg.message import FEATURE_NAME_SERVICE, HEADER_BYTES
from mboxio.rpmsg.table import ANYWHERE, VirtioDevice
from mboxio.virtio.layout import NEXT, WRITABLE, SplitLayout

__all__ = [
    "NOTE",
    "STUCK",
    "WRONG",
    "LinkPicture",
    "RingFinding",
    "explain",
    "feature_words",
    "status_words",
]

WRONG, STUCK, NOTE = "wrong", "stuck", "note"
"""What cannot be; what keeps messages from moving; what helps to understand the rest."""
STATUS = {
    1: "ACKNOWLEDGE",
    2: "DRIVER",
    4: "DRIVER_OK",
    8: "FEATURES_OK",
    0x40: "NEEDS_RESET",
    0x80: "FAILED",
}
"""Source: virtio 1.2, section 2.1 (facts only)."""
READY, BROKEN = 4, 0xC0
FEATURES = {0: "name service", 1: "buffer sizes", 32: "virtio 1"}
INDIRECT = 4
FINDINGS_MAX = 24
NAMED_MAX = 6
DIRECTIONS = "from the remote to the host", "from the host to the remote"


@dataclass(frozen=True, slots=True)
class RingFinding:
    """Something that a person should know.

    Args:
        kind: `WRONG`, `STUCK` or `NOTE`.
        text: one sentence.
        queue: 0 or 1; -1: it is about the device.
    """

    kind: str
    text: str
    queue: int = -1


@dataclass(slots=True)
class LinkPicture:
    """All that was found about one device.

    Args:
        device: its entry in the resource table; None: there is no table.
        rings: of queue 0 and 1; None: it is not in this memory.
        messages: the last ones of both directions, in the order of each.
        findings: the worst first.
        left_out: how many findings more there were.
    """

    device: VirtioDevice | None
    rings: list[RingState | None]
    messages: list[SeenMessage] = field(default_factory=list[SeenMessage])
    findings: list[RingFinding] = field(default_factory=list[RingFinding])
    left_out: int = 0


def explain(
    dump: Dump,
    layouts: Sequence[SplitLayout],
    *,
    buffer_bytes: int = 512,
    device: VirtioDevice | None = None,
    messages: int = 8,
) -> LinkPicture:
    """Read two rings and say what they are like.

    Args:
        dump: the memory.
        layouts: where queue 0 and 1 are, in the remote's addresses.
        buffer_bytes: how large a buffer is, header included.
        device: what the resource table says of it.
        messages: how many of each direction to show.
    """
    picture = LinkPicture(device, [])
    found: list[RingFinding] = []
    for number, layout in enumerate(layouts):
        ring = None
        if layout.base == ANYWHERE:
            text = "the host has not chosen yet where this ring is"
            found.append(RingFinding(NOTE, text, number))
        elif layout.problem(1 << 64):
            text = f"no ring can be like that: {layout.problem(1 << 64)}"
            found.append(RingFinding(WRONG, text, number))
        else:
            ring = read_ring(dump, number, layout)
            if ring is None:
                end = layout.base + layout.size_bytes
                text = f"{layout.base:#x} to {end:#x}, where this ring is, are not in this memory"
                found.append(RingFinding(NOTE, text, number))
        picture.rings.append(ring)
    rings = [each for each in picture.rings if each is not None]
    found += _of_device(device, rings)
    for ring in rings:
        seen = last_messages(dump, ring, messages)
        picture.messages += seen
        found += _of_indices(ring)
        found += _of_entries(ring)
        found += _of_buffers(dump, ring, buffer_bytes)
        found += [RingFinding(WRONG, each.problem, ring.number) for each in seen if each.problem]
    found += _overlaps(rings)
    found = list(dict.fromkeys(found))
    found.sort(key=lambda each: (WRONG, STUCK, NOTE).index(each.kind))
    picture.findings = found[:FINDINGS_MAX]
    picture.left_out = len(found) - len(picture.findings)
    return picture


def status_words(status: int) -> str:
    """Return the status of a device in words."""
    names = [name for bit, name in STATUS.items() if status & bit]
    unknown = status & ~sum(STATUS)
    return ", ".join([*names, *([f"{unknown:#x}"] if unknown else [])]) or "reset"


def feature_words(features: int) -> str:
    """Return the features of an RPMsg device in words."""
    bits = [bit for bit in range(features.bit_length()) if features >> bit & 1]
    return ", ".join(FEATURES.get(bit, f"bit {bit}") for bit in bits) or "none"


def _of_device(device: VirtioDevice | None, rings: list[RingState]) -> Iterator[RingFinding]:
    used = any(ring.used for ring in rings)
    if len(rings) == 2 and rings[0].num != rings[1].num:
        text = f"the rings have {rings[0].num} and {rings[1].num} descriptors; Linux warns of that"
        yield RingFinding(NOTE, text)
    if device is None:
        return
    if device.agreed & ~device.features:
        text = f"the host agreed to features {device.agreed:#x} of {device.features:#x}"
        yield RingFinding(WRONG, text)
    if device.status & BROKEN:
        yield RingFinding(WRONG, f"the status says {status_words(device.status & BROKEN)}")
    elif not device.status & READY and used:
        text = "the host has reset the device: what the rings hold is of a life that is over"
        if device.status:
            text = "the rings were used, and the host has not set DRIVER_OK"
        yield RingFinding(STUCK, text)
    elif not device.status & READY:
        text = "the host is not ready: the remote waits for DRIVER_OK in the status"
        yield RingFinding(STUCK, text)
    if device.status & READY and not device.agreed & FEATURE_NAME_SERVICE:
        yield RingFinding(NOTE, "no name service was agreed: no service is announced")


def _of_indices(ring: RingState) -> Iterator[RingFinding]:
    """Say what the two indices mean."""
    number = ring.number
    if ring.moved:
        text = "it is in use and moved while it was read: counts and messages may not fit together"
        yield RingFinding(NOTE, text, number)
    if ring.out < 0:
        yield RingFinding(
            WRONG,
            f"indices {ring.available} (available) and {ring.used} (used) cannot be in one life of "
            f"a ring of {ring.num}: one side lies, or one began anew while the other went on",
            number,
        )
        return
    if ring.available and not ring.described:
        text = f"{ring.available} buffers were offered, and no descriptor says where one is: the "
        yield RingFinding(WRONG, text + "ring was cleared while it was in use", number)
    elif number == 0 and not ring.available:
        text = "the host has lent no buffer: the remote cannot send anything"
        yield RingFinding(STUCK, text, number)
    elif number == 0 and not ring.out:
        text = f"all {ring.described} buffers wait for the host: it takes no messages, and the "
        yield RingFinding(STUCK, text + "remote cannot send", number)
    elif number == 1 and ring.out == ring.num:
        text = f"all {ring.num} buffers are with the remote: it takes no messages, or gives none "
        yield RingFinding(STUCK, text + "back, and the host cannot send", number)
    if ring.held > 0:
        many = "buffer was" if ring.held == 1 else "buffers were"
        text = f"{ring.held} {many} passed over: the remote gave back later ones. It holds them, "
        text += f"or has lost them{_named(_missing(ring))}"
        yield RingFinding(STUCK if ring.held == ring.out else NOTE, text, number)
    elif ring.held < 0:
        text = "buffers come back in another order than they were offered"
        yield RingFinding(NOTE, text, number)


def _missing(ring: RingState) -> list[int]:
    """Return the heads that the remote passed over, where the entries tell all of them."""
    waiting = set(ring.untouched())
    returned = {head for _, head, _ in ring.returns()}
    known = {head for _, head in ring.offers()} if ring.number else set(range(ring.num))
    described = {head for head, (address, *_) in enumerate(ring.descriptors) if address}
    missing = sorted((known & described) - waiting - returned)
    return missing if len(missing) == ring.held else []


def _of_entries(ring: RingState) -> Iterator[RingFinding]:
    """Look for heads that cannot be."""
    num, number = ring.num, ring.number
    wrong = [f"{head} at {place}" for place, head in ring.offers() if head >= num]
    if wrong:
        text = f"the host offered heads that do not exist, of {num}{_named(wrong)}"
        yield RingFinding(WRONG, text, number)
    wrong = [f"{head} at {place}" for place, head, _ in ring.returns() if head >= num]
    if wrong:
        text = f"the remote gave back heads that do not exist, of {num}{_named(wrong)}"
        yield RingFinding(WRONG, text, number)
    if ring.out < 0:
        return
    twice = [head for head, count in Counter(ring.untouched()).items() if count > 1]
    if twice:
        text = f"the host lent buffers twice{_named(sorted(twice))}"
        yield RingFinding(WRONG, text, number)
    if number == 0:
        waiting = [head for _, head, _ in ring.returns()[-ring.back :]] if ring.back else []
        twice = [head for head, count in Counter(waiting).items() if count > 1]
        if twice:
            text = f"the remote gave back buffers twice{_named(sorted(twice))}"
            yield RingFinding(WRONG, text, number)


def _of_buffers(dump: Dump, ring: RingState, buffer_bytes: int) -> Iterator[RingFinding]:
    """Look at the descriptors of buffers that are or were in use."""
    heads = {head for _, head in ring.offers() if head < ring.num}
    outside: list[str] = []
    flagged: list[str] = []
    small: list[str] = []
    large: list[str] = []
    for head in sorted(heads):
        address, length, flags, _ = ring.descriptors[head]
        if not address and not length:
            continue
        # In queue 1, rpmsg-lite's hosts say writable of what is only read.
        if flags & (NEXT | INDIRECT) or (ring.number == 0 and not flags & WRITABLE):
            flagged.append(f"{head} with {flags:#x}")
        if length < HEADER_BYTES:
            small.append(f"{head} with {length}")
        elif length > buffer_bytes:
            large.append(f"{head} with {length}")
        elif not dump.holds(address, length):
            outside.append(f"{head} at {address:#x}")
    number = ring.number
    if flagged:
        text = f"descriptors have flags that do not belong into this queue{_named(flagged)}"
        yield RingFinding(WRONG, text, number)
    if small:
        text = f"buffers are shorter than a header of {HEADER_BYTES} bytes{_named(small)}"
        yield RingFinding(WRONG, text, number)
    if large:
        text = f"buffers are longer than {buffer_bytes} bytes{_named(large)}"
        yield RingFinding(WRONG, text, number)
    if outside and len(outside) == len(heads):
        text = f"no buffer lies in this memory{_named(outside)}: it does not hold them, or begins "
        yield RingFinding(NOTE, text + "at another address of the remote", number)
    elif outside:
        text = f"buffers lie outside of this memory{_named(outside)}"
        yield RingFinding(WRONG, text, number)
    filled = [
        f"{head} with {length} of {ring.descriptors[head][1]}"
        for _, head, length in ring.returns()
        if head in heads and length > ring.descriptors[head][1] and number == 0
    ]
    if filled:
        text = f"the remote says that it wrote more than a buffer takes{_named(filled)}"
        yield RingFinding(WRONG, text, number)


def _overlaps(rings: list[RingState]) -> Iterator[RingFinding]:
    """Look for memory that two things use."""
    spans = [
        (ring.layout.base, ring.layout.base + ring.layout.size_bytes, f"ring {ring.number}")
        for ring in rings
    ]
    for ring in rings:
        # Others may describe what has become the buffer of another one since.
        for head in {head for head in ring.untouched() if head < ring.num}:
            address, length, _, _ = ring.descriptors[head]
            if length:
                spans.append((address, address + length, f"buffer {head} of queue {ring.number}"))
    spans.sort()
    pairs: list[str] = []
    for (_, end, first), (start, _, second) in pairwise(spans):
        if start < end:
            pairs.append(f"{first} and {second}")
    if pairs:
        yield RingFinding(WRONG, f"two things lie in one place{_named(pairs)}")


def _named(those: "Sequence[str | int]") -> str:
    """Return the first few, to end a sentence with."""
    if not those:
        return ""
    more = len(those) - NAMED_MAX
    shown = ", ".join(str(each) for each in those[:NAMED_MAX])
    return f": {shown}" + (f" and {more} more" if more > 0 else "")
