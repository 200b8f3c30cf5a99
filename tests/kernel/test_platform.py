"""Platform drivers: what probe() gets, and how each slip in one is told."""

import errno
import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import mboxio
from mboxio import linux
from mboxio.devicetree import DeviceTree
from mboxio.linux.irq import SPURIOUS_MAX
from mboxio.sim.interrupt import ModelInterrupt
from mboxio.sim.words_only import WordsOnly
from tests.devicetree.writer import blob
from tests.tools import fork

FILES = Path(__file__).parent.parent / "devicetree" / "files"
IN, OUT, RAISED = 0, 4, 8


class Echo(WordsOnly):
    """A word that is written to OUT is in IN; RAISED says so, with an interrupt."""

    def __init__(self) -> None:
        super().__init__(12)
        self.raised = False
        self.interrupt = self.line = ModelInterrupt(lambda: self.raised)

    def read_words(self, offset: int, count: int) -> list[int]:
        words = super().read_words(offset, count)
        if offset == IN:
            self.raised = False
        return [int(self.raised)] if offset == RAISED else words

    def write_words(self, offset: int, words: Any) -> None:
        super().write_words(offset, words)
        if offset == OUT:
            super().write_words(IN, words)
            self.raised = True
            self.line.update()


class Driver:
    """A driver whose parts a test replaces: by an argument of its own, or by what it returns."""

    def __init__(self, **replaced: Any) -> None:
        self.replaced = replaced
        self.base: Any = None
        self.mbox: Any = None

    def probe(self, pdev: linux.platform_device) -> int:
        base = linux.devm_platform_ioremap_resource(pdev, self.replaced.get("reg", 0))
        if linux.IS_ERR(base):
            return base
        self.base = base
        linux.writel(0, base + self.replaced.get("offset", IN))
        self.mbox = linux.mbox_controller(
            dev=pdev.dev,
            ops=linux.mbox_chan_ops(
                send_data=self.replaced.get("send_data", self.send_data),
                startup=self.replaced.get("startup"),
            ),
            num_chans=1,
            txdone_irq=self.replaced.get("txdone_irq", True),
            of_xlate=self.replaced.get("of_xlate"),
        )
        irq = linux.platform_get_irq(pdev, self.replaced.get("irq", 0))
        if irq < 0:
            return irq
        handler = self.replaced.get("handler", self.handler)
        err = linux.devm_request_irq(pdev.dev, irq, handler, 0, pdev.name, self)
        if err or self.replaced.get("lazy"):
            return err
        return linux.devm_mbox_controller_register(pdev.dev, self.mbox)

    def send_data(self, chan: linux.mbox_chan, word: int) -> int:
        linux.writel(word, self.base + OUT)
        return 0

    def handler(self, irq: int, dev_id: object) -> int:
        if not linux.readl(self.base + RAISED):
            return linux.IRQ_NONE
        chan = self.mbox.chans[0]
        linux.mbox_chan_received_data(chan, linux.readl(self.base + IN))
        if self.mbox.txdone_irq:
            linux.mbox_chan_txdone(chan, 0)
        return linux.IRQ_HANDLED

    def controller(self, region: Any, events: str = "", **node: Any) -> linux.PlatformController:
        """Return it as a controller of mboxio, for a node with these properties."""

        class Ported(linux.PlatformController):
            driver = linux.platform_driver(
                name="echo", probe=self.probe, of_match_table=[linux.of_device_id("acme,echo")]
            )

            def correlator(self) -> mboxio.InOrder:
                return mboxio.InOrder()

        return Ported(
            options=Ported.Options(events=events), region=region, of_node=node_with(**node)
        )


def node_with(**properties: Any) -> linux.device_node:
    """Return the node of a tree with one mailbox, and of one client, which uses <1>."""
    mailbox = {
        "compatible": "acme,echo",
        "reg": [0x1000, 12],
        "interrupts": 5,
        "interrupt-parent": 2,
        "phandle": 1,
        "#mbox-cells": 1,
    } | {name.replace("_", "-"): value for name, value in properties.items()}
    root = {
        "#address-cells": 1,
        "#size-cells": 1,
        "gic": {"phandle": 2, "#interrupt-cells": 1},
        "mailbox": {name: value for name, value in mailbox.items() if value is not None},
        "client": {"mboxes": [1, 7], "mbox-names": "it"},
    }
    tree = linux.of_fdt_unflatten_tree(DeviceTree(blob(root)))
    return linux.of_find_node_by_path(tree, "/mailbox")


@pytest.fixture
def chip() -> Iterator[Echo]:
    """The registers."""
    with Echo() as made:
        yield made


def word(number: int) -> bytes:
    return number.to_bytes(4, "little")


@pytest.mark.parametrize("events", ["", "irq", "poll"])
def test_a_driver_is_driven(chip: Echo, events: str) -> None:
    with mboxio.Connection(Driver().controller(chip, events)) as connection:
        client = connection.client(0)
        assert [client.request(word(n)) for n in (1, 2, 3)] == [word(1), word(2), word(3)]


def test_a_driver_that_leaves_tx_done_to_its_client(chip: Echo) -> None:
    with mboxio.Connection(Driver(txdone_irq=False).controller(chip)) as connection:
        client = connection.client(0)
        assert [client.request(word(n)) for n in (1, 2)] == [word(1), word(2)]
        client.post(word(3))
        with pytest.raises(mboxio.QueueFull):
            client.post(word(4))
        client.tx_done()
        client.post(word(4))


def test_a_forked_child_leaves_the_hardware_alone(chip: Echo) -> None:
    with mboxio.Connection(Driver().controller(chip)) as connection:
        client = connection.client(0)
        child = fork()
        if child == 0:
            code = 1
            try:
                with pytest.raises(mboxio.ForkedError):
                    client.request(word(7))
                connection.close()
                code = 2 if chip.read_words(OUT, 1) == [7] else 0
            finally:
                os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert client.request(word(1)) == word(1)


SLIPS: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "a wrong compatible": (
        {},
        {"compatible": "acme,other"},
        "echo does not drive /mailbox, which is compatible with acme,other; the driver is with"
        " acme,echo",
    ),
    "disabled": ({}, {"status": "disabled"}, "echo: /mailbox is disabled in the device tree"),
    "no interrupt": (
        {},
        {"interrupts": None},
        "probe() of echo returned -ENXIO (No such device or address): IRQ index 0 not found:"
        " /mailbox has 0 interrupts",
    ),
    "no second interrupt": ({"irq": 1}, {}, "IRQ index 1 not found: /mailbox has 1 interrupts"),
    "no second reg": (
        {"reg": 1},
        {},
        "returned -EINVAL (Invalid argument): no registers 1: /mailbox has 1, and only devmem:",
    ),
    "a wrong offset": (
        {"offset": 0x40},
        {},
        "raised IndexError: writel at offset 0x40 of registers 0 of echo, which has 0xc bytes",
    ),
    "an odd offset": ({"offset": 2}, {}, "offset 0x2 of registers 0 of echo, which has 0xc bytes"),
    "nothing registered": ({"lazy": True}, {}, "echo: probe() registered 0 mailbox controllers"),
}


@pytest.mark.parametrize(("replaced", "node", "told"), SLIPS.values(), ids=SLIPS)
def test_a_device_that_cannot_be_driven(
    chip: Echo, replaced: dict[str, Any], node: dict[str, Any], told: str
) -> None:
    with pytest.raises(mboxio.AddressError) as caught:
        mboxio.Connection(Driver(**replaced).controller(chip, **node))
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)
    with mboxio.Connection(Driver().controller(chip)):  # nothing of it is left
        assert True


def test_a_kernels_probe_says_the_same(chip: Echo, caplog: pytest.LogCaptureFixture) -> None:
    driver = linux.platform_driver(
        name="echo", probe=Driver(irq=1).probe, of_match_table=[linux.of_device_id("acme,echo")]
    )
    pdev = linux.platform_device("echo", of_node=node_with(), region=chip)
    assert linux.platform_driver_probe(driver, pdev) == -errno.ENXIO
    assert "IRQ index 1 not found" in caplog.text


def test_later_is_not_never(chip: Echo) -> None:
    def probe(pdev: linux.platform_device) -> int:
        return linux.dev_err_probe(pdev.dev, -linux.EPROBE_DEFER, "no clock")

    driver = Driver()
    driver.probe = probe  # type: ignore[method-assign]
    with pytest.raises(mboxio.AddressError, match=r"EPROBE_DEFER \(.* yet\): no clock") as caught:
        mboxio.Connection(driver.controller(chip))
    assert caught.value.not_yet


def test_a_channel_that_does_not_start_up(chip: Echo) -> None:
    driver = Driver(startup=lambda chan: -errno.EIO)
    with (
        mboxio.Connection(driver.controller(chip)) as connection,
        pytest.raises(mboxio.AddressError, match=r"startup\(\) of channel 0 returned -EIO"),
    ):
        connection.client(0)


def test_what_send_data_refuses(chip: Echo) -> None:
    answers = iter([-errno.EBUSY, -errno.EBUSY, 0, -errno.EINVAL])

    def send_data(chan: linux.mbox_chan, mssg: int) -> int:
        answer = next(answers)
        return answer or driver.send_data(chan, mssg)

    driver = Driver(send_data=send_data)
    with mboxio.Connection(driver.controller(chip)) as connection:
        client = connection.client(0, queue_timeout_s=30.0)
        assert client.request(word(1)) == word(1), "tried until it is taken"
        with pytest.raises(mboxio.RemoteError, match="EINVAL") as caught:
            client.request(word(2))
        assert caught.value.handed_over == "no"


def test_what_send_data_raises(chip: Echo, caplog: pytest.LogCaptureFixture) -> None:
    def send_data(chan: linux.mbox_chan, mssg: int) -> int:
        linux.writel(mssg, driver.base + 0x40)
        return 0

    driver = Driver(send_data=send_data)
    with mboxio.Connection(driver.controller(chip)) as connection:
        with pytest.raises(mboxio.DriverError, match="writel at offset 0x40") as caught:
            connection.client(0).request(word(1))
        assert isinstance(caught.value.__cause__, IndexError)


HANDLERS: dict[str, tuple[Callable[[int, Any], int], str]] = {
    "raises": (lambda irq, driver: linux.readl(driver.base + 0x40), "readl at offset 0x40"),
    "nobody cares": (lambda irq, driver: linux.IRQ_NONE, f"nobody cared.*{SPURIOUS_MAX} times"),
    "exits": (lambda irq, driver: exit("x"), "SystemExit"),
}


@pytest.mark.parametrize(("handler", "told"), HANDLERS.values(), ids=HANDLERS)
def test_a_handler_that_fails(
    chip: Echo, handler: Any, told: str, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        mboxio.Connection(Driver(handler=handler).controller(chip)) as connection,
        pytest.raises(mboxio.DriverError, match=told),
    ):
        connection.client(0).request(word(1), timeout_s=30.0)
    assert caplog.record_tuples[0][1] == logging.ERROR


def test_a_word_that_is_none(chip: Echo, caplog: pytest.LogCaptureFixture) -> None:
    def handler(irq: int, driver: Driver) -> int:
        linux.readl(driver.base + IN)
        linux.mbox_chan_received_data(driver.mbox.chans[0], "word")
        return linux.IRQ_HANDLED

    with (
        mboxio.Connection(Driver(handler=handler).controller(chip)) as connection,
        pytest.raises(mboxio.DriverError, match="echo received 'word', which is not a message"),
    ):
        connection.client(0).request(word(1), timeout_s=30.0)


def test_a_handler_may_remove_its_device(chip: Echo) -> None:
    """The last word of the firmware may be that."""
    removed = linux.completion()

    def handler(irq: int, driver: Driver) -> int:
        linux.readl(driver.base + IN)
        linux.platform_device_unregister(pdev)
        linux.complete(removed)
        return linux.IRQ_HANDLED

    drv = linux.platform_driver(
        name="echo",
        probe=Driver(handler=handler).probe,
        of_match_table=[linux.of_device_id("acme,echo")],
    )
    pdev = linux.platform_device("echo", of_node=node_with(), region=chip)
    assert linux.platform_driver_probe(drv, pdev) == 0
    thread = pdev.dev.irqs[1].thread
    assert thread is not None
    chip.write(OUT, 1, 4)
    linux.wait_for_completion(removed)
    thread.join(30)
    assert not thread.is_alive()


@pytest.mark.parametrize(
    ("length", "message", "mssg"),
    [(0, b"", None), (2, b"\2\1", 0x102), (16, b"text", b"text"), (16, b"", b"")],
)
def test_what_a_driver_sees_of_a_message(length: int, message: bytes, mssg: object) -> None:
    class Ported(linux.PlatformController):
        message_bytes = length

    assert Ported().to_mssg(message) == mssg
    assert Ported().from_mssg(mssg) == message


def test_cells_that_the_driver_does_not_know(chip: Echo) -> None:
    def of_xlate(mbox: Any, sp: linux.of_phandle_args) -> Any:
        return mbox.chans[0] if sp.args_count == 2 else -errno.EINVAL

    node = node_with()
    assert node.tree
    specifier = node.tree.blob.channel("/client", "it")
    told = r"no channel <0x7>, with #mbox-cells = <1>: of_xlate\(\) returned -EINVAL"
    for driver in (Driver(), Driver(of_xlate=of_xlate)):
        with (
            mboxio.Connection(driver.controller(chip)) as connection,
            pytest.raises(mboxio.AddressError, match=told),
        ):
            connection.xlate(specifier)


def test_the_nodes_of_a_real_tree() -> None:
    root = linux.of_fdt_unflatten_tree(FILES / "k3-am62-pocketbeagle2.dtb")
    client = linux.of_find_node_by_path(root, "/bus@f0000/system-controller@44043000")
    provider = linux.of_find_node_by_path(root, "/bus@f0000/bus@48000000/mailbox@4d000000")
    assert list(client.mbox_names) == ["rx", "tx"]
    assert [(each.np, list(each.args)) for each in client.mboxes] == [
        (provider, [12]),
        (provider, [13]),
    ]
    assert linux.of_device_is_compatible(provider, "ti,am654-secure-proxy")
    assert linux.of_property_read_u32(provider, "#mbox-cells") == 1
    assert linux.of_property_read_u32(provider, "mbox-cells") == -errno.EINVAL
    assert linux.of_property_read_u32(None, "x") == -errno.EINVAL
    assert linux.of_property_read_string(root, "model") == "BeagleBoard.org PocketBeagle2"
    assert not linux.of_property_read_bool(client, "ti,x")
    pdev = linux.platform_device("proxy", of_node=provider)
    assert len(pdev.interrupts() or ()) == 1
    with pytest.raises(mboxio.DeviceTreeError, match="has no node"):
        linux.of_find_node_by_path(root, "/nothing")


def test_a_list_that_is_broken(caplog: pytest.LogCaptureFixture) -> None:
    tree = DeviceTree(blob({"client": {"mboxes": [9, 7]}}))
    node = linux.of_find_node_by_path(linux.of_fdt_unflatten_tree(tree), "/client")
    cl = linux.mbox_client(dev=linux.device("user", of_node=node))
    assert linux.mbox_request_channel(cl, 0) == -errno.ENODEV
    assert "user: /client: mboxes[0]: no node has phandle 0x9" in caplog.text


def test_registers_are_words(chip: Echo) -> None:
    base = linux.iomem(chip)
    linux.writel(~0, base + 4)
    assert linux.readl_relaxed(base + 2 + 2) == 0xFFFF_FFFF
    with pytest.raises(ValueError, match="readl at offset 0x2 of registers"):
        linux.readl(base + 2)
