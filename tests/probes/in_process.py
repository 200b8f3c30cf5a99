"""A probe of pyOCD's without a probe: the registers of a debug port of our own, in this process."""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from pyocd.core import exceptions
from pyocd.probe.debug_probe import DebugProbe

from tests.probes.chip import STICKY_ERROR, DebugPort


class InProcess(DebugProbe):  # type: ignore[misc]
    """A JTAG probe; `ports` are those that are connected, by their unique IDs.

    Args:
        unique_id: one of them.
    """

    ports: ClassVar[dict[str, DebugPort]] = {}
    failing: ClassVar[dict[str, BaseException]] = {}
    """What every access with the probe ends with."""
    opened: ClassVar[list[str]] = []
    """Those that are open now: a real probe is opened once."""

    def __init__(self, unique_id: str) -> None:
        super().__init__()
        self.id = unique_id
        self.flushes = 0
        self.connected = False

    @classmethod
    def get_all_connected_probes(
        cls, unique_id: str | None = None, is_explicit: bool = False
    ) -> "list[InProcess]":
        return [cls(each) for each in cls.ports]

    @classmethod
    def get_probe_with_id(cls, unique_id: str, is_explicit: bool = False) -> "InProcess | None":
        return cls(unique_id) if unique_id in cls.ports else None

    @property
    def unique_id(self) -> str:
        return self.id

    description = vendor_name = product_name = "in this process"
    supported_wire_protocols: ClassVar = [DebugProbe.Protocol.DEFAULT, DebugProbe.Protocol.JTAG]
    capabilities: ClassVar[set[Any]] = set()

    @property
    def wire_protocol(self) -> Any:
        return DebugProbe.Protocol.JTAG if self.connected else None

    @property
    def is_open(self) -> bool:
        return self.id in self.opened

    def open(self) -> None:
        if self.id in self.opened:
            raise exceptions.ProbeError("the probe is in use")
        self._check()
        self.opened.append(self.id)

    def close(self) -> None:
        self.opened.remove(self.id)

    def connect(self, protocol: Any = None) -> None:
        self._check()
        self.connected = True

    def disconnect(self) -> None:
        self.connected = False

    def set_clock(self, frequency: float) -> None:
        self.frequency = frequency

    def swj_sequence(self, length: int, bits: int) -> None:
        self._check()

    def jtag_sequence(self, cycles: int, tms: int, read_tdo: bool, tdi: int) -> int | None:
        return 0

    def flush(self) -> None:
        self.flushes += 1
        self._check()

    def read_dp(self, addr: int, now: bool = True) -> Any:
        self._check()
        return later(self.ports[self.id].read(addr), now)

    def write_dp(self, addr: int, data: int) -> None:
        self._check()
        self.ports[self.id].write(addr, data)

    def read_ap(self, addr: int, now: bool = True) -> Any:
        value = self.ports[self.id].read_access(addr & 0xC)
        self._check()
        return later(value, now)

    def write_ap(self, addr: int, data: int) -> None:
        self.ports[self.id].write_access(addr & 0xC, data)
        self._check()

    def read_ap_multiple(self, addr: int, count: int = 1, now: bool = True) -> Any:
        return later([self.read_ap(addr) for _ in range(count)], now)

    def write_ap_multiple(self, addr: int, values: Sequence[int]) -> None:
        for value in values:
            self.write_ap(addr, value)

    def _check(self) -> None:
        if self.id in self.failing:
            raise self.failing[self.id]
        port = self.ports.get(self.id)
        if port is None:
            raise exceptions.ProbeDisconnected("the cable was pulled")
        if port.control & STICKY_ERROR:
            port.control &= ~STICKY_ERROR
            raise exceptions.TransferFaultError()
        if not port.present:
            raise exceptions.TransferError("no acknowledgement")


def later(value: Any, now: bool) -> Any:
    """Return a value, or what returns it."""
    fetch: Callable[[], Any] = lambda: value  # noqa: E731
    return value if now else fetch
