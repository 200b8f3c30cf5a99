"""Ways to a program or probe: a local socket, TCP, a serial port."""

import socket

from mboxio._os.descriptors import refuse_exhausted
from mboxio._os.whose import why
from mboxio.errors import AddressError, RemoteGone
from mboxio.regions.probes.serial import SerialPort, is_serial_port

__all__ = ["ANSWER_S", "connected"]

ANSWER_S = 5.0
"""How long an access of one word may take in all; who is slower is taken for dead."""
PORT_MAX = 65535


def connected(scheme: str, where: str, how_to_start: str) -> socket.socket | SerialPort:
    """Return a connection to a program, or the serial port of a probe.

    Args:
        scheme: of the address, for messages.
        where: ``HOST:PORT``, or the path of a socket or serial port.
        how_to_start: what to tell a user when nothing answers.

    Raises:
        AddressError: that is neither, or the user may not use it.
        RemoteGone: nothing answers there.
    """
    connection: socket.socket | None = None
    try:
        if "/" in where and is_serial_port(where):
            return SerialPort(where, ANSWER_S)
        if "/" in where:
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            connection.settimeout(ANSWER_S)
            connection.connect(where)
            return connection
        host, colon, port = where.rpartition(":")
        if not colon or not port.isdecimal():
            raise AddressError(
                f"{scheme}:{where} is neither the path of a socket or of a serial port"
                " (with a '/') nor HOST:PORT"
            )
        if len(port) > 5 or not 0 < int(port) <= PORT_MAX:
            raise AddressError(f"{scheme}:{where[:80]}: a port is 1 to {PORT_MAX}")
        place = host.strip("[]") or "localhost", int(port)
        connection = socket.create_connection(place, ANSWER_S)
        # Questions are small: without this, each may wait until the one before is acknowledged.
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection
    except (OSError, OverflowError) as error:
        if connection is not None:
            connection.close()
        refuse_exhausted(error, f"{scheme}:{where}")
        if isinstance(error, PermissionError) and "/" in where:
            raise AddressError(f"{scheme}:{where}: {why(error, where)}") from None
        text = getattr(error, "strerror", None) or str(error)
        raise RemoteGone(f"nobody answers at {scheme}:{where} ({text}); {how_to_start}") from None
