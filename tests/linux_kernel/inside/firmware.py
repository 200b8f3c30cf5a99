"""The processor behind /dev/rproc-py: a process that does what its standard input says.

It serves what `Processor` does, in the memory of the guest. An echo answers at 0x400, which is
announced as rpmsg-raw, and at the addresses up to 0x40f, which are not. Each line of input gets one
of output: how many messages were sent, or ``0``.
"""

import mmap
import os
import select
import struct
import time
from collections.abc import Callable

from mboxio.errors import RemoteError
from mboxio.regions import Memory
from mboxio.remote.rpmsg.layout import RpmsgLayout
from mboxio.remote.rpmsg.processor import DRIVER_OK, HostSide, Processor
from mboxio.remote.rpmsg.services import Services
from mboxio.rpmsg.link import RemoteLink
from mboxio.rpmsg.message import Announcement
from mboxio.rpmsg.table import ResourceTable, parse_table
from mboxio.virtio.access import words_of
from mboxio.virtio.layout import SplitLayout
from mboxio.virtio.ring import RemoteRing
from mboxio.virtio.words import Window, Windows, Words

DEVICE = "/dev/rproc-py"
SRAM, SRAM_BYTES = 0xF000_0000, 0x1_0000
CHUNK_BYTES = 0x1_0000
LAYOUT = RpmsgLayout(num=16, address=SRAM)
START, STOP = 1 << 30, 1 << 31
CRASH = 0xFFFF_FFFF
ECHO_FIRST, ECHO_COUNT = 0x400, 16
LOOK_AGAIN_S = 0.001
"""How often to see whether the driver is ready: nothing tells of it."""


class Reached(Windows):
    """The memory of Linux, as far as buffers lie in it.

    Args:
        reach: gives access to a part.
    """

    def __init__(self, reach: Callable[[int, int], Words]) -> None:
        super().__init__()
        self.reach = reach

    def find(self, address: int, size_bytes: int) -> Window:
        start = address // CHUNK_BYTES * CHUNK_BYTES
        if not any(each.address == start for each in self.windows):
            self.windows.append(Window(start, self.reach(start, CHUNK_BYTES)))
        return super().find(address, size_bytes)


class Firmware(HostSide):
    """The program of the processor, and the lives of it."""

    def __init__(self) -> None:
        self.device = os.open(DEVICE, os.O_RDWR | os.O_NONBLOCK)
        self.sram = Memory(mmap.mmap(self.device, SRAM_BYTES, offset=SRAM))
        parsed = parse_table(LAYOUT.table(anywhere=True))
        self.table_bytes, self.status_at = parsed.size_bytes, parsed.rpmsg[0].status_at
        self.services = Services(LAYOUT.num)
        for number in range(ECHO_COUNT):
            name = f"echo-{number}" if number else "rpmsg-raw"
            self.services.service(name, address=ECHO_FIRST + number, announced=not number)
        self.running = False
        self.lives = 0
        self.numbers: list[int] = []
        self.reached: dict[tuple[int, int], Words] = {}
        self.processor = self.new_life()

    def new_life(self) -> Processor:
        """Forget everything."""
        return Processor(self.services, self)

    def table(self) -> ResourceTable:
        """Return the table as Linux has filled it in."""
        return parse_table(self.sram.read_block(0, self.table_bytes))

    def ready(self) -> bool:
        """Return whether the driver is ready."""
        return self.running and bool(self.sram.read(self.status_at, 1) & DRIVER_OK)

    def join(self) -> RemoteLink:
        """Return the link where Linux has placed the rings."""
        rings = self.table().rpmsg[0].rings
        self.numbers = [each.notify for each in rings]
        to_host, to_us = (
            RemoteRing(self.reach(each.address, layout.size_bytes), layout)
            for each in rings
            for layout in (SplitLayout(0, each.num, each.align),)
        )
        return RemoteLink(to_host, to_us, Reached(self.reach))

    def reach(self, address: int, size_bytes: int) -> Words:
        """Return access to memory of Linux; the address is that of a page.

        What was mapped once stays: it is the same memory in each life.
        """
        size_bytes = -(-size_bytes // mmap.PAGESIZE) * mmap.PAGESIZE
        words = self.reached.get((address, size_bytes))
        if words is None:
            memory = Memory(mmap.mmap(self.device, size_bytes, offset=address))
            words = self.reached[address, size_bytes] = words_of(memory)
        return words

    def ring(self, queue: int) -> None:
        """Interrupt Linux."""
        self.tell(self.numbers[queue])

    def tell(self, word: int) -> None:
        """Write to the device."""
        os.write(self.device, struct.pack("<I", word))

    def event(self) -> None:
        """Hear what Linux does with the processor."""
        try:
            event = struct.unpack("<I", os.read(self.device, 4))[0]
        except BlockingIOError:
            return
        if event & STOP:
            self.running = False
        if event & START:
            self.running = True
            self.lives += 1
            self.processor = self.new_life()

    def work(self) -> float | None:
        """Do all there is to do; return when to do that again at the latest, in seconds."""
        processor = self.processor
        while self.running and processor.serve(time.monotonic_ns()):
            continue
        if self.running and processor.link is None:
            return LOOK_AGAIN_S
        next_ns = processor.next_ns()
        return None if next_ns is None else max(0.0, (next_ns - time.monotonic_ns()) / 1e9)

    def obey(self, command: str) -> int:
        """Do what a line says."""
        word, *rest = command.split(" ", 3)
        processor = self.processor
        if word in ("hold", "go"):
            processor.silent = word == "hold"
        elif word == "crash":
            self.running = False
            self.tell(CRASH)
        elif word in ("announce", "destroy"):
            processor.announce(Announcement(rest[0], int(rest[1]), gone=word == "destroy"))
        elif word == "say":
            return processor.put(int(rest[0]), int(rest[1]), rest[2].encode())
        elif word == "flood":
            source, destination, count = map(int, rest)
            return sum(
                processor.put(source, destination, b"%d" % number) for number in range(count)
            )
        elif word == "leak":
            return processor.put(ECHO_FIRST, ECHO_FIRST, b"", length=2000, filled=0)
        elif word == "linked":
            return self.lives if processor.link is not None else 0
        return 0

    def run(self) -> None:
        """Be the processor until the input ends."""
        poll = select.poll()
        poll.register(self.device, select.POLLIN)
        poll.register(0, select.POLLIN)
        pending = b""
        wait_s: float | None = 0.0
        while True:
            ready = {each for each, _ in poll.poll(None if wait_s is None else wait_s * 1e3)}
            if self.device in ready:
                self.event()
            if 0 in ready:
                read = os.read(0, 4096)
                if not read:
                    return
                *lines, pending = (pending + read).split(b"\n")
                for line in lines:
                    print(int(self.obey(line.decode())), flush=True)
            try:
                wait_s = self.work()
            except RemoteError as error:
                print(error, flush=True)  # no number: whoever asks next fails
                return


if __name__ == "__main__":
    Firmware().run()
