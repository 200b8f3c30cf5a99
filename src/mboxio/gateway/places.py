"""Where a gateway listens, and who comes by that way."""

import fcntl
import os
import pwd
import socket
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mboxio._os.whose import why
from mboxio.errors import AddressError
from mboxio.far.hosts import SOCKET, is_loopback, read_certificates, split_host
from mboxio.local.folder import runtime_folder
from mboxio.local.sockets import PATH_BYTES_MAX

__all__ = ["InsecurePlace", "LocalPlace", "Place", "TlsPlace", "own_socket"]


class Place:
    """One place to listen at.

    Args:
        where: it is, for people.
        user: the only one who comes by this way; None: certificates say who comes.
    """

    def __init__(self, where: str, user: str | None = None) -> None:
        self.where = where
        self.user = user

    def bind(self, server: Any, grpc: Any) -> None:
        """Have a server of gRPC listen here; raises AddressError."""
        raise NotImplementedError

    def user_of(self, context: Any) -> str:
        """Return who comes by this way."""
        assert self.user is not None
        return self.user

    def give_up(self) -> None:
        """Listen no longer."""


class LocalPlace(Place):
    """A Unix socket. Who can get at it is the user that it is for.

    Args:
        path: of the socket, in a folder that others cannot enter.
        user: for whom it is.
    """

    def __init__(self, path: str, user: str) -> None:
        super().__init__(path, user)
        self.path = path
        self.lock = -1

    def bind(self, server: Any, grpc: Any) -> None:
        """See `Place.bind`."""
        folder = os.path.dirname(os.path.abspath(self.path))
        try:
            if stat.S_IMODE(os.stat(folder).st_mode) & 0o007:
                raise AddressError(f"the folder {folder} can be entered by everybody: chmod 700")
            lock = os.open(f"{self.path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(lock)  # the socket is another gateway's
                raise AddressError(f"a gateway listens at {self.path} already") from None
            self.lock = lock
        except OSError as error:
            if isinstance(error, AddressError):
                raise
            raise AddressError(f"{self.path}: {why(error, self.path)}") from None
        try:
            server.add_insecure_port(f"unix:{self.path}")
        except RuntimeError as error:
            told = str(error).partition(";")[0]
            if len(os.fsencode(self.path)) > PATH_BYTES_MAX:
                told = f"the path of a socket has {PATH_BYTES_MAX} bytes at most"
            raise AddressError(f"nothing can listen at {self.path}: {told}") from None

    def give_up(self) -> None:
        """See `Place.give_up`."""
        if self.lock >= 0:
            Path(self.path).unlink(missing_ok=True)
            os.close(self.lock)
            self.lock = -1


class Port(Place):
    """A port to listen at.

    Args:
        text: ``HOST[:PORT]``, as it was written; with port 0 the kernel chooses one.
        user: see `Place`.
    """

    def __init__(self, text: str, user: str | None = None) -> None:
        found = split_host(text, 0)
        if found is None:
            raise AddressError(f"{text!r} is nothing to listen at: write HOST[:PORT]")
        self.host, self.port = found
        super().__init__(f"{self.host}:{self.port}", user)

    def take(self, add: Callable[[str], int]) -> None:
        """Have gRPC listen here, which says only that it cannot."""
        try:
            self.port = add(self.where)
        except RuntimeError as error:
            told = _obstacle(self.host, self.port) or str(error).partition(";")[0]
            raise AddressError(f"nothing can listen at {self.where}: {told}") from None
        self.where = f"{self.host}:{self.port}"


class TlsPlace(Port):
    """A port at which both sides show certificates; the common name says who comes.

    Args:
        text: see `Port`.
        certificate, key: files with those of the gateway.
        authority: a file with the certificate of who vouches for users.
    """

    def __init__(self, text: str, certificate: str, key: str, authority: str) -> None:
        super().__init__(text)
        self.certificates = read_certificates(authority, key, certificate)

    def bind(self, server: Any, grpc: Any) -> None:
        """See `Place.bind`."""
        authority, key, certificate = self.certificates
        credentials = grpc.ssl_server_credentials(
            [(key, certificate)], authority, require_client_auth=True
        )
        self.take(lambda where: server.add_secure_port(where, credentials))

    def user_of(self, context: Any) -> str:
        """See `Place.user_of`."""
        names = context.auth_context().get("x509_common_name") or [b""]
        return str(names[0], "utf-8", "replace")[:64]


class InsecurePlace(Port):
    """A port of this machine without certificates: everybody here may be this user.

    Args:
        text: see `Port`; a host of the loopback network.
        user: what all are called who come.
    """

    def __init__(self, text: str, user: str) -> None:
        super().__init__(text, user)
        if not is_loopback(self.host):
            raise AddressError(
                f"{self.where}: without certificates only this machine may come (127.0.0.1); give a"
                " certificate, a key and an authority, or let users come by ssh"
            )

    def bind(self, server: Any, grpc: Any) -> None:
        """See `Place.bind`."""
        self.take(server.add_insecure_port)


def own_socket() -> LocalPlace:
    """Return the place for the user who runs the gateway, in the folder of his remotes."""
    try:
        user = pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        user = str(os.geteuid())
    return LocalPlace(os.path.join(runtime_folder(), SOCKET), user)


def _obstacle(host: str, port: int) -> str:
    """Return what keeps a program from listening at a port; empty: nothing does."""
    try:
        family, *_, address = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family) as probe:
            probe.bind(address)
    except OSError as error:
        return error.strerror or str(error)
    return ""
