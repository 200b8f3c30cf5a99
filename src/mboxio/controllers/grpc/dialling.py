"""How a gateway is reached: by a Unix socket, a port, or in the ways that are based on this."""

import json
from types import ModuleType
from typing import Any

from mboxio.errors import AccessDenied, AddressError, MailboxError, RemoteGone
from mboxio.far.engine import LIST, SERVICE, engine, options

__all__ = ["DENIED", "Dialling", "failure"]

DENIED = frozenset({"PERMISSION_DENIED", "UNAUTHENTICATED"})
"""Codes with which a gateway says that it knows who asks."""
HANDSHAKE = ("handshake failed", "verification check failed")
"""In errors that no second try mends; a peer that is lost in the middle is another matter."""


class Dialling:
    """Makes channels of gRPC to one gateway.

    Args:
        target: as gRPC writes it: ``unix:PATH`` or ``HOST:PORT``.
        where: the same for people.
        frozen_s: see `mboxio.far.engine.options`.
        credentials: of gRPC; None: neither side shows any.
    """

    def __init__(self, target: str, where: str, frozen_s: float, credentials: Any = None) -> None:
        self.grpc: ModuleType = engine()
        self.target = target
        self.where = where
        self.credentials = credentials
        # Without a pool of its own two connections of a program would share one connection.
        self.options = [*options(frozen_s), ("grpc.use_local_subchannel_pool", 1)]

    def dial(self) -> Any:
        """Return a new channel; it does not wait for the gateway."""
        if self.credentials is None:
            return self.grpc.insecure_channel(self.target, options=self.options)
        return self.grpc.secure_channel(self.target, self.credentials, options=self.options)

    def exports(self, timeout_s: float) -> Any:
        """Return what the gateway shows this user, as JSON says it.

        Raises:
            MailboxError: see `failure`.
        """
        channel = self.dial()
        try:
            answer = channel.unary_unary(f"/{SERVICE}/{LIST}")(b"", timeout=timeout_s)
            return json.loads(answer)
        except self.grpc.RpcError as error:
            raise self.failed(error.code().name, str(error.details())) from None
        except (ValueError, RecursionError):
            raise AddressError(f"{self.where}: what answers is no gateway of mboxio") from None
        finally:
            channel.close()

    def failed(self, code: str, details: str) -> MailboxError:
        """Return the error for a first try that came to nothing."""
        return failure(code, details, self.where)

    def close(self) -> None:
        """Let go of what leads there."""

    def again(self) -> None:
        """See to it that the way is there, before another dial. It does not wait."""


def failure(code: str, details: str, where: str) -> MailboxError:
    """Return the error for a gateway that could not be attached to."""
    if code in DENIED:
        return AccessDenied(f"{where}: {details}")
    if code == "UNAVAILABLE" and any(each in details.lower() for each in HANDSHAKE):
        return AccessDenied(
            f"{where}: no TLS connection: check ca=, cert= and key=, their dates, and that the"
            f" gateway's certificate names this host ({_end_of(details, 2)})"
        )
    if code == "UNIMPLEMENTED":
        return AddressError(f"{where}: what listens there is no gateway of mboxio")
    if code == "UNAVAILABLE":
        return RemoteGone(f"{where}: no gateway answers ({_end_of(details, 1)})")
    return RemoteGone(f"{where}: {details}")


def _end_of(details: str, parts: int) -> str:
    """Return the last parts of what gRPC says, which begins with how often it has tried."""
    return ": ".join(details.removesuffix(": OK").split(": ")[-parts:])
