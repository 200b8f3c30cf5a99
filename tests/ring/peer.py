"""The remote of the two-process tests: sends back every message of the first channel.

Arguments: implementation, file of the memory, socket that is the doorbell, number of messages.
`echo.c` is the same in C.
"""

import mmap
import socket
import sys

from mboxio.regions import Memory
from mboxio.ring import REPLY, Armed, Consumer, Producer, implementations
from mboxio.ring.layout import read


def wait_for_message(armed: Armed, consumer: Consumer, doorbell: socket.socket) -> None:
    """Sleep until there is a message, as every side of a ring must."""
    armed.arm()
    if consumer.pending() == 0:
        doorbell.recv(1)
    armed.disarm()


def ring_doorbell(producer: Producer, doorbell: socket.socket) -> None:
    """Ring the doorbell if that is needed."""
    if producer.doorbell_needed():
        try:
            doorbell.send(b"!", socket.MSG_DONTWAIT)
        except BlockingIOError:
            pass  # enough rings wait already


def main(name: str, path: str, descriptor: str, count: str) -> None:
    (implementation,) = (each for each in implementations() if each.name == name)
    doorbell = socket.socket(fileno=int(descriptor))
    with open(path, "r+b") as file:
        memory = Memory(mmap.mmap(file.fileno(), 0))
    layout = read(memory)
    channel = layout.channels[0]
    armed = implementation.armed(memory, layout.remote_armed, layout.host_armed)
    consumer = implementation.consumer(memory, channel.to_remote)
    producer = implementation.producer(memory, channel.to_host, armed)
    left = int(count)
    while left:
        messages = consumer.pop_batch(5)
        if not messages:
            wait_for_message(armed, consumer, doorbell)
        for _, tag, message in messages:
            # The host never has more in flight than the way back takes.
            if not producer.push(REPLY, tag, message):
                raise SystemExit("the host sent more than it may")
            ring_doorbell(producer, doorbell)
            left -= 1
    while doorbell.recv(1):  # the host may still ring for what was taken already
        pass
    doorbell.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
