"""Where gateways listen, and the certificates that both sides of a port show."""

import ipaddress
import re
from pathlib import Path

from mboxio._os.whose import why
from mboxio.errors import AddressError

__all__ = ["PORT", "SOCKET", "Certificates", "is_loopback", "read_certificates", "split_host"]

SOCKET = "gateway@grpc.sock"
"""Of a gateway, in the folder of its user's remotes; no name of a remote has an @."""
PORT = 7629
"""Where a gateway listens that does not say otherwise."""
PORT_MAX = (1 << 16) - 1

HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::(\d{1,5}))?")

Certificates = tuple[bytes, bytes, bytes]
"""What is in the files of an authority, of a key and of its certificate."""


def split_host(text: str, least: int = 1) -> tuple[str, int] | None:
    """Return host and port of ``HOST[:PORT]``; None: it is something else.

    Args:
        text: as it was written.
        least: the lowest port that there is; 0 has the kernel choose one to listen at.
    """
    found = HOST.fullmatch(text)
    if found is None:
        return None
    port = PORT if found[2] is None else int(found[2])
    return (found[1], port) if least <= port <= PORT_MAX else None


def is_loopback(host: str) -> bool:
    """Return whether a host, as `split_host` has it, is reached from this machine only."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def read_certificates(ca: str, key: str, cert: str) -> Certificates:
    """Return what is in these files, and see to it that gRPC can use them: it does not say why not.

    Args:
        ca: of who vouches for the other side; all three are PEM.
        key: one's own, without a passphrase.
        cert: one's own.

    Raises:
        AddressError: one cannot be read, or is something else.
    """
    import ssl  # only those need it who have certificates

    authority, own_key, own = (_read(each) for each in (ca, key, cert))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(ca)
    except ssl.SSLError:
        raise AddressError(f"{ca}: it has no certificate in PEM") from None
    try:
        context.load_cert_chain(cert, key, password=str)
    except (ssl.SSLError, ValueError) as error:
        told = "the key is of another certificate"
        if getattr(error, "reason", None) != "KEY_VALUES_MISMATCH":
            told = "they are no certificate and no key in PEM without a passphrase"
        raise AddressError(f"{cert}, {key}: {told}") from None
    return authority, own_key, own


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise AddressError(f"{path}: {why(error, path)}") from None
