"""What several tests of a serving remote need."""

import os
from typing import Any

from mboxio.remote import Remote


def echo(**options: Any) -> Remote:
    remote = Remote("shm:demo", **options)
    remote.handler("c")(lambda message: message)
    return remote


def until_gone(remote: Remote, but: int = 0) -> None:
    """Wait for the serving thread to have dropped everybody but so many."""
    while len(remote.connections) > but or (remote._server and len(remote._server.connected) > but):
        os.sched_yield()
