"""The far side in Python: serves ``shm:`` addresses, and misbehaves on demand.

`Remote` is what users meet. Below it, `Connection` is the protocol over one memory, without
sockets or threads.
"""

from mboxio.remote.ends.channel import Handler, RemoteChannel
from mboxio.remote.ends.connection import Connection
from mboxio.remote.ends.faults import Faults, Greeting
from mboxio.remote.ends.stats import RemoteStats
from mboxio.remote.remote import Remote
from mboxio.remote.serving.handshake import Peer

__all__ = [
    "Connection",
    "Faults",
    "Greeting",
    "Handler",
    "Peer",
    "Remote",
    "RemoteChannel",
    "RemoteStats",
]
