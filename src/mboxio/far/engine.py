"""gRPC, as both sides of a stream use it: streams of bytes, without its own protocol compiler.

It needs ``grpcio``: ``pip install 'mboxio[grpc]'``.
"""

import os
from types import ModuleType

from mboxio.errors import AddressError, ForkedError

__all__ = ["ATTACH", "EXPORT", "LIST", "SERVICE", "engine", "options"]

SERVICE = "mboxio.Gateway"
ATTACH, LIST = "Attach", "List"
EXPORT = "mboxio-export"
"""The metadata with which a user says which mailbox he means."""

INSTALL = 'pip install grpcio, or pip install ".[grpc]" in a checkout of mboxio'
MESSAGE_BYTES_MAX = 8 << 20
"""Of one message of a stream: a batch, and one frame of the longest kind."""
_USED_BY: dict[str, int] = {}
RECONNECT_MS = 100
CONNECT_MS = 5000


def engine() -> ModuleType:
    """Return the module of gRPC, imported at first use.

    Raises:
        AddressError: it is not installed.
        ForkedError: it was used before this process was forked: what it does then is chance.
    """
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # or it writes of failed handshakes to stderr
    try:
        import grpc
    except ImportError as error:
        raise AddressError(f"gRPC is missing: {INSTALL} ({error})") from None
    if _USED_BY.setdefault("pid", os.getpid()) != os.getpid():
        raise ForkedError(
            "gRPC was used before this process was forked: use it in a new process, such as those"
            " of multiprocessing's 'spawn'"
        )
    return grpc


def options(frozen_s: float) -> list[tuple[str, int]]:
    """Return the options of a channel or server.

    Args:
        frozen_s: after how long a peer counts as lost that does not move, in seconds; half of it
            passes before it is asked, and the other half until it must have answered. The usual
            limit for the answer is a minute, whatever the keep-alive time-out says.
    """
    half_ms = max(int(frozen_s * 500), 10)
    return [
        ("grpc.keepalive_time_ms", half_ms),
        ("grpc.keepalive_timeout_ms", half_ms),
        ("grpc.http2.ping_timeout_ms", half_ms),
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.keepalive_permit_without_calls", 1),
        # A server punishes those who ask more often, and each user chooses for himself.
        ("grpc.http2.min_recv_ping_interval_without_data_ms", 10),
        ("grpc.http2.max_ping_strikes", 0),
        ("grpc.so_reuseport", 0),  # a second gateway on a port is told so
        ("grpc.initial_reconnect_backoff_ms", RECONNECT_MS),
        # In spite of its name, how long one try may take: a line across the world needs a second.
        ("grpc.min_reconnect_backoff_ms", CONNECT_MS),
        ("grpc.max_reconnect_backoff_ms", 5 * RECONNECT_MS),
        ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
        ("grpc.max_send_message_length", MESSAGE_BYTES_MAX),
    ]
