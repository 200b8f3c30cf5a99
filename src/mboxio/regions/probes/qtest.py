"""Registers of a machine that QEMU emulates, over its qtest socket.

QEMU is started with ``-qtest unix:PATH,server=on,wait=off``; with ``-S`` no guest is needed. The
protocol is lines of text (QEMU, docs/devel/testing/qtest.rst): one answer to each command, in
order, and in between ``IRQ raise N`` and ``IRQ lower N`` of the one device that is intercepted.
"""

import os
import re
import select
from collections import Counter
from collections.abc import Sequence

from mboxio._base.texts import remote_text
from mboxio._os.descriptors import eventfd, readable, refuse_exhausted
from mboxio.errors import AddressError, RemoteError
from mboxio.regions.access import number, options
from mboxio.regions.interrupts import Interrupt
from mboxio.regions.probes.far_region import RemoteRegion
from mboxio.regions.probes.link import UNASKED, Link
from mboxio.regions.probes.packets import Lines

__all__ = ["Qtest", "QtestInterrupt", "QtestRegion", "open_qtest"]

AT_ONCE = 64
"""Commands that are sent without waiting for their answers; more could fill the sockets."""

NUMBER = re.compile(r"(0x)?[0-9a-fA-F]{1,16}")
REPORT = b"IRQ "
"""How a line begins that is no answer."""
REPORTS = re.compile(rb"(?:IRQ [^\n]*\n)+")
"""Lines of them: there may be thousands, which are not looked at one by one."""
IRQ = re.compile(rb"^IRQ (raise|lower) ([0-9]{1,5})[ \t\r]*$", re.MULTILINE)
IRQS_MAX = 1 << 12
"""More than any device of QEMU has: of those with higher numbers no note is taken."""

LETTERS = {1: "b", 2: "w", 4: "l"}
# An access of 8 bytes exists, but QEMU makes two of 4 out of it for most devices.


class Qtest(Link):
    """A machine of QEMU; `Qtest.share` connects.

    Args:
        where: path of the socket.
    """

    scheme = "qtest"
    widths = frozenset(LETTERS)
    how_to_start = "start QEMU with -qtest unix:PATH,server=on,wait=off; it talks to one client"

    def __init__(self, where: str) -> None:
        self.interrupts: list[QtestInterrupt] = []
        self.raised: set[int] = set()
        self.intercepted = ""
        super().__init__(where)

    # -- accesses

    def greet(self) -> None:
        """See `Link.greet`."""
        self.lines = Lines(self.received)
        order = self.command("endianness")
        if order != "little":
            said = remote_text(order)
            raise AddressError(f"qtest:{self.where}: the machine is {said}-endian, not little")

    def ping(self) -> None:
        """See `Link.ping`."""
        self.command("endianness")

    def read(self, address: int, width: int) -> int:
        """See `Link.read`."""
        return self._numbers([f"read{LETTERS[width]} {address:#x}"], width)[0]

    def write(self, address: int, value: int, width: int) -> None:
        """See `Link.write`."""
        self.command(f"write{LETTERS[width]} {address:#x} {value:#x}")

    def read_words(self, address: int, count: int) -> list[int]:
        """Read 32-bit words, each once, in ascending order; their commands go out together."""
        lines = [f"readl {address + 4 * index:#x}" for index in range(count)]
        return self._numbers(lines, 4)

    def write_words(self, address: int, words: Sequence[int]) -> None:
        """Write 32-bit words, each once, in ascending order; their commands go out together."""
        self.commands(
            [f"writel {address + 4 * index:#x} {word:#x}" for index, word in enumerate(words)]
        )

    # -- interrupt lines

    def intercept_in(self, device: str) -> None:
        """Hear of the interrupts that go into a device, in place of the device.

        Args:
            device: its path in QEMU's object model, for example ``/machine/soc/cpu[0]``.

        Raises:
            AddressError: QEMU refuses: no such device, or another one is intercepted already.
        """
        self.intercept(f"irq_intercept_in {device}")

    def intercept_out(self, device: str, name: str = "") -> None:
        """Hear of the interrupts that come out of a device; as `intercept_in`.

        Args:
            device: its path.
            name: of its group of outputs. QEMU before 8 takes a name and reports nothing.
        """
        self.intercept(f"irq_intercept_out {device} {name}".rstrip())

    def set_irq_in(self, device: str, name: str, line: int, level: int) -> None:
        """Set an input line of a device.

        Args:
            device: its path.
            name: of its group of inputs; ``unnamed-gpio-in`` for those without.
            line: number in the group.
            level: 0 or 1.

        Raises:
            AddressError: QEMU refuses.
        """
        self._set_up(f"set_irq_in {device} {name} {line} {level}")

    def interrupt(self, line: int) -> "QtestInterrupt":
        """Return a line of the intercepted device as a source of events.

        Raises:
            AddressError: no device has so many.
        """
        if not 0 <= line < IRQS_MAX:
            raise AddressError(f"qtest: a line of interrupts has a number below {IRQS_MAX}")
        return QtestInterrupt(self.again(), line)

    def region(self, address: int, size_bytes: int) -> "QtestRegion":
        """Return a window of the machine's memory and registers."""
        return QtestRegion(self.again(), address, size_bytes)

    def catch_up(self) -> None:
        """Take note of interrupts that were reported since the last access; does not wait.

        Of many a part: what stays behind shows on the socket, and is for the next look.
        """
        with self.talking():
            self._take_reports()
            if readable(self.socket.fileno(), 0):
                self.hear()
                self._take_reports()
            self._refuse_unasked()

    # -- conversation

    def _overhear(self) -> None:
        """Take what came unasked, so that it is not taken for the next answer."""
        for _ in self.arrived():
            self._take_reports()
        self._refuse_unasked()

    def _refuse_unasked(self) -> None:
        if not (REPORT.startswith(self.received) or self.received.startswith(REPORT)):
            raise self.end(UNASKED)

    def command(self, line: str) -> str:
        """Send one command and return what follows ``OK`` in its answer."""
        return self.commands([line])[0]

    def commands(self, lines: Sequence[str]) -> list[str]:
        """Send commands together and return their answers.

        Raises:
            RemoteError: QEMU refuses one; the others were done.
            RemoteGone: the connection is lost.
        """
        answers: list[str] = []
        with self.talking(len(lines)):
            self._overhear()
            for begin in range(0, len(lines), AT_ONCE):
                batch = lines[begin : begin + AT_ONCE]
                self.say("".join(f"{line}\n" for line in batch).encode(), len(batch))
                answers += [self._answer() for _ in batch]
            self._take_reports()  # nothing may stay behind that the socket does not show any more
            if len(lines) > 1 and b"\n" in self.received:
                raise self.end(UNASKED)  # which of them are answers, nobody knows
        for line, answer in zip(lines, answers, strict=True):
            if not answer.startswith("OK"):
                said = remote_text(answer)
                raise RemoteError(f"qtest:{self.where}: {line!r} is answered by '{said}'")
        return [answer[3:] for answer in answers]

    def _numbers(self, lines: Sequence[str], width: int) -> list[int]:
        answers = self.commands(lines)
        wrong = [
            each for each in answers if not NUMBER.fullmatch(each) or int(each, 16) >> 8 * width
        ]
        if wrong:
            said = remote_text(repr(wrong[:4]))
            raise RemoteError(f"qtest:{self.where}: {said} are no numbers of {width} bytes")
        return [int(each, 16) for each in answers]

    def _answer(self) -> str:
        while (line := self._take_reports()) is None:
            self.hear()
        self.lines.drop()
        self.answered()
        return line.decode(errors="replace")

    def _take_reports(self) -> bytes | None:
        """Take reports of interrupts from the front; return the line behind them, None: not yet."""
        if reports := REPORTS.match(self.received):
            self._note(IRQ.findall(reports[0]))
            self.lines.skip(reports.end())
        return self.lines.first()

    def _note(self, reports: list[tuple[bytes, bytes]]) -> None:
        """Take note of what became of lines, and of how often they were raised meanwhile."""
        latest = {text: what for what, text in reports}
        times = Counter(reports)
        for text, what in latest.items():
            line = int(text)
            if line >= IRQS_MAX:
                continue
            (self.raised.add if what == b"raise" else self.raised.discard)(line)
            for interrupt in list(self.interrupts):
                if interrupt.line == line and times[b"raise", text]:
                    interrupt.signal(times[b"raise", text])

    def intercept(self, command: str) -> None:
        """Begin to hear of interrupts, unless this was asked for before."""
        if command != self.intercepted:
            self._set_up(command)
            self.intercepted = command

    def _set_up(self, command: str) -> None:
        try:
            self.command(command)
        except RemoteError as error:
            raise AddressError(str(error)) from None


class QtestRegion(RemoteRegion):
    """A window of the memory and registers of QEMU's machine."""

    link: Qtest

    def same_over(self, link: Qtest) -> "QtestRegion":
        """See `RemoteRegion.same_over`."""
        same = link.region(self.address, self.size_bytes)
        try:
            if isinstance(self.interrupt, QtestInterrupt):
                link.intercept(self.link.intercepted)
                same.interrupt = link.interrupt(self.interrupt.line)
        except BaseException:
            same.close()
            raise
        return same


class QtestInterrupt(Interrupt):
    """One interrupt line of the device that is intercepted; `Qtest.interrupt` makes it.

    Its descriptor is readable once the line was raised. A line that is still raised after `clear`
    shows again at `unmask`, as a level does.
    """

    def __init__(self, link: Qtest, line: int) -> None:
        self.link = link
        self.line = line
        self.event = eventfd()
        # Reports come through the socket, or together with the answers of somebody's access.
        self.either: select.epoll | None = None
        if hasattr(select, "epoll"):  # gevent takes it away
            try:
                self.either = select.epoll()
            except OSError as error:
                os.close(self.event)
                refuse_exhausted(error, f"qtest:{link.where}")
                raise
            self.either.register(link.socket, select.EPOLLIN)
            self.either.register(self.event, select.EPOLLIN)
        link.interrupts.append(self)
        link.at_end.append(self.signal)
        if line in link.raised:
            self.signal()

    def fileno(self) -> int:
        """See `Interrupt.fileno`; without epoll it tells only of what somebody's access brought."""
        return self.event if self.either is None else self.either.fileno()

    def descriptors(self) -> tuple[int, ...]:
        """See `Interrupt.descriptors`."""
        if self.either is None:
            return self.link.socket.fileno(), self.event
        return (self.either.fileno(),)

    def signal(self, times: int = 1) -> None:
        """The line was raised."""
        os.eventfd_write(self.event, times)

    def clear(self) -> int:
        """See `Interrupt.clear`."""
        self.link.catch_up()
        try:
            return os.eventfd_read(self.event)
        except BlockingIOError:
            return 0

    def unmask(self) -> None:
        """See `Interrupt.unmask`."""
        if self.line in self.link.raised:
            self.signal()

    def close(self) -> None:
        """See `Interrupt.close`."""
        if self in self.link.interrupts:
            self.link.interrupts.remove(self)
            self.link.at_end.remove(self.signal)
            if self.either is not None:
                self.either.close()
            os.close(self.event)
            self.link.release()


def open_qtest(where: str, offset: int, size_bytes: int | None) -> QtestRegion:
    """Open ``qtest:PATH,irq_in=DEVICE,line=N@address+size``; the options may be left out.

    ``irq_in`` or ``irq_out`` name the device whose interrupts are intercepted, ``line`` the one
    that belongs to the region.
    """
    path, given = options("qtest", where, ("irq_in", "irq_out", "line"))
    if size_bytes is None:
        raise AddressError(f"qtest:{where}: say how large it is: qtest:PATH@ADDRESS+SIZE")
    if ("line" in given) != ("irq_in" in given or "irq_out" in given):
        raise AddressError("qtest: an interrupt takes irq_in= or irq_out=, and line=")
    for each in ("irq_in", "irq_out"):
        if any(map(str.isspace, given.get(each, ""))):
            raise AddressError(f"qtest: {each}={given[each]!r} is no path of a device: one word")
    link = Qtest.share(path)
    try:
        region = link.region(offset, size_bytes)
        try:
            if "irq_in" in given:
                link.intercept_in(given["irq_in"])
            if "irq_out" in given:
                link.intercept_out(given["irq_out"])
            if "line" in given:
                region.interrupt = link.interrupt(number(given["line"]))
        except BaseException:
            region.close()
            raise
        return region
    finally:
        link.release()
