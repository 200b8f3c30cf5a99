"""Connecting from an event loop: what blocks happens in a thread, pauses on the loop."""

import asyncio
from collections.abc import Callable, Collection, Generator
from typing import Any, NoReturn

from mboxio._base.clock import SYSTEM, Clock
from mboxio._base.timeouts import DEFAULT
from mboxio._pump.running import running_loop
from mboxio.address.allowed import names_of
from mboxio.client.asynchronous import AsyncClient
from mboxio.client.connection import Connection, RecordTarget
from mboxio.client.open import Address, connect, reach
from mboxio.client.patience import Patience
from mboxio.client.slow import DistantClient
from mboxio.errors import MailboxError


class OwnedAsyncClient(AsyncClient):
    """An async client that owns its connection and closes it."""

    def close(self) -> None:
        """Close the client and its connection."""
        super().close()
        self._host.close()


class OwnedDistantClient(OwnedAsyncClient, DistantClient):
    """The same where accesses take long."""


class connect_async:
    """Connect without blocking the loop: ``async with connect_async(address) as connection``.

    Also awaitable. Arguments and errors as for `mboxio.connect`. Cancelling it leaves nothing
    behind: a connection that comes up afterwards is closed.
    """

    def __init__(
        self,
        address: str,
        *,
        wait_s: float | None = None,
        allow: Collection[str] | None = None,
        clock: Clock = SYSTEM,
        record: RecordTarget = None,
    ) -> None:
        Address.parse(address)  # what is no address at all is told at once
        Patience(wait_s)
        self.address = address
        self.wait_s = wait_s
        self.settings: dict[str, Any] = {"allow": names_of(allow), "clock": clock, "record": record}
        self.connection: Connection | None = None

    async def _connect(self) -> Connection:
        connection, _ = await _patiently(
            lambda: (connect(self.address, **self.settings), None), self.wait_s
        )
        self.connection = connection
        return connection

    def __await__(self) -> Generator[Any, None, Connection]:
        return self._connect().__await__()

    def __enter__(self) -> NoReturn:
        raise TypeError("write async with, or mboxio.connect where no loop runs")

    def __exit__(self, *_: object) -> None:
        """Never called."""

    async def __aenter__(self) -> Connection:
        return await self._connect()

    async def __aexit__(self, *_: object) -> None:
        if self.connection is not None:
            await self.connection.__aexit__()


class open_async:
    """Connect and open an async client: ``async with open_async(address) as client``.

    Also awaitable. Arguments and errors as for `mboxio.open`, cancelling as for `connect_async`.
    """

    def __init__(
        self,
        address: str,
        *,
        backlog: int = 0,
        timeout_s: float | None = DEFAULT,
        queue_timeout_s: float | None = DEFAULT,
        wait_s: float | None = None,
        allow: Collection[str] | None = None,
        record: RecordTarget = None,
    ) -> None:
        Address.parse(address)  # what is no address at all is told at once
        Patience(wait_s)
        self.address = address
        self.wait_s = wait_s
        self.record = record
        self.allow = names_of(allow)
        self.settings = (backlog, timeout_s, queue_timeout_s)
        self.client: AsyncClient | None = None

    async def _open(self) -> AsyncClient:
        connection, channel = await _patiently(
            lambda: reach(self.address, allow=self.allow, record=self.record), self.wait_s
        )
        host = connection._host
        try:
            kind = OwnedDistantClient if host.pump.distant else OwnedAsyncClient
            client = kind(host, channel, *self.settings, None)
            host.join(channel, client)
            client._settle_in()
        except BaseException:
            connection.close()
            raise
        self.client = client
        return client

    def __await__(self) -> Generator[Any, None, AsyncClient]:
        return self._open().__await__()

    def __enter__(self) -> NoReturn:
        raise TypeError("write async with, or mboxio.open where no loop runs")

    def __exit__(self, *_: object) -> None:
        """Never called."""

    async def __aenter__(self) -> AsyncClient:
        return await self._open()

    async def __aexit__(self, *_: object) -> None:
        if self.client is not None:
            await self.client.__aexit__()


Opening = Callable[[], tuple[Connection, Any]]


async def _patiently(opening: Opening, wait_s: float | None) -> tuple[Connection, Any]:
    """Try as `patiently` does; the pauses are the loop's."""
    running_loop()  # before anything is opened
    patience = Patience(wait_s)
    while True:
        try:
            return await _in_thread(opening)
        except (MailboxError, OSError) as error:
            pause_ns = patience.pause_ns(error)
            if not pause_ns:
                raise
        await asyncio.sleep(pause_ns / 1e9)


async def _in_thread(opening: Opening) -> tuple[Connection, Any]:
    """Open in a thread. A caller that gives up leaves no connection behind."""
    made: list[Connection] = []
    abandoned = False

    def work() -> tuple[Connection, Any]:
        connection, channel = opening()
        # First: whichever thread is later sees what the other did, and closes the connection.
        made.append(connection)
        if abandoned:
            connection.close()
        return connection, channel

    try:
        return await asyncio.to_thread(work)
    except BaseException:
        abandoned = True
        for connection in made:
            connection.close()
        raise
