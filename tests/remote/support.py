"""What several tests of a serving remote need."""

import os
from typing import Any

from mboxio.remote import Remote


def echo(**options: Any) -> Remote:
    remote = Remote("shm:demo", **options)
    remote.handler("c")(lambda message: message)
    return remote


def until_gone(remote: Remote) -> None:
    """Wait for the serving thread to have dropped everybody."""
    while remote.connections or (remote._server and remote._server.links):
        os.sched_yield()
