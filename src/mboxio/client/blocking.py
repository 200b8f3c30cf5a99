"""Blocking clients of channels, and their unsolicited messages."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Generic, Literal, Self, TypeVar, overload

from mboxio._base.deputies import deputise
from mboxio._base.native import COMPILED
from mboxio._base.timeouts import DEFAULT
from mboxio._host.subscriptions import Subscription
from mboxio.client.mapping import Replies as CoreReplies
from mboxio.client.verbs import Request, Verbs
from mboxio.errors import ClosedError, MailboxError, RequestTimeout

T = TypeVar("T")

if TYPE_CHECKING:
    from typing_extensions import Buffer

    class Replies(CoreReplies, Generic[T]):
        """The replies of `Client.map`, each of type T."""

        def __next__(self) -> T: ...

else:
    Replies = CoreReplies


class Messages(Subscription):
    """Unsolicited messages, one after the other; iterate, or call `get`."""

    def get(self, timeout_s: float | None = None) -> bytes:
        """Wait for the next message.

        Args:
            timeout_s: how long to wait, in seconds; None waits forever.

        Raises:
            RequestTimeout: nothing came.
            MessagesLost: the reader was too slow; the next call goes on.
            RemoteGone: the remote died here; the next call goes on with its next life.
            ClosedError: the subscription or its client is closed.
        """
        until_ns = self.client._deadline_after(timeout_s)
        while True:
            message = self.take()
            if isinstance(message, bytes):
                return message
            if not self.client._wait_for(message, until_ns):
                raise RequestTimeout(
                    f"channel {self.client._channel.name!r}: no message in {timeout_s} s",
                    channel=self.client._channel.name,
                )

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        try:
            return self.get()
        except ClosedError:
            raise StopIteration from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Client(Verbs):
    """A blocking client of one channel; `Connection.client` makes it. A context manager.

    Any number of threads may use it. Waiting drives the channel; callbacks, handlers and unread
    subscriptions are served by one thread in the background.
    """

    if TYPE_CHECKING:

        @overload
        def request(
            self,
            data: "Buffer",
            *,
            timeout_s: float | None = ...,
            queue_timeout_s: float | None = ...,
            into: None = None,
        ) -> bytes: ...
        @overload
        def request(
            self,
            data: "Buffer",
            *,
            timeout_s: float | None = ...,
            queue_timeout_s: float | None = ...,
            into: "Buffer",
        ) -> int: ...
        @overload
        def request(
            self,
            data: "Buffer",
            *,
            timeout_s: float | None = ...,
            queue_timeout_s: float | None = ...,
            into: "Buffer | None" = ...,
        ) -> bytes | int: ...
        def request(self, data: "Buffer", **options: Any) -> Any:
            """Send a message and wait for its reply.

            Args:
                data: the message; copied.
                timeout_s: deadline of the reply, in seconds from the doorbell on.
                queue_timeout_s: deadline for a slot, in seconds; also for a lost remote to return.
                into: writable memory for the reply.

            Returns:
                The reply, or its length if ``into`` was given.

            Raises:
                RequestTimeout: ``stage`` says whether slot, TX done or reply was missing.
                RemoteGone, RemoteError, ClosedError, OutOfStep, MessageTooLong, ReplyTooLong.
                WouldDeadlock: called inside a driver's op or port.
            """

        def send(
            self,
            data: "Buffer",
            *,
            timeout_s: float | None = DEFAULT,
            queue_timeout_s: float | None = DEFAULT,
        ) -> None:
            """Send a message that expects no reply; returns at TX done. Errors as for `request`."""

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
    ) -> Replies[bytes]: ...
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
    ) -> Replies[int]: ...
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
    ) -> Replies[bytes | MailboxError]: ...
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
    ) -> Replies[int | MailboxError]: ...
    def map(
        self,
        messages: "Iterable[Buffer]",
        *,
        window: int | None = None,
        timeout_s: float | None = DEFAULT,
        queue_timeout_s: float | None = DEFAULT,
        into: "Sequence[Buffer] | None" = None,
        return_errors: bool = False,
    ) -> Replies[Any]:
        """Send many messages, a bounded number at a time; replies come in their order.

        Nothing is sent before the first reply is asked for. Messages are taken as there is room for
        them: of ``window``, and of what the queue takes. Leaving the loop, or `Replies.close`,
        cancels what is in flight.

        Args:
            messages: may be endless, and is asked for the next one on this thread.
            window: how many may be in flight; None: as many as the hardware takes.
            timeout_s: deadline of each reply, in seconds from its doorbell on.
            queue_timeout_s: deadline for a slot, in seconds, where none of these is in flight.
            into: writable buffers for the replies, used in turn: what stands in one is valid until
                the next reply is asked for. No more are in flight than there are buffers.
            return_errors: hand the error of a request out in place of its reply, and go on.

        Returns:
            An iterator over the replies, or over their lengths if ``into`` was given.

        Raises:
            ValueError: ``window`` is not 1 or more, or ``into`` is empty.

        While it is iterated over, the first request that fails raises as in `request`, in its
        place, and all that are in flight are cancelled; so does what ``messages`` raises.
        """
        return Replies(self, messages, window, timeout_s, queue_timeout_s, into, return_errors)

    def flush(self, timeout_s: float | None = DEFAULT) -> None:
        """Wait until what this client handed over or queued is TX done. Ends nothing.

        Raises:
            RequestTimeout: it takes longer than ``timeout_s`` seconds.
        """
        until_ns = self._deadline_after(timeout_s)
        flush = self._start_flush()
        try:
            self._wait_for(flush, until_ns)
        finally:
            self._gate.call_surely(self._flushes.stop, flush)
        self._flushed(flush)

    def subscribe(self, limit: int = 1024) -> Messages:
        """Receive unsolicited messages from now on.

        Args:
            limit: how many may wait to be read; then the oldest go and `MessagesLost` tells.
        """
        messages = Messages(self, limit)
        self._add_subscription(messages)
        return messages

    def on_request(
        self, handler: Callable[[bytes], bytes | None], *, limit: int = 64
    ) -> Callable[[bytes], bytes | None]:
        """Answer what the remote asks with ``handler(message)``; also a decorator.

        Args:
            handler: returns the answer; runs on the service thread.
            limit: how many of the remote's requests may wait for it; more are refused.

        Raises:
            AddressError: the channel has a handler already.
            TypeError: it is a coroutine function, which only async clients await.
        """
        self._set_handler(handler, limit)
        return handler

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


if not COMPILED:
    deputise(Client, "flush")

__all__ = ["Client", "Messages", "Replies", "Request"]
