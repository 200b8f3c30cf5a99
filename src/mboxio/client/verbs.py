"""The verbs that blocking and async clients share: those that never wait."""

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar, overload

from mboxio._base.completion import Completion
from mboxio._base.deputies import deputise
from mboxio._base.native import COMPILED
from mboxio._base.request import Lent
from mboxio._base.request import Request as CoreRequest
from mboxio._base.timeouts import DEFAULT
from mboxio._host.subscriptions import Handler, Subscription
from mboxio._queue.handlers import require_callable, require_plain
from mboxio.client.sending import Sender
from mboxio.errors import AddressError, ClosedError, RemoteGone, RequestTimeout, no_copy

if TYPE_CHECKING:
    from typing_extensions import Buffer

T = TypeVar("T")

if TYPE_CHECKING:

    class Request(CoreRequest, Generic[T]):
        """A `Request` whose reply is of type T: bytes, or int where ``into=`` was given."""

        def result(self) -> T: ...
        def __await__(self) -> Generator[Any, None, T]: ...
        def future(self) -> Any: ...

else:
    Request = CoreRequest


class Verbs(Sender):
    """The verbs that never wait, which blocking and async clients share."""

    _awaits_handlers = False
    """Whether a handler of remote requests may be a coroutine function."""

    if TYPE_CHECKING:

        @overload
        def submit(
            self,
            data: "Buffer",
            *,
            timeout_s: float | None = ...,
            queue_timeout_s: float | None = ...,
            into: None = None,
            lent: Lent | None = None,
        ) -> Request[bytes]: ...
        @overload
        def submit(
            self,
            data: "Buffer",
            *,
            timeout_s: float | None = ...,
            queue_timeout_s: float | None = ...,
            into: "Buffer",
            lent: Lent | None = None,
        ) -> Request[int]: ...
        @overload
        def submit(
            self,
            data: "Buffer",
            *,
            timeout_s: float | None = ...,
            queue_timeout_s: float | None = ...,
            into: "Buffer | None" = ...,
            lent: Lent | None = None,
        ) -> Request[Any]: ...
        def submit(self, data: "Buffer", **options: Any) -> Any:
            """Hand a message over that expects a reply, and return at once.

            Args:
                data: the message; copied.
                timeout_s: deadline of the reply, in seconds from the doorbell on.
                queue_timeout_s: deadline for leaving the backlog, in seconds.
                into: writable memory for the reply; untouched once the request is over otherwise.
                lent: memory the remote may touch; its ``give_back()`` is called at the proof that
                    the remote is finished with it.

            Returns:
                The request: in flight, queued in the backlog, or over already.

            Raises:
                QueueFull: no place; nothing was accepted. ``reason`` says what lacks.
                MessageTooLong, ClosedError, RemoteGone, OutOfStep: nothing was accepted.
            """

        def post(
            self,
            data: "Buffer",
            *,
            timeout_s: float | None = DEFAULT,
            queue_timeout_s: float | None = DEFAULT,
            lent: Lent | None = None,
        ) -> Request[bytes]:
            """Hand a one-way message over and return at once; the request is done at TX done.

            Arguments and errors as for `submit`.
            """
            raise NotImplementedError

    def __reduce__(self) -> NoReturn:
        raise no_copy(self)

    @property
    def name(self) -> str:
        """The channel's name."""
        return self._channel.name

    @property
    def message_bytes(self) -> int:
        """How long a message may be, in bytes."""
        return self._channel.message_bytes

    @property
    def depth(self) -> int:
        """How many messages the hardware takes before one has left."""
        return self._queue.depth

    def ring(self) -> None:
        """Ring the doorbell without a message; rings may merge into one.

        Raises:
            AddressError: the controller has no such doorbell.
            RemoteGone: the remote is gone, and hears nothing.
        """
        if self._gate.lost and not self._gate.lock.mine():
            self._host.life.seek()
        self._gate.run(self._ring_now)

    def _ring_now(self) -> None:
        """Ring the doorbell. Under the lock."""
        self._check_open()
        if self._gate.lost:
            name, reason = self._channel.name, self._host.life.lost_reason
            raise RemoteGone(f"channel {name!r}: the remote is gone ({reason})", channel=name)
        try:
            self._host.controller.ring(self._channel)
        except RemoteGone as error:
            self._gate.note(self._host.life.take_gone, str(error))
            raise

    def tx_done(self, status: int = 0) -> None:
        """Say that the oldest message left (TX done by ACK)."""
        self._gate.call(self._queue.acknowledge, status)

    def resync(self) -> None:
        """Vouch that no reply is under way: an out-of-step channel or stopped queue works again."""
        self._gate.call(self._start_afresh)

    def _start_afresh(self) -> None:
        """See `resync`. Under the lock."""
        self._channel.resync("resync")
        if self._queue.fault is not None:
            self._queue.fault = None
            self._queue.mark_dirty()
            self._pump.kick()

    def close(self) -> None:
        """End all requests of this client as closed. Idempotent, from any thread or callback."""
        if self._gate.lock.mine():  # a finalizer or port in the middle of something: afterwards
            self._gate.note(self._decide_close)  # the requests end first
            self._gate.post(self.close)  # and the channel is left without the lock, as `stop` asks
            return
        self._gate.call(self._decide_close)
        with self._host.admin:
            if self._joined:
                self._joined = False
                self._host.leave(self._channel)

    def _check_open(self) -> None:
        """Raise `ClosedError` if this client is closed."""
        if self._closed:
            raise ClosedError(f"channel {self._channel.name!r}: the client is closed")

    def _add_handler(self, function: Callable[[bytes], Any], limit: int) -> None:
        """Become the one who answers the remote's requests on this channel. Under the lock."""
        self._check_open()
        if self._channel.handler is not None:
            raise AddressError(f"channel {self._channel.name!r} has a handler already")
        self._channel.handler = Handler(self, function, limit, self._awaits_handlers)
        self._channel.answering.reserve_a_slot()
        self._attend(1)

    def _set_handler(self, function: Callable[[bytes], Any], limit: int) -> None:
        """See ``on_request``."""
        place = f"channel {self._channel.name!r}"
        if self._awaits_handlers:
            require_callable(function, place)
        else:
            require_plain(function, place, ", or use an async client")
        if not self._gate.lock.mine():  # a driver may wait a moment; else `_add_handler` refuses
            self._host.controller.claim(self._channel)
        self._gate.run(self._add_handler, function, limit)

    def _call_when_over(self, waitable: CoreRequest, callback: Callable[[Any], object]) -> None:
        """See `Owner._call_when_over`."""
        if not self._awaits_handlers:
            place = f"channel {self._channel.name!r}"
            require_plain(callback, place, ", or use an async client", role="callback", does="")
        super()._call_when_over(waitable, callback)

    def _add_subscription(self, subscription: Subscription) -> None:
        """Start to receive. Takes the lock."""
        self._gate.run(self._start_receiving, subscription)

    def _start_receiving(self, subscription: Subscription) -> None:
        """Give a subscription what the channel receives from now on. Under the lock."""
        self._check_open()
        if not self._channel.can_receive:
            raise AddressError(f"channel {self._channel.name!r} is send-only")
        self._channel.subscriptions.append(subscription)
        self._subscriptions.append(subscription)
        self._attend(1)

    def _flushed(self, flush: Completion) -> None:
        """Say how a flush ended."""
        self._check_open()
        if not flush.over:
            raise RequestTimeout(
                f"channel {self._channel.name!r}: not everything is TX done; nothing was ended",
                channel=self._channel.name,
                stage="tx_done",
            )


if not COMPILED:
    deputise(Verbs, "close", "ring")
