"""Record a command as a moving SVG: ``python tools/picture.py docs/demo.svg mboxio demo``.

The command runs once, in a terminal of its own, and the picture shows what it wrote, at its
own pace. It plays once and stays at the last screen, which is all that a viewer with reduced motion
sees.
"""

import argparse
import html
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fcntl import ioctl
from itertools import pairwise
from pathlib import Path

from rich.cells import cell_len
from rich.color import ColorType
from rich.style import Style
from rich.text import Text

FRAME_S = 0.25
"""Changes that follow each other faster are shown together."""
COLUMN, LINE, EDGE, SIZE = 8.4, 20, 16, 14
COLOURS = ("#8b949e", "#ff7b72", "#7ee787", "#e3b341", "#79c0ff", "#d2a8ff", "#56d4dd", "#e6edf3")
"""The eight of a terminal, from black to white."""
TOKEN = re.compile(r"\x1b\[([0-9;?]*)([A-Za-z])|(\r)|(\n)|([^\x1b\r\n]+|\x1b)")


@dataclass
class Frame:
    """A screen, and when it appears.

    Args:
        at_s: seconds after the start.
        lines: what it shows, with the escape sequences of its colours.
    """

    at_s: float
    lines: list[str]


class Screen:
    """As much of a terminal as programs that redraw whole lines need."""

    def __init__(self) -> None:
        self.lines = [""]
        self.row = 0

    def feed(self, text: str) -> None:
        """Take what a program wrote."""
        for numbers, command, back, newline, letters in TOKEN.findall(text):
            if newline:
                self.row += 1
                self.lines += [""] * (self.row + 1 - len(self.lines))
            elif command == "A":
                self.row = max(self.row - int(numbers or 1), 0)
            elif command == "K":
                self.lines[self.row] = ""
            elif command == "m":
                self.lines[self.row] += f"\x1b[{numbers}m"
            elif letters and not back:
                self.lines[self.row] += letters


def record(command: list[str], columns: int) -> Iterator[Frame]:
    """Run a command in a terminal and yield its screens.

    Raises:
        SystemExit: the command failed.
    """
    terminal, its_side = pty.openpty()
    ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    colours = {key: value for key, value in os.environ.items() if key != "NO_COLOR"}
    program = subprocess.Popen(
        command,
        stdin=its_side,
        stdout=its_side,
        stderr=its_side,
        start_new_session=True,
        env={**colours, "TERM": "xterm-256color", "COLUMNS": str(columns), "LINES": "50"},
    )
    os.close(its_side)
    screen, start, shown, rest = Screen(), time.monotonic(), -FRAME_S, b""
    while True:
        ready = bool(select.select([terminal], [], [], FRAME_S)[0])
        now = time.monotonic() - start
        try:
            rest += os.read(terminal, 65536) if ready else b""
        except OSError:  # how a terminal says that its program ended
            break
        text, whole, rest = rest.rpartition(b"\n")
        screen.feed((text + whole).decode())
        if now - shown >= FRAME_S:
            yield Frame(now, screen.lines.copy())
            shown = now
    screen.feed(rest.decode())
    yield Frame(time.monotonic() - start, screen.lines)
    os.close(terminal)
    if code := program.wait():
        sys.exit(f"{command[0]} failed with code {code}, so there is no picture")


def distinct(frames: Iterable[Frame]) -> list[Frame]:
    """Return the frames that differ from the one before."""
    kept: list[Frame] = []
    for frame in frames:
        while frame.lines and not Text.from_ansi(frame.lines[-1]).plain.strip():
            frame.lines.pop()
        if frame.lines and (not kept or kept[-1].lines != frame.lines):
            kept.append(frame)
    # How long the program takes to start is not worth watching.
    return [Frame(frame.at_s - kept[0].at_s + FRAME_S, frame.lines) for frame in kept]


def drawn(frames: Sequence[Frame], command: str, columns: int) -> str:
    """Return the frames as an SVG."""
    width = columns * COLUMN + 2 * EDGE
    height = (max(len(frame.lines) for frame in frames) + 2) * LINE + 2 * EDGE
    end = frames[-1].at_s
    title = f"What the command {command} shows"
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height}"'
            f' width="{width:.0f}" height="{height}" role="img">',
            f"<title>{html.escape(title)}</title>",
            f"<style>\n{''.join(rules(frames, end))}</style>",
            f'<rect class="page" width="{width:.0f}" height="{height}" rx="8"/>',
            line(Text.assemble(("$ ", "bold green"), (command, "bold")), 0),
            *(
                f'<g class="frame f{number}">{"".join(rows(frame))}</g>'
                for number, frame in enumerate(frames)
            ),
            "</svg>\n",
        ]
    )


def rules(frames: Sequence[Frame], end_s: float) -> Iterator[str]:
    """Yield the style sheet: colours, and when each frame is to be seen."""
    yield (
        f"text {{ font: {SIZE}px ui-monospace, SFMono-Regular, Menlo, Consolas,"
        ' "Liberation Mono", monospace; fill: #e6edf3; white-space: pre }\n'
        ".page { fill: #161b22 }\n.b { font-weight: bold }\n.d { opacity: 0.5 }\n"
    )
    for number, colour in enumerate(COLOURS):
        yield f".c{number} {{ fill: {colour} }}\n"
    yield "@media (prefers-color-scheme: dark) { .page { stroke: #30363d } }\n"
    for number in range(len(frames) - 1):
        yield f".f{number} {{ visibility: hidden }}\n"
    yield "@media (prefers-reduced-motion: no-preference) {\n"
    for number, frame in enumerate(frames[:-1]):
        begin, over = (100 * each.at_s / end_s for each in (frame, frames[number + 1]))
        yield (
            f"@keyframes f{number} {{ 0%, {begin:.2f}% {{ visibility: hidden }}"
            f" {begin + 0.01:.2f}%, {over:.2f}% {{ visibility: visible }}"
            f" {over + 0.01:.2f}%, 100% {{ visibility: hidden }} }}\n"
            f".f{number} {{ animation: f{number} {end_s:.2f}s step-end }}\n"
        )
    last = len(frames) - 1
    yield (
        f"@keyframes f{last} {{ 0% {{ visibility: hidden }} 100% {{ visibility: visible }} }}\n"
        f".f{last} {{ animation: f{last} {end_s:.2f}s step-end }}\n}}\n"
    )


def rows(frame: Frame) -> Iterator[str]:
    """Yield the lines of a frame."""
    for number, text in enumerate(frame.lines):
        if text:
            yield line(Text.from_ansi(text), number + 2)


def line(text: Text, number: int) -> str:
    """Return a line; each part of it stands in its own columns, whatever the font."""
    plain, top = text.plain, EDGE + number * LINE + SIZE
    parts: list[str] = []
    edges = {0, len(plain), *(edge for span in text.spans for edge in (span.start, span.end))}
    # A gap would be squeezed together, and a change of colour is where letters may drift.
    edges |= {each.start() for each in re.finditer(r"(?<=  )\S", plain)}
    marks = sorted(edges)
    for begin, end in pairwise(marks):
        if (piece := plain[begin:end].rstrip()) and (cells := cell_len(piece)):
            left = EDGE + cell_len(plain[:begin]) * COLUMN
            style = Style()
            for span in text.spans:
                if span.start <= begin < span.end:
                    style += Style.parse(span.style) if isinstance(span.style, str) else span.style
            name = f' class="{" ".join(classes(style))}"' if list(classes(style)) else ""
            parts.append(
                f'<text x="{left:.1f}" y="{top}" textLength="{cells * COLUMN:.1f}"{name}>'
                f"{html.escape(piece, quote=False)}</text>"
            )
    return "".join(parts)


def classes(style: Style) -> Iterator[str]:
    """Yield the classes of the style sheet that a style is made of."""
    if style.bold:
        yield "b"
    if style.dim:
        yield "d"
    if style.color is not None and style.color.type is ColorType.STANDARD:
        yield f"c{(style.color.number or 0) % len(COLOURS)}"


def main() -> None:
    parser = argparse.ArgumentParser(description="Record a command as a moving SVG.")
    parser.add_argument("--columns", type=int, default=100)
    parser.add_argument("picture", type=Path)
    parser.add_argument("command", nargs=argparse.REMAINDER)
    asked = parser.parse_args()
    frames = distinct(record(asked.command, asked.columns))
    shown = " ".join([Path(asked.command[0]).name, *asked.command[1:]])
    asked.picture.write_text(drawn(frames, shown, asked.columns))
    print(f"{asked.picture}: {len(frames)} screens in {frames[-1].at_s:.1f} s")


if __name__ == "__main__":
    main()
