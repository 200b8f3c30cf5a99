"""A controller over a VideoCore in this process."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mboxio import Connection
from mboxio.controllers.bcm2835 import Bcm2835
from mboxio.regions.pool import Pool
from mboxio.sim.videocore import VideoCore


def driver(core: VideoCore, *, slots: int = 8, slot_bytes: int = 256, **options: Any) -> Bcm2835:
    pool = Pool(core.memory, core.bus_address, slot_bytes=slot_bytes, count=slots)
    return Bcm2835(options=Bcm2835.Options(**options), region=core.registers, pool=pool)


@contextmanager
def connected(
    core: VideoCore, *, slots: int = 8, clock: Any = None, **options: Any
) -> Iterator[Connection]:
    more = {} if clock is None else {"clock": clock}
    try:
        with Connection(driver(core, slots=slots, **options), **more) as connection:
            yield connection
        assert core.overflows == [], "a word was written to a full FIFO"
    finally:
        core.close()
