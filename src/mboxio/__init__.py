"""mboxio: talk to firmware through hardware mailboxes, with many requests in flight.

The user's door is `connect` and `open`; the driver author's is `Controller`.
"""

from mboxio import _build

_build.check()

TYPE_CHECKING = False  # what type checkers know as true; `typing` itself takes long to load
if TYPE_CHECKING:
    from mboxio._base.clock import Clock
    from mboxio._queue.stats import ChannelStats
    from mboxio.client.asynchronous import AsyncClient, AsyncReplies
    from mboxio.client.blocking import Client, Messages, Replies, Request
    from mboxio.client.connection import Connection
    from mboxio.client.open import connect
    from mboxio.client.open import open as open  # not in __all__: it would hide the built-in
    from mboxio.client.open_async import connect_async, open_async
    from mboxio.driver.capabilities import Capabilities, TxDone
    from mboxio.driver.controller import (
        ACCEPTED,
        SENT,
        Busy,
        Controller,
        Done,
        Outcome,
        Probe,
        expects_reply,
    )
    from mboxio.driver.correlate import (
        ByAddress,
        Correlator,
        InOrder,
        Notification,
        RemoteRequest,
        Reply,
        Tagged,
    )
    from mboxio.driver.ports import Ports
    from mboxio.errors import (
        AccessDenied,
        AddressError,
        ClosedError,
        DeviceTreeError,
        DriverError,
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
        WrongMessage,
    )

__version__ = "0.1.0"

__all__ = [
    "ACCEPTED",
    "SENT",
    "AccessDenied",
    "AddressError",
    "AsyncClient",
    "AsyncReplies",
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
    "DeviceTreeError",
    "Done",
    "DriverError",
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
    "Probe",
    "QueueFull",
    "RemoteError",
    "RemoteGone",
    "RemoteRequest",
    "Replies",
    "Reply",
    "ReplyTooLong",
    "ReplyUnsure",
    "Request",
    "RequestCancelled",
    "RequestTimeout",
    "Tagged",
    "TxDone",
    "WouldDeadlock",
    "WrongMessage",
    "connect",
    "connect_async",
    "expects_reply",
    "open_async",
]

_HOMES = {
    "client.asynchronous": ("AsyncClient", "AsyncReplies"),
    "client.open_async": ("connect_async", "open_async"),
    "driver.capabilities": ("Capabilities", "TxDone"),
    "client.blocking": ("Client", "Messages", "Replies", "Request"),
    "client.connection": ("Connection",),
    "_base.clock": ("Clock",),
    "driver.controller": (
        "ACCEPTED",
        "SENT",
        "Busy",
        "Controller",
        "Done",
        "Outcome",
        "Probe",
        "expects_reply",
    ),
    "driver.correlate": (
        "ByAddress",
        "Correlator",
        "InOrder",
        "Notification",
        "RemoteRequest",
        "Reply",
        "Tagged",
    ),
    "errors": (
        "AccessDenied",
        "AddressError",
        "ClosedError",
        "DeviceTreeError",
        "DriverError",
        "ForkedError",
        "MailboxError",
        "MessagesLost",
        "MessageTooLong",
        "OutOfStep",
        "QueueFull",
        "RemoteError",
        "RemoteGone",
        "ReplyTooLong",
        "ReplyUnsure",
        "RequestCancelled",
        "RequestTimeout",
        "WouldDeadlock",
        "WrongMessage",
    ),
    "driver.ports": ("Ports",),
    "client.open": ("connect", "open"),
    "_queue.stats": ("ChannelStats",),
}
"""Where each public name lives. A module is loaded when one of its names is first asked for."""


# Hidden from type checkers: to them a module that has it has every name there is.
if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        for module, names in _HOMES.items():
            if name in names:
                from importlib import import_module

                found: object = getattr(import_module(f"mboxio.{module}"), name)
                globals()[name] = found
                _build.hide_frames()
                return found
        raise AttributeError(f"module 'mboxio' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, "open"})
