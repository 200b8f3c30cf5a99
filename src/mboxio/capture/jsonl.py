"""Events as lines of JSON: for jq, for diffs, and for tests.

The first line says what the file is. Each further one is an event: ``time_ns``, ``kind`` and
``source``, and those of the fields of `Event` that are not what they are by default. Times are
integers, messages hex, states and the like have their names; ``comment`` is for people.
"""

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any, cast

from mboxio.capture.blocks import fields_of
from mboxio.capture.event import HANDED_OVER, OUTCOMES, Event, Kind
from mboxio.capture.parsing import NOT_OURS, TIME_MAX_NS, source_from
from mboxio.capture.pieces import CaptureError, Pieces, Warnings

__all__ = ["JsonlReader", "first_line", "line_of", "object_of"]

FORMAT_NAME, FORMAT_VERSION = "capture", 1
LINE_BYTES_MAX = 1 << 26
COMMAS_MAX = 10_000
"""In a line; so few objects it has at most, whatever it is."""
NUMBERS = {
    "number": (0, (1 << 64) - 1),
    "tag": (0, (1 << 32) - 2),
    "status": (-(1 << 31), (1 << 31) - 1),
    "lost": (0, (1 << 64) - 1),
    "length": (0, (1 << 32) - 1),
}
"""Fields that are whole numbers, and their limits."""
NO_OBJECT = "not a JSON object"
KINDS = {kind.name.lower(): kind for kind in Kind}


def first_line(offset_ns: int | None = None, pid: int | None = None) -> bytes:
    """Return the line that says what the file is; arguments as for `section_header`."""
    found = {"mboxio": FORMAT_NAME, "version": FORMAT_VERSION, "clock": "monotonic"}
    return _line({**found, "offset_ns": offset_ns, "pid": pid})


def line_of(event: Event, snap: int | None = None, comment: str = "") -> bytes:
    """Return an event as a line.

    Args:
        event: what happened.
        snap: keep no more bytes of the message.
        comment: a text for people.
    """
    found = object_of(event, snap)
    if comment:
        found["comment"] = comment
    return _line(found)


def object_of(event: Event, snap: int | None = None) -> dict[str, Any]:
    """Return an event as an object of JSON; arguments as for `line_of`."""
    message = event.message[:snap]
    found: dict[str, Any] = {
        "time_ns": event.time_ns,
        "kind": event.kind.name.lower(),
        "source": fields_of(event.source),
    }
    if event.number:
        found["number"] = event.number
    if event.tag is not None:
        found["tag"] = event.tag
    if event.status:
        found["status"] = event.status
    if event.kind == Kind.LINK:
        found["up"] = event.outcome == 1
    elif event.outcome:
        found["outcome"] = OUTCOMES[event.outcome]
    if event.handed_over:
        found["handed_over"] = HANDED_OVER[event.handed_over]
    if event.expects_reply:
        found["expects_reply"] = True
    if message:
        found["message"] = message.hex()
    if event.length != len(message):
        found["length"] = event.length
    if event.lost:
        found["lost"] = event.lost
    return found


class JsonlReader:
    """Reads the events of a stream of lines.

    Args:
        pieces: the stream.
        warnings: gets what is wrong.
        name: of the file, for errors.
    """

    def __init__(self, pieces: Pieces, warnings: Warnings, name: str) -> None:
        self.pieces = pieces
        self.warnings = warnings
        self.name = name
        self.offset_ns: int | None = None
        self.pid: int | None = None
        self.passed_over: Counter[str] = Counter()

    def events(self) -> Iterator[Event]:
        """Yield the events, in the order of the file.

        Raises:
            CaptureError: the first line is not that of a capture.
        """
        line = self.pieces.line(LINE_BYTES_MAX)
        if not self.begin(line):
            self.cut_line(len(line))
            return
        try:
            while line := self.pieces.line(LINE_BYTES_MAX):
                found = _object(line)
                if found is not None:
                    event = event_from(found)
                    if event is not None:
                        yield event
                    else:
                        self.passed_over[NOT_OURS] += 1
                elif not line.endswith(b"\n"):
                    self.cut_line(len(line))
                elif not line.isspace():
                    self.passed_over[NO_OBJECT] += 1
        finally:
            for why, count in self.passed_over.items():
                lines = "1 line" if count == 1 else f"{count} lines"
                self.warnings.append(f"passed over {lines}: {why}")

    def begin(self, line: bytes) -> bool:
        """Take the first line; False: it is not a whole one."""
        found = _object(line)
        if found is None and not line.endswith(b"\n"):
            return False
        if found is None or found.get("mboxio") != FORMAT_NAME:
            first = f'{{"mboxio": "{FORMAT_NAME}", ...}}'
            raise CaptureError(f"{self.name} is no capture: its first line is not {first}")
        offset, pid = found.get("offset_ns"), found.get("pid")
        self.offset_ns = offset if type(offset) is int else None
        self.pid = pid if type(pid) is int else None
        return True

    def cut_line(self, length: int) -> None:
        """Pass over what of a line was read: the file ends in it, or it has no end."""
        start = self.pieces.offset - length
        rest = 0
        while more := self.pieces.line(1 << 20):
            rest += len(more)
            if more.endswith(b"\n"):
                self.warnings.append(f"byte {start}: a line of {length + rest} bytes is dropped")
                return
        self.warnings.append(
            f"cut short: it ends inside a line, the last {length + rest} bytes are dropped"
        )


def event_from(found: dict[str, Any]) -> Event | None:
    """Return the event of a line; None: it is none, or of a later version."""
    time_ns, source = found.get("time_ns"), found.get("source")
    if type(time_ns) is not int or not isinstance(source, dict):
        return None
    name = found.get("kind")
    kind = KINDS.get(name) if isinstance(name, str) else None
    outcome, handed_over = found.get("outcome", "new"), found.get("handed_over", "no")
    if not 0 <= time_ns <= TIME_MAX_NS or kind is None:
        return None
    if outcome not in OUTCOMES or handed_over not in HANDED_OVER:
        return None
    numbers: dict[str, int] = {}
    for field, (least, most) in NUMBERS.items():
        value = found.get(field)
        if value is None:
            continue
        if type(value) is not int or not least <= value <= most:
            return None
        numbers[field] = value
    try:
        message = bytes.fromhex(found.get("message", ""))
    except (TypeError, ValueError):
        return None
    if numbers.get("length", len(message)) < len(message):
        return None
    return Event(
        time_ns,
        kind,
        source_from(cast("dict[str, Any]", source)),
        outcome=int(found.get("up") is True) if kind == Kind.LINK else OUTCOMES.index(outcome),
        handed_over=HANDED_OVER.index(handed_over),
        expects_reply=found.get("expects_reply") is True,
        message=message,
        **numbers,
    )


def _object(line: bytes) -> dict[str, Any] | None:
    """Return the object of a line; None: it is none."""
    if line.count(b",") > COMMAS_MAX:
        return None
    try:
        found: Any = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return cast("dict[str, Any]", found) if isinstance(found, dict) else None


def _line(found: dict[str, Any]) -> bytes:
    return json.dumps(found).encode() + b"\n"
