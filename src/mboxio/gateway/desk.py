"""One channel in use by one session: its client of the mailbox, and what its user may do there."""

import asyncio
import errno
from collections.abc import Callable
from functools import lru_cache
from typing import Protocol

from mboxio._base.request import Request
from mboxio._base.states import FOREVER
from mboxio.client.asynchronous import AsyncClient, AsyncMessages
from mboxio.errors import (
    AccessDenied,
    AddressError,
    ClosedError,
    MailboxError,
    MessagesLost,
    RemoteGone,
)
from mboxio.far.frames import ASKED, CLAIMED, MISSED, NOTE, Frame, nanoseconds, pack
from mboxio.far.hello import NOTIFICATIONS, REQUEST
from mboxio.gateway.allow import Grant
from mboxio.gateway.dangers import dangers_of
from mboxio.gateway.export import Export
from mboxio.gateway.outlet import Outlet

__all__ = ["Desk"]

NOTES_WAITING = 1024
EARLY_NS_MAX = 50_000_000
ASKED_MAX = 64


class Speaker(Protocol):
    """The session of a desk."""

    user: str

    @property
    def outlet(self) -> Outlet:
        """The way to its user."""
        ...

    @property
    def notes_bytes_s(self) -> float:
        """How much it may be told without asking."""
        ...


class Desk:
    """A channel that one session uses.

    Args:
        session: whose it is.
        export: the mailbox.
        number: of the channel, for the user.
        name: of the channel.
        grant: what the user may do.
    """

    client: AsyncClient  # once it is open

    def __init__(
        self, session: Speaker, export: Export, number: int, name: str, grant: Grant
    ) -> None:
        self.session = session
        self.export = export
        self.number = number
        self.name = name
        self.grant = grant
        self.used = export.counts.used(session.user, name)
        self.may_send = REQUEST in grant.rights
        self.predicate = export.predicate(name)
        self.clients: list[AsyncClient] = []  # to give back; of the thread of the export
        self.answering: AsyncClient | None = None
        self.asked: dict[int, asyncio.Future[tuple[int, bytes]]] = {}
        self.questions = 0
        self.telling: asyncio.Task[None] | None = None

    async def open(self, backlog: int) -> None:
        """Use the channel from now on; raises what its driver says.

        Args:
            backlog: how many messages may wait here for the mailbox.
        """
        self.client = await self.export.apart(self.take_client, backlog)
        self.client._settle_in()
        if NOTIFICATIONS in self.grant.rights and self.client._channel.can_receive:
            subscription = self.client.subscribe(NOTES_WAITING)
            self.telling = asyncio.ensure_future(self.tell(subscription))

    def take_client(self, backlog: int) -> AsyncClient:
        """Have a client of the mailbox, even if nobody waits for it any more. On that thread."""
        client = self.export.connection.async_client(self.name, backlog=backlog)
        self.clients.append(client)
        return client

    def close(self) -> None:
        """Use the channel no longer: what is in flight ends here, and is held as ever."""
        self.disclaim()
        if self.telling is not None:
            self.telling.cancel()
        self.export.aside.submit(self.give_back, self.clients)

    def give_back(self, clients: list[AsyncClient]) -> None:
        """Let go of clients. On the thread of the export."""
        for each in list(clients):
            each.close()
            self.clients.remove(each)

    # -- from the user

    def submit(self, message: bytes, tied: bool, queue_us: int, reply_us: int) -> Request:
        """Hand a message of the user to the mailbox, or raise why not.

        Args:
            message: what he sends.
            tied: it expects a reply.
            queue_us, reply_us: see `Frame`.
        """
        if not self.may_send:
            self.used.denied += 1
            raise AccessDenied(
                f"{self.session.user} may not send on {self.export.name}/{self.name}",
                handed_over="no",
            )
        if self.predicate is not None:
            try:
                dangers_of(self.predicate, message, self.grant.dangers)
            except MailboxError:
                self.used.denied += 1
                raise
        verb: Callable[..., Request] = self.client.submit if tied else self.client.post
        timeout_s = _seconds(reply_us)
        if queue_us == reply_us:  # as it is unless told otherwise: that is quicker
            return verb(message, timeout_s=timeout_s)
        return verb(message, timeout_s=timeout_s, queue_timeout_s=_seconds(queue_us))

    def ring(self, frame: Frame) -> None:
        """Ring the doorbell of the mailbox, if the user may; nobody waits for an answer."""
        if self.may_send:
            try:
                self.client.ring()
            except MailboxError:
                self.used.failed += 1

    # -- what the remote says on its own

    async def tell(self, messages: AsyncMessages) -> None:
        """Pass unsolicited messages on, as fast as the user and his limit allow."""
        outlet, used, rate = self.session.outlet, self.used, self.session.notes_bytes_s
        loop = asyncio.get_running_loop()
        free_at = loop.time()
        while True:
            try:
                message = await messages.get()
            except MessagesLost as error:
                used.notifications_lost += error.count
                outlet.put(pack(MISSED, self.number, error.count))
                continue
            except RemoteGone:
                continue  # a LINK tells the user
            except ClosedError:
                return
            outlet.put(pack(NOTE, self.number, data=message))
            used.notifications += 1
            used.told_bytes += len(message)
            await outlet.room()
            # A second's worth at once, and then as much as the limit says.
            free_at = max(free_at, loop.time() - 1.0) + len(message) / rate
            if free_at > loop.time():
                self.export.counts.user(self.session.user).limited["notes_bytes_s"] += 1
                await asyncio.sleep(free_at - loop.time())

    # -- what the remote asks

    async def claim(self, frame: Frame) -> None:
        """Have the user answer what the remote asks here, or no longer."""
        holder = self.export.claims.get(self.name)
        if not frame.status:
            self.disclaim()
            return
        status, why = 0, ""
        if not self.may_send:
            status, why = errno.EACCES, f"{self.session.user} may not answer here"
        elif holder is not None and holder is not self:
            status, why = errno.EBUSY, "somebody else answers what the remote asks here"
        elif holder is None:
            self.export.claims[self.name] = self
            try:
                self.answering = await self.export.apart(self.take_client, 0)
                self.answering._settle_in()  # the user is asked on this loop
                await self.export.apart(self.take_claim, self.answering)
            except AddressError as error:
                self.disclaim()
                status, why = errno.EBUSY, str(error)
        self.session.outlet.put(pack(CLAIMED, self.number, data=why.encode(), status=status))

    def take_claim(self, answering: AsyncClient) -> None:
        """Be the one who answers. On the thread of the export."""
        answering.on_request(self.ask, limit=ASKED_MAX)

    async def ask(self, message: bytes) -> bytes:
        """Have the user answer one question of the remote."""
        self.questions += 1
        tag = self.questions
        answer: asyncio.Future[tuple[int, bytes]] = asyncio.get_running_loop().create_future()
        self.asked[tag] = answer
        self.session.outlet.put(pack(ASKED, self.number, tag, message))
        try:
            status, data = await answer
        finally:
            self.asked.pop(tag, None)
        if status:
            raise RuntimeError(f"the user could not answer ({status}): {data[:200]!r}")
        return data

    def answer(self, frame: Frame) -> None:
        """The user has answered; what nobody asked, or asks no longer, is nothing."""
        answer = self.asked.get(frame.handle)
        if answer is not None and not answer.done():
            answer.set_result((frame.status, frame.data))

    def disclaim(self) -> None:
        """The user answers no longer."""
        if self.export.claims.get(self.name) is self:
            del self.export.claims[self.name]
        if self.answering is not None:
            self.export.aside.submit(self.give_back, [self.answering])
            self.answering = None
        for each in list(self.asked.values()):
            if not each.done():
                each.set_result((errno.EPIPE, b"the user has gone"))


@lru_cache(64)  # most requests of a user have the same
def _seconds(duration_us: int) -> float | None:
    """Return a little less than the user's time: this error says more than his own clock."""
    duration_ns = nanoseconds(duration_us)
    if duration_ns == FOREVER:
        return None
    return (duration_ns - min(duration_ns // 16, EARLY_NS_MAX)) / 1e9
