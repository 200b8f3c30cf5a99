"""Print what firmware says on its own: python notifications.py [ADDRESS [COUNT]].

It talks to the channel "sensor" of firmware.py.
"""

import sys

import mboxio


def main(address: str = "shm:demo/sensor", count: str = "3") -> None:
    with mboxio.open(address, wait_s=5) as client, client.subscribe(limit=100) as messages:
        client.request(count.encode())
        for _ in range(int(count)):
            try:
                print(messages.get(timeout_s=5).decode())
            except mboxio.MessagesLost as error:
                print(f"too slow: {error.count} readings are gone")


if __name__ == "__main__":
    main(*sys.argv[1:])
