"""The user's door: a connection to a controller, which makes clients of its channels."""

import os
from types import TracebackType
from typing import TYPE_CHECKING, NoReturn, Self, TypeAlias

from mboxio._base.clock import SYSTEM, Clock
from mboxio._base.tap import RECORD_VARIABLE, Tap
from mboxio._base.timeouts import DEFAULT
from mboxio._host.host import Host
from mboxio._queue.channel import Channel
from mboxio._queue.stats import ChannelStats
from mboxio.client.blocking import Client
from mboxio.client.distant import PatientClient
from mboxio.driver.contracts import TreeSpecifier
from mboxio.driver.controller import Controller
from mboxio.driver.correlate import Correlator
from mboxio.driver.ports import Ports
from mboxio.errors import AddressError, no_copy

if TYPE_CHECKING:
    from mboxio.client.asynchronous import AsyncClient
    from mboxio.recording.recorder import Recorder

RecordTarget: TypeAlias = "str | os.PathLike[str] | Recorder | None"


class Connection:
    """An open connection to one controller. `connect` makes it; a context manager.

    All methods may be called from any thread and from callbacks.

    Args:
        controller: the driver to attach.
        address: how the user called it, for messages.
        clock: the clock of everything on this connection.
        record: see `mboxio.connect`.
        tap: told what happens to messages; see `mboxio._base.tap`.
    """

    def __init__(
        self,
        controller: Controller,
        *,
        address: str = "",
        clock: Clock = SYSTEM,
        record: RecordTarget = None,
        tap: Tap | None = None,
    ) -> None:
        # What clients hold: it closes itself when the connection and they are forgotten.
        self._host = self._attach(controller, address, clock, tap)
        if record is not None or os.environ.get(RECORD_VARIABLE):
            from mboxio.recording.program import begin  # which few programs need

            try:
                begin(self._host, record)
            except BaseException:
                self._host.close()
                raise

    def _attach(
        self,
        controller: Controller,
        address: str,
        clock: Clock,
        tap: Tap | None,
    ) -> Host:
        """Make the host's side."""
        return Host(controller, address=address, clock=clock, tap=tap)

    @property
    def address(self) -> str:
        """How the user called it."""
        return self._host.address

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._host.closed

    def client(
        self,
        channel: str | int,
        *,
        backlog: int = 0,
        timeout_s: float | None = DEFAULT,
        queue_timeout_s: float | None = DEFAULT,
        correlator: Correlator | None = None,
        ports: Ports | None = None,
    ) -> "Client":
        """Open a blocking client of a channel; several may share one.

        Args:
            channel: name or number.
            backlog: requests that ``submit`` may queue beyond what the hardware takes.
            timeout_s: default deadline from the doorbell on, in seconds; None waits forever.
            queue_timeout_s: default deadline for a slot, in seconds; as ``timeout_s`` if left out.
            correlator: ties replies to requests where the controller does not say how.
            ports: driver-level hooks, called inline.

        Raises:
            AddressError: no such channel, or another client chose another correlator.
            ClosedError: the connection is closed.
        """
        host, found = self._host, self._choose(channel, correlator)
        kind = PatientClient if host.pump.distant else Client
        client = kind(host, found, backlog, timeout_s, queue_timeout_s, ports)
        client._at_home = host.worker  # before `join`, which may give it something to attend to
        host.join(found, client)
        return client

    def async_client(
        self,
        channel: str | int,
        *,
        backlog: int = 0,
        timeout_s: float | None = DEFAULT,
        queue_timeout_s: float | None = DEFAULT,
        correlator: Correlator | None = None,
        ports: Ports | None = None,
    ) -> "AsyncClient":
        """Open an async client: the same verbs, awaited. Arguments as for `client`."""
        from mboxio.client.asynchronous import AsyncClient
        from mboxio.client.slow import DistantClient

        host, found = self._host, self._choose(channel, correlator)
        kind = DistantClient if host.pump.distant else AsyncClient
        client = kind(host, found, backlog, timeout_s, queue_timeout_s, ports)
        host.join(found, client)
        return client

    def _choose(self, name: str | int, correlator: Correlator | None) -> Channel:
        """Find a channel and agree on its correlator."""
        self._host.check_open()
        found = self._host.find_channel(name)
        if correlator is not None and correlator is not found.correlator:
            if found.users or found.correlator.busy or found.order.expected:
                raise AddressError(
                    f"channel {found.name!r} is in use with another correlator, or tags of an "
                    "earlier client are still held"
                )
            found.correlate_with(correlator)
        return found

    def xlate(self, specifier: TreeSpecifier) -> Channel:
        """Return the channel that an entry of a device tree means on this controller.

        Args:
            specifier: from ``DeviceTree.channel``.

        Raises:
            AddressError: there is none; ``errno`` is that of Linux.
        """
        host = self._host
        found = host.controller.xlate(specifier)
        if isinstance(found, str):
            return host.find_channel(found)
        if found >= len(host.channels):
            raise AddressError(
                f"{host.address!r} has {len(host.channels)} channels, no number {found}"
            )
        return list(host.channels.values())[found]

    def stats(self) -> dict[str, ChannelStats]:
        """Return the counts of every channel, by name."""
        return self._host.stats()

    def remote_restarted(self) -> None:
        """Say that the remote was restarted, where nothing else can: a proof of death.

        Everything in flight ends with `RemoteGone` and nothing is held any more.
        """
        self._host.gate.call(self._host.life.restart)

    def close(self) -> None:
        """Close all clients, stop all channels, let go of the controller. Idempotent."""
        self._host.close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._host.described()}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close it in a thread: the loop goes on. Cancelling this leaves that to itself."""
        import asyncio

        loop = asyncio._get_running_loop()
        if loop is None:  # of another library, such as trio
            self.close()
        else:
            try:
                closing = loop.run_in_executor(None, self.close)
            except (OSError, RuntimeError):  # no thread can be had: the loop waits, nothing is lost
                self.close()
            else:
                await asyncio.shield(closing)

    def __reduce__(self) -> NoReturn:
        raise no_copy(self)
