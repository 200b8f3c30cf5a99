"""``mboxio gateway``: mailboxes of this machine for users of others."""

import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial

import click

from mboxio import AddressError, connect
from mboxio.cli.gateway.arguments import names_of, port_of, require_known, socket_of
from mboxio.cli.shared.options import allowed, wait_option
from mboxio.cli.shared.serving import until_interrupted
from mboxio.cli.shared.text import json_line, printable
from mboxio.far.engine import engine
from mboxio.gateway.allow import AllowList
from mboxio.gateway.export import Export
from mboxio.gateway.limits import Limits
from mboxio.gateway.places import Place, own_socket
from mboxio.gateway.privileges import become, require_user
from mboxio.gateway.server import Gateway

__all__ = ["gateway"]


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
    help="Who may do what; read again at SIGHUP. Without it, only whoever runs this may, by the"
    " private socket.",
)
@click.option("--read-only", is_flag=True, help="Nobody sends anything, whatever the list says.")
@click.option(
    "--socket",
    "sockets",
    multiple=True,
    metavar="USER=PATH",
    help="A Unix socket for one user, in a folder that others cannot enter.",
)
@click.option(
    "--listen", metavar="HOST[:PORT]", help="A port for users with certificates; default: 7629."
)
@click.option("--cert", metavar="FILE", help="The gateway's certificate.")
@click.option("--key", metavar="FILE", help="Its key.")
@click.option("--ca", metavar="FILE", help="The certificate of who vouches for users.")
@click.option("--insecure", is_flag=True, help="No certificates; on 127.0.0.1 only.")
@click.option("--user", metavar="USER", help="Whom to become once the mailboxes are open.")
@click.option(
    "--sessions",
    type=click.IntRange(1),
    default=Limits.sessions,
    help=f"Of all users at the same time; default: {Limits.sessions}.",
)
@click.option(
    "--in-flight",
    type=click.IntRange(1),
    default=Limits.in_flight,
    help=f"Requests of a session at the same time; default: {Limits.in_flight}.",
)
@click.option(
    "--notes-bytes-s",
    type=click.FloatRange(1),
    default=Limits.notes_bytes_s,
    help=f"Unsolicited messages of a session, bytes a second; default: {Limits.notes_bytes_s}.",
)
@click.option(
    "--idle-s",
    type=click.FloatRange(0),
    default=0.0,
    help="End a session in which nothing is asked for so long; default: never.",
)
@click.option(
    "--frozen-s",
    type=click.FloatRange(0.1),
    default=Limits.frozen_s,
    help=f"A user whose machine is silent so long is lost; default: {Limits.frozen_s:g}.",
)
@click.option(
    "--metrics",
    metavar="[HOST:]PORT",
    help="Serve metrics for Prometheus there; HOST is 127.0.0.1 if left out.",
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
    metrics: str | None,
    as_json: bool,
    wait_s: float | None,
) -> None:
    """Let other machines use mailboxes of this one.

    It serves until Ctrl-C. Users come by a Unix socket in the folder of your remotes (from
    elsewhere with ssh, as grpc+ssh:HOST/NAME), or with --listen and certificates, as
    grpc:HOST/NAME. What the allow-list does not allow is denied. One line on stderr says who came,
    left or was refused. At SIGHUP the list is read again: who may do less than before is cut off
    at once, and a list with a mistake in it changes nothing.
    """
    called = names_of(addresses, names)
    if allow_list is None and (sockets or listen is not None):
        raise click.UsageError("Say who may do what: --allow-list FILE.")
    allow = AllowList.read(allow_list) if allow_list is not None else None
    places = [*map(socket_of, sockets), *port_of(listen, (cert, key, ca), insecure)]
    require_user(user)
    try:
        limits = Limits(
            sessions=sessions,
            in_flight=in_flight,
            notes_bytes_s=notes_bytes_s,
            idle_s=idle_s,
            frozen_s=frozen_s,
        )
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    engine()  # whom this becomes might not reach it, nor what serves metrics
    serve_metrics = _metrics_of(metrics)
    exports: list[Export] = []
    try:
        for address, name in zip(addresses, called, strict=True):
            connection = connect(address, wait_s=wait_s, allow=allowed())
            exports.append(Export(name, connection, read_only=read_only))
        if user is not None:
            become(user)
        places = places or [own_socket()]
        if allow is None:
            allow = AllowList.everything_for(places[0].user or "")
        require_known(allow, str(allow_list), places)
        server = Gateway(exports, allow, places, limits=limits, log=_log)
        with serve_metrics(server) as url:
            renew = partial(_renew, server, allow_list) if allow_list is not None else None
            until_interrupted(server, lambda: _told(exports, places, url, as_json), renew)
    finally:
        for export in exports:
            export.close()


def _renew(server: Gateway, file: str) -> None:
    """Read the allow-list again, or keep the old one."""
    try:
        allow = AllowList.read(file)
    except AddressError as error:
        _log(f"allow-list: the one before stays in force: {error}")
    else:
        server.renew(allow)
        _log(f"allow-list: {file} is in force as it is now")


def _metrics_of(where: str | None) -> Callable[[Gateway], AbstractContextManager[str]]:
    """Return what serves metrics, if that was asked for, and says where."""
    if where is None:
        return lambda _: nullcontext("")
    try:
        from mboxio.see.gateway_metrics import metrics_served
    except ImportError as error:
        raise click.ClickException(f"install mboxio[metrics] for this ({error})") from None
    return partial(metrics_served, where=where)


def _log(line: str) -> None:
    click.echo(printable(line), err=True)
    sys.stderr.flush()


def _told(exports: Sequence[Export], places: Sequence[Place], metrics: str, as_json: bool) -> str:
    found = {each.name: each.connection.address for each in exports}
    where = [each.where for each in places]
    if as_json:
        return json_line({"exports": found, "listening": where, "metrics": metrics or None})
    shown = ", ".join(f"{address} as {name}" for name, address in found.items())
    also = f", metrics at {metrics}" if metrics else ""
    return printable(f"serving {shown} at {', '.join(where)}{also}; Ctrl-C ends it")
