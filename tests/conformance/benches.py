"""The far sides of the fake drivers, as the conformance suite wants them."""

from typing import Any

from mboxio.testing import Bench, echo
from tests.drivers import Fake, SharedFifo


def bench(driver: Fake, **more: Any) -> Bench:
    """Give the far side of a fake driver to the conformance suite."""
    far = driver.far
    tied = driver.correlator is not None or driver.capabilities.matches_replies
    offered: dict[str, Any] = {
        "controller": driver,
        "reply": echo if tied else None,
        "shortest_bytes": 4 if driver.declared.message_bytes == 4 else 0,
        "taken": lambda: [item.message for item in far.taken if item.channel.number == 0],
        "notify": far.notify,
        "stall": far.stall,
        "resume": far.resume,
        "patience_s": 20.0,
    }
    if driver.capabilities.matches_replies or isinstance(driver, SharedFifo):
        offered["ask"] = far.ask
    if driver.capabilities.epoch_source:
        offered |= {"restart": far.restart, "kill": far.kill}
    return Bench(**offered | more)
