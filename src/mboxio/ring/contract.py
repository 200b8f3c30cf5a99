"""What every ring offers its controller, whatever implements it.

A ring has one producer and one consumer; each side owns its index and never trusts the other's.
All methods are called by one thread at a time, under the controller's lock; none of them waits.
"""

from typing import TYPE_CHECKING

from mboxio.errors import RemoteError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

__all__ = ["ERROR", "MESSAGE", "REPLY", "REQUEST", "Armed", "Consumer", "Producer", "Ring"]

MESSAGE = 1
"""One way."""
REQUEST = 2
"""The sender waits for a reply with the same tag."""
REPLY = 3
"""The answer to the request of this tag."""
ERROR = 4
"""A reply: the handler failed. Little-endian i32 status, then UTF-8 text."""

FRONT_LIES = -1
REAR_LIES = -2
LENGTH_LIES = -3
KIND_LIES = -4

_FIELDS = {FRONT_LIES: "front", REAR_LIES: "rear", LENGTH_LIES: "length", KIND_LIES: "kind"}


class Armed:
    """The words with which sleepers announce themselves in mboxio's own memory.

    Before sleeping: `arm`, look at all rings once more, sleep only if they are empty; `disarm`
    after waking. After pushing: ring the doorbell if `peer_armed`.
    """

    def promise_fences(self) -> None:
        """Spare the peer its fences where the system can make them: arming takes longer then.

        For a side that rarely arms, before it arms and before the peer has the memory.
        """

    def arm(self) -> bool:
        """Announce that this side is about to sleep; later looks at rings come after it.

        Returns:
            False if that cannot be relied on now, so do not sleep.
        """
        raise NotImplementedError

    def disarm(self) -> None:
        """Announce that this side is awake."""
        raise NotImplementedError

    def peer_armed(self) -> bool:
        """Return whether the peer may sleep and needs the doorbell for what was pushed before."""
        raise NotImplementedError

    def shares_cpu(self) -> bool:
        """Say on which CPU this thread runs, and return whether the peer says the same.

        A hint, asked before looking on for something that only the peer can bring.
        """
        return False


class Ring:
    """What both sides have.

    Args:
        slots: number of slots; one of them stays empty.
        message_bytes: longest message.

    Attributes:
        broken: the peer lied; every call but `reset` raises the same error again.
    """

    def __init__(self, slots: int, message_bytes: int) -> None:
        self.slots = slots
        self.message_bytes = message_bytes
        self.broken = False

    def reset(self) -> None:
        """Start again with the indices as they stand in memory, after a lie or a new epoch.

        A consumer drops everything that waits. A producer's count of consumed slots starts again.

        Raises:
            RemoteError: an index in memory is still impossible.
        """
        raise NotImplementedError

    def lied(self, lie: int, value: int) -> RemoteError:
        """Mark the ring broken and return the error that says what lied; for implementations."""
        self.broken = True
        field = _FIELDS[lie]
        return RemoteError(
            f"the remote lied: {field} {value} is impossible now in a ring of {self.slots} slots"
            f" with messages of up to {self.message_bytes} bytes",
            field=field,
            value=value,
        )

    def __repr__(self) -> str:
        broken = ", broken" if self.broken else ""
        return f"<{type(self).__name__} {self.slots} slots, {self.message_bytes} bytes{broken}>"


class Producer(Ring):
    """The sending side of a ring."""

    def __init__(self, slots: int, message_bytes: int, armed: Armed | None) -> None:
        super().__init__(slots, message_bytes)
        self.armed = armed

    def push(self, kind: int, tag: int, message: "ReadableBuffer") -> bool:
        """Copy a message into the ring and publish it; False: the ring is full.

        Args:
            kind: ``MESSAGE``, ``REQUEST``, ``REPLY`` or ``ERROR``; foreign rings ignore it.
            tag: 32 bits that the reply carries back; foreign rings ignore it.
            message: any bytes, also none.

        Raises:
            MessageTooLong: longer than `message_bytes`; the ring is untouched.
            ValueError: no such kind.
            OverflowError: kind or tag is no 32-bit number.
            RemoteError: the peer lied, now or before.
        """
        raise NotImplementedError

    def free(self) -> int:
        """Return how many messages can be pushed now.

        Raises:
            RemoteError: the peer lied, now or before.
        """
        raise NotImplementedError

    def consumed(self) -> int:
        """Return how many messages the peer took since the last call: always the oldest.

        Raises:
            RemoteError: the peer lied, now or before.
        """
        raise NotImplementedError

    def news(self) -> bool:
        """Return whether slots may have come back. Cheap, believes nothing; any thread."""
        return True

    def doorbell_needed(self) -> bool:
        """Return whether the peer needs the doorbell for what was pushed; call after pushing."""
        armed = self.armed
        return armed is None or armed.peer_armed()


class Consumer(Ring):
    """The receiving side of a ring.

    A message is taken in four steps: `peek`, `payload` or `copy_into`, `advance`, and after any
    number of messages `release`, which gives their slots back at once. `take` is the first three.

    Attributes:
        kind: kind of the message under `peek`; a foreign ring has only ``MESSAGE``.
        tag: its tag; 0 in a foreign ring.
        length: its length in bytes.
    """

    def __init__(self, slots: int, message_bytes: int) -> None:
        super().__init__(slots, message_bytes)
        self.kind = 0
        self.tag = 0
        self.length = 0

    def peek(self) -> bool:
        """Look at the oldest message and set `kind`, `tag` and `length`; False: there is none.

        Raises:
            RemoteError: the peer lied, now or before.
        """
        raise NotImplementedError

    def payload(self) -> bytes:
        """Return a copy of the message under `peek`.

        Raises:
            RuntimeError: there is no such message.
        """
        raise NotImplementedError

    def copy_into(self, buffer: "WriteableBuffer") -> int:
        """Copy the message under `peek` into the start of `buffer` and return its length in bytes.

        Raises:
            ValueError: the buffer is shorter than `length`; it is untouched.
            RuntimeError: there is no such message.
        """
        raise NotImplementedError

    def advance(self) -> None:
        """Go on from the message under `peek`; its slot stays taken until `release`.

        Raises:
            RuntimeError: there is no such message.
        """
        raise NotImplementedError

    def release(self) -> None:
        """Give back the slots of all messages passed; works on a broken ring, too."""
        raise NotImplementedError

    def pending(self) -> int:
        """Return how many messages wait.

        Raises:
            RemoteError: the peer lied, now or before.
        """
        raise NotImplementedError

    def take(self) -> bytes | None:
        """Take a copy of the oldest message, and go on; None: there is none.

        Its `kind` and `tag` are set. The slot stays taken until `release`.

        Raises:
            RemoteError: the peer lied, now or before.
        """
        if not self.peek():
            return None
        message = self.payload()
        self.advance()
        return message

    def news(self) -> bool:
        """Return whether something may wait. Cheap, believes nothing; any thread."""
        return True

    def pop(self) -> tuple[int, int, bytes] | None:
        """Take the oldest message as kind, tag and bytes; None: there is none.

        Raises:
            RemoteError: the peer lied, now or before.
        """
        message = self.take()
        if message is None:
            return None
        self.release()
        return self.kind, self.tag, message

    def pop_batch(self, limit: int) -> list[tuple[int, int, bytes]]:
        """Take up to `limit` of the oldest messages; their slots are given back together.

        Raises:
            RemoteError: the peer lied, now or before, and there is no good message before the lie.
        """
        messages: list[tuple[int, int, bytes]] = []
        try:
            while len(messages) < limit and (message := self.take()) is not None:
                messages.append((self.kind, self.tag, message))
        except RemoteError:
            if not messages:  # otherwise the next call raises it: the ring stays broken
                raise
        self.release()
        return messages
