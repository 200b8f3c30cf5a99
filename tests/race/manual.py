"""A driver that does nothing by itself: the test is its hardware."""

import contextlib
import os
from typing import Any

from mboxio import SENT, Capabilities, Controller, Correlator, Outcome, RemoteRequest
from mboxio._base.deputies import acting


class Manual(Controller):
    """Records what is sent; reports what the test says, when the test says it.

    With ``wired`` it has a descriptor, and what the test reports waits until somebody services.
    ``only`` limits who may drain to one thread.
    """

    def __init__(
        self,
        *,
        wired: bool = False,
        correlators: tuple[Correlator | None, ...] = (None,),
        **capabilities: Any,
    ) -> None:
        settings: dict[str, Any] = {"depth": 4, "matches_replies": True, **capabilities}
        self.capabilities = Capabilities(**settings)
        self.correlators = correlators
        self.wired = wired
        self.sent: list[tuple[Any, int, bytes]] = []
        self.answers: list[tuple[int, bytes, int]] = []
        self.outcomes: list[Outcome] = []
        self.waiting: list[tuple[Any, tuple[Any, ...]]] = []
        self.only: int | None = None
        self.drained_by: set[int] = set()
        self.started: list[str] = []
        self.stopped: list[str] = []
        self.aborts: list[int] = []
        self.proof = False
        self.fd = -1

    def open(self) -> None:
        self.queue = self.add_queue(self.capabilities)
        self.channels = [
            self.add_channel(str(number), self.queue, correlator=correlator)
            for number, correlator in enumerate(self.correlators)
        ]
        if self.wired:
            self.fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
            self.watch(self.fd)

    def close(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def forked(self) -> None:
        self.close()

    def start(self, channel: Any) -> None:
        self.started.append(channel.name)

    def stop(self, channel: Any) -> None:
        self.stopped.append(channel.name)

    def send(self, channel: Any, handle: int, message: bytes) -> Outcome:
        outcome = self.outcomes.pop(0) if self.outcomes else SENT
        if not outcome.retry:
            self.sent.append((channel, handle, message))
        return outcome

    def reply(self, channel: Any, handle: int, tag: int, message: bytes, status: int) -> Outcome:
        self.answers.append((tag, message, status))
        self.tx_done(self.queue, [handle])
        return SENT

    def service(self, queue: Any, why: str) -> None:
        if self.only is not None and acting() != self.only:
            return
        if self.fd >= 0:
            with contextlib.suppress(BlockingIOError):
                os.eventfd_read(self.fd)
        if self.waiting:
            self.drained_by.add(acting())
        waiting, self.waiting = self.waiting, []
        for report, args in waiting:
            report(*args)

    def arm(self, queue: Any) -> bool:
        return bool(self.waiting) and self.only is None

    def abort(self, channel: Any, handle: int) -> bool:
        self.aborts.append(handle)
        return self.proof

    # -- what the test does

    def allow_only(self, thread_id: int | None) -> None:
        """Let only this thread drain. Under the lock, so that nobody is at it meanwhile."""
        self.only = thread_id
        self.drained_by.clear()

    def happen(self, report: Any, *args: Any) -> None:
        """Report something: at once, or when it is serviced if there is a descriptor."""
        if self.fd >= 0:
            self.waiting.append((report, args))
            os.eventfd_write(self.fd, 1)
        else:
            report(*args)

    def done(self, index: int = -1, status: int = 0) -> None:
        """Report TX done of one of the messages sent."""
        self.happen(self.tx_done, self.queue, [self.sent[index][1]], status)

    def answer(self, reply: bytes, index: int = -1, status: int = 0) -> None:
        """Report the reply to one of the messages sent."""
        channel, handle, _ = self.sent[index]
        self.happen(self.complete, channel, handle, status, reply)

    def notify(self, message: bytes, channel: int = 0) -> None:
        self.happen(self.received, self.channels[channel], [message])

    def ask(self, tag: int, message: bytes, channel: int = 0) -> None:
        self.happen(self.received, self.channels[channel], [RemoteRequest(tag, message)])
