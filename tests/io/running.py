"""Programs on the other end of a link whose processor runs: OpenOCD, and a stub that is let go."""

import re
import socket
from collections.abc import Iterator
from pathlib import Path

from tests.io.stubs import FakeGdb, Stub, framed

LINE = re.compile(r"concat ([0-9]+) \[catch \{(.*)\} _mboxio\] \$_mboxio", re.DOTALL)
TARGET = "chip.cpu"


class TclError(Exception):
    """What a command of OpenOCD's ends with."""


class FakeOpenOcd(Stub):
    """Speaks as OpenOCD 0.12 does at its Tcl port, as far as it is asked here."""

    scheme = "openocd"
    commands = "read_memory"
    targets = TARGET
    endian = "little"
    dap = "chip.dap"
    examined = True
    state = "running"
    error = ""  # what every access of memory ends with
    value: str | None = None  # the result of every access of memory
    before = b""  # sent before each answer
    after = b""  # and after it
    twice = False  # each answer is sent twice

    def serve(self, peer: socket.socket) -> None:
        received = b""
        while data := peer.recv(4096):
            *lines, received = (received + data).split(b"\x1a")
            for line in lines:
                answer = self.verdict(line.decode())
                if self.frozen.is_set():
                    return
                peer.sendall(self.before + answer * (1 + self.twice) + self.after)

    def verdict(self, line: str) -> bytes:
        """Carry out a line."""
        found = LINE.fullmatch(line)
        assert found, f"nobody but us asks like this: {line!r}"
        self.asked.append(found[2])
        try:
            code, said = 0, self.answer(found[2])
        except TclError as error:
            code, said = 1, str(error)
        return f"{found[1]} {code} {said}".rstrip().encode() + b"\x1a"

    def answer(self, command: str) -> str:
        """Carry out a command.

        Raises:
            TclError: it cannot be.
        """
        match command.split(maxsplit=4):
            case ["info", "commands", "read_memory"]:
                return self.commands
            case ["target", "names"]:
                return self.targets
            case [name, "dpreg", "4"] if name == self.dap:
                return "0xf0000040"
            case [name, *rest] if name in self.targets.split():
                return self.of_target(rest)
        raise TclError(f'invalid command name "{command.partition(" ")[0]}"')

    def of_target(self, words: list[str]) -> str:
        """Carry out a command of a target's."""
        match words:
            case ["cget", "-endian"]:
                return self.endian
            case ["cget", "-dap"] if self.dap:
                return self.dap
            case ["arp_poll"]:
                return ""
            case ["was_examined"]:
                return str(int(self.examined))
            case ["curstate"]:
                return self.state
            case [("read_memory" | "write_memory") as access, *_] if self.error:
                raise TclError(f"{access}: {self.error}")
            case ["read_memory" | "write_memory", *_] if self.value is not None:
                return self.value
            case ["read_memory", address, bits, count]:
                width, at = int(bits) // 8, int(address, 0)
                places = range(at, at + width * int(count), width)
                return " ".join(f"{self.load_part(place, width):#x}" for place in places)
            case ["write_memory", address, bits, numbers]:
                width, at = int(bits) // 8, int(address, 0)
                for index, value in enumerate(numbers.strip("{}").split()):
                    self.store_part(at + width * index, int(value, 0), width)
                return ""
        raise TclError("wrong # args")

    def load_part(self, address: int, width: int) -> int:
        if width == 8:
            raise TclError("read_memory: failed to read memory")
        return self.load(address & ~3) >> 8 * (address & 3) & ((1 << 8 * width) - 1)

    def store_part(self, address: int, value: int, width: int) -> None:
        at, shift = address & ~3, 8 * (address & 3)
        mask = ((1 << 8 * width) - 1) << shift
        self.words[at] = self.words.get(at, 0) & ~mask | value << shift

    def say(self, data: bytes) -> None:
        """Send something that nobody asked for."""
        assert self.peer is not None
        self.peer.sendall(data)


class RunningGdb(FakeGdb):
    """A stub with a processor that runs, while which it gives no memory."""

    options = ",run=yes"
    runs = False
    stops_at_once = 0  # so many times, when it is let run, as at a breakpoint
    report = b"T02thread:01;"
    doubts = 0  # so many times it takes a packet that lets run for damaged
    reports_again = 0  # so many answers have a report after them

    def __init__(self, folder: Path | None) -> None:
        super().__init__(folder)
        self.acks = True
        self.rest = b""

    def serve(self, peer: socket.socket) -> None:
        self.acks, self.rest, self.runs, self.physical = True, b"", False, False
        while data := peer.recv(4096):
            for answer in self.answers(data):
                if self.frozen.is_set():
                    return
                peer.sendall(answer)

    def answers(self, said: bytes) -> Iterator[bytes]:
        """Yield what is answered to what was said."""
        self.rest += said
        while self.rest:
            first = self.rest[:1]
            if first in (b"+", b"-"):
                self.rest = self.rest[1:]
            elif first == b"\x03":
                self.rest = self.rest[1:]
                yield from self.stop()
            elif found := re.match(rb"\$([^#]*)#(..)", self.rest):
                self.rest = self.rest[found.end() :]
                yield from self.packet(found[1].decode())
            else:
                return

    def stop(self) -> Iterator[bytes]:
        """Take a break, which means nothing to a processor that stands."""
        self.asked.append("break")
        if self.runs:
            self.runs = False
            yield framed(self.report)

    def packet(self, question: str) -> Iterator[bytes]:
        self.asked.append(question)
        heard = b"+" if self.acks else b""
        if question == "c":
            if self.doubts:
                self.doubts -= 1
                yield b"-"
                return
            self.runs = not self.stops_at_once
            self.stops_at_once -= not self.runs
            # Together: who hears that it was let run hears that it stopped.
            yield heard if self.runs else heard + framed(b"T05thread:01;")
            return
        answer = self.answer(question)
        again = framed(self.report) if self.reports_again else b""
        self.reports_again -= bool(again)
        yield heard + framed(answer) + again
        if question == "QStartNoAckMode" and answer == b"OK":
            self.acks = False

    def answer(self, question: str) -> bytes:
        if self.runs and question[0] in "mM":
            return b"E.the processor runs"
        return super().answer(question)

    @property
    def accesses(self) -> list[str]:
        """What was asked since this was last looked at."""
        asked, self.asked[:] = self.asked[:], []
        return asked
