"""mboxio: talk to firmware through hardware mailboxes, with many requests in flight.

The user's door is `connect` and `open`; the driver author's is `Controller`.
"""

from mboxio import _build

_build.check()

TYPE_CHECKING = False  # what type checkers know as true; `typing` itself takes long to load
if TYPE_CHECKING:
    from mboxio.async_client import AsyncClient
    from mboxio.async_open import connect_async, open_async
    from mboxio.capabilities import Capabilities, TxDone
    from mboxio.client import Client, Connection, Messages, Request
    from mboxio.clock import Clock
    from mboxio.controller import (
        ACCEPTED,
        SENT,
        Busy,
        Controller,
        Done,
        Outcome,
        Probe,
        expects_reply,
    )
    from mboxio.correlate import (
        ByAddress,
        Correlator,
        InOrder,
        Notification,
        RemoteRequest,
        Reply,
        Tagged,
    )
    from mboxio.errors import (
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
    from mboxio.ports import Ports
    from mboxio.registry import connect
    from mboxio.registry import open as open  # not in __all__: it would hide the built-in
    from mboxio.stats import ChannelStats

__version__ = "0.1.0"

__all__ = [
    "ACCEPTED",
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
    "async_client": ("AsyncClient",),
    "async_open": ("connect_async", "open_async"),
    "capabilities": ("Capabilities", "TxDone"),
    "client": ("Client", "Connection", "Messages", "Request"),
    "clock": ("Clock",),
    "controller": (
        "ACCEPTED",
        "SENT",
        "Busy",
        "Controller",
        "Done",
        "Outcome",
        "Probe",
        "expects_reply",
    ),
    "correlate": (
        "ByAddress",
        "Correlator",
        "InOrder",
        "Notification",
        "RemoteRequest",
        "Reply",
        "Tagged",
    ),
    "errors": (
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
    "ports": ("Ports",),
    "registry": ("connect", "open"),
    "stats": ("ChannelStats",),
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
