"""What a decoder of a protocol is, for those of mboxio and of other packages."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from mboxio.capture.event import Kind, Source

__all__ = ["REPLIES", "Decoded", "Decoder", "Message"]

REPLIES = frozenset({Kind.REPLY, Kind.LATE, Kind.ANSWER, Kind.UNKNOWN})


@dataclass(frozen=True, slots=True)
class Message:
    """A message to decode.

    Args:
        data: all of it.
        kind: how it came or left.
        source: the channel, and the side that saw it.
        request: the whole message that it answers; None: it answers none, or that was not seen.
    """

    data: bytes
    kind: Kind
    source: Source
    request: bytes | None = None

    @property
    def is_reply(self) -> bool:
        """Whether it answers something, seen or not."""
        return self.kind in REPLIES


@dataclass(frozen=True, slots=True)
class Decoded:
    """What a message says.

    Args:
        text: in one line, for people.
        lines: more of it, each a line that stands below.
        fields: the same for programs; what JSON can hold.
    """

    text: str
    lines: tuple[str, ...] = ()
    fields: Mapping[str, object] = field(default_factory=dict[str, object])


class Decoder(Protocol):
    """Decodes what is spoken over a channel.

    A package offers one as an entry point of the group ``mboxio.decoders``. Its name is that of the
    protocol, as ``--protocol`` takes it. Its value is a class, or a function, that is called
    without arguments and returns a decoder. Each channel of each side gets one, and its messages
    come in the order of the capture, so a decoder may remember what was said::

        [project.entry-points."mboxio.decoders"]
        acme = "acme.decoding:AcmeDecoder"

    Messages come from files that anybody may have made. What a decoder raises is reported in a
    line, and the message is shown as a hexdump; texts may hold what they like, for they are escaped
    before a terminal gets them.
    """

    def decode(self, message: Message) -> Decoded | None:
        """Return what a message says; None: nothing that this protocol knows.

        Args:
            message: whole, and no error: what was cut in the capture is not decoded, nor is the
                text of a reply that has an error number.

        Raises:
            Exception: it is damaged; the text says how.
        """
        ...
