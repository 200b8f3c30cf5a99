"""The far side in Python: serves ``shm:`` addresses, and misbehaves on demand.

`Remote` is what users meet. Below it, `Connection` is the protocol over one memory, without
sockets or threads.
"""

from mboxio.remote.channel import Handler, RemoteChannel
from mboxio.remote.connection import Connection
from mboxio.remote.faults import Faults, Greeting
from mboxio.remote.remote import Remote
from mboxio.remote.serving.handshake import Peer
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
    "Connection",
    "Faults",
    "Greeting",
    "Handler",
    "Peer",
    "Remote",
    "RemoteChannel",
    "RemoteProcess",
    "RemoteStats",
]
