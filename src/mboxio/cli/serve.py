"""``mboxio serve``: a remote from a Python file, or one that echoes."""

import signal
import sys
import traceback
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import module_from_spec
from pathlib import Path
from typing import Any

import click

from mboxio import AddressError
from mboxio.cli.text import printable
from mboxio.registry import Address
from mboxio.remote import Remote

__all__ = ["serve"]


@click.command()
@click.argument("address", metavar="shm:NAME")
@click.argument(
    "file", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@click.option("--echo", is_flag=True, help="Answer every request with its own bytes.")
@click.option("--channels", default="echo", help="Names for --echo, with commas.")
@click.option(
    "--latency-us", type=click.FloatRange(0, 60e6), help="How long one message occupies a worker."
)
@click.option(
    "--workers", type=click.IntRange(1, 1024), help="Messages worked on at the same time."
)
def serve(
    address: str,
    file: Path | None,
    echo: bool,
    channels: str,
    latency_us: float | None,
    workers: int | None,
) -> None:
    """Be the remote of an address until Ctrl-C.

    FILE is Python and defines `remote = Remote(...)` or a function `firmware(remote)`.
    """
    parsed = Address.parse(address)
    if parsed.controller != "shm" or parsed.channel or parsed.options:
        raise AddressError(f"{address!r} cannot be served: write shm:NAME")
    if (file is None) is not echo:
        raise click.UsageError("Say what to serve: a FILE, or --echo.")
    remote = Remote(parsed.name)
    try:
        if file is None:
            for name in channels.split(","):
                remote.handler(name)(bytes)
        else:
            remote = _load(file, remote)
        for channel in remote.channels.values():
            if latency_us is not None or workers is not None:
                latency_s = channel.latency_ns / 1e9 if latency_us is None else latency_us / 1e6
                channel.simulate(latency_s, workers or channel.workers)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    _serve(remote)


def _serve(remote: Remote) -> None:
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        remote.start()
        names = ", ".join(remote.channels)
        click.echo(printable(f"serving {remote.address}, channels {names}; Ctrl-C ends it"))
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


def _load(file: Path, remote: Remote) -> Remote:
    """Run the file of the user; return its remote, under the name of ours."""
    loader = SourceFileLoader("firmware", str(file))
    module = module_from_spec(ModuleSpec("firmware", loader, origin=str(file)))
    sys.modules["firmware"] = module
    sys.path.insert(0, str(file.resolve().parent))
    try:
        loader.exec_module(module)
        found: Any = getattr(module, "remote", None)
        if isinstance(found, Remote):
            found.name = remote.name
            return found
        function = getattr(module, "firmware", None)
        if callable(function):
            function(remote)
            return remote
    except (Exception, SystemExit) as error:
        raise click.UsageError(f"{file} failed: {_told(error)}") from None
    raise click.UsageError(
        f"{file} defines neither remote = Remote(...) nor a function firmware(remote)."
    )


def _told(error: BaseException) -> str:
    """Return what an error says and the line where it happened."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {error}{'' if isinstance(error, SyntaxError) else where}"
