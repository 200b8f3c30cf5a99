"""A gateway for one mailbox, whoever runs it: ``python serve.py ADDRESS NAME SOCKET``."""

import signal
import sys

import mboxio
from mboxio.gateway.allow import AllowList
from mboxio.gateway.export import Export
from mboxio.gateway.places import LocalPlace
from mboxio.gateway.server import Gateway

if __name__ == "__main__":
    address, name, path = sys.argv[1:]
    export = Export(name, mboxio.connect(address))
    with Gateway([export], AllowList.everything_for("team"), [LocalPlace(path, "team")]):
        print("serving", flush=True)
        signal.pause()
