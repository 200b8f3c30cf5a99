"""Memory and registers through a debugger's stub, by the GDB remote serial protocol.

J-Link, OpenOCD, pyOCD and QEMU (``-gdb``) all speak it. The packets are those of GDB's manual,
appendix "GDB Remote Serial Protocol". The stub stops the processor that it debugs; nothing here
lets it run on, not even closing the connection.

Accesses are exact: always one aligned word. Stubs take other lengths and make several accesses of
them, or none, without an error.
"""

import re
import threading
from collections.abc import Sequence

from mboxio.errors import AddressError, RemoteError, RemoteGone
from mboxio.io.access import number, options
from mboxio.io.gdb_step import STEP_EXCHANGES, Processor
from mboxio.io.link import Link, RemoteRegion

__all__ = ["Gdb", "GdbRegion", "open_gdb"]

OUTPUT = re.compile(rb"O([0-9a-fA-F]{2})*")
STRAY = re.compile(rb"O([0-9a-fA-F]{2})*|[TSWX][0-9a-fA-F]{2}.*", re.DOTALL)
"""Console output and reports of the processor, which may come between question and answer."""
STRAY_MAX = 64

PACKET = re.compile(rb"\$([^#]*)#([0-9a-fA-F]{2})")
WORD = re.compile(rb"[0-9a-fA-F]{8}")
REPEATS_MAX = 3


class Gdb(Link):
    """A debugger's stub; `Gdb.share` connects.

    Args:
        where: ``HOST:PORT``, or the path of a socket.
    """

    scheme = "gdb"
    widths = frozenset({4})
    how_to_start = "start the probe's GDB server, or QEMU with -gdb tcp:127.0.0.1:PORT"

    def __init__(self, where: str) -> None:
        self.acks = True
        self.choosing = threading.Lock()
        # How accesses are made, for all regions of now: by the stub, or by the processor.
        self.regions = 0
        self.processor: Processor | None = None
        self.physical = False
        super().__init__(where)

    def region(
        self, address: int, size_bytes: int, *, verify: bool = False, step: int | None = None
    ) -> "GdbRegion":
        """Return a window of what the stub can reach; see `GdbRegion`.

        Args:
            step: have the processor make the accesses, by instructions at this address.

        Raises:
            AddressError: other regions make their accesses in another way, or it is not possible
                in this one; or it is a QEMU whose stub would drop writes to registers.
        """
        with self.choosing:
            if not self.regions:
                self._choose(step)
            elif step != (self.processor and self.processor.scratch):
                raise AddressError(
                    f"gdb:{self.where}: regions of one connection make their accesses in one way:"
                    " with the same step= or all without"
                )
            self.regions += 1
        return GdbRegion(self.again(), address, size_bytes, verify=verify)

    def leave(self) -> None:
        """One region less; the last one leaves the processor as it was found."""
        if self.broken:
            return  # there is nothing to put in order any more, or it is the parent's affair
        with self.choosing:
            self.regions -= 1
            if self.regions or self.processor is None:
                return
            processor, self.processor = self.processor, None
            try:
                processor.restore()
            except (RemoteError, RemoteGone):
                return  # it ended meanwhile

    # -- accesses

    def greet(self) -> None:
        """See `Link.greet`."""
        self.ask(b"qSupported")
        if self.ask(b"QStartNoAckMode") == b"OK":
            self.acks = False

    def _choose(self, step: int | None) -> None:
        if step is None:
            self._look_at(physical=True)
            return
        if self.physical:
            self._look_at(physical=False)
        try:
            self.processor = Processor(self.ask, step)
        except RemoteError as error:
            raise AddressError(f"gdb:{self.where}: {error}") from None

    def _look_at(self, *, physical: bool) -> None:
        # QEMU looks at memory as its processor does, and before version 8 drops writes to
        # registers then, with an OK. Physical addresses are what is meant anyway.
        if b"PhyMemMode" not in self.ask(b"qqemu.Supported").split(b";"):
            return
        wanted = b"%d" % physical
        answer = self.ask(b"Qqemu.PhyMemMode:" + wanted)
        if answer != b"OK" or self.ask(b"qqemu.PhyMemMode") != wanted:
            raise AddressError(
                f"gdb:{self.where}: QEMU offers its mode for physical memory and refuses it"
                f" ({_text(answer)}); writes to registers might be dropped"
            )
        self.physical = physical

    def ping(self) -> None:
        """See `Link.ping`."""
        self.ask(b"qAttached")

    def read(self, address: int, width: int) -> int:
        """Read one aligned word.

        Raises:
            RemoteError: the stub refuses.
            RemoteGone: the connection is lost.
        """
        if self.processor is not None:
            return self.processor.load(address)
        answer = self.ask(b"m%x,%x" % (address, width))
        if not WORD.fullmatch(answer):
            raise RemoteError(f"gdb:{self.where}: reading {address:#x} failed: {_text(answer)}")
        return int.from_bytes(bytes.fromhex(answer.decode()), "little")

    def write(self, address: int, value: int, width: int) -> None:
        """Write one aligned word; errors as for `read`."""
        if self.processor is not None:
            self.processor.store(address, value)
            return
        data = value.to_bytes(width, "little").hex().encode()
        answer = self.ask(b"M%x,%x:%s" % (address, width, data))
        if answer != b"OK":
            raise RemoteError(f"gdb:{self.where}: writing {address:#x} failed: {_text(answer)}")

    # -- conversation

    def ask(self, packet: bytes, stops: bool = False) -> bytes:
        """Send a packet and return its answer, ``b""`` if the stub does not know it.

        Args:
            packet: without frame and checksum.
            stops: the answer is a report that the processor stands still again.

        Raises:
            RemoteGone: the connection is lost, or does not speak this protocol.
        """
        framed = b"$%s#%02x" % (packet, sum(packet) & 0xFF)
        stray = OUTPUT if stops else STRAY
        with self.talking():
            self.say(framed, 1)
            for _ in range(STRAY_MAX):
                answer = self._packet(framed)
                if not stray.fullmatch(answer):
                    self.answered()
                    return answer
            raise self.end("sends packets without end and no answer")

    def _packet(self, framed: bytes) -> bytes:
        """Take the next packet; what arrived damaged, here or there, is sent again."""
        for _ in range(REPEATS_MAX):
            while not (found := PACKET.search(self.received)):
                if self.acks and b"-" in self.received.partition(b"$")[0]:
                    break
                self.hear()
            if not found:
                self.received.clear()
                self.socket.sendall(framed)
                continue
            body, checksum = found.groups()
            del self.received[: found.end()]
            intact = int(checksum, 16) == sum(body) & 0xFF
            if self.acks:
                self.socket.sendall(b"+" if intact else b"-")
            elif not intact:
                break
            if intact:
                return _expanded(body)
        raise self.end("garbles packets")


class GdbRegion(RemoteRegion):
    """A window of what a debugger's stub can reach.

    Args:
        link: the connection.
        address: where it begins.
        size_bytes: its size in bytes.
        verify: read back each word that was written, and raise RemoteError where another one is
            found. For memory and plain settings; many registers read differently by nature.
    """

    link: Gdb

    def __init__(self, link: Gdb, address: int, size_bytes: int, *, verify: bool = False) -> None:
        super().__init__(link, address, size_bytes)
        self.verify = verify
        self.step = None if link.processor is None else link.processor.scratch
        if self.step is not None:
            self.access_s *= STEP_EXCHANGES

    def same_over(self, link: Gdb) -> "GdbRegion":
        """See `RemoteRegion.same_over`."""
        return link.region(self.address, self.size_bytes, verify=self.verify, step=self.step)

    def close(self) -> None:
        """See `Region.close`."""
        if not self.closed:
            self.link.leave()
        super().close()

    def write(self, offset: int, value: int, width: int) -> None:
        """See `Region.write`."""
        super().write(offset, value, width)
        if self.verify:
            self._verify(offset, [value])

    def write_words(self, offset: int, words: Sequence[int]) -> None:
        super().write_words(offset, words)
        if self.verify:
            self._verify(offset, words)

    def _verify(self, offset: int, words: Sequence[int]) -> None:
        for index, word in enumerate(words):
            found = self.read(offset + 4 * index, 4)
            if found != word:
                raise RemoteError(
                    f"gdb:{self.link.where}: {word:#x} was written to offset"
                    f" {offset + 4 * index:#x} and {found:#x} is there: the write was dropped"
                )


def _expanded(body: bytes) -> bytes:
    """Undo escapes and the run-length code of a packet."""
    out = bytearray()
    index = 0
    while index < len(body):
        byte = body[index]
        if byte == ord("}") and index + 1 < len(body):
            out.append(body[index + 1] ^ 0x20)
            index += 1
        elif byte == ord("*") and out and index + 1 < len(body):
            out += out[-1:] * max(0, body[index + 1] - 29)
            index += 1
        else:
            out.append(byte)
        index += 1
    return bytes(out)


def _text(answer: bytes) -> str:
    return repr(answer.decode(errors="replace")) if answer else "it does not know how"


def open_gdb(where: str, offset: int, size_bytes: int | None) -> GdbRegion:
    """Open ``gdb:HOST:PORT,verify=yes,step=SCRATCH@address+size``, with or without options."""
    place, given = options("gdb", where, ("verify", "step"))
    if size_bytes is None:
        raise AddressError(f"gdb:{where}: say how large it is: gdb:HOST:PORT@ADDRESS+SIZE")
    if given.get("verify", "no") not in ("yes", "no"):
        raise AddressError("gdb: verify is yes or no")
    step = number(given["step"]) if "step" in given else None
    if step is not None and step % 4:
        raise AddressError(f"gdb: step={given['step']} is not the address of a word")
    link = Gdb.share(place)
    try:
        return link.region(offset, size_bytes, verify=given.get("verify") == "yes", step=step)
    finally:
        link.release()
