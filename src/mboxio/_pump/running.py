"""Which port the running event loop has at a pump."""

import asyncio

from mboxio._pump.loops import LoopPort
from mboxio._pump.pump import Pump
from mboxio._pump.slow_loops import DistantPort

__all__ = ["running_loop", "running_port"]


def running_loop() -> asyncio.AbstractEventLoop:
    """Return the loop that runs here.

    Raises:
        RuntimeError: none does; the text says what to use.
    """
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        raise RuntimeError(
            "no asyncio event loop runs here: async clients need one; under trio and others use the"
            " blocking client in a thread, as in trio.to_thread.run_sync(client.request, data)"
        ) from None


def running_port(pump: Pump) -> LoopPort:
    """Return the running loop's port at ``pump``, made at first use."""
    loop = running_loop()
    for port in pump.loops:
        if port.loop is loop:
            assert isinstance(port, LoopPort)
            return port
    if pump.distant:
        made: LoopPort = DistantPort(loop, pump)
    else:
        made = LoopPort(loop, pump)
    pump.gate.call(_add, pump, made)
    return made


def _add(pump: Pump, port: LoopPort) -> None:
    # Each `asyncio.run` makes a loop of its own, and the ports of closed ones would pile up.
    for old in list(pump.loops):
        if old.loop.is_closed():
            old.drop()
    pump.loops.append(port)
