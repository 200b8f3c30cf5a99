"""How the channels of a connection are reached: the contract."""

from mboxio.controllers.rpmsg.nodes.ports import RpmsgPort
from mboxio.controllers.rpmsg.nodes.system import System
from mboxio.controllers.rpmsg.options import RpmsgOptions

__all__ = ["DEPTH", "RpmsgWay"]

DEPTH = 16


class RpmsgWay:
    """How the channels of a connection are reached.

    Args:
        system: the kernel.
        options: of the address.
    """

    returns = True
    """Whether the remote may be found again after its death."""
    hears = False
    """Whether uevents tell of it."""
    flushes = False
    """Whether a message may go out in parts."""
    grows = False
    """Whether there may be more channels later."""

    def __init__(self, system: System, options: RpmsgOptions) -> None:
        self.system = system
        self.options = options

    def find(self) -> list[str]:
        """Return the names of the channels. Raises AddressError."""
        raise NotImplementedError

    def depth(self) -> int:
        """Return how many messages the ring takes."""
        return self.options.depth or DEPTH

    def find_again(self, started: list[str], now_ns: int) -> None:
        """Find the remote's next life, with these channels. Raises AddressError, RemoteGone."""

    def look(self) -> None:
        """See which services there are now."""

    def known(self) -> list[str]:
        """Return the names of the channels that have a service now."""
        return []

    def is_taken_back(self, channel: str) -> bool:
        """Return whether the service of a channel has gone, though the remote lives."""
        return False

    def is_other_life(self) -> bool:
        """Return whether the remote that is there now is not the one that was found."""
        return False

    def open(self, channel: str) -> RpmsgPort:
        """Open a channel; raises as `open_endpoint`."""
        raise NotImplementedError

    def end(self, port: RpmsgPort) -> None:
        """Let go of a port whose remote is alive."""
        port.close()

    def dead(self) -> str:
        """Say why the remote is dead though its endpoints look alive; empty: it is not."""
        return ""

    def reason(self, channel: str) -> str:
        """Say why the port of a channel ended."""
        return "the other end was closed"
