"""Many messages with a bounded number in flight, and their replies in the order of the messages."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Self

from mboxio._base.gate import interrupt_of
from mboxio._base.request import Request
from mboxio._base.states import DONE, FOREVER
from mboxio._base.timeouts import DEFAULT, nanoseconds
from mboxio._host.endpoint import Endpoint
from mboxio._pump.pump import Pump
from mboxio._queue.queue import Queue
from mboxio.client.sending import Sender
from mboxio.errors import MailboxError

if TYPE_CHECKING:
    from typing_extensions import Buffer

LENGTH = 64
"""Of the line of a wide window, at first."""


class Flow:
    """The messages of one ``map`` that are under way; see `Client.map` for what it promises.

    Args:
        client: who sends.
        messages: asked for the next one when there is a place for it.
        window: how many may be in flight, at most; None: as many as the hardware takes.
        timeout_s, queue_timeout_s: of each request.
        into: buffers for the replies, used in turn; None: replies are bytes.
        return_errors: hand failures of requests out in the place of their replies.
    """

    def __init__(
        self,
        client: Sender,
        messages: "Iterable[Buffer]",
        window: int | None,
        timeout_s: float | None,
        queue_timeout_s: float | None,
        into: "Sequence[Buffer] | None",
        return_errors: bool,
    ) -> None:
        self._line: list[Any] = []
        self._given = self._taken = 0  # how many entries went out of the line, and into it
        self._ended = False  # nothing is asked of the source any more
        queue: Queue = client._queue
        most = min(queue.depth - queue.reserve, queue.credits)
        if window is not None and (type(window) is not int or window < 1):
            raise ValueError("window is a number of requests, 1 or more")
        if into is not None and len(into) == 0:
            raise ValueError("into= has no buffers")
        if queue_timeout_s is not DEFAULT:
            nanoseconds(queue_timeout_s)  # now, and not at the first message
        size = most if window is None else window
        self._client = client
        self._pump: Pump = client._pump
        self._queue = queue
        self._window = size if into is None else min(size, len(into))
        # A ring, as long as a power of two: entry n stands at n modulo its length. Requests that
        # were given out stay there, to be used again.
        length = 1
        while length < min(self._window, LENGTH):
            length *= 2
        self._line = [None] * length
        self._half = self._window // 2
        self._source: Iterator[Any] = iter(messages)
        # Of a list, messages are taken by their numbers, and so many at once.
        self._items: list[Any] | None = messages if type(messages) is list else None
        self._timeout_s = timeout_s
        self._timeout_ns = client._timeout_ns if timeout_s is DEFAULT else nanoseconds(timeout_s)
        self._plain = into is None and queue_timeout_s is DEFAULT
        self._queue_timeout_s = queue_timeout_s
        self._into = into
        self._sent = 0
        self._return_errors = return_errors

    def close(self) -> None:
        """Cancel what is in flight; there are no more replies. Idempotent."""
        self._ended = True
        left = self._in_line()
        self._given = self._taken
        self._line = [None]
        for each in left:
            if isinstance(each, Request) and each._under_way():
                each.cancel()

    def __del__(self) -> None:
        if getattr(self, "_taken", 0):  # abandoned; without it, its construction was interrupted
            self.close()

    def _in_line(self) -> list[Any]:
        """Return what was sent and not given out, or why it was not sent; the oldest first."""
        line = self._line
        mask = len(line) - 1
        return [line[number & mask] for number in range(self._given, self._taken)]

    def _oldest(self) -> Any:
        """Return the oldest message under way (or why there is none), after sending what fits.

        While replies lie there, messages are only sent once half of the window is free: so they
        leave together, as replies come.
        """
        if not self._ended and (self._is_low() or not self._is_over(self._first())):
            self._fill()
        return self._first() if self._given < self._taken else None

    def _first(self) -> Any:
        """Return the oldest entry of the line, which is not empty."""
        line = self._line
        mask = len(line) - 1
        return line[self._given & mask]

    def _is_low(self) -> bool:
        """Return whether half of the window is free."""
        return self._taken - self._given <= self._half

    def _is_over(self, entry: Request | BaseException) -> bool:
        """Return whether the reply is there, or why there is none."""
        if not isinstance(entry, Request):
            return True
        request = entry
        return request.over

    def _fill(self) -> None:
        """Send the next messages, as many as the window and the queue take."""
        if self._plain and self._items is not None:
            sent = Sender._fill(
                self._client,
                self._items,
                self._sent,
                self._line,
                self._taken,
                min(self._window, len(self._line)) - (self._taken - self._given),
                self._timeout_ns,
            )
            if sent:
                self._sent += sent
                self._taken += sent  # first: whatever comes next, `close` knows of them
                Sender._announce(self._client, self._line, self._taken - sent, sent)
        while not self._ended and self._taken - self._given < self._window:
            # Flow control: wait for our own first. With none under way, the message stands in line.
            if self._given < self._taken and not self._queue.has_room():
                return
            try:
                message = self._next()
            except StopIteration:
                self._ended = True
            except Exception as error:
                if interrupt_of(error) is not None:
                    raise
                self._ended = True  # it comes out in its place, after the replies of those before
                self._put(self._taken, error)
            else:
                self._send(message)

    def _widen(self, number: int) -> None:
        """Have a place in the line for an entry."""
        if number - self._given == len(self._line):
            entries = self._in_line()
            line: list[Any] = [None] * (2 * len(entries))
            for number, each in enumerate(entries, self._given):
                line[number & len(line) - 1] = each
            self._line = line

    def _put(self, number: int, entry: Any) -> None:
        """Let an entry stand in the line, as its latest."""
        self._widen(number)
        line = self._line
        mask = len(line) - 1
        line[number & mask] = entry
        self._taken = number + 1

    def _next(self) -> Any:
        """Return the next message."""
        if self._items is None:
            return next(self._source)
        if self._sent < len(self._items):
            return self._items[self._sent]
        raise StopIteration

    def _send(self, message: Any) -> None:
        """Hand one message over, or put into its place why that cannot be."""
        client = self._client
        into = None if self._into is None else self._into[self._sent % len(self._into)]
        self._sent += 1
        number = self._taken
        try:
            if self._plain:
                shortly = Sender._shortly(client, message, self._timeout_s)
                if shortly is not None:
                    self._put(number, shortly)
                    return
            request = Endpoint._draft(
                client, message, True, self._timeout_s, self._queue_timeout_s, into
            )
            self._put(number, request)  # first: whatever comes in between, `close` knows of it
            Sender._accept(client, request, True)
        except (MailboxError, TypeError, ValueError) as error:
            if interrupt_of(error) is not None:
                raise
            self._put(number, error)
            self._ended = not (self._return_errors and isinstance(error, MailboxError))

    def _give(self, entry: Request | BaseException) -> Any:
        """Return what a message that is over has come to, and have it out of the line.

        Raises:
            Exception: it failed, or the source did; everything else under way is cancelled.
        """
        line = self._line
        place = self._given & len(line) - 1
        if self._given < self._taken:  # else `close` was called meanwhile
            self._given += 1
        if not isinstance(entry, Request) or entry._state != DONE:
            line[place] = None
        if not isinstance(entry, Request):
            if self._return_errors and isinstance(entry, MailboxError):
                return entry
            self.close()
            raise entry
        request = entry
        if request._state == DONE:
            return request._value
        error = request.exception()
        if self._return_errors:
            return error
        self.close()
        assert error is not None
        raise error


class Replies(Flow):
    """The replies of `Client.map`, one after the other. An iterator and a context manager."""

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        return self._reply()

    def _reply(self) -> Any:
        """Return the next reply; see `Client.map`."""
        line = self._line
        # Else `_oldest` sends first.
        if self._taken - self._given > (0 if self._ended else self._half):
            entry = line[self._given & len(line) - 1]
            if type(entry) is Request:
                request = entry
                if request.over and request._state == DONE:  # most of the time
                    self._given += 1
                    return request._value
        return self._after_all()

    def _after_all(self) -> Any:
        """Send, wait and find errors; see `_reply`."""
        try:
            entry = self._oldest()
            if entry is not None and not self._is_over(entry):
                shortcut = self._client._channel.shortcut
                if not self._pump.catch(entry, shortcut):
                    self._pump.wait(entry, FOREVER)
        except BaseException:  # Ctrl-C
            self.close()
            raise
        if entry is None:
            raise StopIteration
        return self._give(entry)

    def _arrives(self, wait_s: float) -> bool:
        """Send what fits, and wait for so many seconds; True if there is a next reply, or none."""
        entry = self._oldest()
        if entry is None or self._is_over(entry):
            return True
        return self._pump.wait(entry, self._client._deadline_after(wait_s))

    @classmethod
    def __class_getitem__(cls, reply_type: object) -> "type[Replies]":
        return cls  # Replies[bytes] is for type checkers

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
