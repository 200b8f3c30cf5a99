"""The gateway of ``mboxio demo far``: ``python -m mboxio.cli.demo.far.gateway FOLDER``.

It ends with its standard input, so it does not outlive the demo, however that ends.
"""

import os
import sys

import mboxio
from mboxio.gateway.allow import AllowList
from mboxio.gateway.export import Export
from mboxio.gateway.places import LocalPlace
from mboxio.gateway.server import Gateway

__all__ = ["BOARD", "EXPORT", "READER", "USER", "address_of"]

BOARD, EXPORT = "shm:demo", "board"
USER, READER = "alice", "bob"
ALLOW = f"""
[{USER}]
"{EXPORT}/*" = ["observe", "notifications", "request"]
[{READER}]
"{EXPORT}/*" = ["observe", "notifications"]
"""


def address_of(folder: str, user: str) -> str:
    """Return how a user reaches the gateway; on another machine it would be grpc+ssh:HOST."""
    return f"grpc+unix:{socket_of(folder, user)}"


def socket_of(folder: str, user: str) -> str:
    """Return where a user comes."""
    return os.path.join(folder, f"{user}@grpc.sock")


def main() -> None:
    """Serve until the standard input ends."""
    folder = sys.argv[1]
    places = [LocalPlace(socket_of(folder, user), user) for user in (USER, READER)]
    exports = [Export(EXPORT, mboxio.connect(BOARD))]
    with Gateway(exports, AllowList.parse(ALLOW), places):
        print("ready", flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
