"""Print how a Raspberry Pi is doing: python pi_temperature.py [ADDRESS], on the board itself.

Elsewhere, an address such as bcm2835:?at=gdb:… reaches the board through a debug probe.
"""

import sys

import mboxio
from mboxio.protocols.rpi_property import RpiProperty
from mboxio.protocols.rpi_tags import BOARD_REVISION, TEMPERATURE, Clock, clock_rate


def show(client: mboxio.Client) -> None:
    board = RpiProperty(client)
    print(f"revision {board.read(BOARD_REVISION):#x}")
    degrees, hertz = board.read_all(TEMPERATURE, clock_rate(Clock.ARM))  # in one message
    print(f"{degrees} degrees at {hertz / 1e6:.0f} MHz")


if __name__ == "__main__":
    with mboxio.open(*sys.argv[1:] or ["vcio:"]) as client:
        show(client)
