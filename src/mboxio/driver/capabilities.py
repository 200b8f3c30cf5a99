"""The abilities of a controller's queue, as data: the core adapts to them."""

import math
from dataclasses import dataclass, fields
from enum import Enum

POLL_ACCESSES = 8
"""A poll period is at least as long as this many accesses: a look takes a few of them."""


class TxDone(Enum):
    """Ways to learn that a message left its slot, in order of preference."""

    IRQ = "irq"
    """The controller is told, and calls `Controller.tx_done`."""
    POLL = "poll"
    """The controller is asked every ``poll_s`` while a slot is in use."""
    ACK = "ack"
    """The client knows: by the reply, or it calls `Client.tx_done`."""


_OPTIONAL: dict[str, object] = {"reply_credits": 1, "epoch_source": "", "idle_poll_s": 0.0}
"""Something of the kind that a field takes besides None, its default."""
_COUNTED = {"depth": "slot", "reply_credits": "reply credit"}
_POSITIVE = ("poll_s", "idle_poll_s", "timeout_s")


def _fits(value: object, default: object) -> bool:
    """Whether a value is of its field's kind, which is that of the default."""
    if isinstance(default, float):
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        return math.isfinite(value)
    if isinstance(default, int) and not isinstance(default, bool):
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, type(default))


def _expected(default: object) -> str:
    if isinstance(default, bool):
        return "True or False"
    if isinstance(default, str):
        return "a text"
    if isinstance(default, Enum):
        return " or ".join(str(each) for each in type(default))
    return "a whole number" if isinstance(default, int) else "a finite number of seconds"


def _check_range(name: str, value: float) -> None:
    if name in _COUNTED and value < 1:
        raise ValueError(f"{name}={value}: a queue has at least one {_COUNTED[name]}")
    if name in _POSITIVE and value <= 0:
        raise ValueError(f"{name}={value}: it has to be positive")
    if value < 0:
        raise ValueError(f"{name}={value}: it must not be negative")


@dataclass(frozen=True, kw_only=True)
class Capabilities:
    """The properties of one queue of a controller.

    Args:
        depth: slots of the hardware queue: messages handed over and not TX done.
        reply_credits: places for replies; None if the remote cannot run out of them.
        tx_done: how TX done is learnt.
        message_bytes: longest message in either direction, in bytes.
        matches_replies: the hardware or wire says which request a reply answers, and the driver
            calls `Controller.complete`; otherwise the channel's correlator finds out.
        always_replies: the remote answers one-way messages, too; such an answer is awaited for
            its tag and credit and discarded.
        replies_in_order: a later answer proves that an earlier one will not come.
        epoch_source: how a restart of the remote is noticed, in words; None if it cannot be.
        min_gap_s: shortest time between two messages, in seconds.
        poll_s: how often the queue is looked at where no interrupt tells, in seconds.
        polls_events: received messages are found by polling, too, not by an event source.
        idle_poll_s: how often to look for them while nothing is in flight, in seconds; as
            ``poll_s`` if left out.
        timeout_s: default deadline of a request, in seconds.
        spin_s: longest time that a blocking wait looks for the reply before it sleeps, in seconds;
            0 where a look cannot help.
        look_first: a blocking wait looks once before it sleeps. Say False where a look is a system
            call, as the sleep is, and the event source tells of all that ends a wait.
        access_s: time of one access to the hardware, in seconds, where that is more than a loop
            should be blocked: ``Region.access_s``. Then no thread spins, polling leaves most of the
            time to others, and async clients make their accesses on an I/O thread.
    """

    depth: int = 1
    reply_credits: int | None = None
    tx_done: TxDone = TxDone.IRQ
    message_bytes: int = 1 << 16
    matches_replies: bool = False
    always_replies: bool = False
    replies_in_order: bool = False
    epoch_source: str | None = None
    min_gap_s: float = 0.0
    poll_s: float = 0.001
    polls_events: bool = False
    idle_poll_s: float | None = None
    timeout_s: float = 1.0
    spin_s: float = 0.0
    look_first: bool = True
    access_s: float = 0.0

    def __post_init__(self) -> None:
        for each in fields(self):
            value: object = getattr(self, each.name)
            if value is None and each.default is None:
                continue
            kind = _OPTIONAL.get(each.name, each.default)
            if not _fits(value, kind):
                expected = _expected(kind) + (" or None" if each.default is None else "")
                raise ValueError(f"{each.name}={value!r}: {expected} is expected")
            if isinstance(value, int | float):
                _check_range(each.name, value)

    @property
    def periods_ns(self) -> tuple[int, int]:
        """How often the queue is polled while something is in flight and while nothing is."""
        busy_ns = int(self.period_s * 1e9)
        return busy_ns, max(busy_ns, int((self.idle_poll_s or 0.0) * 1e9))

    @property
    def period_s(self) -> float:
        """How often the queue is polled, in seconds: ``poll_s``, or longer where looks are dear."""
        return max(self.poll_s, POLL_ACCESSES * self.access_s)
