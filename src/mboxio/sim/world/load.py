"""The description of a load: how many clients ask how often, and how long they wait."""

from dataclasses import dataclass, field

from mboxio.sim.world.durations import Duration, Exponential, check_us

__all__ = ["DEADLINES", "HEADER_BYTES", "Load"]

DEADLINES = ("doorbell", "queueing")
HEADER_BYTES = 12
"""Of each message: a word for the tag, and the number of the request, which the reply carries."""


@dataclass(frozen=True, kw_only=True)
class Load:
    """Clients, which share the channels of a board in turn. Times are in microseconds.

    Args:
        clients: how many there are.
        window: requests that each keeps in flight (closed loop).
        think: from a reply until that client asks again (closed loop).
        interval: from one request to the next of the same client, whatever has become of the others
            (open loop); None: a closed loop. Latency counts from the time when a request was due.
        backlog: requests of a client that may stand in line, 20 as in Linux.
        message_bytes: of each message, and of its reply.
        timeout_us: deadline of a request.
        queue_timeout_us: how long it may stand in line; None: as long as ``timeout_us``.
        deadline: from when on ``timeout_us`` counts: ``doorbell``, as in mboxio, or ``queueing``.
        retry_us: from a refusal until the client of a closed loop tries again.

    Raises:
        ValueError: something cannot be; the text says what.
    """

    clients: int = 16
    window: int = 1
    think: Duration = field(default_factory=lambda: Exponential(10.0))
    interval: Duration | None = None
    backlog: int = 20
    message_bytes: int = 16
    timeout_us: float = 1_000_000.0
    queue_timeout_us: float | None = None
    deadline: str = "doorbell"
    retry_us: float = 20.0

    def __post_init__(self) -> None:
        least = {"clients": 1, "window": 1, "backlog": 0, "message_bytes": HEADER_BYTES}
        for name, minimum in least.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < minimum:
                raise ValueError(f"{name}={value!r}: a whole number from {minimum} is expected")
        if self.deadline not in DEADLINES:
            raise ValueError(f"deadline={self.deadline!r}: there are {', '.join(DEADLINES)}")
        for name, value in (("think", self.think), ("interval", self.interval)):
            if not isinstance(value, Duration) and (name == "think" or value is not None):
                raise ValueError(f"{name}={value!r}: Constant(us=5) or the like is expected")
        check_us(self, "timeout_us", "retry_us")
        if self.queue_timeout_us is not None:
            check_us(self, "queue_timeout_us")

    @property
    def timeout_ns(self) -> int:
        """The deadline of a request."""
        return round(self.timeout_us * 1000)
