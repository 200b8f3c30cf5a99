"""Remotes in this process that take a message, or answer it, when the test says so."""

from abc import ABC, abstractmethod
from typing import Any

from mboxio import Client, Connection
from mboxio.controllers.acpm.layout import AcpmSpec
from mboxio.controllers.arm_mhu import Mhu, MhuOptions
from mboxio.controllers.bcm2835 import Bcm2835
from mboxio.controllers.firmware_rings.driver import FirmwareRings
from mboxio.controllers.firmware_rings.options import RingsOptions
from mboxio.controllers.framing import framing_of
from mboxio.controllers.rtt.driver import Rtt
from mboxio.controllers.rtt.options import RttOptions
from mboxio.controllers.virtio_rpmsg.driver import VirtioRpmsg
from mboxio.controllers.virtio_rpmsg.options import VirtioRpmsgOptions
from mboxio.protocols.rpi_buffer import Ask, encode
from mboxio.regions.pool import Pool
from mboxio.regions.region import Kind, Memory
from mboxio.ring.contract import REPLY
from mboxio.ring.reference import ReferenceConsumer, ReferenceProducer
from mboxio.sim import VirtualClock
from mboxio.sim.videocore import PROPERTY, VideoCore
from tests.acpm.support import Board, reply_to
from tests.firmware_rings.model import Firmware
from tests.firmware_rings.test_meeting import Stepped
from tests.mhu.block import Block
from tests.rpmsg.test_conformance import BUFFER_BYTES, OURS, POOL, THEIRS
from tests.rpmsg.test_conformance import Far as Link
from tests.rtt.target import ADDRESS, Target, region_of


class Remote(ABC):
    """A remote that outlives its hosts.

    Attributes:
        channel: the one that the tests use.
        depth: how many messages a host may have in flight.
        taken: what it has taken and not answered.
        sees_taken: a new host can tell that messages were taken and not answered.
        sees_waiting: it can tell how many were not taken.
        holds_taken: a message that was taken holds its slot until it is answered.
    """

    channel: int | str = 0
    depth = 4
    taken: list[Any]
    sees_taken = True
    sees_waiting = True
    holds_taken = False

    @abstractmethod
    def driver(self) -> Any:
        """Return a new driver."""

    @abstractmethod
    def take(self) -> bool:
        """Take the oldest message, and do not answer it yet; False: there is none."""

    @abstractmethod
    def answer(self) -> bool:
        """Answer the oldest message that was taken; False: there is none."""

    def connect(self) -> Connection:
        """Be another host."""
        return Connection(self.driver(), clock=VirtualClock())

    def client(self, connection: Connection) -> Client:
        return connection.client(self.channel)

    def message(self, number: int) -> bytes:
        """Return a message that no other request has."""
        return number.to_bytes(4, "little") + bytes(8)

    def number(self, reply: bytes) -> int:
        """Tell which message a reply answers."""
        return int.from_bytes(reply[:4], "little")

    def number_of(self, number: int) -> int:
        """Return what stands for a number in messages."""
        return number

    def serve(self) -> None:
        """Answer everything."""
        while self.answer() or self.take():
            pass

    def forget(self) -> None:
        """Never answer what was taken."""
        self.taken.clear()


class AcpmFar(Remote):
    def __init__(self, slots: int) -> None:
        self.board = Board(AcpmSpec(slots, 16))
        self.depth = slots - 1
        self.taken = []

    def connect(self) -> Connection:
        return self.board.connect()

    def driver(self) -> Any:
        raise NotImplementedError

    def message(self, number: int) -> bytes:
        return bytes(4) + number.to_bytes(4, "little") + bytes(8)

    def number(self, reply: bytes) -> int:
        return int.from_bytes(reply[:-5:-1], "little")

    def take(self) -> bool:
        found = self.board.far[0].taking.pop_batch(1)
        self.taken += [message for _, _, message in found]
        return bool(found)

    def answer(self) -> bool:
        if not self.taken:
            return False
        self.board.far[0].put(reply_to(self.taken.pop(0)))
        return True


class Slow(Firmware):
    """Answers when it is told; it keeps what it has taken, also from one host to the next."""

    def __init__(self, memory: Memory) -> None:
        super().__init__(memory)
        self.silent = True
        self.kept: list[tuple[int, bytes]] = []

    def ends(self) -> tuple[ReferenceConsumer, ReferenceProducer]:
        assert self.layout is not None
        each = self.layout.channels[0]
        return (
            ReferenceConsumer(self.memory, each.to_remote),
            ReferenceProducer(self.memory, each.to_host),
        )


class RingsFar(Remote):
    depth = 7
    sees_waiting = False  # both sides drop what was there when they meet

    def __init__(self, kind: Kind) -> None:
        self.firmware = Slow(Memory(bytearray(4096)))
        self.firmware.settle()
        self.kind = kind

    def driver(self) -> Any:
        region = Stepped(self.firmware, self.kind, [2], {})
        return FirmwareRings(options=RingsOptions(timeout_s=0.1, shared=True), region=region)

    def take(self) -> bool:
        incoming, _ = self.firmware.ends()
        if not incoming.peek():
            return False
        self.firmware.kept.append((incoming.tag, incoming.payload()))
        incoming.advance()
        incoming.release()
        return True

    def answer(self) -> bool:
        if not self.firmware.kept:
            return False
        _, outgoing = self.firmware.ends()
        assert outgoing.push(REPLY, *self.firmware.kept.pop(0))
        return True


class MhuFar(Remote):
    """Words, each acknowledged by the same word; what ties them is the client's."""

    depth = 1
    sees_taken = False

    def __init__(self) -> None:
        self.block = Block(answers=False)
        self.block.stall()
        self.taken = []

    def driver(self) -> Any:
        return Mhu(options=MhuOptions(words=True), region=self.block)

    def client(self, connection: Connection) -> Client:
        from mboxio import InOrder

        return connection.client(self.channel, correlator=InOrder())

    def message(self, number: int) -> bytes:
        return self.number_of(number).to_bytes(4, "little")

    def number_of(self, number: int) -> int:
        return number % 7 + 1 if number < 100 else number % 7 + 9

    def number(self, reply: bytes) -> int:
        return int.from_bytes(reply, "little")

    def take(self) -> bool:
        word = self.block.bits(self.block.outgoing)
        self.block.change(self.block.outgoing, 0, word)
        self.taken += [word] if word else []
        return bool(word)

    def answer(self) -> bool:
        if not self.taken:
            return False
        self.block.raise_when_free(self.taken.pop(0))
        return True


class SlowCore(VideoCore):
    """Reads a buffer when it takes the word, and writes it when it answers."""

    def __init__(self, levels: bool) -> None:
        super().__init__(levels=levels)
        self.stalled = True
        self.kept: list[tuple[int, list[int]]] = []

    def take(self) -> bool:
        with self.lock:
            if not self.to_core:
                return False
            word = self.to_core.popleft()
            words = [0]
            if word & 15 == PROPERTY:
                words = self.memory.read_words((word & ~15) - self.bus_address, 8)
            self.kept.append((word, words))
            return True

    def give(self) -> bool:
        with self.lock:
            if not self.kept:
                return False
            word, words = self.kept.pop(0)
            if word & 15 == PROPERTY:
                offset = (word & ~15) - self.bus_address
                self.memory.write_words(offset, [words[0], 1 << 31, *words[2:]])
            self.say(word)
            return True


class VideoCoreFar(Remote):
    channel = "property"
    depth = 8
    holds_taken = True
    TAG = 0x30002

    def __init__(self, levels: bool) -> None:
        self.core = SlowCore(levels)

    def driver(self) -> Any:
        pool = Pool(self.core.memory, self.core.bus_address, slot_bytes=64, count=8)
        return Bcm2835(region=self.core.registers, pool=pool)

    def message(self, number: int) -> bytes:
        return encode([Ask(self.TAG, number.to_bytes(4, "little"), 8)])

    def number(self, reply: bytes) -> int:
        return int.from_bytes(reply[20:24], "little")

    def take(self) -> bool:
        return self.core.take()

    def answer(self) -> bool:
        return self.core.give()


class RpmsgFar(Remote):
    """Firmware that goes on with what it took, whichever host is there when it is done."""

    sees_waiting = False  # a new host begins the rings anew

    def __init__(self, replies: str) -> None:
        self.link = Link("host")
        self.link.stalled = True
        self.replies = replies
        self.taken = []

    def driver(self) -> Any:
        self.link.link = None  # it reads the status, and begins again with the rings
        options = VirtioRpmsgOptions(
            fixed=f"echo={OURS}:{THEIRS}",
            replies=self.replies,
            buffers=POOL,
            buffer_bytes=BUFFER_BYTES,
            announce_s=0.0,
        )
        return VirtioRpmsg(options=options, region=self.link.region)

    def message(self, number: int) -> bytes:
        return bytes(4) + number.to_bytes(4, "little")

    def number(self, reply: bytes) -> int:
        return int.from_bytes(reply[4:8], "little")

    def take(self) -> bool:
        link = self.link.reach()
        message = None if link is None else link.receive()
        if link is None or message is None:
            return False
        self.taken.append((link.source, message))
        link.release()
        return True

    def answer(self) -> bool:
        link = self.link.reach()
        if not self.taken or link is None:
            return False
        while link.sent() >= 0:
            pass
        assert link.send(THEIRS, *self.taken.pop(0)) >= 0
        return True


class RttFar(Remote):
    def __init__(self, kind: str, framing: str, replies: str) -> None:
        self.target = Target((256,), (256,))
        self.kind = kind
        self.options = RttOptions(
            address=ADDRESS,
            base=self.target.base,
            framing=framing,
            replies=replies,
            depth=4,
            message_bytes=40,
        )
        self.framing = framing_of(framing, 40)
        self.waiting: list[bytes] = []
        self.taken = []
        self.sees_taken = not replies.startswith("order")

    def driver(self) -> Any:
        return Rtt(options=self.options, region=region_of(self.target, self.kind))

    def message(self, number: int) -> bytes:
        return b"\0\0\0\0%06d" % number if self.sees_taken else b"%06d" % number

    def number(self, reply: bytes) -> int:
        return int(reply[-6:])

    def take(self) -> bool:
        while not self.waiting:
            byte = self.target.read(limit=1)
            if not byte:
                return False
            self.waiting = self.framing.feed(byte)
        self.taken.append(self.waiting.pop(0))
        return True

    def answer(self) -> bool:
        if not self.taken:
            return False
        self.target.write(self.framing.encode(self.taken.pop(0)))
        return True
