"""Memory and registers through a debugger's stub, by the GDB remote serial protocol.

J-Link, OpenOCD, pyOCD and QEMU (``-gdb``) all speak it. The packets are those of GDB's manual,
appendix "GDB Remote Serial Protocol". The stub stops the processor that it debugs. Without
``run=yes`` nothing here lets it run on, not even closing the connection; with it, the processor
stands still for each access and runs in between.

Accesses are exact: always one aligned word. Stubs take other lengths and make several accesses of
them, or none, without an error.
"""

import re
import threading
from collections.abc import Callable, Sequence

from mboxio._base.texts import remote_text
from mboxio.errors import AddressError, RemoteError, RemoteGone
from mboxio.regions.access import number, options
from mboxio.regions.probes.far_region import RemoteRegion
from mboxio.regions.probes.gdb_step import STEP_EXCHANGES, Processor
from mboxio.regions.probes.gdb_talk import GdbTalk
from mboxio.regions.probes.link import ANSWER_S
from mboxio.regions.probes.packets import Packets

__all__ = ["Gdb", "GdbRegion", "open_gdb"]

REFUSAL = re.compile(rb"E[0-9a-fA-F]{2}|E\..*", re.DOTALL)
WORD = re.compile(rb"[0-9a-fA-F]{8}")

COMMANDS = ("monitor", "attach")
"""Options that are carried out in the order given, each time a connection is made."""
RUN = ",run=yes"
"""Behind them, where the processor is to run between accesses."""
BREAKS = 2
"""To stop it and to let it run costs about as much as to access so many words."""
NO_TARGET = b"EFF"

Ask = Callable[[bytes], bytes]
"""Asks the stub; see `GdbTalk.ask`."""


class Gdb(GdbTalk):
    """A debugger's stub; `Gdb.share` connects.

    Args:
        where: ``HOST:PORT``, or the path of a socket or of a serial port; ``,monitor=COMMAND`` and
            ``,attach=N`` after it are carried out before anything else, and with ``,run=yes`` at
            the end the processor runs between accesses.
    """

    scheme = "gdb"
    widths = frozenset({4})
    how_to_start = "start the probe's GDB server, or QEMU with -gdb tcp:127.0.0.1:PORT"

    def __init__(self, where: str) -> None:
        self.choosing = threading.Lock()
        # How accesses are made, for all regions of now: by the stub, or by the processor.
        self.regions = 0
        self.processor: Processor | None = None
        self.physical = False
        super().__init__(where)

    @classmethod
    def place_of(cls, where: str) -> str:
        """See `Link.place_of`."""
        return where.partition(",")[0]

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
            if self.lets_run and step is not None:
                raise AddressError(f"gdb:{self.where}: a processor that runs makes no steps")
            if not self.regions and not self.lets_run:
                with self.within(ANSWER_S):
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
            if self.regions:
                return
            processor, self.processor = self.processor, None
            try:
                with self.within(ANSWER_S):
                    if processor is not None:
                        processor.restore()
                    if self.lets_run:
                        with self.talking():
                            self.let_run()
            except (RemoteError, RemoteGone):
                return  # it ended meanwhile

    # -- accesses

    def greeting_s(self) -> float:
        """See `Link.greeting_s`; a probe may look for its target first."""
        return ANSWER_S * (1 + len(commands(self.where)))

    def greet(self) -> None:
        """See `Link.greet`."""
        self.packets = Packets(self.received)
        try:
            self._begin()
            if self.where.endswith(RUN):
                self.ask(b"Hc-1")  # all of its threads; who knows no threads does not know this
                self._look_at(physical=True)
                self.lets_run = True
                with self.talking():
                    self.let_run()
        except AddressError:
            self.lets_run = self.where.endswith(RUN)
            self.end("was left")
            raise

    def _begin(self) -> None:
        self.ask(b"qSupported")
        # As every GDB does: some stubs refuse memory until they have heard one of these. While
        # packets are acknowledged, a report more or less does no harm.
        self.ask(b"Hg0")
        self.ask(b"?", stops=True)
        if self.ask(b"QStartNoAckMode") == b"OK":
            self.acks = False
        for name, value in commands(self.where):
            self._carry_out(name, value)

    def _carry_out(self, name: str, value: str) -> None:
        self.console = ""
        if name == "monitor":
            answer = self.ask(b"qRcmd," + value.encode().hex().encode())
            refused = not answer or bool(REFUSAL.fullmatch(answer))  # else OK, or its output
        else:
            self.ask(b"!")  # allows to attach; the answer means nothing
            answer = self.ask(b"vAttach;%x" % number(value), stops=True)
            refused = answer[:1] not in (b"T", b"S") and answer != b"OK"
        if refused:
            said = remote_text(self.console.strip())
            raise AddressError(
                f"gdb:{self.where}: the stub refuses {name}={value}: {_text(answer)}"
                + (f"; it said: {said}" if said else "")
            )

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
        return self._load(self.ask, address)

    def write(self, address: int, value: int, width: int) -> None:
        """Write one aligned word; errors as for `read`."""
        if self.processor is not None:
            self.processor.store(address, value)
        else:
            self._store(self.ask, address, value)

    def read_words(self, address: int, count: int) -> list[int]:
        """Read words, each once, in ascending order; a processor that runs stands still once."""
        if not self.lets_run or not count:
            return super().read_words(address, count)
        with self.talking(count + BREAKS), self.standing():
            return [self._load(self.exchange, address + 4 * index) for index in range(count)]

    def write_words(self, address: int, words: Sequence[int]) -> None:
        """Write words, each once, in ascending order; a processor that runs stands still once."""
        if not self.lets_run or not words:
            super().write_words(address, words)
            return
        with self.talking(len(words) + BREAKS), self.standing():
            for index, word in enumerate(words):
                self._store(self.exchange, address + 4 * index, word)

    def _load(self, ask: Ask, address: int) -> int:
        answer = ask(b"m%x,4" % address)
        if not WORD.fullmatch(answer):
            raise RemoteError(f"gdb:{self.where}: reading {address:#x} failed: {_text(answer)}")
        return int.from_bytes(bytes.fromhex(answer.decode()), "little")

    def _store(self, ask: Ask, address: int, value: int) -> None:
        data = value.to_bytes(4, "little").hex().encode()
        answer = ask(b"M%x,4:%s" % (address, data))
        if answer != b"OK":
            raise RemoteError(f"gdb:{self.where}: writing {address:#x} failed: {_text(answer)}")


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
        with self._time_for(2 if self.verify else 1):
            super().write(offset, value, width)
            if self.verify:
                self._verify(offset, [value])

    def write_words(self, offset: int, words: Sequence[int]) -> None:
        with self._time_for(len(words) * (2 if self.verify else 1)):
            super().write_words(offset, words)
            if self.verify:
                self._verify(offset, words)

    def _verify(self, offset: int, words: Sequence[int]) -> None:
        for index, found in enumerate(self.read_words(offset, len(words))):
            word = words[index]
            if found != word:
                raise RemoteError(
                    f"gdb:{self.link.where}: {word:#x} was written to offset"
                    f" {offset + 4 * index:#x} and {found:#x} is there: the write was dropped"
                )


def _text(answer: bytes) -> str:
    if answer == NO_TARGET:
        return (
            "'EFF', which a Black Magic Probe answers while it is attached to no target; then give"
            " it its commands: gdb:PORT,monitor=swdp_scan,attach=1@ADDRESS+SIZE"
        )
    return f"'{remote_text(answer)}'" if answer else "it does not know how"


def commands(where: str) -> list[tuple[str, str]]:
    """Return the commands among the options of ``HOST:PORT,monitor=...``, in their order."""
    parts = [part.partition("=") for part in where.split(",")[1:]]
    return [(name, value) for name, _, value in parts if name in COMMANDS]


def open_gdb(where: str, offset: int, size_bytes: int | None) -> GdbRegion:
    """Open ``gdb:HOST:PORT,verify=yes,step=SCRATCH@address+size``, with or without options.

    ``monitor=COMMAND``, ``attach=N`` and ``run=yes`` may be among them; see `Gdb`.
    """
    place, given = options("gdb", where, ("verify", "step", "run", *COMMANDS))
    begin = commands(where)
    if not all(value for _, value in begin):
        raise AddressError("gdb: monitor=COMMAND and attach=N say what the probe is to do")
    if size_bytes is None:
        raise AddressError(f"gdb:{where}: say how large it is: gdb:HOST:PORT@ADDRESS+SIZE")
    for each in ("verify", "run"):
        if given.get(each, "no") not in ("yes", "no"):
            raise AddressError(f"gdb: {each} is yes or no")
    runs = given.get("run") == "yes"
    step = number(given["step"]) if "step" in given else None
    if step is not None and step % 4:
        raise AddressError(f"gdb: step={given['step']} is not the address of a word")
    if step is not None and runs:
        raise AddressError("gdb: step= is for a processor that stands still, without run=yes")
    if "attach" in given:
        number(given["attach"])
    first = "".join(f",{name}={value}" for name, value in begin)
    link = Gdb.share(place + first + (RUN if runs else ""))
    try:
        return link.region(offset, size_bytes, verify=given.get("verify") == "yes", step=step)
    finally:
        link.release()
