"""Misbehaviour on demand: what a tested host must survive.

`Faults` spoil replies at random, but the same way for the same seed; `Greeting` spoils the
handshake; the functions write lies into shared memory.
"""

import dataclasses
import enum
from random import Random
from typing import NamedTuple, Protocol

from mboxio.regions import Region
from mboxio.ring import MESSAGE, REPLY
from mboxio.ring.layout import LENGTH_MAX, RingLayout

__all__ = ["Disturbance", "Fate", "Faults", "Greeting", "Rings", "lie", "push_header", "scribble"]


class Rings(Protocol):
    """The two rings of a channel, whatever layout they are of."""

    @property
    def to_remote(self) -> RingLayout: ...
    @property
    def to_host(self) -> RingLayout: ...


@dataclasses.dataclass(frozen=True, kw_only=True)
class Faults:
    """How replies go wrong; every reply draws its fate on its own.

    Args:
        seed: the same seed and the same replies give the same faults.
        late_probability: the reply comes `late_s` after it should; others may overtake it.
        duplicate_probability: it comes twice.
        missing_probability: it never comes.
        reorder_probability: it comes after the next one, or `reorder_s` later if there is none.
        oversize_probability: its length field says more than a slot can hold.

    Raises:
        ValueError: a probability is not 0 to 1, or a time is negative.
    """

    seed: int = 0
    late_probability: float = 0.0
    late_s: float = 0.01
    duplicate_probability: float = 0.0
    missing_probability: float = 0.0
    reorder_probability: float = 0.0
    reorder_s: float = 0.01
    oversize_probability: float = 0.0

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if field.name.endswith("_probability") and not 0 <= value <= 1:
                raise ValueError(f"{field.name} is {value}, not 0 to 1")
            if field.name.endswith("_s") and not value >= 0:
                raise ValueError(f"{field.name} is {value}, which is negative")


class Fate(NamedTuple):
    """What happens to one reply."""

    late: bool
    duplicate: bool
    missing: bool
    reorder: bool
    oversize: bool


class Disturbance:
    """Draws the fates of one channel's replies.

    Args:
        faults: how often what happens.
        name: of the channel; channels draw independently of each other.
    """

    def __init__(self, faults: Faults, name: str) -> None:
        self.faults = faults
        self.late_ns = round(faults.late_s * 1e9)
        self.reorder_ns = round(faults.reorder_s * 1e9)
        self._random = Random(f"{faults.seed} {name}")

    def draw(self) -> Fate:
        """Return the fate of the next reply."""
        faults, random = self.faults, self._random.random
        # Always five draws: one probability more does not change what the others do.
        return Fate(
            random() < faults.late_probability,
            random() < faults.duplicate_probability,
            random() < faults.missing_probability,
            random() < faults.reorder_probability,
            random() < faults.oversize_probability,
        )


class Greeting(enum.Enum):
    """How a new host is received; all but the first are to be refused by the host."""

    GOOD = "good"
    UNSEALED = "unsealed"
    """The memory could be made smaller under the host's feet."""
    TRUNCATED = "truncated"
    """The memory is smaller than its header says."""
    BAD_MAGIC = "bad magic"
    BAD_VERSION = "bad version"
    NO_DESCRIPTOR = "no descriptor"
    MANY_DESCRIPTORS = "many descriptors"
    BAD_HELLO = "bad hello"
    SILENT = "silent"
    """The hello never comes."""


def push_header(region: Region, ring: RingLayout, kind: int, tag: int, length: int) -> bool:
    """Publish a slot whose header may say anything; False: the ring is full.

    The producer of the ring must be reset afterwards, it knows nothing of it.
    """
    front, rear = region.read(ring.front, 4), region.read(ring.rear, 4)
    if front >= ring.slots or (following := (front + 1) % ring.slots) == rear:
        return False
    slot = ring.base + front * ring.slot_bytes
    region.write_words(slot, (kind << 24 | length, tag))
    region.write(ring.front, following, 4)
    return True


def lie(region: Region, channel: Rings, field: str, value: int) -> bool:
    """Write a wrong number where the host will read it; False: the ring was full.

    Args:
        region: the memory.
        channel: where in it.
        field: ``front`` or ``rear`` for an index of the remote's; ``length``, ``kind`` or ``tag``
            for a new message with this number in its header.
        value: the lie.

    Raises:
        ValueError: there is no such field, or it cannot hold the value.
    """
    limits = {"front": 32, "rear": 32, "length": 24, "kind": 8, "tag": 32}
    if field not in limits:
        raise ValueError(f"no field {field!r} to lie about; there are: {', '.join(limits)}")
    if not 0 <= value < 1 << limits[field]:
        raise ValueError(f"{value} does not fit the {limits[field]} bits of {field}")
    if field == "front":
        region.write(channel.to_host.front, value, 4)
        return True
    if field == "rear":
        region.write(channel.to_remote.rear, value, 4)
        return True
    kind = {"kind": value, "tag": REPLY}.get(field, MESSAGE)
    tag = value if field == "tag" else 0
    return push_header(region, channel.to_host, kind, tag, value if field == "length" else 0)


def oversize(ring: RingLayout) -> int:
    """Return a length that no slot of this ring can hold."""
    return min(ring.message_bytes + 1, LENGTH_MAX)


def scribble(region: Region, random: Random) -> tuple[int, int]:
    """Write a random word somewhere and return its offset in bytes and its value."""
    offset = 4 * random.randrange(region.size_bytes // 4)
    value = random.getrandbits(32)
    region.write(offset, value, 4)
    return offset, value
