"""The addresses of other machines, each with its way to the gateway."""

import os

from mboxio._os.whose import why
from mboxio.controllers.grpc.dialling import Dialling
from mboxio.controllers.grpc.driver import FarMailbox
from mboxio.controllers.grpc.options import (
    GrpcOptions,
    SshOptions,
    UnixOptions,
    split_login,
    split_port,
    split_socket,
)
from mboxio.controllers.grpc.secure import SecureDialling
from mboxio.controllers.grpc.tunnel import Tunnel
from mboxio.errors import AccessDenied, AddressError
from mboxio.far.hosts import is_loopback

__all__ = ["OverNetwork", "OverSsh", "OverUnix"]


class OverUnix(FarMailbox):
    """A gateway at a Unix socket: ``grpc+unix:PATH/NAME``."""

    Options = UnixOptions

    def way(self) -> tuple[Dialling, str]:
        """See `FarMailbox.way`."""
        path, export = split_socket(self.name)
        where = f"grpc+unix:{path}"
        try:
            os.stat(path)
        except PermissionError as error:  # gRPC would call it a gateway that is not there
            raise AccessDenied(f"{where}: {why(error, path)}") from None
        except OSError:
            pass  # no gateway is there yet: dialling tells, and finds it later
        else:
            if not os.access(path, os.W_OK, effective_ids=True):
                raise AccessDenied(f"{where}: its socket is for another user")
        return Dialling(f"unix:{path}", where, self.options.frozen_s), export


class OverNetwork(FarMailbox):
    """A gateway at a port, with certificates on both sides: ``grpc:HOST[:PORT]/NAME``."""

    Options = GrpcOptions

    def way(self) -> tuple[Dialling, str]:
        """See `FarMailbox.way`."""
        options = self.options
        assert isinstance(options, GrpcOptions)
        host, port, export = split_port(self.name)
        where = f"grpc:{host}:{port}"
        if options.insecure:
            if not is_loopback(host):
                raise AddressError(f"{where}: insecure=yes stays within this machine")
            if options.ca or options.cert or options.key:
                raise AddressError(
                    f"{where}: insecure=yes, and ca=, cert= and key= exclude each other"
                )
            return Dialling(f"{host}:{port}", where, options.frozen_s), export
        files = (options.ca, options.cert, options.key)
        return SecureDialling(host, port, where, options.frozen_s, *files), export


class OverSsh(FarMailbox):
    """A gateway's Unix socket on another machine, through ssh: ``grpc+ssh:HOST/NAME``."""

    Options = SshOptions

    def way(self) -> tuple[Dialling, str]:
        """See `FarMailbox.way`."""
        options = self.options
        assert isinstance(options, SshOptions)
        login, export = split_login(self.name)
        tunnel = Tunnel(login, options.socket, options.connect_timeout_s, options.frozen_s)
        self.dialling = tunnel  # `close` ends it, whatever comes of it
        tunnel.dig()
        return tunnel, export
