"""The endpoints of a link: which channel has which addresses, and what was announced."""

from typing import Any

from mboxio.rpmsg.message import DYNAMIC_FIRST

__all__ = ["UNKNOWN", "Endpoint", "Endpoints"]

UNKNOWN = -1
ENDPOINTS_MAX = 512
"""More than a remote may announce: each is a channel for the rest of the connection."""


class Endpoint:
    """One of ours, and the one that it talks to.

    Args:
        name: of the service.
        address: ours.
        remote: theirs; `UNKNOWN` until it is announced or speaks first.
        fixed: both are known without an announcement.
    """

    __slots__ = ("address", "channel", "fixed", "name", "remote")

    def __init__(self, name: str, address: int, remote: int, fixed: bool) -> None:
        self.name = name
        self.address = address
        self.remote = remote
        self.fixed = fixed
        self.channel: Any = None


class Endpoints:
    """All endpoints of one link, by name and by our address."""

    def __init__(self) -> None:
        self.by_name: dict[str, Endpoint] = {}
        self.by_address: dict[int, Endpoint] = {}
        self.refused = 0

    def add(
        self, name: str, address: int = UNKNOWN, remote: int = UNKNOWN, *, fixed: bool = False
    ) -> Endpoint | None:
        """Make an endpoint; None: there are too many, and it is counted as refused."""
        if len(self.by_name) >= ENDPOINTS_MAX:
            self.refused += 1
            return None
        if address < 0:
            address = DYNAMIC_FIRST
            while address in self.by_address:
                address += 1
        endpoint = Endpoint(name, address, remote, fixed)
        self.by_name[name] = self.by_address[address] = endpoint
        return endpoint

    def forget_remote(self) -> None:
        """A life is over: nothing is announced any more."""
        for each in self.by_name.values():
            if not each.fixed:
                each.remote = UNKNOWN

    def known(self) -> list[str]:
        """Return the services that can be talked to."""
        return [each.name for each in self.by_name.values() if each.remote != UNKNOWN]
