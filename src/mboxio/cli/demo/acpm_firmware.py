"""The firmware of ``mboxio demo acpm``: ``python -m mboxio.cli.demo.acpm_firmware NAME``.

It ends with its standard input, so it does not outlive the demo, however that ends.
"""

import select
import struct
import sys

from mboxio.remote.acpm import AcpmRemote
from mboxio.remote.acpm.pmic import PmicModel

__all__ = ["LATENCY_S", "PMIC", "SENSED", "SENSOR", "WORKERS", "value_of"]

PMIC, SENSOR = range(2)
"""The channels."""
LATENCY_S = 200e-6
WORKERS = 16
PACE_S = 4e-3
SENSED = struct.Struct("<4xI8x")
"""An unsolicited message: word 0 with number 0, then which one of this life it is."""


def value_of(register: int) -> int:
    """Return what a register holds from the start."""
    return register * 37 & 0xFF ^ 0x5A


def build(name: str) -> AcpmRemote:
    """Declare the two channels of the demo."""
    model = PmicModel()
    model.registers.update({(0, 0, register): value_of(register) for register in range(256)})
    remote = AcpmRemote(f"peer:{name}")
    remote.channel(model, latency_s=LATENCY_S, workers=WORKERS)
    remote.channel(slots=64)
    return remote


def main() -> None:
    """Serve until the standard input ends."""
    with build(sys.argv[1]) as remote:
        print("ready", flush=True)
        number = 0
        while not select.select([sys.stdin], [], [], PACE_S)[0]:
            if remote.stats().messages:  # the host is up
                remote.notify(SENSOR, SENSED.pack(number))
                number += 1


if __name__ == "__main__":
    main()
