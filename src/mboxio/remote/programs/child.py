"""A process that serves a user's firmware and obeys the one that started it.

The two talk over a pair of sockets, a line of JSON each way: first what is to be served, then how
it misbehaves. The process ends with the other end of the pair.
"""

import json
import os
import signal
import socket
import sys
import traceback
from collections.abc import Mapping, Sequence
from io import BufferedRWPair
from pathlib import Path
from typing import Any

from mboxio.address.address import Address
from mboxio.errors import AddressError
from mboxio.remote.faults import Faults
from mboxio.remote.programs.load import (
    AnyRemote,
    channels,
    from_file,
    from_function,
    from_handlers,
    made,
    served,
)
from mboxio.remote.spawning.launcher import Loading, die_with
from mboxio.remote.spawning.reference import Reference

__all__ = ["main"]


def main(arguments: Sequence[str]) -> None:
    """Serve until the other end is closed, or SIGTERM.

    Args:
        arguments: the process to end with, and the descriptor of our end of the pair.
    """
    parent, descriptor = (int(each) for each in arguments)
    die_with(parent)
    os.set_inheritable(descriptor, False)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with socket.socket(fileno=descriptor) as connection, connection.makefile("rwb") as lines:
        connection.setblocking(True)  # gevent makes both ends such that do not
        try:
            _serve(lines)
        except (KeyboardInterrupt, BrokenPipeError):
            return  # this is how it is meant to end


def _serve(lines: BufferedRWPair) -> None:
    settings = json.loads(lines.readline())
    try:
        Loading.now = True
        remote = _load(settings)
        Loading.now = False
        remote.faults = _faults(settings["faults"])
        remote.start()
    except (ValueError, RuntimeError) as error:
        if error.__cause__ is not None:
            traceback.print_exception(error.__cause__)  # the user's own code failed
        print(f"mboxio: {error}", file=sys.stderr)
        kind = "address" if isinstance(error, AddressError) else "firmware"
        _say(lines, error=str(error), kind=kind)
        sys.exit(1)
    try:
        _say(lines, serving=served(remote), channels=[*channels(remote)])
        while line := lines.readline():
            try:
                _obey(remote, json.loads(line))
            except ValueError as error:
                _say(lines, error=str(error), kind="firmware")
            else:
                _say(lines)
    finally:
        remote.stop()


def _load(settings: Mapping[str, Any]) -> AnyRemote:
    remote = made(Address.parse(settings["address"]))
    if "file" in settings:
        return from_file(Path(settings["file"]), remote)
    if "function" in settings:
        return from_function(Reference(**settings["function"]), remote)
    handlers = {name: Reference(**each) for name, each in settings["handlers"].items()}
    return from_handlers(handlers, remote)


def _obey(remote: AnyRemote, told: Mapping[str, Any]) -> None:
    if "faults" in told:
        remote.faults = _faults(told["faults"])
    if "silence" in told:
        remote.silence(told["silence"])


def _faults(fields: Mapping[str, Any] | None) -> Faults | None:
    return None if fields is None else Faults(**fields)


def _say(lines: BufferedRWPair, **told: object) -> None:
    lines.write(json.dumps(told).encode() + b"\n")
    lines.flush()
