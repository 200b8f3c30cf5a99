"""The way to named services of one vdev."""

import errno
from dataclasses import replace
from pathlib import Path

from mboxio.controllers.rpmsg.buffers import buffers_of
from mboxio.controllers.rpmsg.choosing import RpmsgChoice, choose, follow
from mboxio.controllers.rpmsg.endpoints import OpenedNode, open_endpoint
from mboxio.controllers.rpmsg.lives import folder_of, reason_of_death, stays_dead
from mboxio.controllers.rpmsg.nodes.ioctls import DESTROY_EPT
from mboxio.controllers.rpmsg.nodes.ports import EndpointPort, RpmsgPort, is_over
from mboxio.controllers.rpmsg.nodes.system import System
from mboxio.controllers.rpmsg.options import RpmsgOptions, Wanted
from mboxio.controllers.rpmsg.sysfs import vdevs
from mboxio.controllers.rpmsg.way import DEPTH, RpmsgWay
from mboxio.errors import RemoteGone

__all__ = ["ServicesWay"]


class ServicesWay(RpmsgWay):
    """Services of one vdev, found by their names."""

    hears = True

    def __init__(self, system: System, options: RpmsgOptions, wanted: Wanted) -> None:
        super().__init__(system, options)
        self.wanted = wanted
        self.made: dict[RpmsgPort, OpenedNode] = {}

    def find(self) -> list[str]:
        """See `RpmsgWay.find`."""
        self.take(choose(self.system.root, self.wanted))
        self.wanted = follow(self.wanted, self.choice, vdevs(self.system.root))
        return [each.channel for each in self.choice.places]

    def take(self, choice: RpmsgChoice) -> None:
        """Remember what was found."""
        self.choice = choice
        self.places = {each.channel: each for each in choice.places}
        self.processor: Path | None = folder_of(self.system, choice.vdev)

    def depth(self) -> int:
        """See `RpmsgWay.depth`."""
        return self.options.depth or buffers_of(self.system, self.processor) or DEPTH

    def known(self) -> list[str]:
        """See `RpmsgWay.known`."""
        return list(self.places)

    def find_again(self, started: list[str], now_ns: int) -> None:
        """See `RpmsgWay.find_again`."""
        self.made.clear()
        if dead := self.dead():
            raise RemoteGone(dead)
        # What nobody uses need not be there.
        self.take(choose(self.system.root, replace(self.wanted, services=tuple(started))))

    def is_other_life(self) -> bool:
        """See `RpmsgWay.is_other_life`: the folders of another life have other inodes."""
        try:
            return self.choice.vdev.folder.stat().st_ino != self.choice.vdev.identity
        except OSError:
            return True

    def open(self, channel: str) -> RpmsgPort:
        """See `RpmsgWay.open`."""
        if channel not in self.places:  # unused in the life before
            again = choose(self.system.root, replace(self.wanted, services=(channel,)))
            self.places[channel] = again.places[0]
        opened = open_endpoint(self.system, self.places[channel], self.options)
        try:
            port = EndpointPort(self.system, opened.descriptor, self.options.message_bytes)
        except BaseException:
            self.system.close(opened.descriptor)
            raise
        self.made[port] = opened
        return port

    def end(self, port: RpmsgPort) -> None:
        """See `RpmsgWay.end`."""
        opened = self.made.pop(port, None)
        wanted = self.options.destroy and opened is not None and opened.made
        # A kernel of version 6.1 does not survive this for a remote that is dead, or a second time.
        if wanted and not is_over(port.descriptor, port.over) and not self.is_other_life():
            try:
                self.system.ioctl(port.descriptor, DESTROY_EPT)
            except OSError as error:
                if error.errno not in (errno.EINVAL, errno.EPIPE, errno.ENODEV):
                    raise
        port.close()

    def dead(self) -> str:
        """See `RpmsgWay.dead`."""
        return stays_dead(self.processor)

    def reason(self, channel: str) -> str:
        """See `RpmsgWay.reason`."""
        name = self.places[channel].name if channel in self.places else channel
        return reason_of_death(self.system, self.choice.vdev, self.processor, name)
