"""The far side in Python: serves ``shm:`` addresses, and misbehaves on demand.

`Remote` is what users meet. Below it, `ShmEnd` is its end of one connection, without sockets or
threads.
"""

from mboxio.remote.channel import Handler, RemoteChannel
from mboxio.remote.faults import Faults, Greeting
from mboxio.remote.remote import Remote
from mboxio.remote.serving.handshake import Peer
from mboxio.remote.shm_end import ShmEnd
from mboxio.remote.stats import RemoteStats

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mboxio.remote.spawning.spawned import RemoteProcess
else:

    def __getattr__(name: str) -> object:
        """Import what is more than a remote: it needs a host's side."""
        if name == "RemoteProcess":
            from mboxio.remote.spawning.spawned import RemoteProcess

            return RemoteProcess
        raise AttributeError(f"module 'mboxio.remote' has no attribute {name!r}")


__all__ = [
    "Faults",
    "Greeting",
    "Handler",
    "Peer",
    "Remote",
    "RemoteChannel",
    "RemoteProcess",
    "RemoteStats",
    "ShmEnd",
]
