"""Where a gateway listens, and who comes by that way."""

import fcntl
import ipaddress
import os
import pwd
import stat
from pathlib import Path
from typing import Any

from mboxio._os.whose import why
from mboxio.errors import AddressError
from mboxio.local.folder import runtime_folder

__all__ = ["InsecurePlace", "LocalPlace", "Place", "TlsPlace", "is_loopback", "own_socket"]


class Place:
    """One place to listen at.

    Args:
        where: it is, for people.
    """

    def __init__(self, where: str) -> None:
        self.where = where

    def bind(self, server: Any, grpc: Any) -> None:
        """Have a server of gRPC listen here; raises AddressError."""
        raise NotImplementedError

    def user_of(self, context: Any) -> str:
        """Return who comes by this way."""
        raise NotImplementedError

    def give_up(self) -> None:
        """Listen no longer."""


class LocalPlace(Place):
    """A Unix socket. Who can get at it is the user that it is for.

    Args:
        path: of the socket, in a folder that others cannot enter.
        user: for whom it is.
    """

    def __init__(self, path: str, user: str) -> None:
        super().__init__(path)
        self.path = path
        self.user = user
        self.lock = -1

    def bind(self, server: Any, grpc: Any) -> None:
        """See `Place.bind`."""
        folder = os.path.dirname(os.path.abspath(self.path))
        try:
            if stat.S_IMODE(os.stat(folder).st_mode) & 0o007:
                raise AddressError(f"the folder {folder} can be entered by everybody: chmod 700")
            self.lock = os.open(f"{self.path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AddressError(f"a gateway listens at {self.path} already") from None
        except OSError as error:
            if isinstance(error, AddressError):
                raise
            raise AddressError(f"{self.path}: {why(error, self.path)}") from None
        _bind(lambda: server.add_insecure_port(f"unix:{self.path}"), self.where)

    def user_of(self, context: Any) -> str:
        """See `Place.user_of`."""
        return self.user

    def give_up(self) -> None:
        """See `Place.give_up`."""
        if self.lock >= 0:
            Path(self.path).unlink(missing_ok=True)
            os.close(self.lock)
            self.lock = -1


class TlsPlace(Place):
    """A port at which both sides show certificates; the common name says who comes.

    Args:
        where: ``HOST:PORT``.
        certificate, key: files with those of the gateway.
        authority: a file with the certificate of who vouches for users.
    """

    def __init__(self, where: str, certificate: str, key: str, authority: str) -> None:
        super().__init__(where)
        self.files = [read_file(each) for each in (key, certificate, authority)]

    def bind(self, server: Any, grpc: Any) -> None:
        """See `Place.bind`."""
        key, certificate, authority = self.files
        credentials = grpc.ssl_server_credentials(
            [(key, certificate)], authority, require_client_auth=True
        )
        _bind(lambda: server.add_secure_port(self.where, credentials), self.where)

    def user_of(self, context: Any) -> str:
        """See `Place.user_of`."""
        names = context.auth_context().get("x509_common_name") or [b""]
        return str(names[0], "utf-8", "replace")[:64]


class InsecurePlace(Place):
    """A port of this machine without certificates: everybody here may be this user.

    Args:
        where: ``HOST:PORT`` of the loopback network.
        user: what all are called who come.
    """

    def __init__(self, where: str, user: str) -> None:
        super().__init__(where)
        self.user = user
        if not is_loopback(where):
            raise AddressError(
                f"{where}: without certificates only this machine may come (127.0.0.1:PORT); give "
                "a certificate, a key and an authority, or let users come by ssh"
            )

    def bind(self, server: Any, grpc: Any) -> None:
        """See `Place.bind`."""
        _bind(lambda: server.add_insecure_port(self.where), self.where)

    def user_of(self, context: Any) -> str:
        """See `Place.user_of`."""
        return self.user


def is_loopback(where: str) -> bool:
    """Return whether ``HOST:PORT`` is reached from this machine only."""
    host = where.rpartition(":")[0].strip("[]")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def own_socket() -> LocalPlace:
    """Return the place for the user who runs the gateway, in the folder of his remotes."""
    try:
        user = pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        user = str(os.geteuid())
    return LocalPlace(os.path.join(runtime_folder(), "gateway.sock"), user)


def read_file(path: str) -> bytes:
    """Return what is in a file; raises AddressError."""
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise AddressError(f"{path}: {why(error, path)}") from None


def _bind(bind: Any, where: str) -> None:
    try:
        bound = bind()
    except (RuntimeError, OSError) as error:
        raise AddressError(f"nothing can listen at {where}: {error}") from None
    if not bound and not where.startswith("/"):
        raise AddressError(f"nothing can listen at {where}")
