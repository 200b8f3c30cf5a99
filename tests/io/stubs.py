"""Programs on the other end of a link: QEMU's qtest and a debugger's stub, with their traps."""

import os
import re
import socket
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

PATIENCE_S = 20.0


class Stub:
    """Serves one client, on a thread of its own.

    Args:
        folder: where the socket is made; None: it listens on TCP.
    """

    scheme = ""
    options = ""

    def __init__(self, folder: Path | None) -> None:
        self.words: dict[int, int] = {}
        self.fifo: deque[int] = deque()
        self.fifo_at = -1
        self.asked: list[str] = []
        self.frozen = threading.Event()
        self.clients = 0
        if folder is None:
            self.listening = socket.create_server(("127.0.0.1", 0))
            self.path = f"127.0.0.1:{self.listening.getsockname()[1]}"
        else:
            self.path = str(folder / f"{type(self).__name__}.sock")
            self.listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.listening.bind(self.path)
            self.listening.listen(4)
        self.peer: socket.socket | None = None
        self.thread = threading.Thread(target=self.run, daemon=True)

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.listening.shutdown(socket.SHUT_RDWR)
        self.hang_up()
        self.thread.join(PATIENCE_S)
        self.listening.close()

    def run(self) -> None:
        """Serve one client after the other."""
        while True:
            try:
                peer, _ = self.listening.accept()
            except OSError:
                return
            self.clients += 1
            self.peer = peer
            with peer:
                try:
                    self.serve(peer)
                except OSError:
                    pass
            self.peer = None

    @property
    def address(self) -> str:
        """How a region of it is addressed, as far as the ``@``."""
        return f"{self.scheme}:{self.path}{self.options}"

    def serve(self, peer: socket.socket) -> None:
        """Answer until the client goes."""
        raise NotImplementedError

    def hang_up(self) -> None:
        """End the connection as a program that dies does."""
        peer = self.peer
        if peer is not None:
            try:
                peer.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def load(self, address: int) -> int:
        """Read a word; the FIFO pops."""
        if address == self.fifo_at:
            return self.fifo.popleft() if self.fifo else 0xF
        return self.words.get(address, 0)


class FakeQtest(Stub):
    """Speaks as QEMU does: narrow accesses of registers are lost, interrupts come in between."""

    scheme = "qtest"
    order = "little"
    after = b""  # sent after each answer
    on_write: Callable[[int, int], object] | None = None

    def serve(self, peer: socket.socket) -> None:
        with peer.makefile("r") as lines:
            for line in lines:
                self.asked.append(line.rstrip())
                answer = self.answer(line.split())
                if self.frozen.is_set():
                    return
                peer.sendall(answer.encode() + b"\n" + self.after)

    def answer(self, words: list[str]) -> str:
        match words:
            case ["endianness"]:
                return f"OK {self.order}"
            case ["readl", address]:
                return f"OK {self.load(int(address, 0)):#018x}"
            case ["writel", address, value]:
                self.words[int(address, 0)] = int(value, 0)
                if self.on_write is not None:
                    self.on_write(int(address, 0), int(value, 0))
                return "OK"
            case ["readb" | "readw", _]:
                return "OK 0x0000000000000000"
            case ["writeb" | "writew", _, _]:
                return "OK"
            case ["irq_intercept_in" | "irq_intercept_out", device, *_]:
                return "OK" if device == "/cpu" else "FAIL Unknown device"
            case ["set_irq_in", device, *_]:
                return "OK" if device == "/cpu" else "FAIL Unknown device"
            case ["nonsense"]:
                return "OK gibberish"
        return f"FAIL Unknown command '{words[0]}'"

    def say(self, text: str) -> None:
        """Send something that nobody asked for."""
        assert self.peer is not None
        self.peer.sendall(text.encode())


def framed(body: bytes) -> bytes:
    """Put a packet of GDB's into its frame."""
    return b"$%s#%02x" % (body, sum(body) & 0xFF)


class Pty:
    """The far end of a serial port, as far as a stub calls it like a socket."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    def recv(self, size_bytes: int) -> bytes:
        data = os.read(self.descriptor, size_bytes)
        return b"" if HANG_UP in data else data

    def sendall(self, data: bytes) -> None:
        while data:
            data = data[os.write(self.descriptor, data) :]


HANG_UP = b"\0hang up"


class FakeGdb(Stub):
    """A stub with every trap that was met: see the fields."""

    scheme = "gdb"
    physical_offered = True
    physical_works = True
    drops_writes = True  # with an OK, unless physical addresses were chosen
    no_ack = True
    chatter = b""  # sent before each answer
    after = b""  # and after it
    acknowledges = True  # questions, until it is told not to
    twice = False  # each answer is sent twice
    cautious = False  # refuses memory until a thread was chosen or the state asked, as GNU's does
    garble = 0  # so many answers arrive damaged
    refuse = 0  # so many questions are taken for damaged
    run_length = False
    error = b""  # the answer to every access
    again = b""  # the last packet that was sent
    physical = False
    memory_at = 0x8000_0000  # from here on there is memory, where writes are never dropped
    processor = "arm-m-profile.xml"
    steps = b"vCont;c;C;s;S"
    described = False  # registers are told only to who has asked for their description

    def __init__(self, folder: Path | None) -> None:
        super().__init__(folder)
        self.registers = {0: 0x111, 1: 0x222, 15: 0x333, 25: 0x1000000, 32: 0x444}

    def serve(self, peer: socket.socket) -> None:
        self.physical = False
        acks = True
        received = b""
        while data := peer.recv(4096):
            received += data
            while found := re.search(rb"\$([^#]*)#(..)", received):
                received = received[found.end() :]
                assert int(found[2], 16) == sum(found[1]) & 0xFF
                question = found[1].decode()
                self.asked.append(question)
                if self.refuse:
                    self.refuse -= 1
                    peer.sendall(b"-")
                    continue
                answer = self.answer(question)
                if self.frozen.is_set():
                    return
                packet = framed(answer)
                if self.garble:
                    self.garble -= 1
                    self.again = packet
                    packet = packet[:-2] + b"00"
                packet = packet * (1 + self.twice) + self.after
                peer.sendall((b"+" if acks and self.acknowledges else b"") + self.chatter + packet)
                if question == "QStartNoAckMode" and answer == b"OK":
                    acks = False
            if b"-" in received:
                received = b""
                peer.sendall(self.again)
            received = received.replace(b"+", b"")

    def answer(self, question: str) -> bytes:
        if self.cautious and question[0] in "mM" and not {"Hg0", "?"} & set(self.asked):
            return b"E01"
        if question.startswith("qSupported"):
            return b"PacketSize=1000;QStartNoAckMode+"
        if question == "QStartNoAckMode":
            return b"OK" if self.no_ack else b""
        if question == "qqemu.Supported":
            return b"sstepbits;sstep;PhyMemMode" if self.physical_offered else b""
        if question in ("Qqemu.PhyMemMode:0", "Qqemu.PhyMemMode:1"):
            self.physical = self.physical_works and question.endswith("1")
            return b"OK" if self.physical_offered else b""
        if question == "qqemu.PhyMemMode":
            return b"1" if self.physical else b"0"
        if question == "qAttached":
            return b"1"
        if question.startswith("qXfer:features:read:target.xml:0"):
            self.described = True
            return b'l<target><xi:include href="%s"/></target>' % self.processor.encode()
        if question == "qC":
            return b"QC01"
        if question == "vCont?":
            return self.steps
        if question in ("vCont;s:01", "s"):
            return self.step()
        if found := re.fullmatch(r"p([0-9a-f]+)", question):
            value = self.registers[int(found[1], 16)]
            return value.to_bytes(self.width(), "little").hex().encode() if self.described else b""
        if found := re.fullmatch(r"P([0-9a-f]+)=([0-9a-f]+)", question):
            self.registers[int(found[1], 16)] = int.from_bytes(bytes.fromhex(found[2]), "little")
            return b"OK"
        if self.error:
            return self.error
        if found := re.fullmatch(r"m([0-9a-f]+),([0-9a-f]+)", question):
            address, size = int(found[1], 16), int(found[2], 16)
            if size < 4:
                return b"00" * size
            words = [self.load(address + 4 * index) for index in range(size // 4)]
            text = b"".join(word.to_bytes(4, "little") for word in words).hex().encode()
            return re.sub(rb"0000", b"0* ", text) if self.run_length else text
        if found := re.fullmatch(r"M([0-9a-f]+),4:([0-9a-f]{8})", question):
            address = int(found[1], 16)
            if self.physical or not self.drops_writes or address >= self.memory_at:
                self.words[address] = int.from_bytes(bytes.fromhex(found[2]), "little")
            return b"OK"
        return b"OK" if question.startswith("M") else b""

    def width(self) -> int:
        return 8 if self.processor.startswith("aarch64") else 4

    def step(self) -> bytes:
        """Execute one instruction, if it is a load or store of register 1 by register 0."""
        counter = 32 if self.width() == 8 else 15
        at = self.registers[counter]
        if self.width() == 8:
            code, length = self.words.get(at, 0), 4
        else:
            assert self.registers[25] & 1 << 24, "the T bit is not set"
            code, length = self.words.get(at & ~3, 0) >> 8 * (at & 2) & 0xFFFF, 2
        address = self.registers[0]
        if address >= 0xF000_0000:
            self.registers[counter] = 0xDEAD  # a fault
        elif code in (0x6001, 0xB900_0001):
            self.words[address] = self.registers[1] & 0xFFFF_FFFF
            self.registers[counter] = at + length
        elif code in (0x6801, 0xB940_0001):
            self.registers[1] = self.load(address)
            self.registers[counter] = at + length
        return b"T05thread:01;"


class BlackMagic(FakeGdb):
    """A Black Magic Probe: on a serial port, and without a target until it is told to attach."""

    def __init__(self) -> None:
        super().__init__(None)
        self.far, self.near = os.openpty()
        self.path = os.ttyname(self.near)
        self.attached = False
        self.scanned = False

    def run(self) -> None:
        """Serve the port."""
        self.serve(Pty(self.far))  # type: ignore[arg-type]

    def hang_up(self) -> None:
        """End the thread, which sees what comes out of the port; a second time it does nothing."""
        if not self.thread.is_alive():
            return
        os.write(self.near, HANG_UP)
        self.thread.join(PATIENCE_S)
        os.close(self.far)
        os.close(self.near)

    def answer(self, question: str) -> bytes:
        if question.startswith("qRcmd,"):
            command = bytes.fromhex(question[6:]).decode()
            self.scanned = command == "swdp_scan"
            os.write(self.far, framed(b"O" + b"Available Targets:\n".hex().encode()))
            return b"OK" if self.scanned else b"E01"
        if question == "!":
            return b"OK"
        if question == "?":
            return b"T05" if self.attached else b"W00"
        if question == "vAttach;1":
            self.attached = self.scanned
            return b"T05" if self.attached else b"E01"
        if question[0] in "mM" and not self.attached:
            return b"EFF"
        return super().answer(question)
