"""The screen of ``mboxio monitor``: keys, sizes, and a source with a seed."""

import asyncio
import os
import random
from collections.abc import Awaitable, Callable, Iterator

import pytest

from mboxio.capture.event import Event, Kind, Source
from mboxio.see.monitor.feed import Feed
from mboxio.see.monitor.model import Model

if os.environ.get("MBOXIO_EXPECT_TOOLS") != "1":
    pytest.importorskip("textual")

from textual.pilot import Pilot
from textual.widgets import DataTable, Input, Static

from mboxio.see.monitor.screen import Monitor

pytestmark = pytest.mark.once

NEVER_S = 86400.0
START_NS = 1_790_000_000_000_000_000
Play = Callable[["Pilot[int]"], Awaitable[None]]


def traffic(channels: int, seed: int = 1) -> Iterator[Event]:
    """Some requests on each channel, of which one is stuck; the last channel is lost."""
    draw = random.Random(seed)
    now_ns = START_NS
    for n in range(channels):
        source = Source("shm:demo", f"channel{n}", number=n, depth=4)
        yield Event(now_ns, Kind.LINK, source, outcome=1, status=1)
        for number in range(10 * n + 1, 10 * n + 10):
            now_ns += draw.randrange(1_000_000)
            message = draw.randbytes(4)
            yield Event(now_ns, Kind.REQUEST, source, number, 1, 0, 3, 1, True, message)
            if number % 10 != 9:
                now_ns += draw.randrange(1_000_000)
                yield Event(now_ns, Kind.REPLY, source, number, 1, 0, 5, 1, True, message[::-1])
        if n and n == channels - 1:
            yield Event(now_ns, Kind.LINK, source, message=b"the process has ended")


def played(channels: int, play: Play, size: tuple[int, int] = (120, 30)) -> int | None:
    """Run the screen with a timer that never fires; returns its exit code."""
    feed = Feed(lambda: traffic(channels), Model(10**10))
    feed.start()
    assert feed.ended.wait(30)

    async def run() -> int | None:
        app = Monitor(feed, "a.pcapng", "mboxio record shm:demo", NEVER_S)
        async with app.run_test(size=size) as pilot:
            await pilot.pause()
            await play(pilot)
        return app.return_value

    try:
        return asyncio.run(run())
    finally:
        feed.stop()


def cells(pilot: "Pilot[int]") -> list[list[str]]:
    """Return what the table shows, with its header."""
    table = pilot.app.screen.query_one(DataTable)
    header = [str(column.label) for column in table.ordered_columns]
    return [header, *([str(cell) for cell in table.get_row_at(n)] for n in range(table.row_count))]


def text(pilot: "Pilot[int]", name: str) -> str:
    return str(pilot.app.screen.query_one(name, Static).render())


def test_keys() -> None:
    async def play(pilot: "Pilot[int]") -> None:
        assert [row[0] for row in cells(pilot)[1:]] == ["channel0", "channel1", "channel2"]
        assert cells(pilot)[3][1] == "LOST"
        assert "ENDED" in text(pilot, "#title")
        await pilot.press("s", "s")
        assert "by oldest" in text(pilot, "#title")
        assert [row[0] for row in cells(pilot)[1:]] == ["channel0", "channel1", "channel2"]
        await pilot.press("s")
        assert cells(pilot)[1][0] == "channel2"
        marked = pilot.app.screen.query_one(DataTable).get_row_at(0)[-1]
        assert any("underline" in str(span.style) for span in marked.spans)
        await pilot.press("h")
        assert not pilot.app.screen.query_one(DataTable).get_row_at(0)[-1].spans
        await pilot.press("slash", "l", "1", "enter")
        assert [row[0] for row in cells(pilot)[1:]] == ["channel1"]
        assert "1/3 channels" in text(pilot, "#title")
        await pilot.press("escape")
        assert len(cells(pilot)) == 4
        assert not pilot.app.screen.query_one(Input).value
        await pilot.press("space")
        assert "PAUSED" in text(pilot, "#title")
        await pilot.press("space", "c", "r", "q")

    assert played(3, play) == 0


def test_the_last_requests_of_a_channel() -> None:
    async def play(pilot: "Pilot[int]") -> None:
        await pilot.press("down", "enter")
        await pilot.pause()
        header, stuck, *over = cells(pilot)
        assert header[:2] == ["#", "is"]
        assert stuck[:2] == ["19", "to TX done"]
        assert "no TX done and no reply yet" in stuck[6]
        assert [row[0] for row in over] == [f"{n}" for n in range(18, 10, -1)]
        assert {row[1] for row in over} == {"done"}
        assert "shm:demo/channel1" in text(pilot, "#facts")
        # The keys of the table of channels are none here.
        await pilot.press("slash", "c", "s", "space", "space", "escape")
        assert cells(pilot)[0][0] == "channel"
        await pilot.press("ctrl+c")

    assert played(2, play) == 130


def test_columns_go_by_importance() -> None:
    expected = {
        40: "link oldest",
        80: "link oldest slots req/s p99 timed out",
        120: "link oldest slots queued req/s p99 timed out held came",
    }

    async def play(pilot: "Pilot[int]") -> None:
        for width, columns in expected.items():
            await pilot.resize_terminal(width, 20)
            await pilot.pause()
            header, *rows = cells(pilot)
            assert " ".join(header[1:]) == columns
            assert len(rows) == 64
            assert pilot.app.screen.query_one(DataTable).virtual_size.width <= width
        await pilot.press("end", "enter", "escape", "q")

    assert played(64, play, (60, 20)) == 0


def test_without_an_event() -> None:
    async def play(pilot: "Pilot[int]") -> None:
        assert "no event" in text(pilot, "#empty")
        await pilot.resize_terminal(20, 6)
        await pilot.press("enter", "s", "space", "slash", "x", "enter", "q")

    assert played(0, play) == 0
