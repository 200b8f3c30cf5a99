"""The structures of the Linux mailbox framework, and what they refer to."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from mboxio._base.clock import SYSTEM, Clock
from mboxio.linux.channel import MBOX_TX_QUEUE_LEN, mbox_chan
from mboxio.linux.irq import irq_desc
from mboxio.linux.of import device_node, of_phandle_args
from mboxio.linux.request import mbox_wait
from mboxio.linux.waiting import Poller

if TYPE_CHECKING:
    from typing_extensions import TypeIs

EPROBE_DEFER, ENOTSUPP = 517, 524
"""Errors of the kernel that no C library knows (linux/errno.h); ENOTSUPP is not EOPNOTSUPP."""

MBOX_REQ_MAY_SLEEP = 1
"""Flag of a request: ``send_request`` may sleep, so it is refused where nothing may block."""


class module:
    """The code of a driver, which bound channels pin."""

    refcount = 0

    def try_get(self) -> bool:
        """Pin it; False if it is going away."""
        self.refcount += 1
        return True

    def put(self) -> None:
        """Let go of it."""
        self.refcount -= 1


@dataclass(eq=False)
class device:
    """A device. ``remove()`` undoes what is managed by it, the last first.

    Attributes:
        driver_data: anything of its driver's.
        irqs: its interrupt lines by number, for `devm_request_irq`.
        complaint: why its driver cannot drive it, from `dev_err_probe`.
        matches: the match table of its driver.
    """

    name: str = "device"
    of_node: device_node | None = None
    driver_data: Any = field(default=None, init=False, repr=False)
    irqs: dict[int, irq_desc] = field(default_factory=dict[int, irq_desc], init=False, repr=False)
    complaint: str = field(default="", init=False, repr=False)
    matches: Sequence[Any] = field(default=(), init=False, repr=False)
    managed: list[Any] = field(default_factory=list[Any], init=False, repr=False)

    def remove(self) -> None:
        """The device goes away."""
        while self.managed:
            what, undo = self.managed.pop()
            undo(what)


def name_of(dev: device | None) -> str:
    """Return what a log calls a device: never what hangs on it, which may be a whole tree."""
    return "nobody's device" if dev is None else dev.name


@dataclass(eq=False, kw_only=True)
class mbox_chan_ops:
    """What a driver implements; each op gets the channel first.

    ``send_data`` (classic style) or ``send_request``, and ``last_tx_done`` are called where nothing
    may block. ``send_data`` returns 0 if it took the message; ``send_request`` -EINPROGRESS, an
    error (-ENOSPC: its queue is full), or what the sender is to get at once.
    """

    send_data: Callable[[mbox_chan, Any], int | None] | None = None
    send_request: "Callable[[mbox_chan, mbox_request], int] | None" = None
    flush: Callable[[mbox_chan, int], int | None] | None = None
    startup: Callable[[mbox_chan], int | None] | None = None
    shutdown: Callable[[mbox_chan], object] | None = None
    last_tx_done: Callable[[mbox_chan], bool] | None = None
    peek_data: Callable[[mbox_chan], bool] | None = None


@dataclass(eq=False, kw_only=True)
class mbox_controller:
    """A controller. ``txpoll_period`` is in milliseconds; ``chans`` is made here.

    ``owner`` stands for ``dev->driver->owner``. ``clock`` and ``chans`` are the only fields that a
    driver finds filled in.
    """

    dev: device | None
    ops: mbox_chan_ops | None
    num_chans: int
    txdone_irq: bool = False
    txdone_poll: bool = False
    txpoll_period: int = 0
    of_xlate: "Callable[[mbox_controller, of_phandle_args], mbox_chan | int] | None" = None
    owner: module = field(default_factory=module)
    clock: Clock = SYSTEM
    chans: list[mbox_chan] = field(init=False, repr=False)
    poller: Poller = field(init=False, repr=False)
    registered: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self.chans = [mbox_chan(self, index) for index in range(self.num_chans)]

    @property
    def poll_due_ns(self) -> int | None:
        """When the poll timer fires next, on ``clock``; None while it is not armed."""
        return self.poller.due_ns if self.registered else None


@dataclass(eq=False, kw_only=True)
class mbox_client:
    """A client. ``tx_tout`` is in milliseconds; 0 is an hour, as in the kernel.

    Callbacks get the client first, and must not block. ``notify_callback``, which the kernel does
    not have, gets what arrives on controllers of requests.
    """

    dev: device | None = None
    tx_block: bool = False
    tx_tout: float = 0
    knows_txdone: bool = False
    rx_callback: "Callable[[mbox_client, Any], object] | None" = None
    tx_prepare: "Callable[[mbox_client, Any], object] | None" = None
    tx_done: "Callable[[mbox_client, Any, int], object] | None" = None
    notify_callback: "Callable[[mbox_client, Any], object] | None" = None

    queue_len: ClassVar[int] = MBOX_TX_QUEUE_LEN
    """How many of its messages may wait behind the active one."""


@dataclass(eq=False)
class mbox_request:
    """A request: data to send, memory for the answer, and the wait that its end completes.

    Without a wait nobody is told. It may be sent again, with another wait.
    """

    tx: Any = None
    rx: Any = None
    wait: mbox_wait | None = None
    flags: int = 0
    in_flight: list[Any] = field(default_factory=list[Any], init=False, repr=False)


def IS_ERR(pointer: object) -> "TypeIs[int]":
    """Return whether a function returned an error in place of a channel or a mapping."""
    return isinstance(pointer, int)
