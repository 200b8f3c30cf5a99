"""``mboxio serve``: a remote from a Python file, or one that echoes."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import click

from mboxio.address.allowed import names_of, require_allowed
from mboxio.cli.commands.traffic import Traffic
from mboxio.cli.shared.options import allowed
from mboxio.cli.shared.serving import until_interrupted
from mboxio.cli.shared.text import json_line, printable
from mboxio.client.open import Address
from mboxio.recording.recorder import Recorder
from mboxio.regions import access
from mboxio.remote import Remote
from mboxio.remote.programs.load import AnyRemote, from_file, made, served
from mboxio.remote.programs.load import channels as _channels

__all__ = ["serve"]


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
    "--record",
    type=click.Path(dir_okay=False),
    metavar="FILE",
    help="Record what happens at the remote: .pcapng for Wireshark, or .jsonl.",
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
    record: str | None,
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
            remote = from_file(file, remote)
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
    with _recorded(remote, record):
        _serve(remote, as_json)
    if traffic is not None and traffic.failure is not None:
        raise traffic.failure


@contextmanager
def _recorded(remote: AnyRemote, file: str | None) -> Generator[None]:
    """Record a remote within the block, if a file is given."""
    if file is None:
        yield
        return
    try:
        recorder = Recorder(file)
    except OSError as error:
        raise click.ClickException(str(error)) from None
    with recorder:
        remote.add_tap(recorder.tap_for(remote))
        yield
    if recorder.error is not None:
        raise click.ClickException(f"the capture {file} ends early: {recorder.error}")


def _made(address: str) -> AnyRemote:
    """Make the remote of an address, without channels."""
    parsed = Address.parse(address)
    require_allowed(parsed, names_of(allowed()), lambda: access.SCHEMES)
    return made(parsed)


def _names(channels: str) -> list[str]:
    names = channels.split(",")
    if not all(names):
        raise click.UsageError(f"--channels {channels!r}: a channel needs a name, like a,b.")
    for name in names:
        if names.count(name) > 1:
            raise click.UsageError(f"--channels {channels!r} names {name!r} more than once.")
    return names


def _serve(remote: AnyRemote, as_json: bool) -> None:
    names = list(_channels(remote))

    def told() -> str:
        if as_json:
            return json_line({"address": served(remote), "channels": names})
        return printable(f"serving {served(remote)}, channels {', '.join(names)}; Ctrl-C ends it")

    until_interrupted(remote, told)
