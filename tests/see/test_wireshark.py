"""What Wireshark shows of captures: every kind of event, and packets that nobody should write."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from mboxio.capture.event import OUTCOMES, Kind
from mboxio.protocols import rpi_tags
from mboxio.see.wireshark.plugins import DISSECTOR, PAYLOADS
from tests.see.wireshark_events import PROTOCOLS, mutated, story, strange, write, write_packets
from tests.tools import tool

pytestmark = pytest.mark.once

GOLDEN = Path(__file__).parent / "golden"
LIST = ("frame.number", "_ws.col.Source", "_ws.col.Destination", "_ws.col.Info")
LINKS = (
    *("mboxio.response_in", "mboxio.response_to", "mboxio.request_in", "mboxio.ended_in"),
    *("mboxio.late_in", "mboxio.freed_in", "mboxio.time", "mboxio.queued_time"),
)
EXPERT, FAULT = "_ws.expert.message", "_ws.lua.error"


def shark(path: Path, *args: str, scripts: tuple[Path, ...] = (DISSECTOR,)) -> str:
    """Return what tshark prints; a fault of a script that it reports on stderr fails the test."""
    loaded = [f"-Xlua_script:{script}" for script in scripts]
    preferences = ["-o", PROTOCOLS] if DISSECTOR in scripts else []
    command = [tool("tshark"), *loaded, *preferences, "-r", str(path), *args]
    # The user of this machine may have installed a dissector.
    env = {**os.environ, "HOME": str(path.parent), "WIRESHARK_CONFIG_DIR": str(path.parent)}
    done = subprocess.run(command, capture_output=True, check=True, env=env)
    assert b"Lua" not in done.stderr, done.stderr.decode()
    return done.stdout.decode()


def rows(path: Path, *fields: str, passes: str = "-2", **more: tuple[Path, ...]) -> list[list[str]]:
    """Return fields of each packet; links to what comes later take two passes."""
    wanted = [part for each in fields for part in ("-e", each)]
    text = shark(path, *passes.split(), "-T", "fields", "-E", "aggregator=;", *wanted, **more)
    return [line.split("\t") for line in text.splitlines()]


def golden(name: str, found: list[list[str]]) -> None:
    """Compare with a file of tests/see/golden; a new one is written, and fails."""
    path = GOLDEN / name
    text = "".join("\t".join(row).rstrip() + "\n" for row in found)
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        pytest.fail(f"{path} is new: look at it")
    assert text == path.read_text()


def test_everything_that_happens(tmp_path: Path) -> None:
    events = story()
    assert {each.kind for each in events} == set(Kind)
    path = write(tmp_path / "story.pcapng", events)
    found = rows(path, *LIST, *LINKS, EXPERT)
    golden("wireshark-story.tsv", [[*LIST, *LINKS, EXPERT], *found])


def test_details_of_a_packet(tmp_path: Path) -> None:
    """And what of it people can filter for."""
    path = write(tmp_path / "story.pcapng", story())
    wanted = 'mboxio.outcome == "timed out" && mboxio.channel_name == "pmic" && mboxio.kind == 9'
    text = shark(path, "-2", "-O", "mboxio", "-Y", wanted)
    assert text.partition("\nMailbox\n")[2].rstrip() == ENDED.strip("\n")
    # One of the channel's own list, over an earlier event that was lost.
    assert shark(path, "-Y", "mboxio.lost", "-T", "fields", "-e", "mboxio.lost") == "12\n3\n"
    names = re.findall(r'"([a-z ]+)"', DISSECTOR.read_text().partition("local OUTCOMES")[2])
    assert tuple(names[: len(OUTCOMES)]) == OUTCOMES


ENDED = """
    Version: 1
    Kind: Ended (9)
    [Channel: pmic]
    Channel number: 0
    .... 0... = Seen by the remote: False
    Request: 3
    Tag: 7
    .... ...1 = Expects a reply: True
    .... .01. = Handed over: yes (1)
    State: timed out (7)
    Status: 0
    Text: no reply in 1 s
    [Request in: 12]
    [Late reply in: 14]
    [Freed in: 15]
    [Time since the request: 0.000010000 seconds]
    [Expert Info (Warning/Response): Request timed out: no reply in 1 s]
        [Request timed out: no reply in 1 s]
        [Severity level: Warning]
        [Group: Response]
    [Expert Info (Note/Sequence): Held after the end, and freed later]
        [Held after the end, and freed later]
        [Severity level: Note]
        [Group: Sequence]
"""


def test_packets_that_nobody_should_write(tmp_path: Path) -> None:
    path = write_packets(tmp_path / "strange.pcapng", strange())
    found = rows(path, *LIST, EXPERT, FAULT)
    golden("wireshark-strange.tsv", [[*LIST, EXPERT, FAULT], *found])


def test_no_packet_makes_the_dissector_fail(tmp_path: Path) -> None:
    """Nor reaches a terminal as it is."""
    packets = list(mutated(1500))
    path = write_packets(tmp_path / "mutated.pcapng", packets)
    broken = tmp_path / "broken.lua"
    broken.write_text(
        'local p = Proto("mboxio", "Broken")\nfunction p.dissector() error("x") end\n'
    )
    assert "Lua Error" in shark(path, "-c", "1", "-V", scripts=(broken,))
    text = shark(path, "-2", "-V")
    assert text.count("\nMailbox\n") == len(packets)
    assert "Lua Error" not in text
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", text)


def test_dissectors_of_others(tmp_path: Path) -> None:
    """For a channel, also where our own is loaded twice; and ours, by a protocol."""
    script = tmp_path / "mine.lua"
    script.write_text(MINE)
    path = write(tmp_path / "story.pcapng", story())
    scripts = (DISSECTOR, DISSECTOR, script)
    found = rows(path, "mine.first", "_ws.col.Info", passes="-Y mine", scripts=scripts)
    assert found == [
        ["111", "Message #5 <mine>"],
        ["111", "Message #6 <mine>"],
        ["54", "Notification <mine>"],
        ["116", "Remote request, tag 77 <mine>"],
        ["49", "Answer, tag 77 after 10.0 us <mine>"],
    ]


MINE = """
local mine = Proto("mine", "Mine")
local first = ProtoField.uint8("mine.first", "First")
mine.fields = { first }
function mine.dissector(tvb, pinfo, tree)
  tree:add(mine, tvb()):add(first, tvb(0, 1))
  pinfo.cols.info:append(" <mine>")
  return tvb:len()
end
DissectorTable.get("mboxio.channel"):add("thermal", mine)
"""


def test_tags_have_the_names_of_the_protocol() -> None:
    named = {
        int(tag, 16): name
        for tag, name in re.findall(r'\[(0x[0-9A-F]{5})\] = "([^"]+)"', PAYLOADS.read_text())
    }
    kinds = {
        each.tag: each.name
        for each in vars(rpi_tags).values()
        if isinstance(each, rpi_tags.Property)
    }
    assert len(kinds) > 10
    assert {tag: named[tag] for tag in kinds} == kinds
    assert {named[tag] for tag in rpi_tags.RUNS_CODE.values()} == set(rpi_tags.RUNS_CODE)
