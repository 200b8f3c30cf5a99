"""A ported driver as a controller of mboxio: it has an address, and native clients."""

from dataclasses import dataclass
from typing import Any, ClassVar

from mboxio._base.gate import complain
from mboxio.devicetree import DeviceTree
from mboxio.devicetree.files import LIVE, LIVE_FOLDERS
from mboxio.driver.capabilities import Capabilities, TxDone
from mboxio.driver.contracts import DriverChannel, TreeNode, TreeReader, TreeSpecifier
from mboxio.driver.controller import Controller, Outcome
from mboxio.driver.correlate import Correlator
from mboxio.errors import AddressError, DriverError, MailboxError, WrongMessage
from mboxio.linux.bound_channel import BoundChannel, remember_what_is_raised
from mboxio.linux.of import (
    device_node,
    of_fdt_unflatten_tree,
    of_find_node_by_path,
    of_phandle_args,
)
from mboxio.linux.platform import (
    attach,
    name_of_error,
    platform_device,
    platform_device_unregister,
    platform_driver,
)
from mboxio.linux.registered import controllers, index_xlate
from mboxio.linux.structs import mbox_controller
from mboxio.regions.region import Region

__all__ = ["PlatformController", "PlatformOptions"]

WORD_BYTES_MAX = 8


@dataclass(frozen=True, kw_only=True)
class PlatformOptions:
    """What an address of a ported driver may say. One by device tree, ``dt:``, fills all of it in.

    Args:
        at: the first registers, for example ``uio:0``.
        events: ``irq`` or ``poll``; left out, the interrupt is used if the registers have one.
        shared: other hosts may use the same registers.
        node: path of the device's node; left out, the driver gets no node.
        dtb: the tree with it, a file; left out, the running kernel's.
    """

    at: str = ""
    events: str = ""
    shared: bool = False
    node: str = ""
    dtb: str = ""

    def __post_init__(self) -> None:
        if self.events not in ("", "irq", "poll"):
            raise ValueError(f"events={self.events} is neither irq nor poll")
        if self.dtb and not self.node:
            raise ValueError("dtb= says which tree, node= has to say which node of it")


class PlatformController(Controller):
    """A `platform_driver` with a mailbox controller, which clients of mboxio use.

    A subclass names the ``driver``, and what a message is. It is the only client of the driver, and
    each of the driver's channels is one here, by its number.

    Args:
        name: ignored; options say which.
        options: see `PlatformOptions`.
        region: the registers, in place of ``at``; they stay the caller's.
        of_node: the node of the device, in place of ``node`` and ``dtb``.
    """

    Options: ClassVar[type[PlatformOptions]] = PlatformOptions

    driver: ClassVar[platform_driver]
    """What is probed."""
    message_bytes: ClassVar[int] = 4
    """How long each message is, up to 8: for the driver it is a little-endian integer, or None with
    0. Above 8, the longest one: messages are bytes then."""
    timeout_s: ClassVar[float] = 1.0
    """Default deadline of a request, in seconds."""

    def __init__(
        self,
        name: str = "",
        options: PlatformOptions | None = None,
        *,
        region: Region | None = None,
        of_node: device_node | None = None,
    ) -> None:
        self.options = options or self.Options()
        self.region = region
        self.of_node = of_node
        self.pdev: platform_device | None = None
        self.mbox: mbox_controller | None = None
        self.ended: Exception | None = None  # why there are no interrupts any more

    # -- what a message is; a subclass may override these

    def correlator(self) -> Correlator | None:
        """Return what ties replies to requests on a channel, a new one for each; None: nothing."""
        return None

    def to_mssg(self, message: bytes) -> Any:
        """Return what ``send_data`` gets for a message."""
        if not self.message_bytes:
            return None
        if self.message_bytes <= WORD_BYTES_MAX:
            return int.from_bytes(message, "little")
        return message

    def from_mssg(self, mssg: Any) -> bytes:
        """Return the message for what the driver received.

        Raises:
            TypeError, OverflowError: it is none.
        """
        if not self.message_bytes:
            return b""
        if self.message_bytes <= WORD_BYTES_MAX:
            return int(mssg).to_bytes(self.message_bytes, "little")
        return bytes(memoryview(mssg))

    # -- ops

    def open(self) -> None:
        """Probe the device and declare what it has registered."""
        self.pdev = pdev = platform_device(
            self.driver.name,
            of_node=self.find_node(),
            region=self.region,
            at=self.options.at,
            polled=self.options.events == "poll",
            shared=self.options.shared,
        )
        registers = pdev.resource(0)
        if self.options.events == "irq" and registers.interrupt is None:
            raise AddressError("events=irq: these registers have no interrupt")
        pdev.failed = self.report
        attach(self.driver, pdev)
        self.mbox = mbox = self.registered()
        remember_what_is_raised(mbox)
        for chan in mbox.chans:
            bound = BoundChannel(self.driver.name, self, chan, self.to_mssg, self.from_mssg)
            capabilities = Capabilities(
                message_bytes=self.message_bytes,
                tx_done=TxDone.ACK if bound.acknowledged else TxDone.IRQ,
                timeout_s=self.timeout_s,
                access_s=registers.access_s,
            )
            queue = self.add_queue(capabilities, str(chan.index))
            bound.channel = self.add_channel(
                str(chan.index), queue, correlator=self.correlator(), context=bound
            )
        if self.ended is not None:  # it was too early for `report`
            raise AddressError(f"{self.driver.name}: {self.ended}") from self.ended

    def find_node(self) -> device_node | None:
        """Return the node of the device, if it is to have one."""
        if self.of_node is not None or not self.options.node:
            return self.of_node
        root = of_fdt_unflatten_tree(self.options.dtb or None)
        return of_find_node_by_path(root, self.options.node)

    def registered(self) -> Any:
        """Return the controller that ``probe`` has registered."""
        assert self.pdev is not None
        mine = [each for each in controllers if each.dev is self.pdev.dev]
        what = f"{self.driver.name}: probe() registered"
        if len(mine) != 1:
            raise AddressError(f"{what} {len(mine)} mailbox controllers, not one")
        if mine[0].ops is None or mine[0].ops.send_data is None:
            raise AddressError(f"{what} a controller without send_data")
        return mine[0]

    def close(self) -> None:
        """Remove the driver from the device."""
        pdev, self.pdev = self.pdev, None
        if pdev is not None:
            platform_device_unregister(pdev)

    def start(self, channel: DriverChannel) -> None:
        """See `BoundChannel.bind`."""
        channel.context.bind()

    def stop(self, channel: DriverChannel) -> None:
        """See `BoundChannel.free`."""
        channel.context.free()

    def check(self, channel: DriverChannel, message: bytes) -> None:
        """Refuse what is not as long as messages are."""
        if self.message_bytes <= WORD_BYTES_MAX and len(message) != self.message_bytes:
            text = f"a message has {self.message_bytes} bytes, not {len(message)}"
            raise WrongMessage(f"channel {channel.name!r}: {text}", handed_over="no")

    def send(self, channel: DriverChannel, handle: int, message: bytes) -> Outcome:
        """See `BoundChannel.send`."""
        bound: BoundChannel = channel.context
        return bound.send(handle, message)

    def xlate(self, specifier: TreeSpecifier) -> int:
        """Ask the driver which channel an entry of a device tree means."""
        assert self.pdev is not None
        assert self.mbox is not None
        sp = of_phandle_args(self.pdev.dev.of_node, specifier.cells)
        found = (self.mbox.of_xlate or index_xlate)(self.mbox, sp)
        if isinstance(found, int):
            raise AddressError(
                f"{self.driver.name}: no channel <{' '.join(map(hex, sp.args))}>, with"
                f" #mbox-cells = <{sp.args_count}>: of_xlate() returned {name_of_error(found)}",
                errno=abs(found),
            )
        return found.index

    @classmethod
    def tree_options(
        cls, tree: TreeReader, node: TreeNode, specifier: TreeSpecifier | None
    ) -> dict[str, str]:
        """Say which node it is, and where its first registers are."""
        options = {**super().tree_options(tree, node, specifier), "node": node.path}
        if isinstance(tree, DeviceTree) and tree.source not in (LIVE, *LIVE_FOLDERS):
            options["dtb"] = tree.source
        return options

    def forked(self) -> None:
        """See `Controller.forked`."""
        if self.pdev is not None:
            for line in self.pdev.dev.irqs.values():
                line.abandon()
            self.pdev.let_go()

    def report(self, error: Exception) -> None:
        """An interrupt ended: the registers are lost, or the driver failed."""
        self.ended = error
        if isinstance(error, MailboxError):
            self.link(False, -1, str(error))
            return
        complain("an interrupt handler of %s failed", self.driver.name, error)
        fault = DriverError(f"{self.driver.name} failed: {error!r}")
        fault.__cause__ = error
        for queue in self.declared_queues():
            self.fault(queue, fault)
