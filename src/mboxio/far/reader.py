"""Reads frames: whatever the other side says, it is a sound frame or a `BadFrame`."""

from mboxio.far.frames import (
    EMPTY,
    FRAME_BYTES_MAX,
    LISTS,
    MESSAGES,
    NAMELESS,
    ORDINARY,
    PLAIN,
    SWITCHES,
    WHOLE,
    BadFrame,
    Frame,
)
from mboxio.far.head import HEAD_BYTES, Head

__all__ = ["Reader"]


class Reader(Head):
    """Reads the frames of one message of the stream after the other, each checked in its turn.

    The attributes of `Head` and ``data`` are those of the frame that was read last.

    Args:
        kinds: what the other side may say: `TO_GATEWAY` or `TO_USER`.
        channels: how many channels there are.
    """

    def __init__(self, kinds: frozenset[int], channels: int) -> None:
        super().__init__()
        self.kinds = kinds
        self.channels = channels
        self.message = self.data = b""
        self.at = 0

    def begin(self, message: bytes) -> None:
        """Read this message of the stream from now on; raises BadFrame: it is empty."""
        if not message:
            raise BadFrame("a message without a frame")
        self.message = message
        self.at = 0

    def next(self) -> bool:
        """Read another frame.

        Returns:
            Whether there was one.

        Raises:
            BadFrame: this frame is none; those before it were.
        """
        message, at = self.message, self.at
        left = len(message) - at
        if not left:
            return False
        if left < HEAD_BYTES:
            raise BadFrame(f"{left} bytes where a head of {HEAD_BYTES} is expected")
        self.read(message, at)
        kind, length = self.kind, self.length
        if kind not in self.kinds or self.zero:
            raise BadFrame(f"no frame of kind {kind} ({self.zero}) is expected")
        left -= HEAD_BYTES
        if length > left or length > FRAME_BYTES_MAX:
            raise BadFrame(f"{length} bytes are announced, and {left} follow")
        if self.channel >= self.channels and not (kind in WHOLE and self.channel == 0):
            raise BadFrame(f"there is no channel number {self.channel}")
        if (self.queue_us or self.reply_us) and kind not in MESSAGES:
            raise BadFrame(f"kind {kind} has no durations")
        if kind not in ORDINARY:
            check(kind, self.status, self.handle, length)
        elif self.status:
            raise BadFrame(f"kind {kind} has no status {self.status}")
        at += HEAD_BYTES
        self.at = at + length
        self.data = message[at : self.at]
        return True

    def frame(self) -> Frame:
        """Return what was read last."""
        return Frame(
            self.kind,
            self.channel,
            self.status,
            self.handle,
            self.queue_us,
            self.reply_us,
            self.data,
        )


def check(kind: int, status: int, handle: int, length: int) -> None:
    """Refuse a head that says what its kind does not, with `BadFrame`."""
    if (kind in PLAIN and status) or (kind in SWITCHES and status not in (0, 1)):
        raise BadFrame(f"kind {kind} has no status {status}")
    if kind in NAMELESS and handle:
        raise BadFrame(f"kind {kind} has no handle")
    if (kind in EMPTY and length) or (kind in LISTS and (length % 8 or not length)):
        raise BadFrame(f"{length} bytes do not belong to kind {kind}")
