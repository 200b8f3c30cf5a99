"""A VideoCore that plays a recording: for `Bcm2835` over its registers and memory."""

import struct
from collections.abc import Callable

from mboxio.protocols.rpi_buffer import FAILURE
from mboxio.see.replay.parts import Answer, Answers
from mboxio.sim.videocore import PROPERTY, VideoCore

__all__ = ["PlayedCore"]

HEAD_BYTES = 8
WORD_BYTES = 4


class PlayedCore(VideoCore):
    """Answers at once, whatever the times of the recording are.

    A message that was never recorded is answered as this firmware refuses: a buffer with the code
    of a failure, and a word with nothing.

    Args:
        answers: what messages are answered with.
        memory_bytes, levels, interrupts: see `VideoCore`.
    """

    def __init__(
        self,
        answers: Answers,
        memory_bytes: int = 4096,
        *,
        levels: bool = True,
        interrupts: bool = False,
    ) -> None:
        super().__init__(memory_bytes, levels=levels, interrupts=interrupts)
        self.answers = answers

    def step(self) -> None:
        """See `VideoCore.step`."""
        with self.lock:
            word = self.to_core.popleft()
            self.taken.append(word)
            channel, data = word & 15, word & ~15
            if channel == PROPERTY:
                if self.play(data - self.bus_address):
                    self.say(word)
                return
            forms = [each.to_bytes(WORD_BYTES, "little") for each in (data, word)]
            answer = self.answers.answer(str(channel), *forms)
            if answer.reply is not None and not answer.status:
                self.notify(str(channel), answer.reply)

    def play(self, offset: int) -> bool:
        """Answer the buffer at an offset of the memory; False: with silence."""
        (size_bytes,) = self.memory.read_words(offset, 1)
        words = self.memory.read_words(offset, size_bytes // WORD_BYTES)
        answer = self.answers.answer("property", struct.pack(f"<{len(words)}I", *words))
        if not answer.known:
            self.memory.write_words(offset + WORD_BYTES, [FAILURE])
            return True
        return self.write(offset, size_bytes, answer)

    def write(self, offset: int, size_bytes: int, answer: Answer) -> bool:
        """Write a reply into its buffer; False: there is none."""
        reply = answer.reply
        if reply is None or answer.status or len(reply) < HEAD_BYTES:
            return False
        count = min(len(reply), size_bytes) // WORD_BYTES
        self.memory.write_words(offset, struct.unpack_from(f"<{count}I", reply))
        return True

    # -- of its own accord, see `Voice`

    def hosts(self) -> int:
        """See `Voice.hosts`: one that never comes or goes, as far as a FIFO can tell."""
        return 1

    def notify(self, channel: str, message: bytes) -> None:
        """See `Voice.notify`."""
        if not channel.isdecimal() or len(message) != WORD_BYTES:
            raise ValueError(f"a VideoCore says words, not {len(message)} bytes on {channel!r}")
        self.say(int.from_bytes(message, "little") & ~15 | int(channel) & 15)

    def ask(self, channel: str, message: bytes, answered: Callable[[bytes, int], object]) -> object:
        """See `Voice.ask`."""
        raise ValueError("a VideoCore asks nothing")

    def die(self) -> object:
        """See `Voice.die`."""
        raise ValueError("a VideoCore that dies is not played")
