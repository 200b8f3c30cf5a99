"""What a remote offers: its channels and their handlers."""

from collections.abc import Callable, Mapping
from threading import RLock
from types import MappingProxyType
from typing import TypeVar

from mboxio._queue.handlers import require_plain
from mboxio.errors import AddressError
from mboxio.remote.channel import Handler, RemoteChannel
from mboxio.remote.faults import Faults

__all__ = ["Declared"]

AnyHandler = TypeVar("AnyHandler", bound=Handler)


class Declared:
    """The channels of a `Remote`."""

    def __init__(self) -> None:
        self._lock = RLock()
        self._channels: dict[str, RemoteChannel] = {}
        self._faults: Faults | None = None

    def _tell_channels(self) -> None:
        """Tell new channels who listens to them."""

    @property
    def channels(self) -> Mapping[str, RemoteChannel]:
        """What was declared, by name."""
        return MappingProxyType(self._channels)

    def channel(
        self,
        name: str,
        *,
        depth: int = 32,
        message_bytes: int = 256,
        host_sends: bool = True,
        host_receives: bool = True,
        legacy: bool = False,
    ) -> RemoteChannel:
        """Declare a channel; hosts that are connected already do not get it.

        Args:
            name: at most 32 bytes of UTF-8.
            depth: messages in flight, in each direction.
            message_bytes: longest message.
            host_sends: False: the host only listens.
            host_receives: False: the host only sends.
            legacy: the host knows no requests; what a handler returns for a one-way message goes
                back as an unsolicited one.

        Raises:
            ValueError: declared before, or a number or name is out of range.
        """
        with self._lock:
            if name in self._channels:
                raise ValueError(f"channel {name!r} is declared already")
            channel = RemoteChannel(
                name,
                depth=depth,
                message_bytes=message_bytes,
                host_sends=host_sends,
                host_receives=host_receives,
                legacy=legacy,
            )
            channel.faults = self._faults
            self._channels[name] = channel
            self._tell_channels()
            return channel

    def handler(
        self, channel: str, *, latency_s: float = 0.0, workers: int = 1
    ) -> Callable[[AnyHandler], AnyHandler]:
        """Have the decorated function called with every message of a channel.

        It returns the reply; None means that none comes. For one-way messages the result is
        ignored. What it raises goes back as an error with status EIO, except that a `RemoteError`
        brings its own status. It is called when the message is taken; the latency comes after.

        Args:
            channel: its name; it is declared with defaults if it is not yet.
            latency_s: how long the simulated firmware is busy with one message, in seconds.
            workers: how many messages it works on at the same time.

        Raises:
            ValueError: a negative latency, or no worker.
            TypeError: the function is async or a generator.
        """
        if not isinstance(channel, str):
            raise TypeError(f"{channel!r} is no name of a channel: write @remote.handler('name')")
        with self._lock:
            declared = self._channels.get(channel) or self.channel(channel)
            declared.simulate(latency_s, workers)

        def decorate(handler: AnyHandler) -> AnyHandler:
            require_plain(handler, f"channel {channel!r}", "; latency_s= simulates slow firmware")
            declared.handler = handler
            return handler

        return decorate

    @property
    def faults(self) -> Faults | None:
        """How the replies of all channels go wrong; ``channels[…].faults`` is for one of them."""
        return self._faults

    @faults.setter
    def faults(self, faults: Faults | None) -> None:
        with self._lock:
            self._faults = faults
            for channel in self._channels.values():
                channel.faults = faults

    def _find(self, channel: str) -> RemoteChannel:
        found = self._channels.get(channel)
        if found is None:
            known = ", ".join(self._channels) or "none"
            raise AddressError(f"no channel {channel!r}; there are: {known}")
        return found
