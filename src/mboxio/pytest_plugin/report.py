"""What is shown of firmware, boards and connections where a test failed."""

from collections.abc import Iterator
from dataclasses import asdict
from threading import Thread
from typing import Any

import pytest

from mboxio._base.texts import printable
from mboxio.pytest_plugin.board import Board
from mboxio.pytest_plugin.watch import Seen, Watch
from mboxio.remote import Faults, RemoteProcess

__all__ = ["add_sections"]

LOG_LINES = 30
LOOK_S = 1.0
"""How long a connection may take to say how it is, and a process without sockets to end."""


def add_sections(report: pytest.TestReport, watch: Watch, error: BaseException | None) -> None:
    """Add a section for each device, and for what else was connected to.

    They belong to the text of the failure, and so are in JUnit's report as well.
    """
    for title, lines in _sections(watch, _says_gone(error)):
        text = "\n".join(lines)
        add: Any = getattr(report.longrepr, "addsection", None)
        if add is not None:
            add(title, text)
        else:
            report.sections.append((title, text))


def _sections(watch: Watch, gone: bool) -> Iterator[tuple[str, list[str]]]:
    left = list(watch.seen)
    for device in watch.devices:
        mine = [each for each in left if _leads_to(each, device.address)]
        left = [each for each in left if each not in mine]
        lines = [*_of_device(device, gone), *_of_connections(mine)]
        yield f"mboxio {device.address}", lines or ["no messages"]
        if isinstance(device, RemoteProcess):
            yield f"log of {device.program.short}", device.log_tail(LOG_LINES) or ["(empty)"]
    for address in dict.fromkeys(each.address for each in left):
        lines = list(_of_connections([each for each in left if each.address == address]))
        if lines:
            yield f"mboxio {address}", lines


def _leads_to(seen: Seen, address: str) -> bool:
    return seen.address.partition("?")[0] == address.partition("?")[0]


def _of_device(device: Board | RemoteProcess, gone: bool) -> Iterator[str]:
    if isinstance(device, RemoteProcess):
        if gone:
            device.look_for_end(LOOK_S)
        yield device.ended or f"process {device.pid} runs"
        if device.faults is not None:
            yield f"faults: {_changed(device.faults)}"


def _changed(faults: Faults) -> str:
    """Return what differs from a remote that behaves."""
    usual = asdict(Faults())
    return ", ".join(
        f"{name}={value}" for name, value in asdict(faults).items() if value != usual[name]
    )


def _of_connections(seen: list[Seen]) -> Iterator[str]:
    for each in seen:
        yield from _counts(each)
        if each.lines:
            yield "last messages, in seconds since the test began:"
        width = max((len(line.channel) for line in each.lines), default=0)
        for line in each.lines:
            channel = f"{line.channel:{width}}"
            yield printable(f"  {line.time_s:9.6f}  {channel}  {line.arrow}  {line.text}")


def _counts(seen: Seen) -> list[str]:
    """Return the counts of a connection that are not zero; it may be one that hangs."""
    found: list[str] = []

    def look() -> None:
        host = seen.host()
        for name, counts in host.stats().items() if host is not None else ():
            told = ", ".join(f"{key}={value}" for key, value in counts._asdict().items() if value)
            if told:
                found.append(printable(f"channel {name}: {told}"))

    looking = Thread(target=look, name="mboxio report", daemon=True)
    looking.start()
    looking.join(LOOK_S)
    return ["its connection hangs: no counts"] if looking.is_alive() else found


def _says_gone(error: BaseException | None) -> bool:
    """Return whether an error comes from a remote that went away."""
    while error is not None:
        if isinstance(error, ConnectionError):
            return True
        error = error.__cause__ or error.__context__
    return False
