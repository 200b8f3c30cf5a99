"""``mboxio timeline``: what it makes of captures, and what it says of those it cannot use."""

import re
import stat
from collections.abc import Callable, Iterable
from itertools import pairwise
from pathlib import Path
from unittest.mock import ANY
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner, Result

from mboxio.capture.event import OUTCOMES, Event, Kind, Source
from mboxio.capture.writing import open_writer
from mboxio.cli.app import app

pytestmark = pytest.mark.once

HOST = Source("shm:demo", "pmic", "host", 0, 4, 64)
OTHER = Source("shm:demo", "<&\x1b", "host", 1, 4, 64)
REMOTE = Source("demo", "pmic", "remote", 0, 4, 64)
DONE, TIMED_OUT = OUTCOMES.index("done"), OUTCOMES.index("timed out")
START_NS = 1_790_000_000_000_000_000
SVG = "{http://www.w3.org/2000/svg}"

Make = Callable[[str, Iterable[Event]], str]
Draw = Callable[..., Result]


def request(at_us: int, number: int, took_us: int = 10, source: Source = HOST) -> list[Event]:
    start_ns = START_NS + at_us * 1000
    return [
        Event(start_ns, Kind.REQUEST, source, number, number, expects_reply=True, message=b"??"),
        Event(start_ns + 1000, Kind.TX_DONE, source, number, number),
        Event(start_ns + took_us * 1000, Kind.REPLY, source, number, number, 0, DONE),
    ]


def served(at_us: int, tag: int) -> list[Event]:
    start_ns = START_NS + at_us * 1000
    return [
        Event(start_ns, Kind.REQUEST, REMOTE, 0, tag),
        Event(start_ns + 2000, Kind.REPLY, REMOTE, 0, tag),
    ]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Write a capture; returns its path."""

    def made(name: str, events: Iterable[Event]) -> str:
        writer = open_writer(tmp_path / name)
        for event in sorted(events, key=lambda event: event.time_ns):
            writer.write(event)
        writer.close()
        return str(tmp_path / name)

    return made


@pytest.fixture
def draw(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Draw:
    """Run the command in an empty folder."""
    (tmp_path / "out").mkdir()
    monkeypatch.chdir(tmp_path / "out")
    return lambda *args, **more: CliRunner().invoke(
        app, ["timeline", *args], catch_exceptions=False, **more
    )


def one_line(result: Result) -> str:
    """Return what a command that failed said, and that it made no file."""
    assert result.exit_code in (1, 2)
    assert result.stdout == ""
    assert not list(Path.cwd().iterdir())
    (line,) = result.stderr.splitlines()
    return line.removeprefix("mboxio: ")


def texts(path: str) -> list[str]:
    """Return the texts of a picture."""
    return [each.text or "" for each in ElementTree.parse(path).getroot().iter(f"{SVG}text")]


def titles(path: str) -> list[str]:
    """Return the tooltips of a picture."""
    return [each.text or "" for each in ElementTree.parse(path).getroot().iter(f"{SVG}title")]


def test_a_file_for_the_viewer(make: Make, draw: Draw) -> None:
    from perfetto.protos.perfetto.trace.perfetto_trace_pb2 import Trace

    host = make("host.pcapng", [*request(0, 1), *request(5, 2)])
    remote = make("remote.jsonl", [*served(2, 1), *served(6, 2)])
    result = draw(host, remote, "-o", "t.pftrace")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == (
        "t.pftrace: 10 events of 2 channels in 15.0 µs; "
        "open it at https://ui.perfetto.dev, which keeps it on this machine\n"
    )
    assert stat.S_IMODE(Path("t.pftrace").stat().st_mode) == 0o600
    trace = Trace()
    trace.ParseFromString(Path("t.pftrace").read_bytes())
    flows = [flow for each in trace.packet for flow in each.track_event.flow_ids]
    assert sorted(flows) == [1, 1, 1, 2, 2, 2]  # sent, served, replied


def test_captures_of_different_days_have_no_arrows(make: Make, draw: Draw) -> None:
    host = make("host.pcapng", request(0, 1))
    remote = make("remote.pcapng", served(86_400_000_000, 1))
    result = draw(host, remote, "-o", "t.pftrace")
    assert "different times" in result.stderr
    assert result.exit_code == 0


def test_a_picture(make: Make, draw: Draw) -> None:
    events = [
        *request(0, 1),
        *request(20, 2, 100)[:1],
        Event(START_NS + 90_000, Kind.ENDED, HOST, 2, 2, 0, TIMED_OUT, 1, message=b"too late"),
        Event(START_NS + 100_000, Kind.LATE, HOST, 2, 2),
        Event(START_NS + 100_000, Kind.FREED, HOST, 2, 2, 6),
        *request(30, 3, source=OTHER),
        *served(3, 1),
    ]
    result = draw(make("t.pcapng", events), "-o", "t.svg")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == "t.svg: 5 bars, 100 µs\n"
    found = texts("t.svg")
    assert found[:6] == [
        *("to TX done", "awaiting reply", "held", "served", "ended otherwise", "event"),
    ]
    assert "shm:demo/pmic (host)" in found
    assert "2 messages in 90.0 µs, up to 1 at a time, 1 ended otherwise" in found
    assert "shm:demo/<&\\x1b (host)" in found
    assert "demo/pmic (remote)" in found
    assert found[-6:] == ["0", "20 µs", "40 µs", "60 µs", "80 µs", "100 µs"]
    told = titles("t.svg")
    assert "#1: 10.0 µs, to TX done 1.00 µs, awaiting reply 9.00 µs, bytes 2" in told
    assert any("text too late" in each for each in told)


def test_a_part_of_it(make: Make, draw: Draw) -> None:
    events = [event for number in range(1, 11) for event in request(number * 100, number)]
    del events[10]  # nobody noticed the TX done of 4
    name = make("t.pcapng", events)
    result = draw(name, "-o", "t.svg", "--from", "0.15ms", "--to", "305us", "--width", "500")
    assert result.stdout == "t.svg: 2 bars, 155 µs\n"
    assert {each.partition(":")[0] for each in titles("t.svg")[1:]} == {"#3", "#4"}
    assert texts("t.svg")[:3] == ["to TX done", "awaiting reply", "in flight"]
    result = draw(name, "-o", "t.svg", "--from", "2")
    assert result.stdout == "t.svg: 0 bars, 0\n"
    assert "nothing happened in this time" in texts("t.svg")


def test_what_is_cut_off_tells_how_it_went_on(make: Make, draw: Draw) -> None:
    """And no more is read than that takes."""
    events = [*request(0, 1, 50), *request(10, 2, 100)]
    events += [event for number in range(3, 200) for event in request(number * 1000, number)]
    draw(make("t.pcapng", events), "-o", "t.svg", "--to", "20us")
    assert [each.partition(":")[0] for each in titles("t.svg")] == [ANY, "#1", "#2"]
    assert "#2: 100 µs, to TX done 1.00 µs, awaiting reply 99.0 µs, bytes 2" in titles("t.svg")
    assert "2 messages in 20.0 µs, up to 2 at a time" in texts("t.svg")


def test_captures_are_compared(make: Make, draw: Draw) -> None:
    """Each begins with its first message, whenever that was, and all have one scale."""
    one = make("one.pcapng", [*request(0, 1), *request(20, 2)])
    many = make("many.pcapng", [*request(999, 1), *request(999, 2), *request(1000, 3)])
    assert draw(one, many, "--compare", "-o", "t.svg").stdout == "t.svg: 5 bars, 30.0 µs\n"
    found = texts("t.svg")
    assert {"one", "many"} <= {*found}
    assert "3 messages in 11.0 µs, up to 3 at a time" in found
    lefts = [
        float(each.get("x", ""))
        for each in ElementTree.parse("t.svg").getroot().iter(f"{SVG}rect")
        if each.get("class") == "tx"
    ]
    assert lefts.count(lefts[1]) == 3  # the first of the legend, then #1 of one, #1, #2 of many
    draw(one, many, "--compare", "-o", "t.svg", "--title", "1 in flight", "--title", "3 in flight")
    assert {"1 in flight", "3 in flight"} <= {*texts("t.svg")}


@pytest.mark.parametrize("width", [320, 960])
def test_texts_do_not_overlap(make: Make, draw: Draw, width: int) -> None:
    """By the width that characters have in a usual font."""
    long = Source("shm:" + "W" * 80, "m" * 80)
    events = [event for number in range(1, 60) for event in request(number * 7, number, 20)]
    events += [event for number in range(1, 9) for event in request(number * 50, number, 60, long)]
    events += [Event(START_NS, Kind.QUEUED, HOST, number) for number in range(70, 80)]
    draw(make("t.pcapng", events), "-o", "t.svg", "--width", str(width))
    lines: dict[str, list[tuple[float, float]]] = {}
    for each in ElementTree.parse("t.svg").getroot().iter(f"{SVG}text"):
        left, wide = float(each.get("x", "")), len(each.text or "") * 5.5
        left -= {"end": wide, "middle": wide / 2, "in": wide / 2}.get(each.get("class", ""), 0)
        lines.setdefault(each.get("y", ""), []).append((left, left + wide))
    assert len(lines) > 8
    for spans in lines.values():
        spans.sort()
        assert spans[0][0] >= 0
        assert all(end <= begin for (_, end), (begin, _) in pairwise(spans))
    if width == 960:
        assert max(end for spans in lines.values() for _, end in spans) <= width


def test_very_many_messages(make: Make, draw: Draw, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that have no room are drawn together, and what is too much is not shown."""
    monkeypatch.setattr("mboxio.see.timeline.picture.Picture.__init__.__defaults__", (0, None, 500))
    events = [event for number in range(1, 1000) for event in request(number * 20, number)]
    result = draw(make("t.pcapng", events), "-o", "t.svg", "--width", "320")
    assert "only up to" in result.stderr
    assert "--to" in result.stderr
    assert 40 < len(titles("t.svg")) < 250
    assert any("more" in each for each in titles("t.svg"))


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["-o", "t.png"], "t.png: the suffix says what is wanted: .pftrace or .svg"),
        (["-o", "t.pftrace", "--width", "400"], "--width is for pictures"),
        (["-o", "t.svg", "--title", "x"], "With --compare, give one --title for each FILE"),
        (["-o", "t.svg", "--from", "2s", "--to", "1s"], "--from has to be before --to"),
        (["-o", "t.svg", "--from", "soon"], "'soon' is not a time: write 1.5ms"),
        (["-o", "t.svg", "--to", "nan"], "'nan' is not a time"),
        (["-o", "t.svg", "--channel", "x"], "no such channel; there are: <&\\x1b, pmic"),
        (["-o", "nowhere/t.svg"], "nowhere/t.svg: No such file or directory"),
        (["-", "-", "-o", "t.svg"], "Only one FILE can be stdin"),
        (["missing", "-o", "t.svg"], "missing: No such file or directory"),
        (["/dev/null", "--compare", "-o", "t.svg"], "/dev/null: no events in it"),
    ],
)
def test_what_cannot_be_done(make: Make, draw: Draw, args: list[str], said: str) -> None:
    name = make("t.pcapng", [*request(0, 1), *request(0, 2, source=OTHER)])
    assert said in one_line(draw(name, *args))


def test_files_that_are_no_captures(make: Make, draw: Draw, tmp_path: Path) -> None:
    name = tmp_path / "t.bin"
    name.write_bytes(b"\x1b[31mno\n")
    assert "is no capture" in one_line(draw(str(name), "-o", "t.svg"))
    name.write_bytes(Path(make("t.pcapng", request(0, 1))).read_bytes()[:-1])
    result = draw(str(name), "-o", "t.pftrace")
    assert result.exit_code == 0
    assert re.search("cut short: .* dropped", result.stderr)


def test_without_its_library(make: Make, draw: Draw, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.delitem(sys.modules, "mboxio.see.timeline.pftrace", raising=False)
    for name in [each for each in sys.modules if each.startswith("perfetto.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "perfetto", None)
    name = make("t.pcapng", request(0, 1))
    assert "needs perfetto: pip install perfetto" in one_line(draw(name, "-o", "t.pftrace"))
    assert draw(name, "-o", "t.svg").exit_code == 0
