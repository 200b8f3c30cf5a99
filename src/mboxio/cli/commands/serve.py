"""``mboxio serve``: a remote from a Python file, or one that echoes."""

import inspect
import signal
import sys
import traceback
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import module_from_spec
from pathlib import Path
from typing import Any

import click

from mboxio import AddressError
from mboxio.address.allowed import names_of, require_allowed
from mboxio.cli.commands.traffic import Traffic
from mboxio.cli.shared.options import allowed
from mboxio.cli.shared.text import json_line, printable
from mboxio.client.open import Address
from mboxio.controllers.acpm.layout import BASE
from mboxio.regions import access
from mboxio.remote import Remote
from mboxio.remote.acpm import AcpmRemote

__all__ = ["serve"]

AnyRemote = Remote | AcpmRemote


@click.command()
@click.argument("address")
@click.argument(
    "file", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@click.option("--echo", is_flag=True, help="Answer every request with its own bytes.")
@click.option("--channels", default="echo", help="Channel names for --echo, separated by commas.")
@click.option(
    "--latency-us", type=click.FloatRange(0, 60e6), help="Time that one message occupies a worker."
)
@click.option("--workers", type=click.IntRange(1, 1024), help="Messages handled at the same time.")
@click.option(
    "--verbose", is_flag=True, help="Print each message that arrives, and what is answered."
)
@click.option(
    "--json", "as_json", is_flag=True, help="Print the served channels as one JSON object."
)
def serve(
    address: str,
    file: Path | None,
    echo: bool,
    channels: str,
    latency_us: float | None,
    workers: int | None,
    verbose: bool,
    as_json: bool,
) -> None:
    """Serve an address, as its firmware, until Ctrl-C.

    ADDRESS is shm:NAME, or acpm:?at=peer:NAME for ACPM firmware. FILE is Python and defines
    `remote = Remote(...)`, or AcpmRemote, or a function `firmware(remote)`.

    A PMIC behind ACPM is served by: python -m mboxio.remote.acpm peer:NAME
    """
    remote = _made(address)
    if file is None and not echo:
        raise click.UsageError("Say what to serve: a FILE, or --echo.")
    if file is not None and echo:
        raise click.UsageError("Serve one of the two: a FILE, or --echo.")
    try:
        if file is not None:
            remote = _load(file, remote)
        elif isinstance(remote, Remote):
            for name in _names(channels):
                remote.handler(name)(bytes)
        else:
            remote.channel()
        for channel in _channels(remote).values():
            if latency_us is not None or workers is not None:
                latency_s = channel.latency_ns / 1e9 if latency_us is None else latency_us / 1e6
                channel.simulate(latency_s, workers or channel.workers)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    traffic = Traffic(as_json) if verbose else None
    if traffic is not None:
        for name, each in _channels(remote).items():
            traffic.show(name, each)
    _serve(remote, as_json)
    if traffic is not None and traffic.failure is not None:
        raise traffic.failure


def _made(address: str) -> AnyRemote:
    """Make the remote of an address, without channels."""
    parsed = Address.parse(address)
    require_allowed(parsed, names_of(allowed()), lambda: access.SCHEMES)
    if parsed.controller == "shm" and not parsed.channel and not parsed.options:
        return Remote(parsed.name)
    if parsed.controller == "acpm" and not parsed.name and not parsed.channel:
        options = dict(parsed.options)
        at, base = options.pop("at", ""), access.number(options.pop("base", hex(BASE)))
        if at and not options:
            return AcpmRemote(at, base=base)
    raise AddressError(f"{address!r} cannot be served: write shm:NAME, or acpm:?at=peer:NAME")


def _channels(remote: AnyRemote) -> dict[str, Any]:
    if isinstance(remote, Remote):
        return {**remote.channels}
    return {str(number): channel for number, channel in enumerate(remote.channels)}


def _address(remote: AnyRemote) -> str:
    """Return what hosts connect to."""
    return remote.address if isinstance(remote, Remote) else f"acpm:?at={remote.address}"


def _names(channels: str) -> list[str]:
    names = channels.split(",")
    if not all(names):
        raise click.UsageError(f"--channels {channels!r}: a channel needs a name, like a,b.")
    for name in names:
        if names.count(name) > 1:
            raise click.UsageError(f"--channels {channels!r} names {name!r} more than once.")
    return names


def _serve(remote: AnyRemote, as_json: bool) -> None:
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    names = list(_channels(remote))
    try:
        remote.start()
        if as_json:
            click.echo(json_line({"address": _address(remote), "channels": names}))
        else:
            told = f"serving {_address(remote)}, channels {', '.join(names)}; Ctrl-C ends it"
            click.echo(printable(told))
        sys.stdout.flush()
        while True:
            signal.pause()
    except (ValueError, RuntimeError) as error:
        if isinstance(error, AddressError):
            raise
        raise click.ClickException(str(error)) from None
    except KeyboardInterrupt:
        return  # this is how it is meant to end
    finally:
        for each in (signal.SIGINT, signal.SIGTERM):
            signal.signal(each, signal.SIG_IGN)
        remote.stop()


def _load(file: Path, remote: AnyRemote) -> AnyRemote:
    """Run the file of the user; return its remote, under the name of ours."""
    loader = SourceFileLoader("firmware", str(file))
    module = module_from_spec(ModuleSpec("firmware", loader, origin=str(file)))
    sys.modules["firmware"] = module
    sys.path.insert(0, str(file.resolve().parent))
    try:
        loader.exec_module(module)
        found: Any = getattr(module, "remote", None)
        if isinstance(found, Remote) and isinstance(remote, Remote):
            found.name = remote.name
            return found
        if isinstance(found, (Remote, AcpmRemote)):
            if found.address != remote.address:
                raise click.UsageError(f"{file} serves {_address(found)}: write that.")
            return found
        function = getattr(module, "firmware", None)
        if callable(function):
            _check_takes_remote(file, function, remote)
            function(remote)
            return remote
    except click.UsageError:
        raise
    except (Exception, SystemExit) as error:
        raise click.UsageError(f"{file} failed: {_told(error)}") from None
    raise click.UsageError(
        f"{file} defines neither remote = Remote(...) nor a function firmware(remote)."
    )


def _check_takes_remote(file: Path, function: Any, remote: AnyRemote) -> None:
    """Raise UsageError unless a function can be called with a remote, and with it alone."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return  # it does not say
    line = getattr(getattr(function, "__code__", None), "co_firstlineno", None)
    where = f"{file}, line {line}" if line else str(file)
    try:
        signature.bind(remote)
    except TypeError:
        raise click.UsageError(
            f"{where}: firmware{signature} has to take one argument: def firmware(remote)"
        ) from None
    if inspect.iscoroutinefunction(function):
        raise click.UsageError(f"{where}: firmware() is async: write def firmware(remote)")


def _told(error: BaseException) -> str:
    """Return what an error says and the line where it happened."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {error}{'' if isinstance(error, SyntaxError) else where}"
