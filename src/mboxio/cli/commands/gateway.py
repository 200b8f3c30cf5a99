"""``mboxio gateway``: mailboxes of this machine for users of others."""

import sys
from collections.abc import Sequence

import click

from mboxio import AddressError, connect
from mboxio.address.address import Address
from mboxio.cli.shared.options import allowed, wait_option
from mboxio.cli.shared.serving import until_interrupted
from mboxio.cli.shared.text import json_line, printable
from mboxio.far.hello import NAME
from mboxio.gateway.allow import AllowList
from mboxio.gateway.export import Export
from mboxio.gateway.limits import Limits
from mboxio.gateway.places import InsecurePlace, LocalPlace, Place, TlsPlace, own_socket
from mboxio.gateway.privileges import become, require_user
from mboxio.gateway.server import Gateway

__all__ = ["gateway"]

PORT_MAX = (1 << 16) - 1


@click.command()
@click.argument("addresses", nargs=-1, required=True, metavar="ADDRESS...")
@click.option(
    "--as",
    "names",
    multiple=True,
    metavar="NAME",
    help="What users call it; once for each ADDRESS. Default: the name in the ADDRESS.",
)
@click.option(
    "--allow-list",
    type=click.Path(dir_okay=False),
    metavar="FILE",
    help="Who may do what. Without it the user who runs this may use the private socket.",
)
@click.option("--read-only", is_flag=True, help="Nobody sends anything, whatever the list says.")
@click.option(
    "--socket",
    "sockets",
    multiple=True,
    metavar="USER=PATH",
    help="A Unix socket for one user, in a folder that others cannot enter.",
)
@click.option("--listen", metavar="HOST:PORT", help="A port for users with certificates.")
@click.option("--cert", metavar="FILE", help="The gateway's certificate.")
@click.option("--key", metavar="FILE", help="Its key.")
@click.option("--ca", metavar="FILE", help="The certificate of who vouches for users.")
@click.option("--insecure", is_flag=True, help="No certificates; on 127.0.0.1 only.")
@click.option("--user", metavar="USER", help="Whom to become once the mailboxes are open.")
@click.option("--sessions", type=click.IntRange(1), default=Limits.sessions, show_default=True)
@click.option("--in-flight", type=click.IntRange(1), default=Limits.in_flight, show_default=True)
@click.option(
    "--notes-bytes-s",
    type=click.FloatRange(1),
    default=Limits.notes_bytes_s,
    show_default=True,
    help="Unsolicited messages of a session, in bytes a second.",
)
@click.option(
    "--idle-s", type=click.FloatRange(0), default=0.0, help="End a session that asks nothing."
)
@click.option(
    "--frozen-s",
    type=click.FloatRange(0.1),
    default=Limits.frozen_s,
    show_default=True,
    help="After how long a user is lost whose machine does not answer.",
)
@click.option(
    "--metrics-port",
    type=click.IntRange(1, PORT_MAX),
    help="Serve metrics for Prometheus on this port of 127.0.0.1.",
)
@click.option("--json", "as_json", is_flag=True, help="Print what is served as one JSON object.")
@wait_option
def gateway(
    addresses: tuple[str, ...],
    names: tuple[str, ...],
    allow_list: str | None,
    read_only: bool,
    sockets: tuple[str, ...],
    listen: str | None,
    cert: str | None,
    key: str | None,
    ca: str | None,
    insecure: bool,
    user: str | None,
    sessions: int,
    in_flight: int,
    notes_bytes_s: float,
    idle_s: float,
    frozen_s: float,
    metrics_port: int | None,
    as_json: bool,
    wait_s: float | None,
) -> None:
    """Let users of other machines use mailboxes of this one, until Ctrl-C.

    Users come by a Unix socket in the folder of your remotes (from elsewhere with ssh, as
    grpc+ssh:HOST/NAME), or with --listen and certificates, as grpc:HOST:PORT/NAME. What the
    allow-list does not allow is denied.
    """
    require_user(user)
    called = _names(addresses, names)
    limits = Limits(
        sessions=sessions,
        in_flight=in_flight,
        notes_bytes_s=notes_bytes_s,
        idle_s=idle_s,
        frozen_s=frozen_s,
    )
    allow = AllowList.read(allow_list) if allow_list else None
    if allow is None and (sockets or listen):
        raise click.UsageError("Say who may do what: --allow-list FILE.")
    exports: list[Export] = []
    places: list[Place] = []
    try:
        for address, name in zip(addresses, called, strict=True):
            connection = connect(address, wait_s=wait_s, allow=allowed())
            exports.append(Export(name, connection, read_only=read_only))
        files = (cert, key, ca)
        if listen is not None:
            places.append(_port(listen, files, insecure))  # reads the key, which is root's
        if user is not None:
            become(user)
        places += [_socket(each) for each in sockets]
        if not places:
            mine = own_socket()
            places.append(mine)
            allow = allow or AllowList.everything_for(mine.user)
        assert allow is not None
        server = Gateway(exports, allow, places, limits=limits, log=_log)
        if metrics_port is not None:
            _serve_metrics(server, metrics_port)
        until_interrupted(server, lambda: _told(exports, places, as_json))
    finally:
        for export in exports:
            export.close()


def _names(addresses: Sequence[str], names: Sequence[str]) -> list[str]:
    """Return what each address is called."""
    if not names:
        names = [Address.parse(each).name or Address.parse(each).controller for each in addresses]
    if len(names) != len(addresses):
        raise click.UsageError(f"There are {len(addresses)} addresses and {len(names)} names.")
    for name in names:
        if not NAME.fullmatch(name):
            raise click.UsageError(f"{name!r} is no name for users: give one with --as.")
        if names.count(name) > 1:
            raise click.UsageError(f"Two mailboxes are called {name!r}: tell them apart by --as.")
    return list(names)


def _port(listen: str, files: Sequence[str | None], insecure: bool) -> Place:
    """Return the place of a port, which takes certificates."""
    if insecure:
        return InsecurePlace(listen, "anybody")
    if not all(files):
        raise AddressError(
            f"{listen}: users of other machines show certificates: give --cert, --key and --ca; or"
            " let them come by ssh, to the Unix socket"
        )
    cert, key, ca = (each or "" for each in files)
    return TlsPlace(listen, cert, key, ca)


def _socket(text: str) -> LocalPlace:
    user, equals, path = text.partition("=")
    if not equals or not user or not path.endswith(".sock"):
        raise click.UsageError(f"--socket {text!r}: write USER=PATH, where PATH ends in .sock.")
    return LocalPlace(path, user)


def _serve_metrics(server: Gateway, port: int) -> None:
    try:
        from prometheus_client import CollectorRegistry, start_http_server
    except ImportError as error:
        raise click.ClickException(f"install mboxio[metrics] for this ({error})") from None
    from mboxio.see.metrics import MailboxCollector

    registry = CollectorRegistry()
    registry.register(MailboxCollector(*(each.connection for each in server.exports.values())))
    start_http_server(port, "127.0.0.1", registry)


def _log(line: str) -> None:
    click.echo(printable(line), err=True)
    sys.stderr.flush()


def _told(exports: Sequence[Export], places: Sequence[Place], as_json: bool) -> str:
    found = {each.name: each.connection.address for each in exports}
    where = [each.where for each in places]
    if as_json:
        return json_line({"exports": found, "listening": where})
    shown = ", ".join(f"{address} as {name}" for name, address in found.items())
    return printable(f"serving {shown} at {', '.join(where)}; Ctrl-C ends it")
