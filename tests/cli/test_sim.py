"""``mboxio sim``: the user's own board, seeds with faults, and what is wrong with the command."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Invoke

BOARD = Path(__file__).parent.parent.parent / "examples" / "simulation" / "power_controller.py"


def test_a_board_with_more_slots(invoke: Invoke, tmp_path: Path) -> None:
    picture = tmp_path / "slots.svg"
    args = ("sim", str(BOARD), "--depths", "1,8", "--seconds", "0.002")
    result = invoke(*args, "--json", "--svg", str(picture))
    assert result.exit_code == 0
    one, eight = map(json.loads, result.output.splitlines())
    assert (one["depth"], eight["depth"]) == (1, 8)
    assert eight["per_second"] > one["per_second"] > 0
    assert picture.read_text().count('class="mark"') == 1
    assert invoke(*args).output.splitlines()[0].startswith("slots")


def test_seeds(invoke: Invoke) -> None:
    result = invoke("sim", "--seed", "4", "--seconds", "0.002", "--faults", "busy", "--json")
    assert result.exit_code == 0
    found = json.loads(result.output)
    assert (found["seeds"], found["wrong"], found["failures"]) == (1, 0, [])
    assert found["requests"] == sum(found["ends"].values())


@pytest.mark.parametrize(
    ("args", "complaint"),
    [
        (("--faults", "lots"), "no fault 'lots'"),
        (("--depths", "1"), "--depths: that is for simulations with BOARD"),
        ((str(BOARD), "--faults", "lost"), "--faults: that is for simulations without BOARD"),
        ((__file__,), "has no board = Board(...)"),
        ((str(BOARD.with_name("nothing.py")),), "does not exist"),
    ],
)
def test_what_is_wrong_is_one_line(invoke: Invoke, args: tuple[str, ...], complaint: str) -> None:
    result = invoke("sim", *args)
    assert result.exit_code == 2
    assert complaint in result.stderr
    assert len(result.stderr.splitlines()) == 1
