"""A host in a process of its own, for its death: ``python host.py ADDRESS``."""

import sys
from itertools import count

import mboxio


def main(address: str) -> None:
    with mboxio.connect(address) as connection:
        client = connection.client("echo0", backlog=16)
        mine = (b"W old host %d" % number for number in count())
        for number, reply in enumerate(client.map(mine, window=8)):
            assert reply == b"W old host %d" % number
            if number == 20:
                print("asking", flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
