"""A host in a process of its own, made to be killed or interrupted.

The settings are its only argument: the address and what it does there.
"""

import ast
import asyncio
import sys
import threading
import time
from itertools import count

import mboxio


def traffic(address: str) -> None:
    """Keep many requests in flight, for ever."""
    with mboxio.open(f"{address}/a", backlog=64) as client:
        for number in count():
            requests = [client.submit(b"%d" % (number + i)) for i in range(16)]
            for request in requests:
                request.result()
            if number == 3:
                print("in traffic", flush=True)


def request(address: str) -> None:
    """Wait for a reply, for ever."""
    with mboxio.open(f"{address}/a", timeout_s=None) as client:
        client.request(b"keep")


def messages(address: str) -> None:
    """Wait for an unsolicited message, for ever."""
    with mboxio.open(f"{address}/a") as client, client.subscribe() as subscription:
        client.send(b"keep")
        subscription.get()


def full(address: str) -> None:
    """Wait for a reply credit, for ever."""
    with mboxio.open(f"{address}/a", timeout_s=None) as client:
        for _ in range(8):
            client.submit(b"fill")
        client.send(b"keep")
        client.request(b"no place")


def loop(address: str) -> None:
    """Wait for a reply on an event loop, for ever."""

    async def wait() -> None:
        async with mboxio.open_async(f"{address}/a", timeout_s=None) as client:
            await client.request(b"keep")

    asyncio.run(wait())


def late_answer(address: str) -> None:
    """Close while a handler works, whose answer then comes too late."""
    asked = threading.Event()

    def handler(message: bytes) -> bytes:
        asked.set()
        while connection._host.controller.socket is not None:  # type: ignore[attr-defined]
            time.sleep(0.001)
        return message

    with mboxio.connect(address) as connection:
        client = connection.client("a")
        client.on_request(handler)
        print("listening", flush=True)
        asked.wait()
    print("closed", flush=True)


if __name__ == "__main__":
    settings = ast.literal_eval(sys.argv[1])
    globals()[settings["what"]](settings["address"])
