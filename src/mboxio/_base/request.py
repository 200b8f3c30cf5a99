"""A request: one message on its way, with a completion of its own."""

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

from mboxio._base.clock import Wakes, Watcher
from mboxio._base.native import COMPILED
from mboxio._base.states import (
    DONE,
    EVENT_NAMES,
    FOREVER,
    HANDED_OVER_NAMES,
    ILLEGAL,
    NEW,
    NEXT,
    STAGES,
    STATE_NAMES,
    UNSENT,
)
from mboxio.errors import MailboxError, no_copy

if TYPE_CHECKING:
    from asyncio import Future

EVENTS = len(EVENT_NAMES)


class Lent(Protocol):
    """Memory that the remote may touch for a while."""

    def give_back(self) -> object:
        """The remote is finished with it."""
        ...


class Owner:
    """The client that made a `Request`, as the request sees it."""

    __slots__ = ("_attentive", "_channel", "_queue")

    _channel: Any
    _queue: Any
    _attentive: bool
    """Wants to know of its messages: `_prepare`, `_request_over` and `_slot_freed` are called."""

    def __init__(self) -> None:
        self._channel = self._queue = None
        self._attentive = False

    def _wait_for(self, waitable: "Request", until_ns: int) -> bool:
        """Block until ``waitable`` is over (True) or the clock shows ``until_ns`` (False)."""
        raise TypeError("an owner waits")

    def _look_at(self, waitable: "Request") -> None:
        """Do once, without waiting, what a waiter would do."""
        raise TypeError("an owner looks")

    def _cancel(self, request: "Request") -> bool:
        """End ``request`` as cancelled; False if it was over."""
        raise TypeError("an owner cancels")

    def _call_when_over(self, waitable: "Request", callback: Callable[[Any], object]) -> None:
        """Call ``callback(waitable)`` when it is over, where this owner's user code runs."""
        raise TypeError("an owner calls back")

    def _future_of(self, waitable: "Request", bare: bool) -> "Future[Any]":
        """Return a future of the running event loop that resolves when ``waitable`` is over."""
        raise TypeError("an owner makes futures")

    def _forget_future(self, waitable: "Request", future: "Future[Any]") -> None:
        """Give up a bare future of `_future_of` before its time."""
        raise TypeError("an owner forgets futures")

    def _prepare(self, request: "Request") -> None:
        """See a message right before an attempt to hand it over. Under the lock."""

    def _request_over(self, request: "Request") -> None:
        """Take note that a request ended. Under the lock."""

    def _slot_freed(self, request: "Request") -> None:
        """Take note that a message left its slot, or never had one. Under the lock."""

    def _deadline_after(self, timeout_s: float | None) -> int:
        """Return the clock's time ``timeout_s`` from now, `FOREVER` for None."""
        raise TypeError("an owner has a clock")


class Request:
    """A message that was accepted, until it ends: done, failed, timed out, cancelled or closed.

    Clients make requests; user code only looks at them. All methods may be called from any
    thread. ``wait``, ``result`` and ``done`` drive the channel when no other party does.
    """

    __slots__ = (
        "data",
        "_deadline_ns",
        "_handed",
        "handle",
        "_holds",
        "_into",
        "_lent",
        "_number",
        "over",
        "_owner",
        "_queue_timeout_ns",
        "_queued_by",
        "_remote_status",
        "_remote_tag",
        "_state",
        "tag",
        "_tied",
        "_timeout_ns",
        "_value",
        "_watchers",
    )

    def __init__(self, owner: Owner, data: bytes, tied: bool, timeout_ns: int) -> None:
        self._set_up(owner, data, tied, timeout_ns, timeout_ns)

    def _set_up(
        self, owner: Owner, data: bytes, tied: bool, timeout_ns: int, queue_timeout_ns: int
    ) -> None:
        """Be new; apart from the constructor, whose call costs more than the rest."""
        self._owner = owner
        self.data = data
        self._tied = tied
        self._timeout_ns = timeout_ns
        self._queue_timeout_ns = queue_timeout_ns
        self._deadline_ns = FOREVER
        self.handle = -1
        self.tag = -1
        self._remote_tag = -1  # of the remote's request that this message answers
        if COMPILED:
            return  # fields begin as None and 0: writing None again and again costs 20 ns
        self.over = False
        self._watchers: list[Watcher] | None = None
        self._into: memoryview | None = None
        self._remote_status = 0
        self._lent: Lent | None = None  # memory that the remote may touch; given back by the proof
        self._state = NEW
        self._handed = UNSENT
        self._holds = 0
        self._queued_by = 0
        self._number = 0  # see `mboxio._base.tap.number_of`
        self._value: Any = None

    def _step(self, event: int) -> bool:
        """See `apply`; for modules that are not compiled."""
        return self._apply(event)

    def _apply(self, event: int) -> bool:
        """Apply one event of the state table. Under the lock.

        Returns:
            False if the request had ended already: the event lost the race.

        Raises:
            RuntimeError: the table does not know the event in this state.
        """
        following = NEXT[self._state * EVENTS + event]  # one load, where a dict would be a call
        if following == ILLEGAL:
            if self._state >= DONE:
                return False
            raise RuntimeError(
                f"event '{EVENT_NAMES[event]}' cannot happen to a request that is "
                f"{STATE_NAMES[self._state]}"
            )
        self._state = following
        return True

    def __reduce__(self) -> NoReturn:
        raise no_copy(self)

    @classmethod
    def __class_getitem__(cls, reply_type: object) -> "type[Request]":
        return cls  # Request[bytes] is for type checkers

    def _add_watcher(self, watcher: Watcher) -> None:
        """Register a watcher. Under the lock, and only before it is over."""
        if self._watchers is None:
            self._watchers = [watcher]
        else:
            self._watchers.append(watcher)

    def _drop_watcher(self, watcher: Watcher) -> None:
        """Forget a watcher that no longer wants to know. Under the lock."""
        if self._watchers is not None and watcher in self._watchers:
            self._watchers.remove(watcher)

    def _finish(self, core: Wakes) -> None:
        """Be over, and note all watchers for waking. Under the lock."""
        self.over = True  # of a completion; `Ends.finish` has done so for requests
        if self._watchers is not None:
            watchers = self._watchers
            self._watchers = None  # each is told once
            for watcher in watchers:
                watcher.fire(core, self)

    @property
    def status(self) -> str:
        """The state in words: ``queued``, ``sent``, ``awaiting reply``, ``done`` and so on."""
        return STATE_NAMES[self._state]

    @property
    def handed_over(self) -> str:
        """Whether the message left: ``no`` (safe to repeat), ``yes`` or ``unknown``."""
        return HANDED_OVER_NAMES[self._handed]

    @property
    def stage(self) -> str | None:
        """What the request waits for: ``queue``, ``tx_done``, ``reply``, or None when over."""
        return STAGES.get(self._state)

    def _under_way(self) -> bool:
        """Return whether the request was accepted and is not over."""
        return self._state > NEW and not self.over

    def done(self) -> bool:
        """Return whether the request is over; looks for news first and never waits."""
        if self._state < DONE:
            self._owner._look_at(self)
        return self._state >= DONE

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until the request is over. Giving up waiting does nothing to the request.

        Args:
            timeout_s: how long to wait, in seconds; None waits until the request ends, which
                its own deadlines bound.

        Returns:
            True if the request is over.

        Raises:
            WouldDeadlock: called where the channel cannot be driven (a driver's op or port).
        """
        if self._state >= DONE:
            return True
        return self._owner._wait_for(self, self._owner._deadline_after(timeout_s))

    def result(self) -> Any:
        """Wait for the end and return the reply (``b""`` for a one-way message).

        Returns:
            The reply, or the number of bytes written to ``into=``.

        Raises:
            MailboxError: how the request ended otherwise; a new exception for every caller.
        """
        if self._state < DONE:
            self._owner._wait_for(self, FOREVER)
        if self._state == DONE:
            return self._value
        raise self._value.fresh()

    def exception(self) -> MailboxError | None:
        """Wait for the end and return its error, or None if the request is done."""
        if self._state < DONE:
            self._owner._wait_for(self, FOREVER)
        return None if self._state == DONE else self._value.fresh()

    def cancel(self) -> bool:
        """End the request as cancelled. What the remote may still touch stays held.

        Returns:
            False if it was over already.
        """
        return self._state < DONE and self._owner._cancel(self)

    def add_done_callback(self, callback: Callable[[Any], object]) -> None:
        """Call ``callback(request)`` once it is over, now if it is.

        It runs on the service thread (blocking clients) or the client's event loop (async
        clients), never on the thread of another user. Its exceptions are logged.

        Raises:
            TypeError: it cannot be called, or is a coroutine function, which only async clients
                await.
        """
        self._owner._call_when_over(self, callback)

    def future(self) -> "Future[Any]":
        """Return an ``asyncio.Future`` of the running loop that ends as this request does.

        Cancelling the future does nothing to the request.
        """
        return self._owner._future_of(self, False)

    def __await__(self) -> Generator[Any, None, Any]:
        """Wait on an event loop, as `result`. Cancelling the awaiter leaves the request alone."""
        if self._state < DONE:
            future = self._owner._future_of(self, True)
            try:
                yield from future
            finally:
                if not self.over:
                    self._owner._forget_future(self, future)
        return self.result()

    def __repr__(self) -> str:
        end = f": {self._value}" if self._state > DONE else ""
        return f"<Request {self.handle} {self.status}, handed over: {self.handed_over}{end}>"
