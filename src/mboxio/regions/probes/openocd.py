"""Memory and registers through OpenOCD's Tcl port, while the processor runs.

OpenOCD, user's guide, chapter "Tcl Scripting API": a line of Tcl that ends with 0x1a is answered by
its result, which ends with 0x1a as well. ``read_memory`` and ``write_memory`` (chapter "General
Commands", since 0.12) go to the memory behind the debug port and never halt a processor.

An answer does not say whether it is a result, an error, or what an earlier line was answered. So
each line has OpenOCD itself put its own number and the verdict in front.
"""

import re
from collections.abc import Sequence

from mboxio._base.texts import remote_text
from mboxio.errors import AddressError, RemoteError, RemoteGone
from mboxio.regions.access import options
from mboxio.regions.probes.far_region import RemoteRegion
from mboxio.regions.probes.link import UNASKED, Link
from mboxio.regions.probes.packets import Lines

__all__ = ["OpenOcd", "OpenOcdRegion", "open_openocd"]

END = b"\x1a"
WORDS_AT_ONCE = 1024
"""In one command: OpenOCD itself makes blocks of 4 KiB of larger ones."""
WORDS_AS_ONE = 16
"""So many words of a block take about as long as a word of its own, measured without a USB."""
NUMBERS = 1 << 16
"""Lines are numbered anew after so many."""
NUMBER = re.compile(r"0x[0-9a-f]{1,16}")
VERDICT = re.compile(r"([0-9]{1,5}) ([0-9])(?: (.*))?", re.DOTALL)
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:-]{0,99}")
"""A target. Anything else in its place would be a command, for OpenOCD to carry out."""
VARIABLE = "_mboxio"
"""Of OpenOCD's interpreter, in which `catch` leaves what came of a line."""
COST = "dpreg 4"
"""Asks the probe for CTRL/STAT of the debug port: no access of the target's memory."""


class OpenOcd(Link):
    """A target of an OpenOCD; `OpenOcd.share` connects.

    Args:
        where: ``HOST:PORT`` of the Tcl port, or the path of a socket that leads there;
            ``,target=NAME`` after it says which target, where there are several.

    Raises:
        AddressError: there is no such target, it is big-endian, or OpenOCD is older than 0.12.
        RemoteGone: nobody answers there, or not as OpenOCD does.
    """

    scheme = "openocd"
    widths = frozenset({1, 2, 4, 8})  # 8 where OpenOCD and the bus do it, else it is an error
    how_to_start = "start OpenOCD; its Tcl port is 6666, unless tcl_port says otherwise"

    def __init__(self, where: str) -> None:
        self.asked = 0
        self.target = ""
        self.cost = ""
        super().__init__(where)

    @classmethod
    def program_of(cls, where: str) -> str:
        """See `Link.program_of`; one connection is for one target."""
        return where.partition(",")[0]

    def region(self, address: int, size_bytes: int) -> "OpenOcdRegion":
        """Return a window of the target's memory and registers."""
        return OpenOcdRegion(self.again(), address, size_bytes)

    # -- accesses

    def greet(self) -> None:
        """See `Link.greet`."""
        self.lines = Lines(self.received, END)
        if self.ask("info commands read_memory") != "read_memory":
            raise AddressError(f"openocd:{self.where}: this OpenOCD is older than 0.12")
        self.target = self._choose(self.ask("target names").split())
        order = self.ask(f"{self.target} cget -endian")
        if order != "little":
            raise AddressError(
                f"openocd:{self.where}: {self.target} is {remote_text(order)}-endian, not little"
            )
        self.cost = f"{self.target} arp_poll"  # OpenOCD does this by itself all the time
        try:
            dap = self.ask(f"{self.target} cget -dap")
        except RemoteError:
            return  # no Arm
        if NAME.fullmatch(dap):
            self.cost = f"{dap} {COST}"

    def _choose(self, names: list[str]) -> str:
        _, given = options("openocd", self.where, ("target",))
        there_are = f"there are: {remote_text(' '.join(names))}" if names else "it has none"
        wanted = given.get("target") or (names[0] if len(names) == 1 else "")
        if wanted not in names:
            problem = f"no target {wanted!r}" if wanted else "say which target: ,target=NAME"
            raise AddressError(f"openocd:{self.where}: {problem}; {there_are}")
        if not NAME.fullmatch(wanted):
            raise AddressError(
                f"openocd:{self.where}: {remote_text(wanted)} is no plain name for a target"
            )
        return wanted

    def ping(self) -> None:
        """See `Link.ping`; what fails has cost as much."""
        try:
            self.ask(self.cost)
        except RemoteError:
            return

    def read(self, address: int, width: int) -> int:
        """Read a number of `width` bytes in one access.

        Raises:
            RemoteError: OpenOCD refuses, or the access failed.
            RemoteGone: the connection is lost.
        """
        return self._read(address, width, 1)[0]

    def write(self, address: int, value: int, width: int) -> None:
        """Write a number of `width` bytes in one access; errors as for `read`."""
        self._write(address, width, [value])

    def read_words(self, address: int, count: int) -> list[int]:
        """Read 32-bit words, each once, in ascending order, by one command for many of them."""
        words: list[int] = []
        while len(words) < count:
            at_once = min(WORDS_AT_ONCE, count - len(words))
            words += self._read(address + 4 * len(words), 4, at_once)
        return words

    def write_words(self, address: int, words: Sequence[int]) -> None:
        """Write 32-bit words, each once, in ascending order, by one command for many of them."""
        for begin in range(0, len(words), WORDS_AT_ONCE):
            self._write(address + 4 * begin, 4, words[begin : begin + WORDS_AT_ONCE])

    def _read(self, address: int, width: int, count: int) -> list[int]:
        what = f"read_memory {address:#x} {8 * width} {count}"
        found = self._access(what, count).split()
        numbers = [int(each, 16) for each in found if NUMBER.fullmatch(each)]
        if not len(found) == len(numbers) == count or max(numbers) >> 8 * width:
            said = remote_text(" ".join(found[: count + 1]))
            wanted = f"{count} numbers of {width} bytes"
            raise RemoteError(f"openocd:{self.where}: '{what}' gives no {wanted}: '{said}'")
        return numbers

    def _write(self, address: int, width: int, values: Sequence[int]) -> None:
        what = f"write_memory {address:#x} {8 * width}"
        numbers = " ".join(f"{value:#x}" for value in values)
        said = self._access(f"{what} {{{numbers}}}", len(values))
        if said:
            raise RemoteError(
                f"openocd:{self.where}: '{what}' is answered by '{remote_text(said)}'"
            )

    def _access(self, what: str, words: int) -> str:
        try:
            return self.ask(f"{self.target} {what}", words)
        except RemoteError as error:
            raise RemoteError(f"{error}{self._state()}") from None

    def _state(self) -> str:
        """Return what OpenOCD knows of the target; the reason of an error is only in its log."""
        try:
            examined = self.ask(f"{self.target} was_examined")
            state = self.ask(f"{self.target} curstate")
        except (RemoteError, RemoteGone):
            return ""
        if examined == "0":
            return "; OpenOCD has not examined the target: is it connected, and has it power?"
        return f"; OpenOCD takes the target for {remote_text(state)}, and its log says more"

    # -- conversation

    def ask(self, command: str, words: int = 1) -> str:
        """Have a command carried out, and return its result.

        Args:
            command: Tcl, with balanced braces.
            words: for how many words it asks.

        Raises:
            RemoteError: it ended with an error, whose text is in the message.
            RemoteGone: the connection is lost, or does not speak this protocol.
        """
        with self.talking(1 + words // WORDS_AS_ONE):
            self._overhear()
            number = self.asked = (self.asked + 1) % NUMBERS
            line = f"concat {number} [catch {{{command}}} {VARIABLE}] ${VARIABLE}"
            self.say(line.encode() + END, 1)
            verdict = VERDICT.fullmatch(self._answer())
            if verdict is None or int(verdict[1]) != number:
                raise self.end(UNASKED)
            self.answered()
        said = verdict[3] or ""
        if verdict[2] != "0":
            shown = remote_text(command.partition("{")[0].rstrip())
            raise RemoteError(f"openocd:{self.where}: '{shown}' failed: '{remote_text(said)}'")
        return said

    def _answer(self) -> str:
        while (line := self.lines.first()) is None:
            self.hear()
        self.lines.drop()
        return line.decode(errors="replace")

    def _overhear(self) -> None:
        """End the connection if anything came unasked: nothing would tell it from an answer."""
        for _ in self.arrived():
            if self.received:
                raise self.end(UNASKED)


class OpenOcdRegion(RemoteRegion):
    """A window of the memory and registers of an OpenOCD's target."""

    link: OpenOcd

    def __init__(self, link: OpenOcd, address: int, size_bytes: int) -> None:
        super().__init__(link, address, size_bytes)
        # The same target, whether it was named or is the only one.
        self.place = "", (link.scheme, link.program_of(link.where), link.target), address

    def same_over(self, link: OpenOcd) -> "OpenOcdRegion":
        """See `RemoteRegion.same_over`."""
        return link.region(self.address, self.size_bytes)


def open_openocd(where: str, offset: int, size_bytes: int | None) -> OpenOcdRegion:
    """Open ``openocd:HOST:PORT,target=NAME@address+size``; the option may be left out."""
    _, given = options("openocd", where, ("target",))
    if "target" in given and not NAME.fullmatch(given["target"]):
        raise AddressError(f"openocd: target={given['target'][:80]!r} is no name of a target")
    if size_bytes is None:
        raise AddressError(f"openocd:{where}: say how large it is: openocd:HOST:PORT@ADDRESS+SIZE")
    link = OpenOcd.share(where)
    try:
        return link.region(offset, size_bytes)
    finally:
        link.release()
