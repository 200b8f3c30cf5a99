"""How an event lies in a packet of a capture: tags for Wireshark, our head, the message.

A packet of link type 252 ("exported PDU") begins with tags that name who can read it; ours are
always the same 16 bytes. Our head of 24 bytes follows, little-endian, and then the message:

    u8 version, u8 kind, u8 flags, u8 outcome, i32 status, u64 number, u32 tag, u16 channel,
    u8 length of the head, u8 0

Later versions make the head longer; a reader goes by the length that it says.
"""

import struct

__all__ = [
    "AT_REMOTE",
    "EXPECTS_REPLY",
    "HANDED_OVER_SHIFT",
    "HEAD",
    "HEAD_BYTES",
    "LINK_TYPE",
    "NO_TAG",
    "PREFIX",
    "VERSION",
]

LINK_TYPE = 252
"""LINKTYPE_WIRESHARK_UPPER_PDU."""

PREFIX = struct.pack(">HH8sHH", 12, 8, b"mboxio", 0, 0)
"""Tag 12, the name of the dissector, and the end of the tags."""

HEAD = struct.Struct("<BBBBiQIHBB")
HEAD_BYTES = HEAD.size
VERSION = 1

EXPECTS_REPLY = 1
HANDED_OVER_SHIFT = 1
"""Two bits of the flags, see `mboxio.capture.event.HANDED_OVER`."""
AT_REMOTE = 8
"""A flag: seen by the remote."""
NO_TAG = 0xFFFFFFFF
