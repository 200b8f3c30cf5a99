"""Options of the addresses of other machines, and the parts of their names."""

import re
from dataclasses import dataclass

from mboxio.errors import AddressError
from mboxio.far.hello import NAME
from mboxio.far.hosts import split_host

__all__ = ["GrpcOptions", "SshOptions", "UnixOptions", "split_login", "split_port", "split_socket"]

LOGIN = re.compile(r"(?!-)[A-Za-z0-9@._-]+")


@dataclass(frozen=True, kw_only=True)
class UnixOptions:
    """Options of an address: ``grpc+unix:/run/mboxio/team.sock/board1?timeout_s=2``.

    Args:
        connect_timeout_s: how long the gateway may take to say its hello, in seconds.
        frozen_s: after how long a gateway counts as lost whose machine does not answer, in seconds.
        timeout_s: default deadline of a request, in seconds; 0: what the mailbox has.
    """

    connect_timeout_s: float = 5.0
    frozen_s: float = 2.0
    timeout_s: float = 0.0

    def __post_init__(self) -> None:
        if self.connect_timeout_s <= 0 or self.frozen_s <= 0:
            raise ValueError("connect_timeout_s and frozen_s are more than 0 seconds")


@dataclass(frozen=True, kw_only=True)
class GrpcOptions(UnixOptions):
    """Options of an address: ``grpc:HOST:PORT/board1?ca=ca.pem&cert=me.pem&key=me.key``.

    Args:
        ca: a file with the certificate of who vouches for gateways.
        cert: a file with the user's certificate.
        key: a file with its key.
        insecure: speak without TLS, within this machine only.
    """

    ca: str = ""
    cert: str = ""
    key: str = ""
    insecure: bool = False


@dataclass(frozen=True, kw_only=True)
class SshOptions(UnixOptions):
    """Options of an address: ``grpc+ssh:USER@HOST/board1?socket=/run/mboxio/gateway.sock``.

    Args:
        connect_timeout_s: how long ssh and the gateway may take, in seconds.
        socket: of the gateway, on that machine; left out, it is asked for there.
    """

    connect_timeout_s: float = 15.0
    socket: str = ""


def split_port(name: str) -> tuple[str, int, str]:
    """Return host, port and export of ``HOST[:PORT]/NAME``; raises AddressError."""
    place, _, export = name.partition("/")
    found = split_host(place)
    if found is None:
        raise AddressError(f"grpc:{name}: write grpc:HOST[:PORT]/NAME/channel")
    return *found, check_export(export, f"grpc:{name}")


def split_login(name: str) -> tuple[str, str]:
    """Return what ssh is told and the export of ``[USER@]HOST/NAME``; raises AddressError."""
    login, _, export = name.partition("/")
    if not LOGIN.fullmatch(login):  # nothing that ssh takes for an option
        raise AddressError(f"grpc+ssh:{name}: write grpc+ssh:[USER@]HOST/NAME/channel")
    return login, check_export(export, f"grpc+ssh:{name}")


def split_socket(name: str) -> tuple[str, str]:
    """Return socket and export of ``PATH.sock/NAME``; raises AddressError."""
    path, dot, rest = name.partition(".sock")
    if not dot or (rest and not rest.startswith("/")):
        raise AddressError(
            f"grpc+unix:{name}: write grpc+unix:PATH/NAME/channel, where PATH ends in .sock"
        )
    return path + dot, check_export(rest.removeprefix("/"), f"grpc+unix:{name}")


def check_export(export: str, where: str) -> str:
    """Return the name of an export, which may be empty: all of them."""
    if export and not NAME.fullmatch(export):
        raise AddressError(f"{where}: {export!r} is no name of an export")
    return export
