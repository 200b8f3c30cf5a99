"""``mboxio decode``: captures as lines, as JSON, converted; and messages typed by hand."""

import io
import json
from collections.abc import Iterable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mboxio.capture.event import Event, Kind
from mboxio.capture.reading import read
from mboxio.capture.writing import open_writer
from mboxio.cli.app import app
from mboxio.cli.see.event_lines import EventLines
from mboxio.see.decoding.contract import Decoded
from tests.capture.events import life
from tests.see.traffic import PMIC, START_NS, board, pmic

pytestmark = pytest.mark.once


def decode(*arguments: object, data: bytes | None = None) -> Result:
    return CliRunner().invoke(app, ["decode", *map(str, arguments)], input=data)


def written(path: Path, events: Iterable[Event]) -> Path:
    writer = open_writer(path, offset_ns=7, pid=8)
    for each in events:
        writer.write(each)
    writer.close()
    return path


@pytest.mark.parametrize("suffix", [".pcapng", ".jsonl"])
def test_an_event_a_line(tmp_path: Path, suffix: str) -> None:
    path = written(tmp_path / f"x{suffix}", [*pmic()[:3], *life()])
    result = decode(path, "--protocol", "acpm-pmic=pmic")
    assert result.exit_code == 0
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    asked = "write 0x55 to register 0x12 (kind 1, bus 0)"
    assert lines == [
        f"0.000000000 shm:demo/pmic → request #1 tag 1 [16] {asked}",
        "0.000000900 shm:demo/pmic · TX done #1 tag 1",
        "0.000009000 shm:demo/pmic ← reply #1 tag 1 [16] write of register 0x12 (kind 1, bus 0):"
        " done",
        "-0.000020000 shm:demo/pmic → request #1 tag 7 [3] 61 73 6b |ask|",
        "-0.000019999 shm:demo/pmic remote ← request tag 7 [3] 61 73 6b |ask|",
        "-0.000019100 shm:demo/pmic · TX done #1 tag 7",
        "-0.000018000 shm:demo/pmic ← reply #1 tag 7 [5] 00 1b 5b 32 4a |..[2J|",
        "3 events were lost here",
        "-0.000017000 shm:demo/thermal ← notification [10] 36 31 20 64 65 67 72 65 65 73"
        " |61 degrees|",
        "-0.000016000 shm:demo/pmic ← late reply tag 9 [4 of 400] status -5 (EIO); late",
        "-0.000015000 shm:demo/pmic · link up, epoch 2",
    ]
    says = [line for line in result.stderr.splitlines() if "cannot decode" in line]
    assert len(says) == len(set(says)) == 2  # of the host and of the remote they are the same
    assert "a PMIC message of 3 bytes, not 16" in says[0]


def test_filters_and_times(tmp_path: Path) -> None:
    path = written(tmp_path / "x.pcapng", [*pmic(), *board(), *life()])
    result = decode(path, "--channel", "thermal", "--channel", "bcm2835:?at=x/property")
    assert result.stdout.count("thermal") == 1
    assert result.stdout.count("property") == len(board())
    result = decode(path, "--kind", "tx-done", "--kind", "late", "--time", "delta")
    first, second, *_ = result.stdout.splitlines()
    assert first.startswith("0.000000000")
    assert second.startswith("0.000020000")
    assert len(result.stdout.splitlines()) == len(pmic() + board()) // 3 + 2
    assert ".123456789" in decode(path, "--kind", "request", "--time", "absolute").stdout
    # A reply is decoded with its request, also where that is not shown.
    assert (
        "0x55 in register" in decode(path, "--kind", "reply", "--protocol", "acpm-pmic=pmic").stdout
    )
    result = decode(path, "--channel", "none")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "no such event; there are those of shm:demo/pmic, bcm2835:" in result.stderr
    assert "(11 more bytes)" in decode(path, "--bytes", "5").stdout


def test_json(tmp_path: Path) -> None:
    path = written(tmp_path / "x.pcapng", board())
    lines = [json.loads(line) for line in decode(path, "--json").stdout.splitlines()]
    assert len(lines) == len(board())
    assert lines[2]["text"] == "temperature: 48.3 °C"
    assert lines[2]["decoded"]["tags"][0]["value"] == 48.312
    assert lines[2]["time_ns"] == START_NS + 29_000
    assert lines[2]["source"]["message_bytes"] == 1024


@pytest.mark.parametrize("suffix", [".pcapng", ".jsonl"])
def test_conversion_keeps_everything_and_says_more(tmp_path: Path, suffix: str) -> None:
    path = written(tmp_path / "x.pcapng", [*board(), *life()])
    out = tmp_path / f"out{suffix}"
    result = decode(path, "--out", out)
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == f"mboxio: {len(board() + life())} events written to {out}\n"
    with read(out) as capture:
        assert list(capture) == [*board(), *life()]
    assert (capture.warnings, capture.offset_ns, capture.pid) == ([], 7, 8)
    assert decode(path, "--out", tmp_path / "short.pcapng", "--snap", "2").exit_code == 0
    with read(tmp_path / "short.pcapng") as capture:
        assert max(len(each.message) for each in capture) == 2
    said = out.read_bytes()
    assert b"14 tags\nfirmware" in said or b"14 tags\\nfirmware" in said


def test_damage_is_told_and_the_rest_shown(tmp_path: Path) -> None:
    path = written(tmp_path / "x.pcapng", life())
    whole = path.read_bytes()
    path.write_bytes(whole[:-3])
    result = decode(path)
    assert result.exit_code == 0
    assert len(result.stdout.splitlines()) == len(life())  # one is lost, one line tells of others
    assert result.stderr.startswith(f"mboxio: {path}: cut short: it ends inside a block, the last ")
    # stdin, and nothing in it
    assert decode("-", data=whole).stdout.splitlines()[0] == decode(path).stdout.splitlines()[0]
    assert decode("-", data=b"").stderr == "mboxio: stdin: it is empty\n"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "Give a FILE, or messages with --hex"),
        (["x", "--hex", "00"], "Give a FILE, or messages"),
        (["--hex", "00"], "Say with --protocol what"),
        (["--hex", "0g", "--protocol", "acpm"], "--hex '0g' is not hex"),
        (["--hex", "00", "--hex", "00", "--hex", "00", "--protocol", "acpm"], "a request and its"),
        (["x", "--protocol", "acmp"], "no protocol 'acmp'; there are: acpm, acpm-pmic"),
        (["x", "--protocol", "acpm", "--protocol", "acpm"], "two protocols for all channels"),
        (["junk"], "junk is no capture (pcapng or JSON lines): it begins with 6a 75 6e 6b"),
        (["good.jsonl", "--out", "x.txt"], "x.txt: the suffix says how a capture is written"),
        (["good.jsonl", "--out", "./good.jsonl"], "is the file that is read: name another one"),
    ],
)
def test_mistakes_get_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("junk").write_bytes(b"junk and more")
    good = written(Path("good.jsonl"), life()).read_bytes()
    result = decode(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert says in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert Path("good.jsonl").read_bytes() == good
    result = decode("good.jsonl", "--out", "/dev/full")
    assert (result.exit_code, result.stderr) == (1, "mboxio: /dev/full: No space left on device\n")
    result = decode("missing")
    assert (result.exit_code, result.stderr) == (1, "mboxio: missing: No such file or directory\n")


def test_single_messages() -> None:
    asked, answered = ("12010000 00000000 00000000 00000000", "12010000 00550000 0000000000000000")
    result = decode("--hex", asked, "--hex", answered, "--protocol", "acpm-pmic")
    at = "register 0x12 (kind 1, bus 0)"
    assert (result.exit_code, result.stdout) == (0, f"read {at}\n0x55 in {at}\n")
    result = decode("--hex", answered, "--kind", "reply", "--protocol", "acpm-pmic")
    assert result.stdout == f"0x55 in {at}\n"
    result = decode("--hex", "1b5b", "--protocol", "acpm-pmic")
    assert result.exit_code == 2
    assert "|.[|" in result.stdout
    assert "a PMIC message of 2 bytes, not 16" in result.stderr


class Terminal(io.StringIO):
    """A stdout that is a terminal of some width."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_terminals_get_nothing_cut_and_nothing_to_obey(
    monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    monkeypatch.setattr("sys.stdout", Terminal())
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("NO_COLOR", "1")
    lines = EventLines()
    events = [*pmic(), *life()]
    events.append(Event(START_NS, Kind.MESSAGE, PMIC, 5, message=bytes(range(60))))
    decoded = Decoded("hostile \x1b[2J text", ("\u202ewith", "lines"))
    shown = [
        line for each in events for line in lines.lines(each, decoded if each.number == 2 else None)
    ]
    assert all(len(line) <= columns and line.isprintable() for line in shown)
    text = " ".join(" ".join(shown).split())
    assert r"hostile \x1b[2J text" in text
    assert r"\u202ewith" in text
    assert text.count("TX done") == len(pmic()) // 3 + 1


def test_colours_only_where_they_are_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout", Terminal())
    monkeypatch.delenv("NO_COLOR", raising=False)
    late = life()[5]
    first, *below = EventLines().lines(late, None)
    assert first.startswith("\x1b[31m")
    assert "\x1b" not in "".join(below)
    assert not any("\x1b" in line for line in EventLines().lines(pmic()[0], None))
    monkeypatch.setenv("NO_COLOR", "1")
    assert not any("\x1b" in line for line in EventLines().lines(late, None))
