"""The async client: the verbs of `Client`, awaited, on any event loop."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Generic, Literal, Self, TypeVar, overload

from mboxio._base.request import Request
from mboxio._base.states import FOREVER
from mboxio._base.timeouts import DEFAULT
from mboxio._host.subscriptions import Subscription
from mboxio._pump.running import running_port
from mboxio.client.mapping import Flow
from mboxio.client.verbs import Verbs
from mboxio.errors import ClosedError, MailboxError, RequestTimeout

T = TypeVar("T")

if TYPE_CHECKING:
    from asyncio import Future

    from typing_extensions import Buffer


class AsyncMessages(Subscription):
    """Unsolicited messages for ``async for``; see `Messages`."""

    def __init__(self, client: "AsyncClient", limit: int) -> None:
        super().__init__(client, limit)
        self.awaiting = client

    async def get(self, timeout_s: float | None = None) -> bytes:
        """Wait for the next message; as `Messages.get`."""
        until_ns = self.client._deadline_after(timeout_s)
        while True:
            message = self.take()
            if isinstance(message, bytes):
                return message
            if not await self.awaiting._arrival(message, until_ns):
                raise RequestTimeout(
                    f"channel {self.client._channel.name!r}: no message in {timeout_s} s",
                    channel=self.client._channel.name,
                )

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        try:
            return await self.get()
        except ClosedError:
            raise StopAsyncIteration from None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()


class AsyncReplies(Flow, Generic[T]):
    """The replies of `AsyncClient.map` for ``async for``; see `Replies`."""

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        try:
            entry = await self._next_entry()
            if entry is not None and not self._is_over(entry):
                await self._awaiting._arrival(entry, FOREVER)
        except BaseException:  # the task was cancelled
            self._abandon()
            raise
        if entry is None:
            raise StopAsyncIteration
        reply: T = self._give(entry)
        return reply

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._abandon()

    @property
    def _awaiting(self) -> "AsyncClient":
        """The client, as the one that awaits."""
        client: AsyncClient = self._client  # type: ignore[assignment]
        return client

    async def _next_entry(self) -> Any:
        """See `Flow._oldest`."""
        self._awaiting._settle_in()
        return self._oldest()

    def _abandon(self) -> None:
        """Cancel what is in flight."""
        self.close()


class AsyncClient(Verbs):
    """An async client of one channel; `Connection.async_client` makes it.

    Its callbacks and handlers run on the loop that first used it; requests may be awaited on any
    loop. ``submit`` and ``post`` never wait and are plain calls.
    """

    _awaits_handlers = True
    _replies: type[AsyncReplies[Any]] = AsyncReplies

    def _settle_in(self) -> None:
        """Take the running loop as the place of this client's user code."""
        if self._at_home is None or self._at_home.loop.is_closed():
            self._at_home = running_port(self._pump)
            # One for the client itself: while it is open, its loop minds deadlines and events.
            self._gate.call(self._at_home.attend, self._attended + 1)

    def _find_home(self) -> None:
        """See `Endpoint._find_home`."""
        try:
            self._settle_in()
        except RuntimeError:
            return  # no loop runs here; the first verb on one settles it

    @overload
    async def request(
        self,
        data: "Buffer",
        *,
        timeout_s: float | None = ...,
        queue_timeout_s: float | None = ...,
        into: None = None,
    ) -> bytes: ...
    @overload
    async def request(
        self,
        data: "Buffer",
        *,
        timeout_s: float | None = ...,
        queue_timeout_s: float | None = ...,
        into: "Buffer",
    ) -> int: ...
    @overload
    async def request(
        self,
        data: "Buffer",
        *,
        timeout_s: float | None = ...,
        queue_timeout_s: float | None = ...,
        into: "Buffer | None" = ...,
    ) -> bytes | int: ...
    async def request(
        self,
        data: "Buffer",
        *,
        timeout_s: float | None = DEFAULT,
        queue_timeout_s: float | None = DEFAULT,
        into: "Buffer | None" = None,
    ) -> Any:
        """Send a message and await its reply; as `Client.request`. Cancelling cancels it."""
        return await self._carry_out(data, True, timeout_s, queue_timeout_s, into)

    async def send(
        self,
        data: "Buffer",
        *,
        timeout_s: float | None = DEFAULT,
        queue_timeout_s: float | None = DEFAULT,
    ) -> None:
        """Send a message that expects no reply; returns at TX done."""
        await self._carry_out(data, False, timeout_s, queue_timeout_s, None)

    async def _carry_out(
        self,
        data: "Buffer",
        tied: bool,
        timeout_s: float | None,
        queue_timeout_s: float | None,
        into: "Buffer | None",
    ) -> Any:
        self._settle_in()
        request = self._draft(data, tied, timeout_s, queue_timeout_s, into)
        try:
            self._hand_in(request, True)
            return await request
        finally:
            if request._under_way():
                request.cancel()

    @overload
    def map(
        self,
        messages: "Iterable[Buffer]",
        *,
        window: int | None = ...,
        timeout_s: float | None = ...,
        queue_timeout_s: float | None = ...,
        into: None = None,
        return_errors: Literal[False] = False,
    ) -> AsyncReplies[bytes]: ...
    @overload
    def map(
        self,
        messages: "Iterable[Buffer]",
        *,
        window: int | None = ...,
        timeout_s: float | None = ...,
        queue_timeout_s: float | None = ...,
        into: "Sequence[Buffer]",
        return_errors: Literal[False] = False,
    ) -> AsyncReplies[int]: ...
    @overload
    def map(
        self,
        messages: "Iterable[Buffer]",
        *,
        window: int | None = ...,
        timeout_s: float | None = ...,
        queue_timeout_s: float | None = ...,
        into: None = None,
        return_errors: bool,
    ) -> AsyncReplies[bytes | MailboxError]: ...
    @overload
    def map(
        self,
        messages: "Iterable[Buffer]",
        *,
        window: int | None = ...,
        timeout_s: float | None = ...,
        queue_timeout_s: float | None = ...,
        into: "Sequence[Buffer]",
        return_errors: bool,
    ) -> AsyncReplies[int | MailboxError]: ...
    def map(
        self,
        messages: "Iterable[Buffer]",
        *,
        window: int | None = None,
        timeout_s: float | None = DEFAULT,
        queue_timeout_s: float | None = DEFAULT,
        into: "Sequence[Buffer] | None" = None,
        return_errors: bool = False,
    ) -> AsyncReplies[Any]:
        """Send many messages, a bounded number at a time; for ``async for``, as `Client.map`.

        ``messages`` is an ordinary iterable. Cancelling the task cancels what is in flight.
        """
        return self._replies(
            self, messages, window, timeout_s, queue_timeout_s, into, return_errors
        )

    async def flush(self, timeout_s: float | None = DEFAULT) -> None:
        """Wait until what this client handed over or queued is TX done; as `Client.flush`."""
        until_ns = self._deadline_after(timeout_s)
        self._settle_in()
        flush = self._start_flush()
        try:
            await self._arrival(flush, until_ns)
        finally:
            self._gate.call(self._flushes.stop, flush)
        self._flushed(flush)

    async def _arrival(self, waitable: Request, until_ns: int) -> bool:
        """Wait until ``waitable`` is over; False if the time comes first."""
        if not waitable.over:
            future = running_port(self._pump).future_of(waitable, True)
            timer = None
            if until_ns != FOREVER:
                wait_s = max(0.0, (until_ns - self._gate.clock.now_ns()) / 1e9)
                timer = future.get_loop().call_later(wait_s, _give_up, future)
            try:
                await future
            finally:
                if timer is not None:
                    timer.cancel()
                if not waitable.over:
                    self._forget_future(waitable, future)
        return bool(waitable.over)

    def subscribe(self, limit: int = 1024) -> AsyncMessages:
        """Receive unsolicited messages from now on; as `Client.subscribe`."""
        self._settle_in()
        messages = AsyncMessages(self, limit)
        self._add_subscription(messages)
        return messages

    def on_request(
        self, handler: Callable[[bytes], Awaitable[bytes | None] | bytes | None], *, limit: int = 64
    ) -> Callable[[bytes], Awaitable[bytes | None] | bytes | None]:
        """Answer what the remote asks with a function or coroutine function, on this loop."""
        self._settle_in()
        self._set_handler(handler, limit)
        return handler

    def _call_when_over(self, waitable: Request, callback: Callable[[Any], object]) -> None:
        """See `Owner._call_when_over`; on a new loop the client moves there first."""
        self._find_home()
        super()._call_when_over(waitable, callback)

    def _watch_for(self, waitable: Request, callback: Callable[[Any], object]) -> None:
        """See `Waited._watch_for`."""
        if self._at_home is None or self._at_home.loop.is_closed():
            raise RuntimeError("use the async client on its event loop before adding callbacks")
        super()._watch_for(waitable, callback)

    def close(self) -> None:
        """As `Client.close`; may be called on any thread."""
        home = self._at_home
        super().close()
        if home is not None and self._at_home is home:
            self._at_home = None
            self._gate.call(home.attend, -1)

    async def __aenter__(self) -> Self:
        self._settle_in()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()


def _give_up(future: "Future[None]") -> None:
    if not future.done():
        future.set_result(None)
