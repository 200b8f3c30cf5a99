"""A gateway at a port, with certificates on both sides, and what is wrong with one's own."""

import socket
import ssl

from mboxio.controllers.grpc.dialling import Dialling
from mboxio.errors import AccessDenied, AddressError, MailboxError, RemoteGone
from mboxio.far.engine import engine
from mboxio.far.hosts import read_certificates

__all__ = ["SecureDialling"]

PROBE_S = 2.0
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
"""With which a user of HTTP/2 begins, and a server answers with its settings; RFC 9113, 3.4."""


class SecureDialling(Dialling):
    """Makes channels of gRPC to a port, over TLS.

    Args:
        host, port: of the gateway, whose certificate names this host.
        where: see `Dialling`.
        frozen_s: see `Dialling`.
        ca, cert, key: files: who vouches for gateways, and who this user is.

    Raises:
        AddressError: one of the files is missing or makes no sense.
    """

    def __init__(
        self, host: str, port: int, where: str, frozen_s: float, ca: str, cert: str, key: str
    ) -> None:
        if not (ca and cert and key):
            raise AddressError(
                f"{where}: TLS takes ?ca=FILE&cert=FILE&key=FILE: who vouches for gateways, and who"
                " you are"
            )
        credentials = engine().ssl_channel_credentials(*read_certificates(ca, key, cert))
        super().__init__(f"{host}:{port}", where, frozen_s, credentials)
        self.peer = host.strip("[]"), port
        self.files = ca, cert, key

    def failed(self, code: str, details: str) -> MailboxError:
        """See `Dialling.failed`; it may take another connection to tell."""
        error = super().failed(code, details)
        if type(error) is RemoteGone and self.is_refused():
            return AccessDenied(
                f"{self.where}: the gateway does not accept {self.files[1]}: check its dates, and"
                " that those vouch for it whom the gateway believes"
            )
        return error

    def is_refused(self) -> bool:
        """Return whether the gateway shows its own certificate, and hangs up on this user's.

        In TLS 1.3 the user's end of the handshake is over before the gateway has judged him. It
        then ends the connection, which gRPC cannot tell from a gateway that is killed.
        """
        ca, *own = self.files
        context = ssl.create_default_context(cafile=ca)
        context.load_cert_chain(*own)
        context.verify_flags &= (
            ~ssl.VERIFY_X509_STRICT
        )  # from Python 3.13 on; gRPC is not so strict
        context.set_alpn_protocols(["h2"])
        try:
            with (
                socket.create_connection(self.peer, PROBE_S) as bare,
                context.wrap_socket(bare, server_hostname=self.peer[0]) as secure,
            ):
                try:
                    secure.sendall(PREFACE)
                    return not secure.recv(1)
                except (ConnectionError, ssl.SSLError):
                    return True
        except OSError:
            return False
