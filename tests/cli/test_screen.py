"""What a demo shows on terminals of all widths: no number is ever cut."""

import io

import pytest
from rich.console import Console

from mboxio.cli.demo.screen import Screen

TEXT = "20 reads in flight: all over in 1,234 ms, 20 with RemoteGone, held numbers: 0"


@pytest.mark.parametrize("width", [30, 40, 60, 80, 100, 200])
def test_nothing_is_cut(width: int) -> None:
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
    screen = Screen(console, "mboxio demo acpm (pure build): a PMIC, 200 us a message, 16 workers")
    row = screen.row("power", "4 clients, 32 in flight:    123,456 requests/s")
    row.share, row.note = 0.5, "12.3x"
    screen.row("SIGKILL", TEXT)
    with console.capture() as captured:
        console.print(screen.drawn())
    lines = captured.get().splitlines()
    words = " ".join(captured.get().split())
    assert max(map(len, lines)) <= width
    for number in ("123,456", "12.3x", "1,234 ms"):
        assert number in words
    shown = " ".join(" ".join(line.split()) for line in lines)
    assert TEXT in " ".join(shown.replace("SIGKILL", "").split())
    assert ("\N{LIGHT SHADE}" in shown) is (width >= 80)
