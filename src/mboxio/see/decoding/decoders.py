"""The decoders of a capture: each channel has its own, and none of them stops the show."""

from collections.abc import Callable, Iterable

from mboxio.capture.event import Event, Kind, Source
from mboxio.see.decoding.catalogue import guess, load
from mboxio.see.decoding.contract import Decoded, Decoder, Message
from mboxio.see.decoding.pairing import Pairs
from mboxio.see.decoding.words import is_text

__all__ = ["CARRY_MESSAGES", "Decoders", "protocols_of"]

CARRY_MESSAGES = frozenset(
    {
        Kind.REQUEST,
        Kind.MESSAGE,
        Kind.REPLY,
        Kind.ANSWER,
        Kind.REMOTE_REQUEST,
        Kind.NOTIFICATION,
        Kind.LATE,
        Kind.UNKNOWN,
    }
)
"""Events whose message was on the wire."""
COMPLAINTS_MAX = 1000
"""Different ones; after so many they are passed over."""


class Decoders:
    """Decodes messages by the protocols of their channels.

    Args:
        protocols: names of protocols by channel: as in the address, or the whole address; empty:
            all channels that no other name is for.
        complain: called with a line for each decoder that fails, but not twice with the same.

    Raises:
        AddressError: there is no such protocol.
    """

    def __init__(self, protocols: dict[str, str], complain: Callable[[str], object]) -> None:
        self._protocols = protocols
        self._makers = {name: load(name) for name in protocols.values()}
        self._decoders: dict[Source, tuple[str, Decoder] | None] = {}
        self._complain = complain
        self._complaints: set[str] = set()
        self._pairs = Pairs()

    def decode(self, event: Event) -> Decoded | None:
        """Return what an event's message says; None: that is not known."""
        request = self._pairs.request_of(event)
        if event.kind not in CARRY_MESSAGES or event.is_cut or is_text(event):
            return None
        if event.source not in self._decoders:
            self._decoders[event.source] = self._make(event.source)
        decoder = self._decoders[event.source]
        if decoder is None or not (event.message or event.kind in (Kind.REQUEST, Kind.MESSAGE)):
            return None
        message = Message(event.message, event.kind, event.source, request)
        return self._safely(*decoder, message)

    def protocol_of(self, source: Source) -> str | None:
        """Return the name of the protocol of a channel; None: it is not known."""
        named = self._protocols
        for name in (str(source), source.channel, ""):
            if name in named:
                return named[name]
        return guess(source)

    def _make(self, source: Source) -> tuple[str, Decoder] | None:
        name = self.protocol_of(source)
        if name is None:
            return None
        make = self._makers.get(name) or load(name)
        try:
            return name, make()
        except Exception as error:
            self._once(f"protocol {name} cannot be used: {_described(error)}")
            return None

    def _safely(self, name: str, decoder: Decoder, message: Message) -> Decoded | None:
        try:
            decoded: object = decoder.decode(message)
        except Exception as error:  # hostile bytes, and decoders of others
            self._once(f"{name} cannot decode a message of {message.source}: {_described(error)}")
            return None
        if decoded is None or isinstance(decoded, Decoded):
            return decoded
        self._once(f"the decoder of {name} returned {type(decoded).__name__}, not Decoded")
        return None

    def _once(self, text: str) -> None:
        if text not in self._complaints and len(self._complaints) < COMPLAINTS_MAX:
            self._complaints.add(text)
            self._complain(text)


def protocols_of(texts: Iterable[str]) -> dict[str, str]:
    """Read ``NAME`` and ``NAME=CHANNEL``, as for `Decoders`.

    Raises:
        ValueError: a channel is named twice.
    """
    found: dict[str, str] = {}
    for text in texts:
        name, _, channel = text.partition("=")
        if channel in found:
            what = f"channel {channel!r}" if channel else "all channels"
            raise ValueError(f"two protocols for {what}: {found[channel]} and {name}")
        found[channel] = name
    return found


def _described(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
