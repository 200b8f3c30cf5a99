"""Async clients of a controller whose accesses take long, for example behind a debug probe."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from mboxio._base.request import Request
from mboxio._base.timeouts import DEFAULT
from mboxio._pump.running import running_port
from mboxio._pump.slow_loops import DistantPort
from mboxio.client.asynchronous import AsyncClient, AsyncMessages
from mboxio.errors import RequestTimeout

if TYPE_CHECKING:
    from typing_extensions import Buffer


class DistantMessages(AsyncMessages):
    """Unsolicited messages; the loop does not wait for the lock to read them."""

    def __init__(self, client: "DistantClient", limit: int) -> None:
        super().__init__(client, limit)
        self.port = client.port

    async def get(self, timeout_s: float | None = None) -> bytes:
        """Wait for the next message; as `Messages.get`."""
        until_ns = self.client.deadline_after(timeout_s)
        while True:
            message = await self.port().away(self.take)
            if isinstance(message, bytes):
                return message
            if not await self.awaiting.arrival(message, until_ns):
                raise RequestTimeout(
                    f"channel {self.client.channel.name!r}: no message in {timeout_s} s",
                    channel=self.client.channel.name,
                )


class DistantClient(AsyncClient):
    """An async client whose awaited verbs make their accesses on an I/O thread.

    The loop keeps running. ``submit``, ``post``, ``cancel`` and ``close`` remain plain calls,
    and take as long as the accesses that they make or that are under way.
    """

    def port(self) -> DistantPort:
        """Return the running loop's port."""
        port = running_port(self.pump)
        assert isinstance(port, DistantPort)
        return port

    async def carry_out(
        self,
        data: "Buffer",
        tied: bool,
        timeout_s: float | None,
        queue_timeout_s: float | None,
        into: "Buffer | None",
    ) -> Any:
        """See `AsyncClient.carry_out`."""
        self.settle_in()
        port = self.port()
        message = bytes(memoryview(data))  # now: the caller may change it while the verb waits
        request = self.draft(message, tied, timeout_s, queue_timeout_s, into)
        try:
            await port.away(self.hand_in, request, True)
            return await request
        finally:
            if not request.over:
                port.post_away(self.give_up, request)

    def give_up(self, request: Request) -> None:
        """Cancel what the verb owned, now that it has surely been accepted or refused."""
        if request.under_way():
            request.cancel()

    async def flush(self, timeout_s: float | None = DEFAULT) -> None:
        """See `AsyncClient.flush`."""
        until_ns = self.deadline_after(timeout_s)
        self.settle_in()
        port = self.port()
        flush = await port.away(self.start_flush)
        try:
            await self.arrival(flush, until_ns)
        finally:
            port.post_away(self.gate.call, self.stop_flush, flush)
        self.flushed(flush)

    def subscribe(self, limit: int = 1024) -> AsyncMessages:
        """See `AsyncClient.subscribe`."""
        self.settle_in()
        messages = DistantMessages(self, limit)
        self.add_subscription(messages)
        return messages

    def answer(self, tag: int, message: bytes, status: int, life: int) -> None:
        """See `Endpoint.answer`; a handler has ended on the loop."""
        if self.at_home is not None:
            self.at_home.post_away(super().answer, tag, message, status, life)

    def call_when_over(self, waitable: Request, callback: Callable[[Any], object]) -> None:
        """See `Owner.call_when_over`."""
        self.find_home()
        if self.at_home is None or self.at_home.loop.is_closed():
            super().call_when_over(waitable, callback)
        else:
            self.at_home.post_away(super().call_when_over, waitable, callback)

    def look_at(self, waitable: Request) -> None:
        """See `Owner.look_at`: the service thread looks as long as there is this client."""

    async def __aexit__(self, *_: object) -> None:
        await asyncio.to_thread(self.close)  # not on the I/O thread, which may have to end
