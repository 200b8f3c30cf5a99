"""Connecting from an event loop, in one step."""

import asyncio
from collections.abc import Generator
from typing import Any

from mboxio.async_client import AsyncClient
from mboxio.client import Connection
from mboxio.distant_client import DistantClient
from mboxio.registry import Address, reach
from mboxio.timeouts import DEFAULT


class OwnedAsyncClient(AsyncClient):
    """An async client that owns its connection and closes it."""

    def close(self) -> None:
        """Close the client and its connection."""
        super().close()
        self.host.close()


class OwnedDistantClient(OwnedAsyncClient, DistantClient):
    """The same where accesses take long."""


class open_async:
    """Connect and open an async client: ``async with open_async(address) as client``.

    Also awaitable. Arguments and errors as for `mboxio.open`; connecting happens in a thread.
    """

    def __init__(
        self,
        address: str,
        *,
        backlog: int = 0,
        timeout_s: float | None = DEFAULT,
        queue_timeout_s: float | None = DEFAULT,
    ) -> None:
        Address.parse(address)  # what is no address at all is told at once
        self.address = address
        self.settings = (backlog, timeout_s, queue_timeout_s)
        self.client: AsyncClient | None = None

    async def _connect(self) -> tuple[Connection, Any]:
        """Connect in a thread. A caller who gives up meanwhile leaves no connection behind."""
        made: list[Connection] = []
        abandoned = False

        def work() -> tuple[Connection, Any]:
            connection, channel = reach(self.address)
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

    async def _open(self) -> AsyncClient:
        connection, channel = await self._connect()
        try:
            kind = OwnedDistantClient if connection.pump.distant else OwnedAsyncClient
            client = kind(connection, channel, *self.settings, None)
            connection.join(channel, client)
            client.settle_in()
        except BaseException:
            connection.close()
            raise
        self.client = client
        return client

    def __await__(self) -> Generator[Any, None, AsyncClient]:
        return self._open().__await__()

    async def __aenter__(self) -> AsyncClient:
        return await self._open()

    async def __aexit__(self, *_: object) -> None:
        if self.client is not None:
            await self.client.__aexit__()
