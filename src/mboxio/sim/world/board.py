"""The description of a board: its queues, how TX done and replies are learnt, its latencies."""

from dataclasses import dataclass, field

from mboxio.driver.capabilities import Capabilities, TxDone
from mboxio.sim.world.durations import Constant, Duration, check_us

__all__ = ["MATCHINGS", "REPLIES", "TX_DONES", "Board"]

TX_DONES = ("irq", "poll", "ack", "deposit")
MATCHINGS = ("hardware", "tags", "order")
REPLIES = ("irq", "poll")
TIMEOUT_S = 1.0


@dataclass(frozen=True, kw_only=True)
class Board:
    """A mailbox controller and the firmware behind it. Times are in microseconds.

    ``dataclasses.replace(board, depth=8)`` asks what eight slots would bring.

    Args:
        depth: places of each hardware FIFO.
        queues: how many FIFOs there are.
        channels: channels on each of them.
        tx_done: how the host learns that a message left its slot. ``irq``: an interrupt when the
            firmware takes it; ``poll``: a look every ``poll_us``; ``ack``: the reply says so;
            ``deposit``: at once as long as the FIFO has room, with one active message, as a client
            of the Linux framework has it.
        replies: an interrupt (``irq``) tells of them, or a look every ``poll_us`` (``poll``).
        matching: what ties replies to requests: the ``hardware``, ``tags`` in the messages, or
            their ``order``; then each channel has one request in flight.
        reply_credits: places for replies; None if they cannot run out.
        workers: requests that the firmware works on at the same time.
        service: how long one takes.
        doorbell_us: from the doorbell until the firmware sees the message.
        interrupt_us: from the cause of an interrupt until its handler runs on the host. What is
            caused meanwhile, the same one tells.
        access_us: one access of the host to a register or a word of a message. A message costs
            one for each word and one for the doorbell, a look one for the status of each queue, one
            to clear what is told of TX done and one for each word of a reply.
        poll_us: the period of all polling.
        spin_us: how long the host goes on looking after it has sent something.
        message_bytes: longest message.

    Raises:
        ValueError: something cannot be; the text says what.
    """

    depth: int = 1
    queues: int = 1
    channels: int = 1
    tx_done: str = "irq"
    replies: str = "irq"
    matching: str = "hardware"
    reply_credits: int | None = None
    workers: int = 1
    service: Duration = field(default_factory=Constant)
    doorbell_us: float = 2.0
    interrupt_us: float = 10.0
    access_us: float = 0.1
    poll_us: float = 50.0
    spin_us: float = 0.0
    message_bytes: int = 64

    def __post_init__(self) -> None:
        for name in ("depth", "queues", "channels", "workers", "message_bytes"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ValueError(f"{name}={value!r}: a whole number from 1 is expected")
        for name, known in (("tx_done", TX_DONES), ("replies", REPLIES), ("matching", MATCHINGS)):
            if getattr(self, name) not in known:
                raise ValueError(f"{name}={getattr(self, name)!r}: there are {', '.join(known)}")
        if not isinstance(self.service, Duration):
            raise ValueError(f"service={self.service!r}: Constant(us=5) or the like is expected")
        check_us(self, "doorbell_us", "interrupt_us", "access_us", "poll_us", "spin_us")
        if self.poll_us <= 0:
            raise ValueError(f"poll_us={self.poll_us!r}: it is positive")

    def capabilities(self) -> Capabilities:
        """Return what the driver declares of each queue."""
        methods = {"poll": TxDone.POLL, "ack": TxDone.ACK}
        return Capabilities(
            depth=1 if self.tx_done == "deposit" else self.depth,
            reply_credits=self.reply_credits,
            tx_done=methods.get(self.tx_done, TxDone.IRQ),
            message_bytes=self.message_bytes,
            matches_replies=self.matching == "hardware",
            poll_s=self.poll_us / 1e6,
            polls_events=self.replies == "poll",
            timeout_s=TIMEOUT_S,
            epoch_source="the model says so",
        )
