"""Async clients of a controller whose accesses take long, for example behind a debug probe."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from mboxio._base.request import Request
from mboxio._base.timeouts import DEFAULT
from mboxio._pump.running import running_port
from mboxio._pump.slow_loops import DistantPort
from mboxio.client.asynchronous import AsyncClient, AsyncMessages, AsyncReplies
from mboxio.client.distant import Announced
from mboxio.errors import RequestTimeout

if TYPE_CHECKING:
    from typing_extensions import Buffer


class DistantMessages(AsyncMessages):
    """Unsolicited messages; the loop does not wait for the lock to read them."""

    def __init__(self, client: "DistantClient", limit: int) -> None:
        super().__init__(client, limit)
        self.port = client._port

    async def get(self, timeout_s: float | None = None) -> bytes:
        """Wait for the next message; as `Messages.get`."""
        until_ns = self.client._deadline_after(timeout_s)
        while True:
            message = await self.port().away(self.take)
            if isinstance(message, bytes):
                return message
            if not await self.awaiting._arrival(message, until_ns):
                raise RequestTimeout(
                    f"channel {self.client._channel.name!r}: no message in {timeout_s} s",
                    channel=self.client._channel.name,
                )


class DistantReplies(AsyncReplies[Any]):
    """The replies of `DistantClient.map`; messages are handed over on the I/O thread."""

    async def _next_entry(self) -> Any:
        """See `Flow._oldest`."""
        client = self._awaiting
        client._settle_in()
        assert isinstance(client, DistantClient)
        return await client._port().away(self._oldest)

    def _abandon(self) -> None:
        """Cancel what is in flight, once the I/O thread has handed over what it was about to."""
        client = self._awaiting
        assert isinstance(client, DistantClient)
        client._port().post_away(self.close)


class DistantClient(Announced, AsyncClient):
    """An async client whose awaited verbs make their accesses on an I/O thread.

    The loop keeps running. ``submit``, ``post``, ``cancel`` and ``close`` remain plain calls,
    and take as long as the accesses that they make or that are under way. ``map`` asks for its
    messages on the I/O thread.
    """

    _replies = DistantReplies

    def _port(self) -> DistantPort:
        """Return the running loop's port."""
        port = running_port(self._pump)
        assert isinstance(port, DistantPort)
        return port

    async def _carry_out(
        self,
        data: "Buffer",
        tied: bool,
        timeout_s: float | None,
        queue_timeout_s: float | None,
        into: "Buffer | None",
    ) -> Any:
        """See `AsyncClient._carry_out`."""
        self._settle_in()
        port = self._port()
        message = bytes(memoryview(data))  # now: the caller may change it while the verb waits
        request = self._draft(message, tied, timeout_s, queue_timeout_s, into)
        try:
            self._host.hurry.comes(request)  # others may be handed in before it
            await port.away(self._hand_in, request, True)
            return await request
        finally:
            self._host.hurry.came(request)
            if not request.over:
                port.post_away(self._give_up, request)

    def _give_up(self, request: Request) -> None:
        """Cancel what the verb owned, now that it has surely been accepted or refused."""
        if request._under_way():
            request.cancel()

    async def flush(self, timeout_s: float | None = DEFAULT) -> None:
        """See `AsyncClient.flush`."""
        until_ns = self._deadline_after(timeout_s)
        self._settle_in()
        port = self._port()
        flush = await port.away(self._start_flush)
        try:
            await self._arrival(flush, until_ns)
        finally:
            port.post_away(self._gate.call, self._flushes.stop, flush)
        self._flushed(flush)

    def subscribe(self, limit: int = 1024) -> AsyncMessages:
        """See `AsyncClient.subscribe`."""
        self._settle_in()
        messages = DistantMessages(self, limit)
        self._add_subscription(messages)
        return messages

    def _answer(self, tag: int, message: bytes, status: int, life: int) -> None:
        """See `Endpoint._answer`; a handler has ended on the loop."""
        if self._at_home is not None:
            self._at_home.post_away(super()._answer, tag, message, status, life)

    def _call_when_over(self, waitable: Request, callback: Callable[[Any], object]) -> None:
        """See `Owner._call_when_over`."""
        self._find_home()
        if self._at_home is None or self._at_home.loop.is_closed():
            super()._call_when_over(waitable, callback)
        else:
            self._at_home.post_away(super()._call_when_over, waitable, callback)

    def _look_at(self, waitable: Request) -> None:
        """See `Owner._look_at`: the service thread looks as long as there is this client."""

    async def __aexit__(self, *_: object) -> None:
        await asyncio.to_thread(self.close)  # not on the I/O thread, which may have to end
