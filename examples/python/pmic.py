"""Read registers of a PMIC behind ACPM firmware: python pmic.py [ADDRESS [REGISTER...]].

Without a board: python -m mboxio.remote.acpm peer:board serves a model of it.
"""

import sys

import mboxio
from mboxio.protocols.acpm_pmic import Pmic


def main(address: str = "acpm:/0?at=peer:board", *registers: str) -> None:
    numbers = [int(each, 0) for each in registers] or [0x10, 0x11, 0x12, 0x13]
    with mboxio.open(address, wait_s=5) as client:
        pmic = Pmic(client, kind=1)
        reads = [pmic.start_read(number) for number in numbers]  # all in flight
        for number, read in zip(numbers, reads, strict=True):
            try:
                print(f"{number:#04x}: {read.result():#04x}")
            except mboxio.RemoteError as error:
                print(f"{number:#04x}: refused with status {error.status}")


if __name__ == "__main__":
    main(*sys.argv[1:])
