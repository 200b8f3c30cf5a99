"""The services of an RPMsg link: channels that are announced, awaited, and taken back."""

import errno
import os
import time
from typing import Any

from mboxio._base.classes import overrides
from mboxio._base.native import COMPILED
from mboxio._os.descriptors import readable
from mboxio.controllers.replies import correlator_of
from mboxio.controllers.rings import SHORTCUT_VARIABLE
from mboxio.controllers.virtio_rpmsg.endpoints import UNKNOWN, Endpoint
from mboxio.controllers.virtio_rpmsg.options import fixed_endpoints
from mboxio.controllers.virtio_rpmsg.traffic import NO_HANDLE, RpmsgTraffic
from mboxio.driver.controller import EVENT
from mboxio.driver.correlate import InOrder
from mboxio.driver.shortcut import Shortcut
from mboxio.errors import RemoteError, RemoteGone
from mboxio.rpmsg.link import RpmsgLink
from mboxio.rpmsg.message import NAME_SERVICE, Announcement

__all__ = ["RpmsgServices"]

ANNOUNCEMENTS = "announcements"
"""A channel that gets what is announced, and counts what was sent to nobody."""
PAUSE_MAX_S = 0.01
GENERAL = frozenset({"check", "send", "service", "drain"})
"""Ops of `RpmsgTraffic` that a shortcut knows: a driver with others has none."""


class RpmsgServices(RpmsgTraffic):
    """Channels by name, whichever side announces them."""

    wanted = ""

    def expect(self, channel: str) -> None:
        """See `Controller.expect`."""
        self.wanted = channel

    def declare_known(self) -> None:
        """Make the channels that need no announcement of the other side."""
        for name, (ours, theirs) in fixed_endpoints(self.options.fixed).items():
            self.endpoints.add(name, ours, theirs, fixed=True)
        for name in self.options.announced:
            if name not in self.endpoints.by_name:
                self.endpoints.add(name)
        for endpoint in list(self.endpoints.by_name.values()):
            self.declare(endpoint)

    def all_there(self) -> bool:
        """Return whether every service that has clients can be talked to."""
        for endpoint in self.endpoints.by_name.values():
            channel = endpoint.channel
            if channel is not None and channel.users and endpoint.remote == UNKNOWN:
                return False
        return True

    def declare(self, endpoint: Endpoint) -> None:
        """Make the channel of an endpoint."""
        correlator = None if self.by_source else correlator_of(self.options.replies)
        endpoint.channel = self.add_channel(
            endpoint.name, self.queue, correlator=correlator, context=endpoint
        )
        if self.linked:
            self.find_shortcut(endpoint)

    def find_shortcuts(self) -> None:
        """Give ordinary requests a short way over the rings of this life, where there is one."""
        for endpoint in self.endpoints.by_name.values():
            self.find_shortcut(endpoint)

    def find_shortcut(self, endpoint: Endpoint) -> None:
        """As `find_shortcuts`, for one endpoint."""
        if endpoint.channel is not None:
            endpoint.channel.shortcut = shortcut(self, endpoint)

    def drop_shortcuts(self) -> None:
        """All requests take the general way from now on, and the rings can go."""
        for endpoint in self.endpoints.by_name.values():
            if endpoint.channel is not None:
                endpoint.channel.shortcut = None

    def await_services(self) -> None:
        """Look until the service that was asked for is announced; without one, until any is.

        Raises:
            RemoteGone: it was not, and which were.
            RemoteError: the other side lied.
        """
        wanted = self.wanted if not self.wanted.isdecimal() else ""
        if wanted in self.endpoints.by_name or wanted == ANNOUNCEMENTS:
            return
        until_s = time.monotonic() + self.options.announce_s
        pause_s = 20e-6
        while not (wanted in self.endpoints.by_name if wanted else self.endpoints.by_name):
            try:
                self.locked(self.service, self.queue, EVENT)
            except RemoteError:
                # It may be what the other side did in the rings of an earlier host.
                may_begin_again = self.is_host and self.device.in_use
                if not may_begin_again or time.monotonic() >= until_s:
                    raise
                self.begin_again(pause_s)
                pause_s = min(2 * pause_s, PAUSE_MAX_S)
                continue
            if not self.linked:
                raise RemoteGone("the other side went away")
            if time.monotonic() >= until_s:
                if not wanted:
                    return  # it may announce something later
                known = ", ".join(self.endpoints.by_name) or "nothing"
                raise RemoteGone(
                    f"service {wanted!r} was not announced in {self.options.announce_s:g} s; "
                    f"announced were: {known}"
                )
            if self.region.interrupt is not None and not self.locked(self.arm, self.queue):
                readable(self.region.interrupt.fileno(), pause_s)
            else:
                time.sleep(pause_s)
            pause_s = min(2 * pause_s, PAUSE_MAX_S)

    def begin_again(self, pause_s: float) -> None:
        """Give the other side time to let go of an earlier host, and begin again."""
        raise NotImplementedError

    def announce(self) -> None:
        """Send announcements that wait for a buffer."""
        rings: RpmsgLink = self.rings
        rung = False
        while self.unsent:
            message = self.unsent[0]
            announcement = Announcement.parse(message)
            assert announcement is not None
            head = rings.send(announcement.address, NAME_SERVICE, message)
            if head < 0:
                break
            if self.is_host:
                self.handles[head] = NO_HANDLE
            self.unsent.pop(0)
            rung = True
        if rung:
            self.ring_doorbell(1 if self.is_host else 0)

    def announced(self, message: bytes) -> None:
        """A service comes or goes."""
        found = Announcement.parse(message)
        if self.strays is not None:
            self.strays.notify(message)
        if found is None:
            if self.strays is not None:
                self.strays.counts.unknown += 1
            return
        endpoint = self.endpoints.by_name.get(found.name)
        if found.gone:
            if endpoint is not None and endpoint.remote == found.address and not endpoint.fixed:
                endpoint.remote = UNKNOWN
                self.end_requests(endpoint)
            return
        if endpoint is None:
            endpoint = self.endpoints.add(found.name)
            if endpoint is None:
                return
            self.declare(endpoint)
        if endpoint.remote == UNKNOWN:
            endpoint.remote = found.address

    def end_requests(self, endpoint: Endpoint) -> None:
        """A service was taken back: nobody will answer what was asked there."""
        channel: Any = endpoint.channel
        for request in self.queue.in_flight():
            if request._owner._channel is channel and request._tied:
                text = f"service {endpoint.name!r} was taken back".encode()
                channel.take_completion(request.handle, errno.EHOSTUNREACH, text)


def shortcut(traffic: RpmsgTraffic, endpoint: Endpoint) -> Shortcut | None:
    """Return the short way of an endpoint over the rings of this life, None where there is none."""
    if not COMPILED or not traffic.is_host or os.environ.get(SHORTCUT_VARIABLE) == "0":
        return None
    from mboxio.controllers.virtio_rpmsg.shortcut import RpmsgShortcut
    from mboxio.ring.compiled import CompiledArmed
    from mboxio.rpmsg.link import HostLink
    from mboxio.virtio.memory_words import MemoryWords

    link, queue, channel = traffic.rings, traffic.queue, endpoint.channel
    if (type(link), type(traffic.armed)) != (HostLink, CompiledArmed):
        return None
    if overrides(type(traffic), RpmsgTraffic, GENERAL) or queue.polls_tx or queue.gap_ns:
        return None
    tied = traffic.by_source or type(channel.correlator) is InOrder
    if not tied or type(link.words) is not MemoryWords or not channel.ties_replies:
        return None
    return RpmsgShortcut(traffic, endpoint)
