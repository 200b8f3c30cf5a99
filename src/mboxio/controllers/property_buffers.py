"""What goes through a property channel of a Raspberry Pi."""

from mboxio.errors import WrongMessage

__all__ = ["check_buffer"]

SHORTEST_BYTES = 12
"""Size, code, and the tag that ends it."""


def check_buffer(channel: str, message: bytes) -> None:
    """Raise `WrongMessage` unless this is a buffer that the firmware may be given.

    The firmware believes the size, and so does the kernel.
    """
    size_bytes = int.from_bytes(message[:4], "little")
    sound = size_bytes == len(message) >= SHORTEST_BYTES and size_bytes % 4 == 0
    if not sound or any(message[4:8]):
        raise WrongMessage(
            f"channel {channel!r}: a message begins with its size in bytes, a multiple of 4, and a"
            " word of 0; mboxio.protocols.rpi_property makes them",
            channel=channel,
            handed_over="no",
        )
