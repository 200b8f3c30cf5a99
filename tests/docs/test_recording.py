"""The tool that records a command, `tools/picture.py`."""

import runpy
from typing import Any
from xml.etree import ElementTree

import pytest

from tests.docs.pages import ROOT

pytest.importorskip("rich")
pytestmark = pytest.mark.once
TEXT = "{http://www.w3.org/2000/svg}text"


@pytest.fixture(scope="module")
def tool() -> dict[str, Any]:
    """What the tool defines."""
    return runpy.run_path(str(ROOT / "tools" / "picture.py"))


def shown(svg: str) -> list[tuple[str, str]]:
    """Return class and text of what a picture shows, after the command."""
    parts = list(ElementTree.fromstring(svg).iter(TEXT))
    return [(part.get("class", ""), part.text or "") for part in parts][2:]


def test_the_last_screen_is_what_a_terminal_shows(tool: dict[str, Any]) -> None:
    """Lines that are written again replace what was there, and colours and gaps are kept."""
    lines = r"one\n\033[31mtwo  < 2\033[0m\n\033[2A\033[2K\033[1mnew\033[0m\n\nend\n"
    frames = tool["distinct"](tool["record"](["printf", lines], 40))
    svg = tool["drawn"](frames[-1:], "printf", 40)
    assert shown(svg) == [("b", "new"), ("c1", "two"), ("c1", "< 2"), ("", "end")]


def test_only_the_last_of_several_screens_needs_no_motion(tool: dict[str, Any]) -> None:
    frames = [tool["Frame"](second, [f"step {second}"]) for second in (1.0, 1.0, 2.0, 3.0)]
    svg = tool["drawn"](tool["distinct"](frames), "steps", 40)
    assert [text for _, text in shown(svg)] == ["step 1.0", "step 2.0", "step 3.0"]
    still = svg.partition("@media (prefers-reduced-motion")[0]
    assert ".f0 { visibility: hidden }" in still
    assert ".f2 " not in still


def test_a_command_that_fails_gives_no_picture(tool: dict[str, Any]) -> None:
    with pytest.raises(SystemExit, match="false failed with code 1"):
        list(tool["record"](["false"], 40))
