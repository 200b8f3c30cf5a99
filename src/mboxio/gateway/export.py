"""One mailbox of this machine as it is exported: its channels, its link, who answers its remote."""

import asyncio
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar

from mboxio.client.asynchronous import AsyncClient
from mboxio.client.connection import Connection
from mboxio.driver.controller import Controller
from mboxio.driver.ports import Ports
from mboxio.errors import AddressError
from mboxio.far.hello import NAME, OBSERVE, Channel
from mboxio.gateway.allow import NOTHING, AllowList, Grant
from mboxio.gateway.counts import Counts
from mboxio.gateway.dangers import predicate_of
from mboxio.gateway.limits import Limits

if TYPE_CHECKING:
    from mboxio._host.host import Host
    from mboxio._queue.channel import Channel as CoreChannel

__all__ = ["Export", "Link"]

T = TypeVar("T")

LEAST_DEPTH = 32
"""A user may have this many messages under way to a shallow mailbox: they wait at the gateway."""


class Link(NamedTuple):
    """What is known of the remote.

    Args:
        up: it is there.
        epoch: in its life of this number.
        reason: why it is not there.
    """

    up: bool
    epoch: int
    reason: str


class Listener(Protocol):
    """A session, as far as the mailbox itself concerns it."""

    def tell_link(self) -> None:
        """The remote is lost, or there."""

    def compare(self, allow: AllowList) -> None:
        """Another allow-list counts from now on."""


class Export:
    """A connection that users elsewhere share, each channel of it under one name.

    Args:
        name: what users call it.
        connection: to the mailbox; it is the export's to close.
        read_only: nobody sends anything, whatever the allow-list says.

    Raises:
        AddressError: no such name is possible.
    """

    def __init__(self, name: str, connection: Connection, *, read_only: bool = False) -> None:
        if not NAME.fullmatch(name):
            raise AddressError(
                f"{name!r} is no name of an export: use 1 to 64 letters, digits, '.', '_' and '-'"
            )
        self.name = name
        self.connection = connection
        self.read_only = read_only
        self.counts = Counts()
        self.sessions: set[Listener] = set()
        self.claims: dict[str, object] = {}
        self.loop: asyncio.AbstractEventLoop | None = None
        self.watching: AsyncClient | None = None
        # A driver may take a moment to open, claim or close a channel: one after the other, here.
        self.aside = ThreadPoolExecutor(1, thread_name_prefix=f"mboxio gateway {name}")

    # -- its link

    async def start(self) -> None:
        """Notice from now on whether the remote is there. On the loop that serves users."""
        self.loop = asyncio.get_running_loop()
        first = next(iter(self.channels()), None)
        if first is not None:
            ports = Ports(link=self.link_changed)
            opened = partial(self.connection.async_client, first.name, ports=ports)
            self.watching = await self.apart(opened)
            self.watching._settle_in()

    def link_changed(self, up: bool) -> None:
        """The remote is lost, or back in another life. On any thread."""
        if self.loop is not None and not self.loop.is_closed():
            self.loop.call_soon_threadsafe(self.tell)

    def tell(self) -> None:
        """Tell all sessions that do not know it yet."""
        for each in list(self.sessions):
            each.tell_link()

    def link(self) -> Link:
        """Return whether the remote is there, and in which life."""
        host = self.connection._host
        found: Link = host.gate.run(_link_of, host)
        return found

    def lives(self) -> int:
        """Return how many lives of the remote are over."""
        return self.connection._host.life.number

    async def apart(self, function: Callable[..., T], *args: object) -> T:
        """Return ``function(*args)``, called on the thread of this mailbox.

        Users of other mailboxes do not wait for that. If this is cancelled, the call may still
        come, before those that follow.
        """
        assert self.loop is not None
        return await self.loop.run_in_executor(self.aside, function, *args)

    def close(self) -> None:
        """Let go of the mailbox."""
        self.aside.shutdown()
        self.connection.close()

    # -- its channels

    def channels(self) -> "Iterable[CoreChannel]":
        """Return the channels that there are now."""
        return list(self.connection._host.channels.values())

    def epoch_source(self) -> str | None:
        """Return how a restart of the remote is noticed, in words; None if it is not."""
        sources = (each.queue.capabilities.epoch_source for each in self.channels())
        return next((each for each in sources if each), None)

    def grant(self, allow: AllowList, user: str, channel: str) -> Grant:
        """Return what a user may do on a channel."""
        if not self.connection._host.channels[channel].can_send or self.read_only:
            return allow.grant(user, self.name, channel).read_only()
        return allow.grant(user, self.name, channel)

    def shown(self, allow: AllowList, user: str, limits: Limits) -> list[Channel]:
        """Return the channels that a user may at least observe."""
        host = self.connection._host
        rings = type(host.controller).ring is not Controller.ring
        found: list[Channel] = []
        for each in self.channels():
            grant = self.grant(allow, user, each.name)
            if grant == NOTHING or OBSERVE not in grant.rights:
                continue
            found.append(
                Channel(
                    name=each.name,
                    depth=min(limits.in_flight, max(each.queue.depth, LEAST_DEPTH)),
                    in_flight=limits.in_flight,
                    message_bytes=min(each.message_bytes, 1 << 20),
                    rights=tuple(sorted(grant.rights)),
                    ties=each.ties_replies,
                    rings=rings,
                    timeout_s=each.queue.capabilities.timeout_s,
                )
            )
        return found

    def predicate(self, channel: str):  # type: ignore[no-untyped-def]
        """Return what looks for dangers in messages of a channel, or None."""
        return predicate_of(self.connection.address, channel)


def _link_of(host: "Host") -> Link:
    """See `Export.link`. Under the lock."""
    life = host.life
    return Link(not host.gate.lost, life.number + 1, life.lost_reason if host.gate.lost else "")
