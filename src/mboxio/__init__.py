"""mboxio: talk to firmware through hardware mailboxes, with many requests in flight.

The user's door is `connect` and `open`; the driver author's is `Controller`.
"""

from typing import TYPE_CHECKING

from mboxio import _build

_build.check()

from mboxio.capabilities import Capabilities, TxDone  # noqa: E402
from mboxio.client import Client, Connection, Messages, Request  # noqa: E402
from mboxio.clock import Clock  # noqa: E402
from mboxio.controller import (  # noqa: E402
    SENT,
    Busy,
    Controller,
    Done,
    Outcome,
    expects_reply,
)
from mboxio.correlate import (  # noqa: E402
    ByAddress,
    Correlator,
    InOrder,
    Notification,
    RemoteRequest,
    Reply,
    Tagged,
)
from mboxio.errors import (  # noqa: E402
    AddressError,
    ClosedError,
    ForkedError,
    MailboxError,
    MessagesLost,
    MessageTooLong,
    OutOfStep,
    QueueFull,
    RemoteError,
    RemoteGone,
    ReplyTooLong,
    ReplyUnsure,
    RequestCancelled,
    RequestTimeout,
    WouldDeadlock,
)
from mboxio.ports import Ports  # noqa: E402
from mboxio.registry import connect, open  # noqa: E402
from mboxio.stats import ChannelStats  # noqa: E402

_build.check()

if TYPE_CHECKING:
    from mboxio.async_client import AsyncClient
    from mboxio.async_open import open_async

__version__ = "0.1.0"

__all__ = [
    "SENT",
    "AddressError",
    "AsyncClient",
    "Busy",
    "ByAddress",
    "Capabilities",
    "ChannelStats",
    "Client",
    "Clock",
    "ClosedError",
    "Connection",
    "Controller",
    "Correlator",
    "Done",
    "ForkedError",
    "InOrder",
    "MailboxError",
    "MessageTooLong",
    "Messages",
    "MessagesLost",
    "Notification",
    "OutOfStep",
    "Outcome",
    "Ports",
    "QueueFull",
    "RemoteError",
    "RemoteGone",
    "RemoteRequest",
    "Reply",
    "ReplyTooLong",
    "ReplyUnsure",
    "Request",
    "RequestCancelled",
    "RequestTimeout",
    "Tagged",
    "TxDone",
    "WouldDeadlock",
    "connect",
    "expects_reply",
    "open",
    "open_async",
]


def __getattr__(name: str) -> object:
    # What needs asyncio is loaded when it is asked for.
    if name == "AsyncClient":
        from mboxio.async_client import AsyncClient

        return AsyncClient
    if name == "open_async":
        from mboxio.async_open import open_async

        return open_async
    raise AttributeError(f"module 'mboxio' has no attribute {name!r}")
