"""The services of a processor, as they are declared: they come and go while hosts are connected."""

from collections.abc import Callable, Sequence
from threading import RLock
from typing import Literal

from mboxio._queue.handlers import require_plain
from mboxio.errors import AddressError
from mboxio.remote.channel import Handler, RemoteChannel
from mboxio.remote.faults import Faults
from mboxio.rpmsg.message import ADDRESS_ANY, DYNAMIC_FIRST, NAME_SERVICE, Announcement

__all__ = ["Answers", "RpmsgService", "Services"]

Answers = Literal["source", "first"]
"""To whom answers go: to the source of each message, or to the first one ever seen."""


class RpmsgService(RemoteChannel):
    """One service; made by `Services.service`.

    Args:
        name: what is announced.
        address: that of its endpoint.
        depth: how many buffers there are in each direction.
        message_bytes: the longest message.
        announced: hosts are told of it.
        first: answers go to the first source that is seen in a life, as OpenAMP sends them.
    """

    def __init__(
        self,
        name: str,
        address: int,
        *,
        depth: int,
        message_bytes: int,
        announced: bool = True,
        first: bool = False,
    ) -> None:
        super().__init__(
            name,
            depth=depth,
            message_bytes=message_bytes,
            host_sends=True,
            host_receives=True,
            legacy=True,  # nothing on this wire says whether an answer is awaited
        )
        self.address = address
        self.announced = announced
        self.first = first
        self.leave: Callable[[], None] = lambda: None

    def withdraw(self) -> None:
        """Take it away: hosts are told, and what comes for it meets nobody."""
        self.leave()


class Services:
    """All services of a processor. Any thread.

    Args:
        depth, message_bytes: see `RpmsgService`.
        lock: guards them.

    Attributes:
        version: counts the changes.
        tell: is called after each.
    """

    def __init__(self, depth: int = 16, message_bytes: int = 496, lock: "RLock | None" = None):
        self.depth = depth
        self.message_bytes = message_bytes
        self.lock = lock or RLock()
        self.version = 0
        self.tell: Callable[[], None] = lambda: None
        self._faults: Faults | None = None
        self._present: dict[str, RpmsgService] = {}
        self._numbered: list[RpmsgService] = []

    def service(
        self,
        name: str,
        handler: Handler = bytes,
        *,
        address: int | None = None,
        announced: bool = True,
        answers: Answers = "source",
        latency_s: float = 0.0,
        workers: int = 1,
    ) -> RpmsgService:
        """Add a service; hosts that are connected are told. It goes with its ``withdraw()``.

        Args:
            name: 1 to 31 printable ASCII letters without a space.
            handler: makes each answer from a message; what it raises is logged, and nobody is
                answered then, as with None. An echo if left out.
            address: of its endpoint; left out, the lowest free one from 1024 on.
            announced: tell hosts; without it they have to know the address.
            answers: ``source``: to the source of each message; ``first``: to the first one of this
                life, as OpenAMP's endpoints do.
            latency_s: how long the simulated firmware is busy with one message, in seconds.
            workers: how many messages it works on at the same time.

        Raises:
            ValueError: it is there already, or a name, an address or a number is not possible.
            TypeError: the handler is async or a generator.
        """
        Announcement(name, 0).pack()  # raises
        if answers not in ("source", "first"):
            raise ValueError(f"answers is {answers!r}, not 'source' or 'first'")
        require_plain(handler, f"service {name!r}", "; latency_s= simulates slow firmware")
        with self.lock:
            if name in self._present:
                raise ValueError(f"service {name!r} is there already")
            service = RpmsgService(
                name,
                self._address(address),
                depth=self.depth,
                message_bytes=self.message_bytes,
                announced=announced,
                first=answers == "first",
            )
            service.handler = handler
            service.simulate(latency_s, workers)
            service.faults = self._faults
            service.leave = lambda: self.withdraw(service)
            self._present[name] = service
            self._number(service)
            self.version += 1
        self.tell()
        return service

    def withdraw(self, service: RpmsgService) -> None:
        """See `RpmsgService.withdraw`; once is enough."""
        with self.lock:
            if self._present.get(service.name) is not service:
                return
            del self._present[service.name]
            self.version += 1
        self.tell()

    def find(self, name: str) -> RpmsgService:
        """Return the service of a name; raises AddressError."""
        found = self._present.get(name)
        if found is None:
            known = ", ".join(self._present) or "none"
            raise AddressError(f"no service {name!r}; there are: {known}")
        return found

    def present(self) -> dict[str, RpmsgService]:
        """Return those that are there, by name, the oldest first."""
        with self.lock:
            return dict(self._present)

    @property
    def numbered(self) -> Sequence[RpmsgService]:
        """All that were ever there, in the order of their numbers; the last one of each name."""
        return self._numbered

    @property
    def faults(self) -> Faults | None:
        """How all answers go wrong; setting it restarts the draws."""
        return self._faults

    @faults.setter
    def faults(self, faults: Faults | None) -> None:
        with self.lock:
            self._faults = faults
            for each in self._present.values():
                each.faults = faults

    def _number(self, service: RpmsgService) -> None:
        """Give it the number that this name had, or a new one: records tell them by number."""
        for number, known in enumerate(self._numbered):
            if known.name == service.name:
                service.number = number
                self._numbered[number] = service
                return
        service.number = len(self._numbered)
        self._numbered.append(service)

    def _address(self, wanted: int | None) -> int:
        taken = {each.address for each in self._present.values()}
        if wanted is None:
            address = DYNAMIC_FIRST
            while address in taken:
                address += 1
            return address
        if not 1 <= wanted < ADDRESS_ANY or wanted == NAME_SERVICE:
            raise ValueError(f"no service can have address {wanted:#x}")
        if wanted in taken:
            raise ValueError(f"a service has address {wanted:#x} already")
        return wanted
