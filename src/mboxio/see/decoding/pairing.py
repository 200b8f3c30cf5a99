"""Which request a reply answers, by the number of the request, or at the remote by its tag."""

from collections import OrderedDict

from mboxio.capture.event import Event, Kind

__all__ = ["Pairs"]

Key = tuple[object, ...]

ENTRIES_MAX = 1 << 16
BYTES_MAX = 1 << 26
"""What is remembered at most: a capture may never answer anything."""

ASKS = {Kind.REQUEST: False, Kind.REMOTE_REQUEST: True}
ANSWERS = {Kind.REPLY: False, Kind.LATE: False, Kind.ANSWER: True}
"""Kinds that go together, by whether the remote asks."""


class Pairs:
    """Remembers requests until their replies come."""

    def __init__(self) -> None:
        self._asked: OrderedDict[Key, bytes] = OrderedDict()
        self._bytes = 0

    def request_of(self, event: Event) -> bytes | None:
        """Take an event; returns the request that it answers, if that was seen."""
        if event.kind in ASKS:
            self._forget(self._key(event, ASKS[event.kind]))
            if not event.is_cut:
                self._asked[self._key(event, ASKS[event.kind])] = event.message
                self._bytes += len(event.message)
                while len(self._asked) > ENTRIES_MAX or self._bytes > BYTES_MAX:
                    self._forget(next(iter(self._asked)))
            return None
        if event.kind in ANSWERS:
            return self._forget(self._key(event, ANSWERS[event.kind]))
        return None

    def _key(self, event: Event, remote_asks: bool) -> Key:
        if event.number and not remote_asks:
            return (event.source, event.number)
        return (event.source, remote_asks, event.tag)

    def _forget(self, key: Key) -> bytes | None:
        message = self._asked.pop(key, None)
        if message is not None:
            self._bytes -= len(message)
        return message
