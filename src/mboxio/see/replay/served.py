"""A recording behind an address: `Remote` or `AcpmRemote` with handlers that play it."""

from collections.abc import Callable, Mapping

from mboxio.address.address import Address
from mboxio.driver.correlate import Correlator
from mboxio.errors import AddressError, RemoteError
from mboxio.remote import Remote
from mboxio.remote.acpm import AcpmRemote
from mboxio.remote.channel import Handler, RemoteChannel
from mboxio.remote.programs.load import AnyRemote, channels, made, served
from mboxio.see.replay.parts import Answer, Answers, Part
from mboxio.see.replay.selection import Unplayable
from mboxio.see.replay.wire import correlator_of, untagged

__all__ = ["Served"]

MESSAGE_BYTES = 256
"""Of a channel, at least: a host may send what was never recorded, and is refused then."""
MESSAGE_BYTES_MAX = 4096
"""A channel is this long at most, unless a recorded message is longer."""
DEPTH, DEPTH_MAX = 32, 1024
ACPM_CHANNELS_MAX = 64
WORD_BYTES = 4
AT_ONCE_S = 1e-9
"""Not 0, so that each reply has its time."""


class Served:
    """Serves what answers messages at an address, until it is stopped.

    Args:
        answers: what they are answered with.
        address: ``shm:NAME`` or ``acpm:?at=peer:NAME``.

    Raises:
        AddressError: it cannot be served.
        Unplayable: a channel cannot exist there.
    """

    def __init__(self, answers: Answers, address: str) -> None:
        self.remote: AnyRemote = made(Address.parse(address))
        self.correlator: Correlator = correlator_of(served(self.remote))
        self.answers = answers
        try:
            if isinstance(self.remote, Remote):
                self.declare(self.remote, answers.parts)
            else:
                self.declare_numbered(self.remote, answers.parts)
        except AddressError:
            raise
        except ValueError as error:
            raise Unplayable(f"{served(self.remote)} cannot play it: {error}") from None
        self.channels: Mapping[str, RemoteChannel] = channels(self.remote)

    @property
    def address(self) -> str:
        """What hosts connect to."""
        return served(self.remote)

    def start(self) -> None:
        """Serve in a background thread; raises as `Remote.start`."""
        self.remote.start()

    def stop(self) -> None:
        """Close all connections."""
        self.remote.stop()

    def declare(self, remote: Remote, parts: Mapping[str, Part]) -> None:
        """Make the channels of a `Remote`."""
        for name, part in parts.items():
            source = part.conversation.source
            usual = min(max(source.message_bytes, MESSAGE_BYTES), MESSAGE_BYTES_MAX)
            place = name or str(source.number)
            remote.channel(
                place,
                depth=min(source.depth, DEPTH_MAX) or DEPTH,
                message_bytes=max(usual, part.longest_bytes),
            )
            remote.handler(place, latency_s=AT_ONCE_S)(self.handler(name, place))

    def declare_numbered(self, remote: AcpmRemote, parts: Mapping[str, Part]) -> None:
        """Make the channels of ACPM firmware, also those between that were not recorded."""
        numbers = {int(name): name for name in parts if name.isdecimal()}
        if len(numbers) != len(parts) or max(numbers) >= ACPM_CHANNELS_MAX:
            raise ValueError(f"channels of ACPM are numbers, not {', '.join(parts)}")
        for number in range(max(numbers) + 1):
            name = numbers.get(number, str(number))
            part = parts.get(name)
            source = None if part is None else part.conversation.source
            longest = 16 if part is None else max(16, part.longest_bytes)
            usual = 0 if source is None else min(source.message_bytes, MESSAGE_BYTES_MAX)
            remote.channel(
                self.handler(name, str(number)),
                slots=(min(source.depth, DEPTH_MAX) if source and source.depth else DEPTH - 1) + 1,
                slot_bytes=-(-max(longest, usual) // WORD_BYTES) * WORD_BYTES,
                latency_s=AT_ONCE_S,
            )

    def handler(self, name: str, place: str) -> Handler:
        """Return what answers on a channel; called on the serving thread only.

        Args:
            name: of the channel in the recording.
            place: its name here.
        """

        def answer(message: bytes) -> bytes | None:
            found = self.answers.answer(name, untagged(message, self.correlator))
            # This is the time of the reply that is returned now: no other is made in between.
            self.channels[place].simulate(max(found.after_ns / 1e9, AT_ONCE_S), 1)
            return self.given(found)

        return answer

    def given(self, answer: Answer) -> bytes | None:
        """Return a reply, or raise it."""
        if answer.status and answer.reply is not None:
            text = answer.reply.decode(errors="replace")
            raise RemoteError(text, status=answer.status)
        if answer.reply is None and not answer.is_awaited and not isinstance(self.remote, Remote):
            return b""  # ACPM's firmware answers everything, and no capture has what is thrown away
        return answer.reply

    # -- of its own accord, see `Voice`

    def hosts(self) -> int:
        """See `Voice.hosts`."""
        remote = self.remote
        return len(remote.connections if isinstance(remote, Remote) else remote.srams)

    def notify(self, channel: str, message: bytes) -> object:
        """See `Voice.notify`."""
        if isinstance(self.remote, Remote):
            return self.remote.notify(channel or self.only(), message)
        return self.remote.notify(int(channel), message)

    def ask(self, channel: str, message: bytes, answered: Callable[[bytes, int], object]) -> None:
        """See `Voice.ask`."""
        if not isinstance(self.remote, Remote):
            raise ValueError("the firmware of ACPM asks nothing")
        self.remote.ask(channel or self.only(), message, answered)

    def only(self) -> str:
        """Return the name of the channel that had none in the recording."""
        return str(self.answers.parts[""].conversation.source.number)

    def die(self) -> object:
        """See `Voice.die`."""
        return self.remote.restart()
