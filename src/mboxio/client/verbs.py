"""The verbs that blocking and async clients share: those that never wait."""

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar, overload

from mboxio._base.completion import Bell
from mboxio._base.deputies import deputise
from mboxio._base.native import COMPILED
from mboxio._base.request import Lent
from mboxio._base.request import Request as CoreRequest
from mboxio._base.timeouts import DEFAULT
from mboxio._host.subscriptions import Handler, Subscription
from mboxio._queue.answers import reserve_a_slot
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

    awaits_handlers = False
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
            """See `Sender.submit`."""

        def post(
            self,
            data: "Buffer",
            *,
            timeout_s: float | None = DEFAULT,
            queue_timeout_s: float | None = DEFAULT,
            lent: Lent | None = None,
        ) -> Request[bytes]:
            """See `Sender.post`."""
            raise NotImplementedError

    def __reduce__(self) -> NoReturn:
        raise no_copy(self)

    def ring(self) -> None:
        """Ring the doorbell without a message; rings may merge into one.

        Raises:
            AddressError: the controller has no such doorbell.
            RemoteGone: the remote is gone, and hears nothing.
        """
        if self.gate.lost and not self.gate.lock.mine():
            self.host.seek()
        self.gate.run(self.ring_now)

    def ring_now(self) -> None:
        """Ring the doorbell. Under the lock."""
        self.check_open()
        if self.gate.lost:
            name, reason = self.channel.name, self.host.lost_reason
            raise RemoteGone(f"channel {name!r}: the remote is gone ({reason})", channel=name)
        try:
            self.host.controller.ring(self.channel)
        except RemoteGone as error:
            self.gate.note(self.host.take_gone, str(error))
            raise

    def tx_done(self, status: int = 0) -> None:
        """Say that the oldest message left (TX done by ACK)."""
        self.gate.call(self.queue.acknowledge, status)

    def resync(self) -> None:
        """Vouch that no reply is under way: an out-of-step channel or stopped queue works again."""
        self.gate.call(self.start_afresh)

    def start_afresh(self) -> None:
        """See `resync`. Under the lock."""
        self.channel.resync("resync")
        if self.queue.fault is not None:
            self.queue.fault = None
            self.queue.mark_dirty()
            self.pump.kick()

    def close(self) -> None:
        """End all requests of this client as closed. Idempotent, from any thread or callback."""
        if self.gate.lock.mine():  # a finalizer or port in the middle of something: afterwards
            self.gate.note(self.decide_close)
            self.gate.post(self.close)
            return
        self.gate.call(self.decide_close)
        with self.host.admin:
            if self.joined:
                self.joined = False
                self.host.leave(self.channel)

    def check_open(self) -> None:
        """Raise `ClosedError` if this client is closed."""
        if self.closed:
            raise ClosedError(f"channel {self.channel.name!r}: the client is closed")

    def add_handler(self, function: Callable[[bytes], Any], limit: int) -> None:
        """Become the one who answers the remote's requests on this channel. Under the lock."""
        self.check_open()
        if self.channel.handler is not None:
            raise AddressError(f"channel {self.channel.name!r} has a handler already")
        self.channel.handler = Handler(self, function, limit, self.awaits_handlers)
        reserve_a_slot(self.channel)
        self.attend(1)

    def set_handler(self, function: Callable[[bytes], Any], limit: int) -> None:
        """See ``on_request``."""
        place = f"channel {self.channel.name!r}"
        if self.awaits_handlers:
            require_callable(function, place)
        else:
            require_plain(function, place, ", or use an async client")
        self.gate.run(self.add_handler, function, limit)

    def call_when_over(self, waitable: CoreRequest, callback: Callable[[Any], object]) -> None:
        """See `Owner.call_when_over`."""
        if not self.awaits_handlers:
            place = f"channel {self.channel.name!r}"
            require_plain(callback, place, ", or use an async client", role="callback", does="")
        super().call_when_over(waitable, callback)

    def add_subscription(self, subscription: Subscription) -> None:
        """Start to receive. Takes the lock."""
        self.gate.run(self.start_receiving, subscription)

    def start_receiving(self, subscription: Subscription) -> None:
        """Give a subscription what the channel receives from now on. Under the lock."""
        self.check_open()
        if not self.channel.can_receive:
            raise AddressError(f"channel {self.channel.name!r} is send-only")
        self.channel.subscriptions.append(subscription)
        self.subscriptions.append(subscription)
        self.attend(1)

    def flushed(self, flush: Bell) -> None:
        """Say how a flush ended."""
        self.check_open()
        if not flush.over:
            raise RequestTimeout(
                f"channel {self.channel.name!r}: not everything is TX done; nothing was ended",
                channel=self.channel.name,
                stage="tx_done",
            )


if not COMPILED:
    deputise(Verbs, "close", "ring")
