"""The ways in which an `RpmsgRemote` misbehaves; single answers are a matter of `faults`."""

from collections.abc import Sequence
from random import Random

from mboxio.remote.faults import Faults
from mboxio.remote.rpmsg.region_end import RpmsgEnd
from mboxio.remote.rpmsg.services import RpmsgService, Services
from mboxio.remote.serving.regions import FileServer, PeerServer
from mboxio.remote.serving.thread import Serving
from mboxio.rpmsg.message import NAME_SERVICE, Announcement

__all__ = ["RpmsgMisbehaving"]

FLOOD_FIRST = 0x1000_0000
"""The address of the first service of a flood."""


class RpmsgMisbehaving(Serving[PeerServer[RpmsgEnd] | FileServer[RpmsgEnd]]):
    """The links of an `RpmsgRemote`, and what it may be told to do wrong on them.

    Args:
        address: what hosts connect to.
        services: what is offered on each.
        spin_s: see `RpmsgRemote`.
    """

    def __init__(self, address: str, services: Services, spin_s: float | None) -> None:
        super().__init__(address, services.lock, spin_s)
        self._services = services
        self._services.tell = self._changed
        self._silent = self._leaking = self._dropping = False

    @property
    def channels(self) -> Sequence[RpmsgService]:
        """The services that are there, the oldest first."""
        return tuple(self._services.present().values())

    @property
    def ends(self) -> Sequence[RpmsgEnd]:
        """The links that are served now, the oldest first."""
        server = self._server
        return [] if server is None else server.ends()

    def put(
        self,
        source: int,
        destination: int,
        message: bytes,
        *,
        length: int | None = None,
        filled: int | None = None,
    ) -> int:
        """Send a message from any address to any, to all hosts; return how many took it.

        Address 53 is that of the name service. The others are those of `Processor.put`.
        """
        return sum(
            end.processor.put(source, destination, message, length=length, filled=filled)
            for end in self.ends
        )

    @property
    def faults(self) -> Faults | None:
        """How the answers of all services go wrong; ``service.faults`` is for one of them."""
        return self._services.faults

    @faults.setter
    def faults(self, faults: Faults | None) -> None:
        self._services.faults = faults

    def silence(self, silent: bool = True) -> None:
        """Take nothing and answer nothing, but stay there; False: go on."""
        self._silent = silent
        self._misbehave()

    def leak(self, leaking: bool = True) -> None:
        """Never give back the buffers in which hosts send; False: give them all back."""
        self._leaking = leaking
        self._misbehave()

    def drop(self, dropping: bool = True) -> None:
        """Drop answers that find no buffer, as firmware that only tries to send; False: wait."""
        self._dropping = dropping
        self._misbehave()

    def flood(self, count: int) -> None:
        """Announce so many services that nobody has, as fast as hosts give buffers."""
        names = [Announcement(f"flood-{n}", FLOOD_FIRST + n) for n in range(count)]
        for end in self.ends:
            end.processor.announce(*names)
        self._changed()

    def misname(self, name: bytes, address: int = FLOOD_FIRST) -> int:
        """Announce a service with any bytes for a name; return how many hosts took it."""
        packed = name[:32].ljust(32, b"\0") + address.to_bytes(4, "little") + bytes(4)
        return self.put(address, NAME_SERVICE, packed)

    def lie(self, queue: int, field: str, value: int) -> int:
        """Write a wrong number into a ring of every host; return how many have it now.

        Args:
            queue: 0 for what is sent to the host, 1 for the buffers that it gets back.
            field: ``index``, ``head``, ``filled`` or ``again``; see `lies.lie`.
            value: the lie.

        Raises:
            ValueError: there is no such queue or field.
        """
        return sum(end.lie(queue, field, value) for end in self.ends)

    def scribble(self, random: Random) -> list[tuple[int, int]]:
        """Write a random word somewhere into every region; return the offsets and values."""
        return [end.scribble(random) for end in self.ends]

    def restart(self) -> None:
        """Start a new life, as after a crash: what is under way is lost."""
        with self._lock:
            for service in self.channels:
                service.simulate(service.latency_ns / 1e9, service.workers)
            if self._server is not None:
                self._server.restart()

    # -- inside

    def _changed(self) -> None:
        with self._lock:
            self._tell_channels()
            server = self._server
        if server is not None:
            server.wake()

    def _misbehave(self) -> None:
        with self._lock:
            for end in self.ends:
                self._spoil(end)
        self._changed()

    def _spoil(self, end: RpmsgEnd) -> None:
        end.processor.silent = self._silent
        end.processor.leaking = self._leaking
        end.processor.outbox.dropping = self._dropping
