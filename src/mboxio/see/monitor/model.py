"""All channels of a capture or of a program, fed with events as they come."""

from collections.abc import Iterable
from dataclasses import dataclass

from mboxio.capture.event import Event
from mboxio.see.monitor.channel import ChannelState
from mboxio.see.monitor.taking import take

__all__ = ["CHANNELS_MAX", "Model", "Notable"]

CHANNELS_MAX = 256
"""Channels that are told apart; events of others are counted only."""
NOTABLE_MAX = 20
"""Notable events that are kept one by one until they are fetched; the others are counted."""


@dataclass(slots=True)
class Notable:
    """Something that people want to know of.

    Args:
        time_ns: when it happened last.
        channel: where.
        what: in a word or two.
        why: the details.
        count: how often it happened.
    """

    time_ns: int
    channel: str
    what: str
    why: str
    count: int = 1


class Model:
    """What happens on each channel; bounded in memory, whatever it is fed with.

    Not for several threads at once.

    Args:
        window_ns: percentiles are those of one to two such windows, rates those of the last two
            seconds; None: both are those of everything since the first event.
    """

    def __init__(self, window_ns: int | None = None) -> None:
        self.window_ns = window_ns
        self.channels: dict[tuple[str, str, str], ChannelState] = {}
        self.events = 0
        self.strangers = 0
        """Events of channels beyond `CHANNELS_MAX`."""
        self.first_ns: int | None = None
        self.last_ns = 0
        self._notable: list[Notable] = []
        self._more: dict[tuple[str, str], Notable] = {}

    def feed(self, events: Iterable[Event]) -> None:
        """Note what happened, in this order."""
        for event in events:
            self.take(event)

    def take(self, event: Event) -> None:
        """Note an event; one that makes no sense changes what little it can."""
        self.events += 1
        if self.first_ns is None:
            self.first_ns = self.last_ns = event.time_ns
        self.last_ns = max(self.last_ns, event.time_ns)
        source = event.source
        key = source.address, source.channel, source.side
        channel = self.channels.get(key)
        if channel is None:
            if len(self.channels) >= CHANNELS_MAX:
                self.strangers += 1
                return
            channel = ChannelState(source, self.window_ns)
            if any(each.name == channel.name for each in self.channels.values()):
                channel.name += f" ({len(self.channels)})"  # it was cut, or made printable
            self.channels[key] = channel

        if event.lost:  # of any channel
            for each in self.channels.values():
                each.doubt_ns = event.time_ns

        def tell(what: str, why: str) -> None:
            self._note(event.time_ns, channel.name, what, why)

        take(channel, event, tell)

    def _note(self, time_ns: int, channel: str, what: str, why: str) -> None:
        if len(self._notable) < NOTABLE_MAX:
            self._notable.append(Notable(time_ns, channel, what, why))
            return
        found = self._more.get((channel, what))
        if found is None:
            self._more[channel, what] = Notable(time_ns, channel, what, why)
            return
        found.time_ns, found.why = time_ns, why
        found.count += 1

    def fetch_notable(self) -> list[Notable]:
        """Return what was worth telling since the last call, oldest first."""
        found = [*self._notable, *self._more.values()]
        self._notable, self._more = [], {}
        return found

    def clear(self) -> None:
        """Count from zero; what is on the way stays."""
        self.events = self.strangers = 0
        for channel in self.channels.values():
            channel.clear()

    @property
    def lost(self) -> int:
        """Events that were lost before they could be written."""
        return sum(channel.lost for channel in self.channels.values())
