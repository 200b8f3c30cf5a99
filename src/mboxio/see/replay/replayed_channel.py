"""One channel of a replay: its client, and what the remote says there of its own accord."""

import time
from collections.abc import Callable, Iterator

from mboxio.capture.event import Kind
from mboxio.client.blocking import Client, Messages
from mboxio.driver.correlate import Correlator
from mboxio.errors import ClosedError, MessagesLost, RemoteError, RemoteGone, RequestTimeout
from mboxio.see.replay.conversation import Conversation, Exchange
from mboxio.see.replay.script import Script
from mboxio.see.replay.wire import untagged

__all__ = ["ReplayedChannel"]

SHORT_S = 0.02
MESSAGES_MAX = 1024
SHOWN_BYTES_MAX = 32


class ReplayedChannel:
    """One channel: what was recorded, and the client that sends it again.

    Args:
        conversation: what was recorded.
        client: of the channel where it is sent.
        then: how messages were stamped when they were recorded.
        now: how they are stamped.
    """

    def __init__(
        self, conversation: Conversation, client: Client, then: Correlator, now: Correlator
    ) -> None:
        self.conversation = conversation
        self.client = client
        self.then = then
        self.now = now
        self.messages: Messages | None = None
        self.heard = self.answered = 0
        self.patient = True
        self.said = sum(each.kind is Kind.NOTIFICATION for each in conversation.exchanges)
        if self.said:
            self.messages = client.subscribe(limit=max(self.said, MESSAGES_MAX))
        asked = [each for each in conversation.exchanges if each.kind is Kind.REMOTE_REQUEST]
        self.all = self.said + len(asked)
        self.script = Script(asked, then)
        if asked:
            client.on_request(self.answer)

    def answer(self, message: bytes) -> bytes | None:
        """Answer the remote as it was answered."""
        self.answered += 1
        found = self.script.take(untagged(message, self.now))
        if found is None:
            raise RemoteError(f"the remote never asked this: {message[:SHOWN_BYTES_MAX].hex(' ')}")
        exchange, _ = found
        reply = exchange.reply or b""
        if exchange.status:
            raise RemoteError(reply.decode(errors="replace"), status=exchange.status)
        return untagged(reply, self.then)

    def listen(self, enough: int, until_ns: int, check: Callable[[], object]) -> None:
        """Count what the remote says of its own accord.

        Args:
            enough: how much of it to wait for; what came is counted anyway.
            until_ns: how long to wait, by the monotonic clock.
            check: called often; it may raise.
        """
        while True:
            left_s = (until_ns - time.monotonic_ns()) / 1e9
            lacks = left_s > 0 and self.heard + self.answered < enough
            if not self.take(min(left_s, SHORT_S) if lacks else 0) and not lacks:
                return
            check()

    def take(self, wait_s: float) -> bool:
        """Take one message; False: none came."""
        if self.messages is None:
            time.sleep(wait_s)
            return False
        try:
            self.messages.get(wait_s)
            self.heard += 1
        except MessagesLost as error:
            self.heard += error.count
        except RemoteGone:
            return True
        except RequestTimeout:
            return False
        except ClosedError:
            self.messages = None
            return False
        return True

    def planned(self) -> Iterator[tuple[Exchange, int]]:
        """Yield what is sent, and how much the remote had said of its own accord before."""
        said = 0
        for each in self.conversation.exchanges:
            if each.is_sent:
                yield each, said
            said += each.kind in (Kind.NOTIFICATION, Kind.REMOTE_REQUEST)
