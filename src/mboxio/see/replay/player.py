"""A remote that answers as one did when it was recorded."""

import errno
import threading
from collections.abc import Callable, Collection
from functools import partial
from typing import Self

from mboxio._base.texts import printable
from mboxio.capture.event import Kind
from mboxio.driver.correlate import Correlator
from mboxio.errors import MailboxError
from mboxio.see.replay.asides import Asides
from mboxio.see.replay.conversation import UNKNOWN, Exchange
from mboxio.see.replay.core import PlayedCore
from mboxio.see.replay.pace import Pace
from mboxio.see.replay.parts import Answer, Part, Voice
from mboxio.see.replay.selection import Recording, select
from mboxio.see.replay.served import Served
from mboxio.see.replay.wire import correlator_of, untagged

__all__ = ["Player"]

NOTES_MAX = 1000
SHOWN_BYTES_MAX = 32
AFTER_REPLY_NS = 5_000_000
"""When to say what came after a reply if times are not kept: the reply is on its way first."""


class Player:
    """The far side of a recorded conversation, for hosts to talk to.

    ::

        with Player("session.pcapng", "shm:board") as player:
            with mboxio.open("shm:board/pmic") as client:
                assert client.request(b"on") == b"ok"
        assert player.notes == [] and player.unasked() == []

    A message is answered as the same bytes were when they were recorded, also with an error or with
    silence; of several with the same bytes, each in its turn, and after the last as the last. One
    that was never recorded is refused. What the remote said of its own accord comes after the
    message that it came after. All methods may be called by any thread.

    Args:
        recording: a file, ``-`` for stdin, a stream, or events.
        address: to serve, ``shm:NAME`` or ``acpm:?at=peer:NAME``; left out, see `videocore`.
        channels: which are played, by name or as ``shm:demo/pmic``; None: all.
        pace: how recorded times become times of the replay.
        settle_s: how long a new host has to subscribe before it gets what came before the first
            message, in seconds.
        correlator: how the messages were stamped, where the recorded address does not say.
        told: called with each line of ``notes``, on the thread that serves.

    Raises:
        Unplayable: the recording cannot be played; the text says why.
        AddressError: the address cannot be served.
        OSError, CaptureError: the file cannot be read.

    Attributes:
        parts: what is played, by the names of the channels.
        warnings: what makes the recording incomplete, a line each.
        notes: what was different, a line each, at most a thousand.
        answered, refused: how many messages were.
    """

    def __init__(
        self,
        recording: Recording,
        address: str = "",
        *,
        channels: Collection[str] | None = None,
        pace: Pace | None = None,
        settle_s: float = 0.1,
        correlator: Correlator | None = None,
        told: Callable[[str], object] | None = None,
    ) -> None:
        found = select(recording, channels)
        self.name = found.name
        self.warnings = found.warnings
        self.parts = {
            each.source.channel: Part.of(each, correlator or correlator_of(each.source.address))
            for each in found.conversations
        }
        self.notes: list[str] = []
        self.answered = self.refused = 0
        self._pace = pace or Pace()
        self._settle_ns = round(settle_s * 1e9)
        self._told = told
        self._lock = threading.Lock()
        self._began = False
        self._asides = Asides(self._perform, self._is_heard, self.begin)
        self._served = Served(self, address) if address else None
        self._voice: Voice | None = self._served

    @property
    def address(self) -> str:
        """What hosts connect to; empty if nothing is served."""
        return "" if self._served is None else self._served.address

    def videocore(
        self, memory_bytes: int = 4096, *, levels: bool = True, interrupts: bool = False
    ) -> PlayedCore:
        """Return a VideoCore that plays, in place of serving an address; see `VideoCore`."""
        core = PlayedCore(self, memory_bytes, levels=levels, interrupts=interrupts)
        self._voice = core
        return core

    def start(self) -> None:
        """Serve in a background thread; hosts can connect when this returns.

        Raises:
            AddressError: somebody serves this address already, or it cannot be used.
            RuntimeError: this serves already, or cannot on this machine.
        """
        if self._served is not None:
            self._served.start()
        self._asides.start()

    def stop(self) -> None:
        """Close all connections and say nothing more."""
        self._asides.stop()
        if self._served is not None:
            self._served.stop()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def begin(self) -> None:
        """Say what came before the first message, at its times from now on; once.

        Called for the first host that comes.
        """
        with self._lock:  # until all of it waits: a message that comes now is after it
            if self._began:
                return
            self._began = True
            first_ns = min(
                each.at_ns for part in self.parts.values() for each in part.conversation.exchanges
            )
            for name, part in self.parts.items():
                for each in part.leading:
                    after_ns = self._pace.scaled_ns(each.at_ns - first_ns)
                    self._asides.put(self._settle_ns + after_ns, name, each)

    def unasked(self) -> list[tuple[str, bytes]]:
        """Return channel and message of each recorded one that no host has sent yet."""
        with self._lock:
            return [
                (name, untagged(each.message, part.correlator))
                for name, part in self.parts.items()
                for each in part.script.left()
            ]

    def answer(self, channel: str, *forms: bytes) -> Answer:
        """See `Answers.answer`."""
        self.begin()
        self._asides.flush(channel, lambda each: each.kind is Kind.LINK)
        found = None
        with self._lock:
            part = self.parts.get(channel)
            if part is not None:
                found = next(filter(None, map(part.script.take, forms)), None)
            self.answered += found is not None
            self.refused += found is None
        if part is None or found is None:
            return self._refusal(channel, forms[0], "was never recorded")
        exchange, first = found
        if exchange.kind is Kind.REQUEST and exchange.end == UNKNOWN and exchange.late is None:
            return self._refusal(channel, forms[0], "has no end in the recording")
        if first:
            self._follow(channel, exchange, part.following[id(exchange)])
        return self._answer(exchange, part.correlator)

    # -- inside

    def _refusal(self, channel: str, message: bytes, why: str) -> Answer:
        shown = message[:SHOWN_BYTES_MAX].hex(" ")
        more = " ..." if len(message) > SHOWN_BYTES_MAX else ""
        text = f"a message of {len(message)} bytes {why}: {shown}{more}"
        self._note(f"channel {channel}: {text}")
        return Answer(f"{self.name}: {text}".encode(), errno.ENODATA, known=False)

    def _answer(self, exchange: Exchange, correlator: Correlator) -> Answer:
        if exchange.reply is not None:
            reply = exchange.reply if exchange.status else untagged(exchange.reply, correlator)
            return Answer(reply, exchange.status, self._pace.scaled_ns(exchange.took_ns))
        if exchange.late is None or not self._pace.gaps:
            return Answer(None, is_awaited=exchange.kind is Kind.REQUEST)
        after_ns = self._pace.scaled_ns(exchange.late_ns - exchange.at_ns)
        return Answer(untagged(exchange.late, correlator), 0, after_ns)

    def _follow(self, channel: str, exchange: Exchange, said: list[Exchange]) -> None:
        """Say what came after a message: before its reply, with it, or later."""
        for each in said:
            if self._pace.gaps:
                self._asides.put(self._pace.scaled_ns(each.at_ns - exchange.at_ns), channel, each)
            elif each.at_ns <= exchange.end_ns and each.kind is not Kind.LINK:
                self._perform(channel, each)
            else:
                self._asides.put(AFTER_REPLY_NS, channel, each)

    def _perform(self, channel: str, said: Exchange) -> None:
        """Say one thing of the remote's own accord."""
        voice = self._voice
        if voice is None:
            return
        message = untagged(said.message, self.parts[channel].correlator)
        try:
            if said.kind is Kind.NOTIFICATION:
                voice.notify(channel, message)
            elif said.kind is Kind.LINK:
                voice.die()
            else:
                voice.ask(channel, message, partial(self._compare, channel, said))
        except (MailboxError, ValueError) as error:
            self._note(f"channel {channel}: what the remote said cannot be said: {error}")

    def _compare(self, channel: str, asked: Exchange, answer: bytes, status: int) -> None:
        """Compare an answer of the host with that which was recorded."""
        if asked.end == UNKNOWN:
            return
        recorded = (asked.status, b"" if asked.status else asked.reply)
        if recorded != (status, b"" if status else answer):
            was = f"error {asked.status}" if asked.status else (asked.reply or b"").hex(" ")
            now = f"error {status}" if status else answer.hex(" ")
            self._note(f"channel {channel}: the host answered {now}, recorded was {was}")

    def _is_heard(self) -> bool:
        return self._voice is not None and self._voice.hosts() > 0

    def _note(self, text: str) -> None:
        line = printable(text)
        with self._lock:
            if len(self.notes) >= NOTES_MAX:
                return
            self.notes.append(line)
        if self._told is not None:
            self._told(line)
