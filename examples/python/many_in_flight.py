"""Keep as many requests in flight as the hardware takes: python many_in_flight.py [ADDRESS]."""

import sys
from time import perf_counter

import mboxio

COUNT = 1000


def main(address: str = "loopback:") -> None:
    # What the hardware has no place for waits in the backlog, so nothing is refused.
    with mboxio.open(address, backlog=COUNT, queue_timeout_s=30) as client:
        start = perf_counter()
        requests = [client.submit(number.to_bytes(4, "little")) for number in range(COUNT)]
        replies = [int.from_bytes(request.result(), "little") for request in requests]
        spent_s = perf_counter() - start
        right = replies == list(range(COUNT))
        print(f"{COUNT} requests, {client.depth} at a time: {spent_s * 1e6 / COUNT:.1f} µs each")
        print("each has its own reply" if right else "this remote does not echo")


if __name__ == "__main__":
    main(*sys.argv[1:])
