"""The way to all services of a vdev: they are announced and taken back while it is in use."""

from mboxio.controllers.rpmsg.choosing import RpmsgPlace, choose, usable
from mboxio.controllers.rpmsg.nodes.ports import RpmsgPort
from mboxio.controllers.rpmsg.nodes.system import System
from mboxio.controllers.rpmsg.options import RpmsgOptions, Wanted
from mboxio.controllers.rpmsg.services import ServicesWay
from mboxio.controllers.rpmsg.sysfs import RpmsgService, services
from mboxio.errors import RemoteGone

__all__ = ["GrowingWay"]

CHANNELS_MAX = 512
"""More than a remote may announce: each is a channel for the rest of the connection."""
ANNOUNCE_NS = 1_000_000_000
"""How long after a restart the services in use may take to be announced again: those that are
there do not wait longer for the others."""
LISTED, ANNOUNCED = "sys/bus/virtio/devices", "sys/bus/rpmsg/devices"
"""The kernel takes a device off these before it ends anything on it."""


class GrowingWay(ServicesWay):
    """All services of one vdev, also those that are announced later.

    A channel is called as its service, or ``NAME@ADDRESS`` where another one has the name.
    """

    grows = True

    def __init__(self, system: System, options: RpmsgOptions, wanted: Wanted) -> None:
        super().__init__(system, options, wanted)
        self.channels: dict[str, tuple[str, int]] = {}  # the service that each had last
        self.life, self.life_ns = 0, 0

    def find(self) -> list[str]:
        """See `RpmsgWay.find`."""
        found = super().find()
        self.channels = {each.channel: (each.name, each.dst) for each in self.choice.places}
        return found

    def find_again(self, started: list[str], now_ns: int) -> None:
        """See `RpmsgWay.find_again`: services are announced one after the other."""
        self.made.clear()
        if dead := self.dead():
            raise RemoteGone(dead)
        self.take(choose(self.system.root, self.wanted))
        if self.choice.vdev.identity != self.life:
            self.life, self.life_ns = self.choice.vdev.identity, now_ns
        self.look()
        missing = [each for each in started if each not in self.places]
        if missing and (now_ns < self.life_ns + ANNOUNCE_NS or len(missing) == len(started)):
            raise RemoteGone(f"rpmsg: not announced again: {', '.join(missing)}")

    def open(self, channel: str) -> RpmsgPort:
        """See `RpmsgWay.open`: the driver of a service may have come after its announcement."""
        self.look()
        return super().open(channel)

    def look(self) -> None:
        """See `RpmsgWay.look`."""
        if not self.is_listed():
            return  # its services go with it, which is no taking back
        vdev = self.choice.vdev
        found = [
            each
            for each in services(self.system.root)
            if each.vdev.identity == vdev.identity and usable(each)
        ]
        there = {(each.name, each.dst) for each in found}
        places: dict[str, RpmsgPlace] = {}
        for each in found:
            channel = self.channel_of(each, there)
            if channel in self.channels or len(self.channels) < CHANNELS_MAX:
                self.channels[channel] = each.name, each.dst
                places[channel] = RpmsgPlace(channel, each.name, each.dst, each.vdev, each)
        self.places = places

    def is_listed(self) -> bool:
        """Return whether the vdev is there, and is not about to go."""
        vdev = self.choice.vdev
        is_virtio = vdev.name.startswith("virtio")
        folder = self.system.root / LISTED / vdev.name if is_virtio else vdev.folder
        return folder.exists() and not self.is_other_life()

    def channel_of(self, service: RpmsgService, there: set[tuple[str, int]]) -> str:
        """Return which channel a service is.

        Args:
            there: names and addresses of all services.
        """
        mine = service.name, service.dst
        for channel, last in self.channels.items():
            if last == mine:
                return channel
        if self.channels.get(service.name) not in there:
            return service.name  # a new name, or one that has another address now
        return f"{service.name}@{service.dst:#x}"

    def is_taken_back(self, channel: str) -> bool:
        """See `RpmsgWay.is_taken_back`."""
        place = self.places.get(channel)
        if place is not None and place.service is not None:
            listed = self.system.root / ANNOUNCED / place.service.folder.name
            if listed.exists():
                return False  # so it is not the service that ended
        return self.is_listed() and not self.dead()
