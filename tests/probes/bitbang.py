"""The pins of a JTAG probe, for OpenOCD's driver ``remote_bitbang``.

``python -m tests.probes.bitbang SOCKET FILE`` serves one OpenOCD at a socket that it makes, with a
chip whose memory is the file. The states are those of IEEE 1149.1, the registers behind them those
of a JTAG-DP (ARM IHI 0031); the letters are described in OpenOCD's doc/manual/jtag/drivers. When
OpenOCD has gone it prints whether its processor was told to halt.
"""

import socket
import sys
from contextlib import suppress
from pathlib import Path

from tests.probes.chip import Chip, DebugPort

# A state, and where TMS leads from it: 0, 1. Both columns have the same seven states.
COLUMN = {
    "select": ("capture", None),
    "capture": ("shift", "exit1"),
    "shift": ("shift", "exit1"),
    "exit1": ("pause", "update"),
    "pause": ("pause", "exit2"),
    "exit2": ("shift", "update"),
    "update": ("idle", "select data"),
}
ABORT, DP_ACCESS, AP_ACCESS, IDCODE = 0x8, 0xA, 0xB, 0xE
DONE = 0b010
"""What stands in front of each result: done, or failed (which CTRL/STAT tells)."""


class Tap:
    """A test access port with the instructions of a debug port."""

    def __init__(self, port: DebugPort) -> None:
        self.port = port
        self.state = "reset"
        self.instruction = IDCODE
        self.shifting, self.bits = 0, 1
        self.result = 0

    def clock(self, tms: int, tdi: int) -> None:
        """One rising edge of TCK."""
        if self.state.startswith("shift"):
            self.shifting = self.shifting >> 1 | tdi << (self.bits - 1)
        self.state = self._next(tms)
        if self.state == "reset":
            self.instruction = IDCODE
        elif self.state == "capture data":
            self.shifting, self.bits = {
                IDCODE: (self.port.read(0), 32),
                DP_ACCESS: (self.result << 3 | DONE, 35),
                AP_ACCESS: (self.result << 3 | DONE, 35),
                ABORT: (DONE, 35),
            }.get(self.instruction, (0, 1))
        elif self.state == "capture instruction":
            self.shifting, self.bits = 1, 4
        elif self.state == "update instruction":
            self.instruction = self.shifting
        elif self.state == "update data" and self.instruction in (DP_ACCESS, AP_ACCESS):
            self._access(self.shifting & 1, self.shifting << 1 & 0xC, self.shifting >> 3)

    def _next(self, tms: int) -> str:
        if self.state in ("reset", "idle"):
            return ("idle", "reset" if self.state == "reset" else "select data")[tms]
        name, _, column = self.state.partition(" ")
        to = COLUMN[name][tms]
        if to is None:
            return "select instruction" if column == "data" else "reset"
        return to if name == "update" else f"{to} {column}"

    def _access(self, reads: int, address: int, value: int) -> None:
        port = self.port
        if self.instruction == AP_ACCESS:
            if reads:
                self.result = port.read_access(address)
            else:
                port.write_access(address, value)
        elif not reads:
            port.write(address, value)
        elif address != 0xC:  # that one only fetches the result
            self.result = port.read(address)


def serve(path: str, tap: Tap) -> None:
    """Do what one OpenOCD says, until it goes."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        listening.bind(path)
        listening.listen(1)
        print("ready", flush=True)
        peer, _ = listening.accept()
    high = False
    with peer, suppress(BrokenPipeError, ConnectionResetError):  # it went and did not wait
        while letters := peer.recv(1 << 16):
            told = bytearray()
            for letter in letters.decode():
                if letter in "01234567":
                    pins = int(letter)
                    if pins & 4 and not high:
                        tap.clock(pins >> 1 & 1, pins & 1)
                    high = bool(pins & 4)
                elif letter == "R":
                    told += b"1" if tap.shifting & 1 else b"0"
                elif letter == "Q":
                    return
            peer.sendall(told)


if __name__ == "__main__":
    chip = Chip(Path(sys.argv[2]))
    serve(sys.argv[1], Tap(DebugPort(chip)))
    print("halted" if chip.halts() else "never halted", flush=True)
