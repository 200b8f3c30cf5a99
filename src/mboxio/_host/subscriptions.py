"""Receivers of messages that answer no request: subscriptions, and the remote requests' handler."""

import errno
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, NoReturn

from mboxio._base.completion import Completion
from mboxio._base.gate import complain
from mboxio._base.tap import SEEN_OVERFLOW
from mboxio._host.endpoint import Endpoint
from mboxio._queue.handlers import Misreturned, answer_of, named
from mboxio.errors import ClosedError, MailboxError, MessagesLost, no_copy

SLOW_NS = 1_000_000_000


class Subscription:
    """A bounded queue of unsolicited messages for one reader or several.

    When it overflows the oldest messages go, and the next read says how many.

    Args:
        client: whose subscription it is.
        limit: how many messages may wait.
    """

    def __init__(self, client: Endpoint, limit: int) -> None:
        if limit < 1:
            raise ValueError("a subscription keeps at least one message")
        self.client = client
        self.gate = client._gate
        self.limit = limit
        self.waiting: deque[bytes | MailboxError] = deque()
        self.lost = 0
        self.lost_in_all = 0
        self.closed = False
        self.completion: Completion | None = None

    def __reduce__(self) -> NoReturn:
        raise no_copy(self)

    # -- under the lock

    def put(self, message: bytes | MailboxError) -> None:
        """Add a message, or an error that readers meet in its place in the order."""
        if len(self.waiting) >= self.limit:
            self.waiting.popleft()  # the oldest: a slow reader gets what is newest
            self.lost += 1
            self.lost_in_all += 1
            if self.gate.tap is not None:
                number = self.client._channel.number
                self.gate.tap.see(SEEN_OVERFLOW, number, None, None, self.lost_in_all, 0)
        self.waiting.append(message)
        self.wake()

    def wake(self) -> None:
        """Make all readers look again."""
        if self.completion is not None:
            completion = self.completion
            self.completion = None  # it is over once; the next reader that waits makes another
            completion._finish(self.gate)

    def take_one(self) -> bytes | Completion:
        """Return the next message, or what to wait for.

        Raises:
            MessagesLost: some are gone; the next call goes on.
            RemoteGone: the remote died at this point of the sequence; the next call goes on.
            ClosedError: the subscription is closed and empty.
        """
        if self.lost:  # before the messages: the lost ones were older than all that wait
            count = self.lost
            self.lost = 0
            raise MessagesLost(
                f"channel {self.client._channel.name!r}: {count} messages lost, the "
                f"subscriber reads too slowly (limit {self.limit})",
                channel=self.client._channel.name,
                count=count,
            )
        if self.waiting:
            message = self.waiting.popleft()
            if isinstance(message, MailboxError):
                raise message.fresh()
            return message
        if self.closed:
            raise ClosedError("the subscription is closed")
        if self.completion is None:
            self.completion = Completion(self.client)
        return self.completion

    # -- without the lock

    def take(self) -> bytes | Completion:
        """Return the next message, or what to wait for; raises as `take_one`."""
        return self.gate.run(self.take_one)

    def close(self) -> None:
        """Stop receiving; readers that wait see `ClosedError`, iterations end."""
        self.gate.call(self.drop)

    def drop(self) -> None:
        """Stop receiving. Under the lock."""
        if not self.closed:
            self.closed = True
            self.client._channel.subscriptions.remove(self)
            self.client._channel.lost_by_subscribers += self.lost_in_all
            self.client._attend(-1)
            self.client._subscriptions.remove(self)
            self.wake()


class Handler:
    """The one function of a channel that answers what the remote asks.

    Args:
        client: through whom the answers go back.
        function: called with the message; returns the answer, or a coroutine on async clients.
        limit: how many unanswered requests it takes; more are refused.
        awaits: whether the function may be a coroutine function.
    """

    def __init__(
        self, client: Endpoint, function: Callable[[bytes], Any], limit: int, awaits: bool
    ) -> None:
        self.client = client
        self.function = function
        self.limit = limit
        self.awaits = awaits
        self.warned = False

    def ask(self, tag: int, message: bytes) -> None:
        """Call the function where the client's user code runs. Under the lock."""
        # The life of now: an answer that is ready in the next one must not reach that remote.
        self.client._at_home.post(self.run, tag, message, self.client._host.life.number)

    def run(self, tag: int, message: bytes, life: int) -> Any:
        """Call the function and send its answer."""
        clock = self.client._gate.clock
        began_ns = clock.now_ns()
        try:
            answer = self.function(message)
        except Exception as error:
            self.failed(error, tag, life)
            return None
        if not self.warned and clock.now_ns() - began_ns > SLOW_NS:
            self.warned = True
            complain(
                "%s kept the thread for more than a second on which all callbacks run",
                f"channel {self.client._channel.name!r}: the handler {named(self.function)}",
                None,
            )
        if self.awaits and hasattr(answer, "__await__"):
            return self.finish(answer, tag, life)
        self.reply(answer, tag, life)
        return None

    async def finish(self, answer: Awaitable[object], tag: int, life: int) -> None:
        """Await a coroutine handler and send its answer."""
        try:
            result = await answer
        except BaseException as error:
            self.failed(error, tag, life)
            if not isinstance(error, Exception):
                raise  # the task was cancelled
            return
        self.reply(result, tag, life)

    def reply(self, answer: object, tag: int, life: int) -> None:
        """Send an answer, or an error if it is no message."""
        place = f"channel {self.client._channel.name!r}"
        try:
            message = b"" if answer is None else answer_of(answer, self.function, place)
        except Misreturned as error:
            complain("%s", error, None)
            self.client._answer(tag, str(error).encode()[:200], errno.EIO, life)
            return
        self.client._answer(tag, message, 0, life)

    def failed(self, error: BaseException, tag: int, life: int) -> None:
        """Log what the function raised, and tell the remote if the wire can."""
        complain("the handler of %r raised", self.client._channel.name, error)
        self.client._answer(tag, repr(error).encode()[:200], errno.EIO, life)
