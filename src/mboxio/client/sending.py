"""The verbs that send: here they run, and `client` and `async_client` say their types."""

from typing import TYPE_CHECKING, Any

from mboxio._base.deputies import deputise
from mboxio._base.native import COMPILED
from mboxio._base.request import Lent, Request
from mboxio._base.states import FOREVER, HANDED_OVER
from mboxio._base.timeouts import DEFAULT, nanoseconds
from mboxio._host.endpoint import Endpoint
from mboxio._queue.channel import Channel
from mboxio.driver.shortcut import Shortcut

if TYPE_CHECKING:
    from typing_extensions import Buffer


class Sender(Endpoint):
    """A client that sends; see `Client` for what the verbs promise."""

    def submit(
        self,
        data: "Buffer",
        *,
        timeout_s: float | None = DEFAULT,
        queue_timeout_s: float | None = DEFAULT,
        into: "Buffer | None" = None,
        lent: Lent | None = None,
    ) -> Request:
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
        if queue_timeout_s is DEFAULT and into is None and lent is None:
            # By the class: a call by `self` would look for an override each time.
            shortly = Sender._shortly(self, data, timeout_s)
            if shortly is not None:
                return shortly
        request = Endpoint._draft(self, data, True, timeout_s, queue_timeout_s, into, lent)
        Sender._accept(self, request, False)
        return request

    def post(
        self,
        data: "Buffer",
        *,
        timeout_s: float | None = DEFAULT,
        queue_timeout_s: float | None = DEFAULT,
        lent: Lent | None = None,
    ) -> Request:
        """Hand a one-way message over and return at once; the request is done at TX done.

        Arguments and errors as for `submit`.
        """
        request = Endpoint._draft(self, data, False, timeout_s, queue_timeout_s, None, lent)
        Sender._accept(self, request, False)
        return request

    def request(
        self,
        data: "Buffer",
        *,
        timeout_s: float | None = DEFAULT,
        queue_timeout_s: float | None = DEFAULT,
        into: "Buffer | None" = None,
    ) -> Any:
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
        return Sender._carry_out(self, data, True, timeout_s, queue_timeout_s, into)

    def send(
        self,
        data: "Buffer",
        *,
        timeout_s: float | None = DEFAULT,
        queue_timeout_s: float | None = DEFAULT,
    ) -> Any:
        """Send a message that expects no reply; returns at TX done. Errors as for `request`."""
        Sender._carry_out(self, data, False, timeout_s, queue_timeout_s, None)

    def _carry_out(
        self,
        data: "Buffer",
        tied: bool,
        timeout_s: float | None,
        queue_timeout_s: float | None,
        into: "Buffer | None",
    ) -> Any:
        """Send and wait; a request that its caller does not wait for any more is cancelled."""
        channel: Channel = self._channel
        request = None
        if tied and queue_timeout_s is DEFAULT and into is None:
            request = Sender._shortly(self, data, timeout_s)
        shortly = request is not None
        if request is None:
            self._gate.may_wait()  # first: a wait that is refused leaves nothing in flight
            request = Endpoint._draft(self, data, tied, timeout_s, queue_timeout_s, into)
        try:
            if not shortly:
                Sender._accept(self, request, True)
            elif self._pump.catch(request, channel.shortcut):
                return request._value
            if not request.over:
                left = request._handed == HANDED_OVER and request._deadline_ns != FOREVER
                # Not read again: the clock may be a system call, and the wait begins right here.
                now_ns = request._deadline_ns - request._timeout_ns if left else 0
                self._pump.drive(request, FOREVER, now_ns)
            return request.result()
        finally:
            if not request.over and request._under_way():  # interrupted: it is the verb's
                request.cancel()

    def _accept(self, request: Request, waits: bool) -> None:
        """Hand in; Python looks for the method of a subclass only where there is one."""
        if self._overrides:
            self._hand_in(request, waits)
        else:
            Endpoint._hand_in(self, request, waits)

    def _shortly(self, data: "Buffer", timeout_s: float | None) -> Request | None:
        """Hand an ordinary message over by the channel's `Shortcut`; None: the general way."""
        channel: Channel = self._channel
        shortcut: Shortcut | None = channel.shortcut
        if shortcut is None or type(data) is not bytes or not Sender._is_ordinary(self, shortcut):
            return None
        if timeout_s is DEFAULT:
            return shortcut.submit(self, data, self._timeout_ns)
        # Before the time-out is read, as in the general way: so both raise the same error.
        if len(data) > channel.message_bytes:
            return None
        return shortcut.submit(self, data, nanoseconds(timeout_s))

    def _fill(
        self,
        messages: list[Any],
        at: int,
        line: list[Any],
        place: int,
        most: int,
        timeout_ns: int,
    ) -> int:
        """As `_shortly`, for many messages at once; see `Shortcut.fill`."""
        channel: Channel = self._channel
        shortcut: Shortcut | None = channel.shortcut
        if shortcut is None or not Sender._is_ordinary(self, shortcut):
            return 0
        return shortcut.fill(self, messages, at, line, place, most, timeout_ns)

    def _announce(self, line: list[Any], place: int, sent: int) -> None:
        """See `Shortcut.announce`."""
        channel: Channel = self._channel
        shortcut: Shortcut | None = channel.shortcut
        if shortcut is not None:
            shortcut.announce(line, place, sent)

    def _is_ordinary(self, shortcut: Shortcut) -> bool:
        """Return whether nothing about this client itself keeps its messages from a shortcut."""
        # Without a home, `_draft` has to find one for the user code of this client.
        checks = self._checks and not shortcut.checked
        return not (self._closed or checks or self._at_home is None)


if not COMPILED:
    deputise(Sender, "_carry_out")
