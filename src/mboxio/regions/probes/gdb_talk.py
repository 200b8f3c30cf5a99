"""The conversation with a debugger's stub: questions, answers, and a processor that is let run.

The packets are those of GDB's manual, appendix "GDB Remote Serial Protocol", section "Packets".
"""

import re
import time
from collections.abc import Generator
from contextlib import contextmanager

from mboxio._base.texts import REMOTE_MAX
from mboxio.errors import RemoteGone
from mboxio.regions.probes.link import UNASKED, Link
from mboxio.regions.probes.packets import Packets, body_of, framed
from mboxio.regions.probes.patience import SLICE_S

__all__ = ["OUTPUT", "GdbTalk"]

OUTPUT = re.compile(rb"O[0-9a-fA-F]*")
REPORT = re.compile(rb"[TSWX][0-9a-fA-F]{2}.*", re.DOTALL)
STRAY = re.compile(rb"O[0-9a-fA-F]*|[TSWX][0-9a-fA-F]{2}.*", re.DOTALL)
"""Console output and reports of the processor, which may come between question and answer."""

REPEATS_MAX = 3
PACKET_BYTES = 96
"""To take a packet or an acknowledgement costs as much as these."""

BREAK = b"\x03"
"""No packet: it is neither framed nor acknowledged; the answer is that the processor stands."""
GO_ON = framed(b"c")


class GdbTalk(Link):
    """A connection to a stub, with its questions and answers.

    Attributes:
        lets_run: the processor runs, and stands still only for what is asked.
        runs: it does now, as far as is known; never without `lets_run`.
    """

    packets: Packets

    def __init__(self, where: str) -> None:
        self.acks = True
        self.acknowledges = False  # the stub has been seen to
        self.lets_run = False
        self.runs = False
        self.due_s = 0.0  # before that it is not stopped again
        self.console = ""
        super().__init__(where)

    def ask(self, packet: bytes, stops: bool = False) -> bytes:
        """Send a packet and return its answer, ``b""`` if the stub does not know it.

        Args:
            packet: without frame and checksum.
            stops: the answer is a report that the processor stands still again.

        Raises:
            RemoteGone: the connection is lost, or does not speak this protocol.
        """
        with self.talking(), self.standing():
            return self.exchange(packet, stops)

    def exchange(self, packet: bytes, stops: bool = False) -> bytes:
        """Ask as `ask` does, of a processor that stands still. Inside `talking`."""
        question = framed(packet)
        self._overhear()
        early = self.packets.inside
        self.say(question, 1)
        answer = self._answer(question, OUTPUT if stops else STRAY, early)
        self.answered()
        return answer

    # -- a processor that runs

    @contextmanager
    def standing(self) -> Generator[None]:
        """Have the processor stand still inside, and run on afterwards. Inside `talking`.

        It is stopped again no sooner than after it ran for as long as it stood.
        """
        if not self.lets_run:
            yield
            return
        stood_s = time.monotonic()
        try:
            self._break_in()
            stood_s = time.monotonic()
            yield
        finally:
            if not self.owed and not self.broken:
                self.let_run()
            now_s = time.monotonic()
            self.due_s = now_s + (now_s - stood_s)

    def _break_in(self) -> None:
        self._overhear()
        if not self.runs:
            return  # it stopped by itself, or nobody could let it run
        # Who asks again and again would otherwise let it run for no instruction at all.
        left_s = self.due_s - time.monotonic()
        if left_s > 0:
            time.sleep(left_s)
            self.allowance.until_s += left_s
        self.say(BREAK, 1)
        report = self._answer(BREAK, OUTPUT, early=False)
        if not REPORT.fullmatch(report):
            raise self.end(UNASKED)
        self.runs = False
        self.answered()

    def let_run(self) -> None:
        """Have the processor run on, if it stands. Inside `talking`."""
        if self.runs:
            return
        self.runs = True
        self.say(GO_ON, 1)  # it is answered when it stops, but must not be cut off in the middle
        if self.acks and self.acknowledges:
            self._await_acknowledgement(GO_ON)
        self.answered()

    def end(self, why: str) -> RemoteGone:
        """See `Link.end`; a processor that is to run is told so, if that gets through."""
        if self.lets_run and not self.broken:
            try:
                self.socket.settimeout(SLICE_S)
                self.socket.send(b"+" + GO_ON)
            except OSError:
                pass  # nobody is there to hear it
        return super().end(why)

    def _await_acknowledgement(self, question: bytes) -> None:
        repeats = 0
        while True:
            said = self.packets.take()
            if said is None:
                self.hear()
                continue
            self.cost_bytes += PACKET_BYTES
            if said == b"+":
                return
            if said == b"-":
                repeats = self._once_more(repeats)
                self.send(question)
            elif said.startswith(b"$"):
                body = self._body(said)
                if body is not None and REPORT.fullmatch(body):
                    self.runs = False  # it ran, and stands again
                    return
                if body is not None and not self._is(OUTPUT, body):
                    raise self.end(UNASKED)

    # -- answers

    def _answer(self, question: bytes, stray: re.Pattern[bytes], early: bool) -> bytes:
        """Take packets up to the answer; what arrived damaged, here or there, is sent again.

        Args:
            stray: what may come before it.
            early: the next packet began before the question was asked, so it is no answer.
        """
        heard = not self.acks or question == BREAK  # the stub has acknowledged the question
        repeats = 0
        while True:
            said = self.packets.take()
            if said is None:
                self.hear()
                continue
            self.cost_bytes += PACKET_BYTES
            if said == b"+":
                heard = self.acknowledges = True
            elif said == b"-":
                if not heard:
                    repeats = self._once_more(repeats)
                    self.send(question)
            elif said.startswith(b"$"):
                body = self._body(said)
                if body is None:
                    repeats = self._once_more(repeats)
                elif not self._is(stray, body) and (heard or not self.acknowledges):
                    if early:
                        raise self.end(UNASKED)
                    return body
                early = False

    def _overhear(self) -> None:
        """Take what came unasked, so that it is not taken for the next answer."""
        for _ in self.arrived():
            while (said := self.packets.take()) is not None:
                self.cost_bytes += PACKET_BYTES
                if not said.startswith(b"$"):
                    continue
                body = self._body(said)
                if body is not None and REPORT.fullmatch(body):
                    self.runs = False
                certain = self.acks and self.acknowledges
                if not certain and (body is None or not self._is(STRAY, body)):
                    # Another may be under way, and nothing would tell it from an answer. With
                    # acknowledgements, answers are behind the one of their question.
                    raise self.end(UNASKED)

    def _body(self, frame: bytes) -> bytes | None:
        """Return what a packet carries, None if it arrived damaged; the stub is told."""
        body = body_of(frame)
        if self.acks:
            self.send(b"-" if body is None else b"+")
        return body

    def _is(self, stray: re.Pattern[bytes], body: bytes) -> bool:
        if not stray.fullmatch(body):
            return False
        if body.startswith(b"O"):
            whole = (len(body) - 1) // 2 * 2  # who sends half of a byte means nothing by it
            text = bytes.fromhex(body[1 : 1 + whole].decode()).decode(errors="replace")
            self.console = (self.console + text)[-REMOTE_MAX:]
        return True

    def _once_more(self, repeats: int) -> int:
        if repeats + 1 == REPEATS_MAX or not self.acks:
            raise self.end("garbles packets")
        return repeats + 1
