"""How rings and their messages are shown, to people and in JSON."""

from collections.abc import Iterator
from typing import Any

from rich.text import Text

from mboxio.cli.shared.output import Column, Output, laid_out, wrapped
from mboxio.cli.shared.text import printable
from mboxio.rpmsg.looking.explain import (
    DIRECTIONS,
    NOTE,
    STUCK,
    WRONG,
    LinkPicture,
    RingFinding,
    feature_words,
    status_words,
)
from mboxio.rpmsg.looking.messages import SeenMessage
from mboxio.rpmsg.looking.ring_state import RingState
from mboxio.rpmsg.table import VirtioDevice

__all__ = ["picture_in_json", "show_picture"]

STYLES = {WRONG: "bold red", STUCK: "yellow", NOTE: ""}
COLUMNS = (
    Column("state", right=False),
    Column("from"),
    Column("to"),
    Column("bytes"),
    Column("begins with", right=False),
)
HEX_BYTES, TEXT_BYTES = 8, 16
INDENT = "  "


def show_picture(output: Output, picture: LinkPicture) -> None:
    """Print what was found about a device."""
    width = output.width if output.is_terminal else None
    for line in _device(picture.device):
        _lines(output, line, width)
    for number, ring in enumerate(picture.rings):
        output.print()
        output.print(Text(f"queue {number}, {DIRECTIONS[number]}", "bold"), soft_wrap=True)
        if ring is None:
            _lines(output, f"{INDENT}not to be seen here", width)
            continue
        for line in _ring(ring):
            _lines(output, INDENT + line, width)
        messages = [each for each in picture.messages if each.queue == number]
        if messages:
            room = None if width is None else width - len(INDENT)
            _lines(output, f"{INDENT}the last messages, oldest first:", width)
            for line in laid_out(COLUMNS, [_message(each) for each in messages], room):
                output.print(Text(f"{INDENT}{line}".rstrip()), soft_wrap=True)
    output.print()
    for finding in picture.findings:
        _lines(output, _finding(finding), width, STYLES[finding.kind])
    if picture.left_out:
        _lines(output, f"and {picture.left_out} more", width)
    if not any(each.kind in (WRONG, STUCK) for each in picture.findings):
        _lines(output, "nothing here is stuck, and nothing contradicts itself", width)


def _lines(output: Output, text: str, width: int | None, style: str = "") -> None:
    indent = " " * (len(text) - len(text.lstrip()) + len(INDENT))
    for line in wrapped(printable(text), width, indent):
        output.print(Text(line, style), soft_wrap=True)


def _device(device: VirtioDevice | None) -> Iterator[str]:
    if device is None:
        yield "two rings, without a resource table"
        return
    yield f"RPMsg device at {device.offset:#x} of the resource table"
    offered, agreed = feature_words(device.features), feature_words(device.agreed)
    yield f"{INDENT}features: {offered}; agreed: {agreed}"
    yield f"{INDENT}status {device.status:#04x}: {status_words(device.status)}"


def _ring(ring: RingState) -> Iterator[str]:
    layout = ring.layout
    end = layout.base + layout.size_bytes
    yield f"{ring.num} descriptors at {layout.base:#x} to {end:#x}, align {layout.align}"
    counts = f"available {ring.available}, used {ring.used}"
    if ring.out >= 0:
        counts += ": " + ", ".join(_counts(ring))
    yield counts
    if ring.host_silent:
        yield "the host asks not to be rung"
    if ring.remote_silent:
        yield "the remote asks not to be rung"


def _counts(ring: RingState) -> Iterator[str]:
    """Say whose the buffers are."""
    free = ring.out - max(0, ring.held)
    if ring.number == 0:
        yield f"{free} lent to the remote to send in"
        yield f"{ring.back} with the host or waiting for it"
    else:
        yield f"{free} waiting for the remote"
        yield f"{ring.num - ring.out} with the host"
    if ring.held > 0:
        yield f"{ring.held} held by the remote"


def _message(message: SeenMessage) -> tuple[str, str, str, str, str]:
    ends = f"{message.source:#x}", f"{message.destination:#x}"
    return message.state, *ends, str(message.length), _begin(message)


def _begin(message: SeenMessage) -> str:
    found = message.announcement
    if found is not None:
        verb = "is gone from" if found.gone else "is at"
        return printable(f"service {found.name} {verb} {found.address:#x}")
    if not message.first_bytes:
        return "-"
    text = "".join(
        chr(each) if 0x20 <= each < 0x7F else "." for each in message.first_bytes[:TEXT_BYTES]
    )
    return f"{message.first_bytes[:HEX_BYTES].hex(' ')}  {text}"


def _finding(finding: RingFinding) -> str:
    where = "" if finding.queue < 0 else f"queue {finding.queue}: "
    return f"{finding.kind}: {where}{finding.text}"


def picture_in_json(picture: LinkPicture) -> dict[str, Any]:
    """Return all of it for programs."""
    device = picture.device
    return {
        "device": None if device is None else _device_in_json(device),
        "rings": [None if ring is None else _ring_in_json(ring) for ring in picture.rings],
        "messages": [_message_in_json(each) for each in picture.messages],
        "findings": [
            {"kind": each.kind, "queue": each.queue if each.queue >= 0 else None, "text": each.text}
            for each in picture.findings
        ],
        "left_out": picture.left_out,
    }


def _device_in_json(device: VirtioDevice) -> dict[str, Any]:
    return {
        "offset": device.offset,
        "features": device.features,
        "agreed": device.agreed,
        "status": device.status,
        "status_words": status_words(device.status),
    }


def _ring_in_json(ring: RingState) -> dict[str, Any]:
    known = ring.out >= 0
    return {
        "queue": ring.number,
        "address": ring.layout.base,
        "num": ring.num,
        "align": ring.layout.align,
        "available": ring.available,
        "used": ring.used,
        "host_silent": ring.host_silent,
        "remote_silent": ring.remote_silent,
        "moved": ring.moved,
        "with_remote": ring.out if known else None,
        "with_host": (ring.back if ring.number == 0 else ring.num - ring.out) if known else None,
        "held": ring.held if known and ring.held >= 0 else None,
    }


def _message_in_json(message: SeenMessage) -> dict[str, Any]:
    found = message.announcement
    announcement = None
    if found is not None:
        announcement = {"name": found.name, "address": found.address, "gone": found.gone}
    return {
        "queue": message.queue,
        "position": message.position,
        "buffer": message.head,
        "state": message.state,
        "source": message.source,
        "destination": message.destination,
        "length": message.length,
        "first_bytes": message.first_bytes.hex(),
        "announcement": announcement,
        "problem": message.problem,
    }
