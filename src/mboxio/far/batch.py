"""Frames that wait to be sent, and how many of them go into one message of the stream."""

from collections import deque

__all__ = ["BATCH_BYTES", "batch"]

BATCH_BYTES = 1 << 20
"""A message of the stream ends with the frame that reaches this."""


def batch(waiting: "deque[bytes]") -> bytes:
    """Take frames from the left and return them as one message; at least one waits.

    One at a time costs ten times as much at both ends.
    """
    first = waiting.popleft()
    if not waiting:
        return first
    taken, size = [first], len(first)
    while waiting and size < BATCH_BYTES:
        frame = waiting.popleft()
        taken.append(frame)
        size += len(frame)
    return b"".join(taken)
