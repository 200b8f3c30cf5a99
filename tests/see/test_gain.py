"""The picture of what a deeper queue brings, and the command that draws it for a board."""

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner

from mboxio.cli.app import app
from mboxio.see.gain import Curve, Panel, draw, gain_panel, gains
from mboxio.see.gain.curves import hand_over_us, mean_us, stretched
from mboxio.sim.world import Bimodal, Board, Constant, Copied, Duration, Exponential, Load, Stalled

pytestmark = pytest.mark.once

SVG = "{http://www.w3.org/2000/svg}"
FAST, SLOW = (0.1, 1.0), (10.0, 8.0)


def drawn(*panels: Panel) -> ElementTree.Element:
    rows = [("row", panels)]
    return ElementTree.fromstring(draw(rows, width=400, title="<&", across="x", up="gain"))


def ends(element: ElementTree.Element) -> list[float]:
    """Return the heights of the points of a line."""
    return [float(y) for y in re.findall(r"[\d.]+ ([\d.]+)", element.get("d", ""))]


def test_a_gain_goes_up_and_what_is_worth_nothing_is_shaded() -> None:
    picture = drawn(Panel("a", (Curve("depth 2", (FAST, SLOW)),)))
    (line,) = (each for each in picture.iter(f"{SVG}path") if each.findtext(f"{SVG}title"))
    shade = [each for each in picture.iter(f"{SVG}rect") if each.get("class") == "shade"][-1]
    begin, end = ends(line)
    top = float(shade.get("y", ""))
    assert end < top < begin, "a gain of 1 lies in the shade, and 8 above it"
    assert picture.findtext(f"{SVG}title") == "<&"


def test_a_curve_has_its_colour_in_all_panels() -> None:
    two, four = Curve("depth 2", (FAST,)), Curve("depth 4", (SLOW,))
    picture = drawn(Panel("a", (two, four)), Panel("b", (four,)))
    lines = [each for each in picture.iter(f"{SVG}path") if each.findtext(f"{SVG}title")]
    assert [each.get("class") for each in lines] == ["c0", "c1", "c1"]


def test_there_is_no_picture_of_nothing() -> None:
    with pytest.raises(ValueError, match="no curves"):
        drawn(Panel("a", ()))
    with pytest.raises(ValueError, match="in no time"):
        gain_panel(Board(service=Constant(0)), Load(), title="")


@pytest.mark.parametrize(
    "duration",
    [
        Constant(20),
        Exponential(20),
        Bimodal(10, 400, 0.1),
        Copied(5, 2),
        Stalled(Constant(5), 4, 90),
    ],
    ids=lambda each: type(each).__name__,
)
def test_firmware_of_another_speed_is_of_the_same_kind(duration: Duration) -> None:
    slower = stretched(duration, 3)
    assert type(slower) is type(duration)
    assert mean_us(slower, 16) == pytest.approx(3 * mean_us(duration, 16), rel=0.01)


@pytest.mark.parametrize(
    ("tx_done", "replies", "expected"),
    [
        ("irq", "irq", 12),
        ("deposit", "irq", 12),
        ("ack", "irq", 12),
        ("ack", "poll", 27),
        ("poll", "irq", 27),
    ],
)
def test_how_long_handing_over_takes(tx_done: str, replies: str, expected: int) -> None:
    board = Board(tx_done=tx_done, replies=replies, doorbell_us=2, interrupt_us=10, poll_us=50)
    assert hand_over_us(board) == expected


def test_parallel_firmware_that_is_told_late_gains_by_each_slot() -> None:
    board = Board(workers=4, service=Constant(100), tx_done="ack")
    found = gains(board, Load(clients=16), depths=(2, 4, 16), requests=200)
    assert found[2] == pytest.approx(2, rel=0.05)
    assert found[4] == pytest.approx(4, rel=0.05)
    assert found[16] < 4.7, "four workers do no more"


def test_a_board_is_drawn_with_a_mark_where_it_is(tmp_path: Path) -> None:
    file, svg = tmp_path / "mine.py", tmp_path / "mine.svg"
    file.write_text(
        "from mboxio.sim.world import *\n"
        "board = Board(workers=2, service=Constant(600), tx_done='ack')\n"
        "load = Load(clients=4, interval=Exponential(3000))\n"
    )
    command = ["sim", str(file), "--depths", "1,2", "--seconds", "0.001", "--svg", str(svg)]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    picture = ElementTree.parse(svg).getroot()
    assert [each.get("class") for each in picture.iter(f"{SVG}path")].count("mark") == 1
    texts = [each.text for each in picture.iter(f"{SVG}text")]
    assert {"mine", "2 workers, TX done with the reply", "depth 2"} <= {*texts}
    file.write_text("from mboxio.sim.world import *\nboard = Board(service=Constant(0))\n")
    failed = CliRunner().invoke(app, command)
    assert failed.exit_code == 2
    assert "no place in a picture" in failed.output
