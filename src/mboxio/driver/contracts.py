"""What a driver sees of the core, which lies above it: queues, channels, the connection.

Annotations of a driver name these; it never makes one.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

from mboxio._base.counts import Counts
from mboxio._base.gate import Gate
from mboxio._base.request import Lent, Request
from mboxio.driver.capabilities import Capabilities
from mboxio.driver.correlate import Correlator, Verdict
from mboxio.errors import MailboxError

__all__ = [
    "DriverChannel",
    "DriverHost",
    "DriverQueue",
    "TreeConsumer",
    "TreeNode",
    "TreeReader",
    "TreeRegion",
    "TreeSpecifier",
]


class DriverQueue(Protocol):
    """A queue of the hardware; `Controller.add_queue` makes it."""

    name: str
    depth: int
    capabilities: Capabilities
    context: Any
    """Anything of the driver's."""
    probe: Any
    """A `Probe`."""
    slots_used: int
    credits_used: int
    window: Any
    """Its `Window`."""
    only_replies: bool
    """The thread that looks needs no news of slots."""
    polls_events: bool

    def in_flight(self) -> list[Request]:
        """Return every request that holds something, oldest first."""
        ...

    def conceal(self) -> None:
        """See `Window.conceal`."""

    def take_tx_done(self, handles: Iterable[int] | int, status: int) -> None:
        """See `Controller.tx_done`."""

    def take_oldest_done(self, count: int, status: int) -> None:
        """See `Controller.tx_done`; for drivers that report under the lock."""

    def take_handed_over(self, handles: Iterable[int]) -> None:
        """See `Controller.handed_over`."""

    def take_fault(self, error: BaseException) -> None:
        """See `Controller.fault`."""


class DriverChannel(Protocol):
    """A channel; `Controller.add_channel` makes it."""

    name: str
    number: int
    message_bytes: int
    correlator: Correlator
    counts: Counts
    users: int
    context: Any
    """Anything of the driver's."""

    @property
    def queue(self) -> DriverQueue:
        """The queue that it uses, with others or alone."""
        ...

    def take_batch(self, messages: Iterable[bytes | Verdict]) -> None:
        """See `Controller.received`."""

    def take_completion(self, handle: int, status: int, reply: bytes) -> None:
        """See `Controller.complete`."""

    def take_failure(self, handle: int, error: MailboxError) -> None:
        """See `Controller.failed`."""

    def take_missed(self, count: int) -> None:
        """See `Controller.missed`."""


class DriverLife(Protocol):
    """The life of the remote that the connection knows."""

    lost_reason: str

    def take_link(self, up: bool, epoch: int, reason: str, sought: bool = True) -> None:
        """See `Controller.link`."""

    def take_denied(self, reason: str) -> None:
        """See `Controller.denied`."""


class DriverHost(Protocol):
    """The connection that a driver is attached to."""

    gate: Gate
    closed: bool

    @property
    def lost(self) -> bool:
        """Whether the remote is gone."""
        ...

    @property
    def life(self) -> DriverLife:
        """What is known of the remote's life."""
        ...

    @property
    def channels(self) -> Mapping[str, DriverChannel]:
        """All channels, by name, in the order in which they were added."""
        ...

    @property
    def queues(self) -> Sequence[DriverQueue]:
        """All queues, in the order in which they were added."""
        ...

    def add_queue(self, capabilities: Capabilities, name: str) -> DriverQueue:
        """See `Controller.add_queue`."""
        ...

    def add_channel(
        self,
        name: str,
        queue: Any,
        correlator: Correlator | None,
        can_send: bool,
        can_receive: bool,
        context: object,
    ) -> DriverChannel:
        """See `Controller.add_channel`."""
        ...

    def watch(self, descriptors: tuple[int, ...]) -> None:
        """See `Controller.watch`."""

    def take_event(self) -> None:
        """See `Controller.event`."""

    def adopt(self, channel: Any, tag: int, lent: Callable[[int], Lent] | None) -> None:
        """See `Controller.left_behind`."""


class TreeNode(Protocol):
    """A node of a device tree."""

    @property
    def path(self) -> str:
        """Where it is."""
        ...

    @property
    def shown(self) -> str:
        """Where it is, for people."""
        ...

    @property
    def compatible(self) -> Sequence[str]:
        """What it is, the most special name first."""
        ...

    def cells(self, name: str) -> Sequence[int]:
        """Return a property as numbers of 32 bits."""
        ...


class TreeRegion(Protocol):
    """One entry of a node's ``reg``."""

    @property
    def cpu(self) -> int | None:
        """Its address for the CPU, which may not reach it."""
        ...

    @property
    def size_bytes(self) -> int:
        """How long it is."""
        ...


class TreeSpecifier(Protocol):
    """One entry of ``mboxes``; see `mboxio.devicetree`."""

    @property
    def cells(self) -> tuple[int, ...]:
        """What the provider makes of it."""
        ...

    @property
    def nodes(self) -> Mapping[int, TreeNode]:
        """Where a cell is the phandle of a child of the provider: that, by the cell's number."""
        ...

    @property
    def provider(self) -> TreeNode | None:
        """The provider's node."""
        ...


class TreeConsumer(Protocol):
    """A node with ``mboxes``."""

    @property
    def channels(self) -> Sequence[TreeSpecifier]:
        """Its channels."""
        ...

    @property
    def shmem(self) -> Sequence[TreeNode | None]:
        """The memory that goes with them."""
        ...


class TreeReader(Protocol):
    """A device tree."""

    def regions(self, node: Any) -> Sequence[TreeRegion]:
        """Return the registers or memory of a node."""
        ...

    def consumer(self, node: Any) -> TreeConsumer:
        """Return what a node says of its mailboxes."""
        ...
