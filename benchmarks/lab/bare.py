"""A bare stream of gRPC that sends everything back: what a gateway is compared with.

Run as a program it is the far side: ``python -m benchmarks.lab.bare SOCKET``.
"""

import asyncio
import struct
import sys
from collections.abc import Iterator
from queue import SimpleQueue
from typing import Any

from mboxio.far.engine import engine, options

__all__ = ["Bare"]

METHOD = "/bare.Echo/Echo"
HEAD = struct.Struct("<QI")
FROZEN_S = 2.0


class Bare:
    """The near side. Frames have a number and a length, which both sides read: many in flight
    take as much.

    Args:
        path: of the socket.
        in_flight: how many frames are under way.
        size_bytes: of each.
    """

    def __init__(self, path: str, in_flight: int, size_bytes: int) -> None:
        self.channel = engine().insecure_channel(f"unix:{path}", options=options(FROZEN_S))
        self.out: SimpleQueue[bytes | None] = SimpleQueue()
        self.call: Any = self.channel.stream_stream(METHOD)(iter(self.out.get, None))
        self.in_flight = in_flight
        self.message = bytes(size_bytes)
        self.number = 0

    def run(self, count: int) -> None:
        """Have so many frames sent back, as many at a time as came."""
        sent = got = 0
        while got < count:
            room = min(self.in_flight - (sent - got), count - sent)
            if room:
                self.out.put(b"".join(self.frame() for _ in range(room)))
                sent += room
            got += sum(1 for _ in frames(next(self.call)))

    def frame(self) -> bytes:
        """Return the next one."""
        self.number += 1
        return HEAD.pack(self.number, len(self.message)) + self.message

    def close(self) -> None:
        """End the stream."""
        self.out.put(None)
        self.call.cancel()
        self.channel.close()


def frames(message: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield what is in one message."""
    at = 0
    while at < len(message):
        number, length = HEAD.unpack_from(message, at)
        at += HEAD.size
        yield number, message[at : at + length]
        at += length


async def serve(path: str) -> None:
    """Send everything back."""
    grpc = engine()

    async def echo(_: Any, context: Any) -> None:
        while (message := await context.read()) is not grpc.aio.EOF:
            found = [HEAD.pack(number, len(data)) + data for number, data in frames(message)]
            await context.write(b"".join(found))

    server = grpc.aio.server(options=options(FROZEN_S))
    handlers = {"Echo": grpc.stream_stream_rpc_method_handler(echo)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("bare.Echo", handlers),))
    server.add_insecure_port(f"unix:{path}")
    await server.start()
    print("ready", flush=True)
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1]))
