"""One channel of a recording as its remote plays it, and how a remote is told what to say."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from mboxio.driver.correlate import Correlator
from mboxio.see.replay.conversation import Conversation, Exchange
from mboxio.see.replay.script import Script

__all__ = ["Answer", "Answers", "Part", "Voice"]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a message is answered with.

    Args:
        reply: without a tag; of an error its text. None: silence.
        status: an error number; 0 for none.
        after_ns: how much later than the message, in nanoseconds.
        known: whether the message was recorded.
        is_awaited: whether the host waited for a reply.
    """

    reply: bytes | None
    status: int = 0
    after_ns: int = 0
    known: bool = True
    is_awaited: bool = True


@dataclass(slots=True)
class Part:
    """One channel of what is played.

    Args:
        conversation: what was recorded.
        correlator: how its messages were stamped.
        script: which exchange a message is.
        leading: what the remote said before the first message.
        following: what it said after one, by the identity of its exchange.
    """

    conversation: Conversation
    correlator: Correlator
    script: Script
    leading: list[Exchange] = field(default_factory=list[Exchange])
    following: dict[int, list[Exchange]] = field(default_factory=dict[int, list[Exchange]])

    @classmethod
    def of(cls, conversation: Conversation, correlator: Correlator) -> "Part":
        """Sort a conversation."""
        part = cls(conversation, correlator, Script(conversation.sent, correlator))
        said = part.leading
        for each in conversation.exchanges:
            if each.is_sent:
                said = part.following.setdefault(id(each), [])
            else:
                said.append(each)
        return part

    @property
    def longest_bytes(self) -> int:
        """How long the longest message is, in bytes."""
        messages = [
            len(message)
            for each in self.conversation.exchanges
            for message in (each.message, each.reply, each.late)
            if message is not None
        ]
        return max(messages, default=0)


class Answers(Protocol):
    """What a remote asks for its answers: `Player`."""

    @property
    def parts(self) -> Mapping[str, Part]:
        """What is played, by the names of the channels."""
        ...

    def answer(self, channel: str, *forms: bytes) -> Answer:
        """Return what a message is answered with.

        Args:
            channel: on which it came.
            forms: the message without a tag, in the ways in which it may have been recorded.
        """
        ...


class Voice(Protocol):
    """How a remote that plays says something of its own accord."""

    def hosts(self) -> int:
        """Return how many hosts are there."""
        ...

    def notify(self, channel: str, message: bytes) -> object:
        """Send an unsolicited message; raises MailboxError or ValueError."""
        ...

    def ask(self, channel: str, message: bytes, answered: Callable[[bytes, int], object]) -> object:
        """Ask the host; ``answered(message, status)`` gets the answer. Raises as `notify`."""
        ...

    def die(self) -> object:
        """Be lost, and come back."""
        ...
