"""The host's side of a meeting: three words, in which both prove that they are there.

See ``mboxio_firmware.h``. The order holds against a restart of the firmware at any moment: our
number is written; the firmware answers with it, so it is alive and has dropped what an earlier host
sent; what the memory says is read again; then whether our number still stands. Starting firmware
takes it away before anything else.
"""

import os

from mboxio.regions.region import Region
from mboxio.ring.layout import HOST_LIFE, HOST_READY, HOST_SEEN

__all__ = ["Meeting"]


class Meeting:
    """One life of ours at one memory.

    Args:
        memory: the memory.
        life: our number; 0: a new one.
    """

    def __init__(self, memory: Region, life: int = 0) -> None:
        self.memory = memory
        self.life = life or int.from_bytes(os.urandom(4), "little") or 1

    def knock(self) -> None:
        """Say who we are, in place of any host before."""
        self.memory.write(HOST_LIFE, self.life, 4)

    def is_answered(self) -> bool:
        """Return whether the firmware has dropped what was there before, and knows us."""
        return self.memory.read(HOST_SEEN, 4) == self.life

    def word(self) -> int:
        """Return whose memory it is: our number; 0, of nobody; or that of another host."""
        return self.memory.read(HOST_LIFE, 4)

    def say_ready(self) -> None:
        """Say that we have dropped what waited for an earlier host."""
        self.memory.write(HOST_READY, self.life, 4)

    def leave(self) -> None:
        """Say that nobody is here any more, if it is still us."""
        if self.word() == self.life:
            self.memory.write(HOST_LIFE, 0, 4)
