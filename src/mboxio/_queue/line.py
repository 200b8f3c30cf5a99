"""The requests that wait for a place in a queue, and which goes next."""

from typing import Protocol

from mboxio._base.clock import Clock
from mboxio._base.gate import Gate
from mboxio._base.request import Request
from mboxio._base.states import FOREVER
from mboxio._queue.backlog import BY_HANDLER, BY_SUBMIT, NO_SLOT, NOT_NOW, PLACED, Backlog
from mboxio.driver.base_channel import BaseChannel
from mboxio.errors import MailboxError


class InLine(Protocol):
    """A client whose messages wait for a place."""

    _backlog: Backlog

    @property
    def _channel(self) -> BaseChannel:
        """The channel that it sends on."""
        ...

    def _attend(self, change: int) -> None:
        """See `Waited._attend`."""


class Line:
    """The waiting side of a queue: clients in turn, and our answers before all of them.

    All methods run under the controller's lock.
    """

    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        self.clock: Clock = gate.clock
        self.line: list[InLine] = []  # clients with waiting requests, in turn
        self.answers: list[Request] = []  # our replies to the remote; they go first
        self.dirty = False
        self.fault: MailboxError | None = None  # the remote lied; stops this queue only
        self.next_deadline_ns = FOREVER

    def place(self, request: Request, channel: BaseChannel, now_ns: int) -> int:
        """Hand a request to the hardware; see `Queue.place`."""
        raise NotImplementedError

    def mark_dirty(self) -> None:
        """Call `refill` before the lock is released."""
        if not self.dirty:  # once in the gate's list, however many proofs come in a batch
            self.dirty = True
            self.gate.refill(self)

    def stand_in_line(self, client: InLine, request: Request, queued_by: int) -> None:
        """Put a request at the end of its client's line, and the client into the turn."""
        backlog: Backlog = client._backlog
        if not backlog.line:
            self.line.append(client)
        backlog.append(request, queued_by)
        if queued_by == BY_SUBMIT:
            client._attend(1)
        if request._deadline_ns < self.next_deadline_ns:
            self.next_deadline_ns = request._deadline_ns
        self.mark_dirty()  # those before it may lack what this one does not need

    def leave_line(self, request: Request) -> None:
        """Take out a request that ended while it waited."""
        client: InLine = request._owner  # type: ignore[assignment]  # only clients queue
        if request._queued_by:
            if request._queued_by == BY_SUBMIT:
                client._attend(-1)
            backlog: Backlog = client._backlog
            backlog.remove(request)
            if not backlog.line:
                self.line.remove(client)
            self.mark_dirty()  # the one behind it may need less than it did

    def refill(self) -> None:
        """Send what waits: our answers first, then one request of each client in turn."""
        if self.gate.lost or self.fault is not None:
            return
        now_ns = self.clock.now_ns()
        while self.answers:
            answer = self.answers.pop(0)
            queued_by = answer._queued_by
            answer._queued_by = 0  # first: `place` may end it, and it stands in no client's line
            # Answers go first, and none overtakes another: a remote that waits for one may take
            # nothing else until it has it.
            if self.place(answer, answer._owner._channel, now_ns) != PLACED:
                answer._queued_by = queued_by
                self.answers.insert(0, answer)
                return
            if queued_by == BY_HANDLER:
                answer._owner._channel.asked -= 1  # refusals were never counted
        passed = 0  # clients in a row that could not go: after one round no client can
        while self.line and passed < len(self.line):
            client = self.line.pop(0)
            backlog: Backlog = client._backlog
            first: Request = backlog.line[0]
            queued_by = first._queued_by
            request = backlog.pop()
            if backlog.line:
                self.line.append(client)  # before `place`, which may raise
            try:
                reason = self.place(request, client._channel, now_ns)
            except BaseException:
                self.mark_dirty()  # the others' turn comes all the same
                raise
            if reason == PLACED:
                if queued_by == BY_SUBMIT:
                    client._attend(-1)
                passed = 0
                continue
            if backlog.line:
                self.line.pop()
            backlog.put_back(request, queued_by)
            if reason in (NO_SLOT, NOT_NOW):  # true of every client: it keeps its turn
                self.line.insert(0, client)
                return
            self.line.append(client)  # its channel lacks a credit or tag; others need not wait
            passed += 1
