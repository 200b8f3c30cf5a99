"""The traffic of an RPMsg link: messages of endpoints, doorbells, looks at both rings."""

import errno
import secrets
import sys
from array import array
from typing import Any

from mboxio.controllers.virtio_rpmsg.bells import Bells
from mboxio.controllers.virtio_rpmsg.endpoints import UNKNOWN, Endpoint, Endpoints
from mboxio.controllers.virtio_rpmsg.options import VirtioRpmsgOptions
from mboxio.driver.contracts import DriverChannel, DriverQueue
from mboxio.driver.controller import EVENT, SENT, Busy, Controller, Outcome, Probe
from mboxio.errors import MessageTooLong, RemoteError, RemoteGone, WrongMessage
from mboxio.regions.claim import suspect
from mboxio.regions.region import Region
from mboxio.ring.contract import Armed
from mboxio.rpmsg.link import RpmsgLink
from mboxio.rpmsg.message import NAME_SERVICE

__all__ = ["NO_HANDLE", "LinkProbe", "RpmsgTraffic"]

LOOK_NS = 100_000
"""When a remote without a buffer to send in looks again: not every host rings when it lends one."""
HANDLES = "q"
NO_HANDLE = -1
"""In place of one: the message is an announcement of ours."""
STATUS_NS = 10_000_000
"""How often the status of the device is read."""
SOURCE_SPAN = 1 << 30
SOURCE_FIRST = 1 << 30
"""Our addresses of single requests, where they are the tags."""


class LinkProbe(Probe):
    """The look of a spinner at both rings.

    Args:
        rings: of this life.
        armed: the words with which both sides announce sleep; None: there are none.
    """

    __slots__ = ("armed", "rings")

    def __init__(self, rings: RpmsgLink, armed: Armed | None) -> None:
        self.rings = rings
        self.armed = armed

    def news(self, only_replies: bool) -> bool:
        """See `Probe.news`."""
        return self.rings.news() or (not only_replies and self.rings.room())

    def shares_cpu(self) -> bool:
        """See `Probe.shares_cpu`."""
        armed = self.armed
        return armed is not None and armed.shares_cpu()


class RpmsgTraffic(Controller):
    """Moves messages between endpoints and the rings; a subclass says which services there are.

    Args:
        options: see `VirtioRpmsgOptions`.
        region: the memory, if it is open.
    """

    def __init__(self, options: VirtioRpmsgOptions, region: Region | None) -> None:
        self.options = options
        self.region: Any = region
        self.bells = Bells(options.mbox, options.bells, options.bell_shift)
        self.endpoints = Endpoints()
        self.addresses = self.endpoints.by_address
        self.latest: Endpoint | None = None  # the endpoint that was spoken to last
        self.is_host = options.role == "host"
        self.heeds_silence = options.heed_silence
        self.by_source = options.replies == "source"
        # Any: replies to a host that died meet no request of this one.
        self.first_source = secrets.randbelow(SOURCE_SPAN)
        self.device: Any = None
        self.rings: Any = None
        self.queue: Any = None
        self.strays: Any = None
        self.armed: Any = None
        self.is_armed = False
        self.linked = False  # the rings are those of a life
        self.up = False  # which the core was told of
        self.status_at = -1
        self.status_ns = 0
        self.handles = array(HANDLES)
        self.unsent: list[bytes] = []
        self.gone = Busy("event")

    def announced(self, message: bytes) -> None:
        """Take a message to the name service. Under the lock."""
        raise NotImplementedError

    def announce(self) -> None:
        """Send the announcements that wait for a buffer. Under the lock."""
        raise NotImplementedError

    def lose(self, reason: str) -> None:
        """This life is over. Under the lock."""
        raise NotImplementedError

    # -- sending

    def check(self, channel: DriverChannel, message: bytes) -> None:
        """Refuse a message to an endpoint whose address nobody told."""
        endpoint: Endpoint | None = channel.context
        if self.up and endpoint is not None and endpoint.remote == UNKNOWN:
            known = ", ".join(self.endpoints.known()) or "none"
            raise WrongMessage(
                f"service {channel.name!r} has no address now: it was not announced in this life, "
                f"was taken back, or has not spoken first; there are: {known}",
                errno=errno.EHOSTUNREACH,
            )

    def send(self, channel: DriverChannel, handle: int, message: bytes) -> Outcome:
        """See `Controller.send`."""
        rings: RpmsgLink = self.rings
        endpoint: Endpoint = channel.context
        is_host = self.is_host
        if not self.linked:
            return self.gone
        if endpoint.remote == UNKNOWN:
            self.tx_done(self.queue, [handle], errno.EHOSTUNREACH)
            return SENT
        source = endpoint.address
        if self.by_source and handle & 1:
            source = SOURCE_FIRST + (self.first_source + handle) % SOURCE_SPAN
        try:
            head = rings.send(source, endpoint.remote, message)
            if head < 0 and is_host:  # looks for replies take no buffers back
                self.progress()
                head = rings.send(source, endpoint.remote, message)
        except MessageTooLong:  # the host's buffers are smaller than it said
            self.tx_done(self.queue, [handle], errno.EMSGSIZE)
            return SENT
        if head < 0:
            return Busy("tx_done") if is_host else Busy("at", at_ns=self.now_ns() + LOOK_NS)
        if is_host:
            self.handles[head] = handle
        else:
            self.tx_done(self.queue, [handle])
        if self.must_ring(1 if is_host else 0):
            self.ring_surely(1 if is_host else 0)
            self.rang(channel)
        return SENT

    def must_ring(self, queue: int) -> bool:
        """Return whether the other side needs to be rung for what was put into a queue."""
        armed: Armed | None = self.armed
        if armed is not None:
            return armed.peer_armed()
        return not (self.heeds_silence and self.rings.silenced(queue))

    def ring_doorbell(self, queue: int) -> None:
        """Ring for a queue."""
        self.bells.ring(queue, self.region)

    def ring_surely(self, queue: int) -> None:
        """Ring for what lies in a queue: it left, whatever a signal handler raises."""
        try:
            self.ring_doorbell(queue)
        except BaseException as error:
            if not self.put_off(error):
                raise
            self.undisturbed(self.ring_doorbell, queue)

    # -- receiving

    def service(self, queue: DriverQueue, why: str) -> None:
        """See `Controller.service`: TX done first, then what came, in one batch."""
        if not self.linked:
            return
        if why is EVENT:
            try:
                self.bells.clear(self.region)
            except RemoteGone as error:
                self.undisturbed(self.lose, str(error))
                return
        if not self.same_life():
            return
        if self.is_armed and self.armed is not None:
            self.armed.disarm()
            self.is_armed = False
        try:
            if not self.queue.only_replies:  # else `send` takes buffers back, when none is left
                self.progress()
            self.drain()
        except RemoteError:
            if self.spoilt():
                return
            raise
        if self.unsent:
            self.undisturbed(self.announce)

    def progress(self) -> bool:
        """Report the messages whose buffers came back; False: there is nothing to report."""
        done: list[int] = []
        returned = False
        try:
            while self.reap(done):
                returned = True
        finally:  # also those before a lie
            if returned:
                self.queue.take_tx_done(done, 0)
        return bool(done)

    def reap(self, done: list[int]) -> bool:
        """Take back a buffer, and append the handle of its message; False: there was none.

        Announcements have no handle, and a request that was answered is TX done already.
        """
        rings: RpmsgLink = self.rings
        head = rings.sent()
        if head < 0:
            return False
        handle = self.handles[head]
        if handle != NO_HANDLE and self.queue.window.find(handle) is not None:
            done.append(handle)
        return True

    def drain(self) -> None:
        """Take what came, up to one ring, and give the buffers back together."""
        rings: RpmsgLink = self.rings
        left = rings.slots
        try:
            while left > 0:
                left -= take_ordinary(self.latest, left)
                message = rings.receive()
                if message is None:
                    return
                left -= 1
                self.deliver(rings.source, rings.destination, message)
        finally:
            # Also after a lie: what was taken before it is the other side's again.
            came = rings.release() > 0 or left < rings.slots
            if came and self.must_ring(0 if self.is_host else 1):
                self.ring_surely(0 if self.is_host else 1)

    def deliver(self, source: int, destination: int, message: bytes) -> None:
        """Hand up one message."""
        endpoint: Endpoint | None = self.latest
        if endpoint is None or endpoint.address != destination:
            endpoint = self.addresses.get(destination)
        if endpoint is not None and endpoint.channel is not None:
            self.latest = endpoint
            if endpoint.remote == UNKNOWN:
                endpoint.remote = source  # it spoke first
            channel: Any = endpoint.channel
            if source == endpoint.remote:
                channel.take_message(message)
            else:
                channel.notify(message)  # another endpoint's: no reply to what we asked this one
        elif destination == NAME_SERVICE:
            self.undisturbed(self.announced, message)
        elif self.by_source and SOURCE_FIRST <= destination < SOURCE_FIRST + SOURCE_SPAN:
            take_answer(self, source, destination, message)
        elif self.strays is not None:
            self.strays.counts.unknown += 1

    # -- looking, sleeping

    def arm(self, queue: DriverQueue) -> bool:
        """See `Controller.arm`."""
        if not self.linked:
            return False
        self.bells.unmask(self.region)
        sure = True
        if self.armed is not None:
            sure = self.armed.arm()
            self.is_armed = True
        rings: RpmsgLink = self.rings
        try:
            return self.progress() or rings.pending() > 0 or not sure
        except RemoteError:
            if self.spoilt():
                return False
            raise

    def same_life(self) -> bool:
        """Look now and then whether the device is still that of this life; else it is lost."""
        if self.status_at < 0 and self.is_host:
            return True
        now_ns = self.now_ns()
        if now_ns < self.status_ns:
            return True
        self.status_ns = now_ns + STATUS_NS
        rings: RpmsgLink = self.rings
        if rings.was_reset():
            reason = "the host began another life of the rings"
        elif self.undisturbed(self.device.ready):
            return True
        else:
            wrote = "the firmware restarted or asks for it" if self.is_host else "the host reset us"
            reason = f"the status of the device changed: {wrote}"
        self.undisturbed(self.lose, reason)
        return False

    def spoilt(self) -> bool:
        """Return whether a lie has another cause: the life is over, which is reported then."""
        self.status_ns = 0
        if not self.same_life():
            return True
        suspect(sys.exception())
        return False


def take_ordinary(latest: Endpoint | None, most: int) -> int:
    """Take up to ``most`` messages in the short way of the channel that was spoken to last."""
    if latest is None:
        return 0
    channel: Any = latest.channel
    return 0 if channel.shortcut is None else channel.shortcut.take(most)


def take_answer(traffic: RpmsgTraffic, source: int, destination: int, message: bytes) -> None:
    """Hand up the reply to a request that was sent from an address of its own."""
    window: Any = traffic.queue.window
    number: int = (destination - SOURCE_FIRST + SOURCE_SPAN - traffic.first_source) % SOURCE_SPAN
    latest: int = ((window.next_seq + 1) << window.shift) - 1
    handle: int = latest - latest % SOURCE_SPAN + number
    if handle > latest:
        handle -= SOURCE_SPAN
    request = window.find(handle)
    if request is not None:
        channel: Any = request._owner._channel
        asked: Endpoint = channel.context
        traffic.latest = asked
        if asked.remote == source:
            channel.take_completion(handle, 0, message)
            return
    for endpoint in traffic.endpoints.by_name.values():
        if endpoint.remote == source and endpoint.channel is not None:
            endpoint.channel.take_completion(handle, 0, message)
            return
    if traffic.strays is not None:
        traffic.strays.counts.unknown += 1
