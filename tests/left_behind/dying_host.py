"""A host that asks without end, for its death: ``python dying_host.py ADDRESS CHANNEL DEPTH``."""

import sys
from collections import deque
from typing import Any

import mboxio


def main(address: str, channel: str, depth: int) -> None:
    with mboxio.connect(address) as connection:
        client = connection.client(channel, timeout_s=20.0)
        waiting: deque[Any] = deque()
        number = 0
        while True:
            while len(waiting) < depth:
                waiting.append(client.submit(bytes(4) + number.to_bytes(8, "big") + b"dead"))
                number += 1
            if number == depth:
                print("asking", flush=True)
            waiting.popleft().result()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
