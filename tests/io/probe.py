"""A mailbox behind a probe: a region whose accesses the test can hold, and its driver."""

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from mboxio import (
    SENT,
    Busy,
    Capabilities,
    Controller,
    Outcome,
    RemoteError,
    RemoteGone,
    RemoteRequest,
)
from mboxio._base.deputies import acting
from mboxio.driver.controller import expects_reply
from mboxio.regions import Kind
from mboxio.regions.registers import Register
from mboxio.sim.words_only import WordsOnly

PATIENCE_S = 20.0
ONE_WAY, ASKED = 0, 1 << 31


class Tag(Register, offset=0x0):
    """Written first: which message it is."""


class Value(Register, offset=0x4):
    """Written last: sends."""


class Waiting(Register, offset=0x8):
    """How many messages wait to be read."""


class ReadTag(Register, offset=0xC):
    """Of the message that comes next; reading the value takes it."""


class ReadValue(Register, offset=0x10):
    pass


class Probe(WordsOnly):
    """Registers whose accesses take as long as the test likes, and an echo behind them."""

    access_s = 0.001

    def __init__(self) -> None:
        super().__init__(0x20, Kind.REMOTE)
        self.threads: set[int] = set()
        self.holding = False
        self.entered = threading.Event()
        self.go = threading.Event()
        self.mute = False
        self.gone = False
        self.arrived: deque[tuple[int, int]] = deque()
        self.sent: list[tuple[int, int]] = []

    def hold(self) -> None:
        """Let the next access begin and not end."""
        self.go.clear()
        self.entered.clear()
        self.holding = True

    def let_go(self) -> None:
        """Let accesses end."""
        self.holding = False
        self.go.set()

    def access(self) -> None:
        """What every access goes through."""
        self.threads.add(acting())
        if self.holding:
            self.entered.set()
            assert self.go.wait(PATIENCE_S), "an access was held for ever"
        if self.gone:
            raise RemoteGone("the probe was unplugged")

    def read_words(self, offset: int, count: int) -> list[int]:
        self.access()
        assert count == 1
        if offset == ReadValue.offset:
            return [self.arrived.popleft()[1]]
        if offset == ReadTag.offset:
            return [self.arrived[0][0]]
        return [len(self.arrived)]

    def write_words(self, offset: int, words: Sequence[int]) -> None:
        self.access()
        super().write_words(offset, words)
        if offset == Value.offset:
            tag, value = self._words[0], self._words[1]
            self.sent.append((tag, value))
            if not self.mute and tag & 1 and not tag & ASKED:
                self.arrived.append((tag, value + 1))


@dataclass(frozen=True, kw_only=True)
class ProbedOptions:
    pass


class Probed(Controller):
    """Messages are words; they say which request they answer."""

    Options = ProbedOptions
    made: ClassVar["list[Probed]"] = []

    def __init__(self, name: str = "", options: Any = None, *, region: Probe | None = None) -> None:
        self.region = region or Probe()
        self.services = 0
        self.opened_on = 0
        self.stopped_on = 0
        self.made.append(self)

    def open(self) -> None:
        region = self.region
        self.tag, self.value = Tag.at(region), Value.at(region)
        self.waiting = Waiting.at(region)
        self.read_tag, self.read_value = ReadTag.at(region), ReadValue.at(region)
        self.queue = self.add_queue(
            Capabilities(
                depth=4,
                message_bytes=4,
                matches_replies=True,
                polls_events=True,
                spin_s=0.01,
                access_s=region.access_s,
            )
        )
        self.main = self.add_channel("main", self.queue)

    def start(self, channel: Any) -> None:
        self.opened_on = acting()

    def stop(self, channel: Any) -> None:
        self.stopped_on = acting()

    def send(self, channel: Any, handle: int, message: bytes) -> Outcome:
        if handle > 0xFFFF:
            return Busy("tx_done")
        self.tag.write(handle)
        self.value.write(int.from_bytes(message, "little"))
        self.tx_done(self.queue, [handle])
        return SENT

    def reply(self, channel: Any, handle: int, tag: int, message: bytes, status: int) -> Outcome:
        self.tag.write(ASKED | tag)
        self.value.write(int.from_bytes(message[:4], "little"))
        self.tx_done(self.queue, [handle])
        return SENT

    def service(self, queue: Any, why: str) -> None:
        self.services += 1
        count = self.waiting.read()
        if count > 100:
            raise RemoteError("so many messages cannot be")
        for _ in range(count):
            tag, value = self.read_tag.read(), self.read_value.read()
            message = value.to_bytes(4, "little")
            if tag & ASKED:
                self.received(self.main, [RemoteRequest(tag & ~ASKED, message)])
            elif expects_reply(tag):
                self.complete(self.main, tag, 0, message)
            else:
                self.received(self.main, [message])
