"""A driver for a chip with two FIFOs of words, on a model of the chip: no board needed."""

from typing import Any

import mboxio
from mboxio import SENT, Busy, Outcome, Tagged, TxDone
from mboxio.controllers.registers import RegisterController
from mboxio.regions import Memory

WRITE, READ, FULL, EMPTY = 0, 4, 8, 12


class WordFifo(RegisterController):
    """The upper byte of a word is its tag."""

    def open(self) -> None:
        self.reach(16)
        self.queue = self.add_queue(self.paced(depth=4, message_bytes=4, tx_done=TxDone.POLL))
        self.words = self.add_channel("words", self.queue, correlator=Tagged(low_bit=24))
        self.sent: list[int] = []

    def send(self, channel: Any, handle: int, message: bytes) -> Outcome:
        if self.region.read(FULL, 4):
            return Busy("event")
        self.region.write(WRITE, int.from_bytes(message, "little"), 4)
        self.sent.append(handle)
        return SENT

    def look(self, queue: Any, why: str) -> None:
        if not self.region.read(FULL, 4):
            done, self.sent = self.sent, []
            self.tx_done(queue, done)
        words: list[bytes] = []
        while len(words) < 4 and not self.region.read(EMPTY, 4):
            words.append(self.region.read(READ, 4).to_bytes(4, "little"))
        self.received(self.words, words)


class Chip(Memory):
    """Sends each word back, with the lower bits inverted."""

    def __init__(self) -> None:
        super().__init__(bytearray(16))
        self.fifo: list[int] = []

    def write(self, offset: int, value: int, width: int) -> None:
        self.fifo.append(value ^ 0xFFFF)

    def read(self, offset: int, width: int) -> int:
        return {FULL: len(self.fifo) >= 4, EMPTY: not self.fifo}.get(offset) or (
            self.fifo.pop(0) if offset == READ else 0
        )


if __name__ == "__main__":
    with mboxio.Connection(WordFifo(region=Chip())) as connection:
        client = connection.client("words")
        requests = [client.submit(bytes([number, 0, 0, 0])) for number in range(4)]
        print(*(f"{request.result()[0]:#x}" for request in requests))
