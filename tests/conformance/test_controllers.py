"""The conformance suite on everything that claims to be a controller."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from mboxio import InOrder, Tagged
from mboxio.controllers.loopback import Loopback
from mboxio.testing import Bench, check_controller, checks
from tests.conformance.benches import bench
from tests.conformance.mailboxes import doorbells, mhu_words, property_buffers, vcio, words
from tests.conformance.rpmsg_kernels import descriptor, service, terminal
from tests.conformance.stacked import Stacked
from tests.drivers import (
    AckMailbox,
    CountFifo,
    InOrderPipe,
    IrqFifo,
    ListenOnly,
    RegisterMailbox,
    SendOnly,
    SharedFifo,
)


def loopback(depth: int = 1, **more: Any) -> Bench:
    controller = Loopback(options=Loopback.Options(depth=depth))
    return Bench(controller=controller, notify=controller.notify, patience_s=20.0, **more)


def loopback_asks() -> Bench:
    controller = Loopback()
    return Bench(
        controller=controller, notify=controller.notify, ask=controller.ask, patience_s=20.0
    )


def stacked() -> Bench:
    lower = IrqFifo()
    far = lower.far
    return Bench(
        controller=Stacked(lower),
        stall=far.stall,
        resume=far.resume,
        restart=far.restart,
        kill=far.kill,
        notify=far.notify,
        patience_s=20.0,
    )


FACTORIES: dict[str, Callable[[], Bench]] = {
    "loopback": loopback_asks,
    "loopback tagged": lambda: loopback(4, correlator=Tagged(bits=3)),
    "loopback in order": lambda: loopback(4, correlator=InOrder(4)),
    "register mailbox": lambda: bench(RegisterMailbox()),
    "register mailbox in order": lambda: bench(RegisterMailbox(correlator=partial(InOrder, 8))),
    "IRQ FIFO": lambda: bench(IrqFifo()),
    "count FIFO": lambda: bench(CountFifo()),
    "ACK mailbox": lambda: bench(AckMailbox()),
    "shared FIFO": lambda: bench(SharedFifo()),
    "in-order pipe": lambda: bench(InOrderPipe()),
    "send-only": lambda: bench(SendOnly()),
    "listen-only": lambda: bench(ListenOnly(), reply=None),
    "stacked": stacked,
    "bcm2835 buffers, polling": lambda: property_buffers(interrupts=False),
    "bcm2835 buffers, interrupt": lambda: property_buffers(interrupts=True),
    "bcm2835 words, polling": lambda: words(interrupts=False),
    "bcm2835 words, interrupt": lambda: words(interrupts=True),
    "vcio": vcio,
    "MHU doorbells, polling": lambda: doorbells(interrupts=False),
    "MHU doorbells, interrupt": lambda: doorbells(interrupts=True),
    "MHU words, polling": lambda: mhu_words(interrupts=False),
    "MHU words, interrupt": lambda: mhu_words(interrupts=True),
    "RPMsg": service,
    "RPMsg in order": lambda: service(replies="order:16"),
    "RPMsg, endpoint made, tags": lambda: service("pmic", replies="tag:0:2"),
    "RPMsg, no uevents": lambda: service(replies="order:16", uevents=False),
    "RPMsg, open descriptor": descriptor,
    "RPMsg terminal, COBS": lambda: terminal("cobs"),
    "RPMsg terminal, length": lambda: terminal("length"),
    "RPMsg terminal, lines": lambda: terminal("line"),
}


@pytest.mark.parametrize("name", checks())
@pytest.mark.parametrize("factory", FACTORIES.values(), ids=FACTORIES.keys())
def test_conforms(factory: Callable[[], Bench], name: str) -> None:
    """What a driver cannot do is left out by the suite, which says so in its report."""
    report = check_controller(factory, only=[name])
    assert [*report.passed, *report.skipped] == [name]


@pytest.mark.parametrize("name", checks())
def test_every_check_is_passed_by_some_driver(name: str) -> None:
    assert any(check_controller(factory, only=[name]).passed for factory in FACTORIES.values())
