"""The header of each message, and the announcements of services.

Source: Linux, include/linux/rpmsg/virtio.h and rpmsg/ns.h; OpenAMP, RPMsg messaging protocol (facts
only). All numbers are little-endian.
"""

import struct
from dataclasses import dataclass

__all__ = [
    "ADDRESS_ANY",
    "DYNAMIC_FIRST",
    "HEADER",
    "HEADER_BYTES",
    "NAME_SERVICE",
    "Announcement",
]

HEADER = struct.Struct("<IIIHH")
"""Source and destination address, a word that the other side may scribble on, length, flags."""
HEADER_BYTES = HEADER.size
ADDRESS_ANY = 0xFFFF_FFFF
NAME_SERVICE = 53
"""Announcements are sent to this address."""
DYNAMIC_FIRST = 1024
"""Addresses below it are those of fixed services; rpmsg-lite gives them from 1 on all the same."""
NAME_BYTES = 32
FEATURE_NAME_SERVICE = 1 << 0
"""Feature of the virtio device: services are announced."""

_ANNOUNCEMENT = struct.Struct(f"<{NAME_BYTES}sII")
DESTROYED = 1


@dataclass(frozen=True, slots=True)
class Announcement:
    """A service comes or goes.

    Args:
        name: what it is called, up to 31 bytes of printable ASCII.
        address: that of its endpoint.
        gone: it goes.
    """

    name: str
    address: int
    gone: bool = False

    def pack(self) -> bytes:
        """Return it as a message.

        Raises:
            ValueError: the name is empty, too long, or cannot be printed.
        """
        name = self.name.encode("ascii", "replace")
        if not 0 < len(name) < NAME_BYTES or not _printable(self.name):
            raise ValueError(
                f"the name of a service has 1 to {NAME_BYTES - 1} printable ASCII letters and no "
                f"space: {self.name[:40]!r}"
            )
        return _ANNOUNCEMENT.pack(name, self.address, DESTROYED if self.gone else 0)

    @classmethod
    def parse(cls, message: bytes) -> "Announcement | None":
        """Read a message to the name service; None: it is no announcement."""
        if len(message) != _ANNOUNCEMENT.size:
            return None
        name, address, flags = _ANNOUNCEMENT.unpack(message)
        # 32 letters without an end are a name of 31, as Linux reads them.
        text = name[: NAME_BYTES - 1].split(b"\0")[0].decode("ascii", "replace")
        if not _printable(text) or address in (ADDRESS_ANY, NAME_SERVICE):
            return None
        return cls(text, address, bool(flags & DESTROYED))


def _printable(name: str) -> bool:
    return bool(name) and all("!" <= letter <= "~" for letter in name)
