"""The screen: a table of channels that changes while one looks, and a log of what was notable."""

import asyncio
import signal
from collections.abc import Callable
from typing import ClassVar

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.coordinate import Coordinate
from textual.widgets import DataTable, Footer, Input, RichLog, Static

from mboxio.see.monitor.cells import cell_of, cut, short_name, told
from mboxio.see.monitor.channel import ChannelState
from mboxio.see.monitor.feed import Feed
from mboxio.see.monitor.last import Last
from mboxio.see.monitor.table import count, fitting
from mboxio.see.monitor.thrift import Thrift

__all__ = ["Monitor"]

PERIOD_S = 0.25
GAP = 2
LOG_LINES = 500
LOG_FROM_LINES, LOG_SHARE = 14, 3
"""On a terminal with fewer lines there is no log; else it takes a third, at most 8 lines."""
BAR = 8
INTERRUPTED = 130
ACTIONS = frozenset({"pause", "sort", "filter", "all", "clear", "changed", "record"})

SortKey = Callable[[ChannelState, int], tuple[object, ...]]
ORDERS: dict[str, SortKey] = {
    "name": lambda c, now: (),
    "req/s": lambda c, now: (-c.requests_per_s(now),),
    "oldest": lambda c, now: (-(found.stuck_ns(now) if (found := c.oldest()) else -1),),
    "trouble": lambda c, now: (c.link != "lost", -c.counts["timed out"] - c.counts["failed"]),
}


class Channels(DataTable[Text]):
    """The table of channels."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "select_cursor", "Requests", key_display="enter"),
    ]


class Monitor(App[int]):
    """A monitor of channels, until its user quits; returns an exit code.

    Args:
        feed: what is shown; started and stopped by the caller.
        title: what is watched.
        record_hint: how to record the same, in a line.
        period_s: between two looks.
        handles_signals: SIGTERM and the like end it, and the terminal is as it was before.
    """

    ENABLE_COMMAND_PALETTE = False
    CSS = """
    #title { height: 1; background: $accent; color: $text; }
    DataTable { height: 1fr; }
    #empty { height: 1fr; padding: 1 2; }
    RichLog { border-top: solid $accent; }
    Input { display: none; height: 3; }
    Input.-on { display: block; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "quit_with(0)", "Quit"),
        Binding("ctrl+c", f"quit_with({INTERRUPTED})", show=False, priority=True),
        Binding("space", "pause", "Pause"),
        Binding("s", "sort", "Sort"),
        Binding("slash", "filter", "Filter", key_display="/"),
        Binding("escape", "all", show=False),
        Binding("c", "clear", "Clear"),
        Binding("h", "changed", "Changes"),
        Binding("r", "record", "Record"),
    ]

    def __init__(
        self,
        feed: Feed,
        title: str,
        record_hint: str,
        period_s: float = PERIOD_S,
        handles_signals: bool = False,
    ) -> None:
        super().__init__()
        self.handles_signals = handles_signals
        self.feed = feed
        self.watched = title
        self.record_hint = record_hint
        self.period_s = period_s
        self.thrift = Thrift()
        self.is_paused = False
        self.marks_changes = True
        self.order = "name"
        self.pattern = ""
        self.columns: list[tuple[str, int]] = []
        self.shown: dict[tuple[str, str], Text] = {}

    def compose(self) -> ComposeResult:
        """See `App`."""
        yield Static("", id="title")
        yield Static("", id="empty")
        yield Channels(cursor_type="row", zebra_stripes=True)
        yield RichLog(max_lines=LOG_LINES, wrap=True, min_width=0)
        yield Input(placeholder="channels whose name contains ...")
        yield Footer()

    def on_mount(self) -> None:
        """See `App`."""
        if self.handles_signals:
            loop = asyncio.get_running_loop()
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                loop.add_signal_handler(number, self.exit, 128 + number)
        self.table = self.screen.query_one(Channels)
        self.log_lines = self.screen.query_one(RichLog)
        self.log_lines.can_focus = False
        self.table.focus()
        self.look()
        self.set_interval(self.period_s, self.look)

    def on_resize(self) -> None:
        """See `App`."""
        if hasattr(self, "table"):
            self.call_after_refresh(self.draw)

    # -- what is seen

    def look(self) -> None:
        """Take in what has happened, and show it."""
        self.feed.flush()
        if not self.is_paused and self.is_in_front() and self.thrift.may_paint():
            self.draw()
            self.call_after_refresh(self.thrift.painted)

    def is_in_front(self) -> bool:
        """Return whether the table of channels is what is seen."""
        return len(self.screen_stack) == 1

    def draw(self) -> None:
        """Show how it is now."""
        height = self.size.height
        lines = min(height // LOG_SHARE, 8) if height >= LOG_FROM_LINES else 0
        self.log_lines.display = lines > 0
        self.log_lines.styles.height = lines
        with self.feed.lock:
            now_ns = self.feed.now_ns()
            every = list(self.feed.model.channels.values())
            together = len({each.source.address for each in every}) == 1
            names = {each.name: short_name(each, together) for each in every}
            found = [each for each in every if self.pattern in each.name]
            found.sort(key=lambda each: (*ORDERS[self.order](each, now_ns), each.name))
            widest = max(map(len, names.values()), default=0)
            # The scroll bar of a long table takes two columns.
            width, columns = fitting(self.size.width - 2, widest, GAP)
            rows = {
                each.name: [
                    Text(cut(names[each.name], width), "bold"),
                    *(cell_of(each, column, now_ns, self.marks_changes) for column in columns),
                ]
                for each in found
            }
            rate = sum(each.requests_per_s(now_ns) for each in every)
            lost = self.feed.model.lost
            where = every[0].source.address if together else self.watched
        self._fill([("channel", width), *((each.name, each.width) for each in columns)], rows)
        self._tell_title(where, len(found), len(every), rate, lost)
        self._tell_empty(len(every))
        for each in self.feed.fetch_notable():
            self.log_lines.write(told(each, names.get(each.channel, each.channel)))

    def _fill(self, columns: list[tuple[str, int]], rows: dict[str, list[Text]]) -> None:
        """Show these rows; a cell that is as it was costs nothing."""
        table = self.table
        if columns != self.columns or [key.value for key in table.rows] != list(rows):
            at = self._current()
            table.clear(columns=True)
            for name, width in columns:
                table.add_column(name, width=width, key=name)
            for key, cells in rows.items():
                table.add_row(*cells, key=key)
            if at in rows:
                table.move_cursor(row=list(rows).index(at))
            self.columns = columns
        else:
            for key, cells in rows.items():
                for (name, _), cell in zip(columns, cells, strict=True):
                    if self.shown.get((key, name)) != cell:
                        table.update_cell(key, name, cell)
        self.shown = {
            (key, name): cell
            for key, cells in rows.items()
            for (name, _), cell in zip(columns, cells, strict=True)
        }

    def _current(self) -> str | None:
        """Return the channel on which the cursor is."""
        row = self.table.cursor_row
        if not 0 <= row < self.table.row_count:
            return None
        return self.table.coordinate_to_cell_key(Coordinate(row, 0)).row_key.value

    def _tell_title(self, where: str, shown: int, every: int, rate: float, lost: int) -> None:
        parts = [*_state(self.feed, self.is_paused, lost), where]
        parts += [f"{shown}/{every} channels", f"{count(rate)} req/s"]
        parts += [f"by {self.order}"] if self.order != "name" else []
        parts += [f"with {self.pattern!r}"] if self.pattern else []
        self.screen_stack[0].query_one("#title", Static).update(
            Text(" " + "  ".join(parts), no_wrap=True, overflow="ellipsis")
        )

    def _tell_empty(self, every: int) -> None:
        empty = self.screen_stack[0].query_one("#empty", Static)
        empty.display = every == 0
        self.table.display = every > 0
        if every == 0:
            text = "It has ended, and there was no event." if self.feed.ended.is_set() else ""
            empty.update(Text(text or "No event yet: a channel appears with its first."))

    # -- keys

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """See `App`: the keys of the table are none while a channel is looked at."""
        del parameters
        return action == "quit_with" or self.is_in_front() or action not in ACTIONS

    def action_quit_with(self, code: int) -> None:
        """End it."""
        self.exit(code)

    def action_pause(self) -> None:
        """Let the screen stand still, or go on; what happens live is counted in the meantime."""
        self.is_paused = not self.is_paused
        self.feed.pause(self.is_paused)
        self.draw()

    def action_clear(self) -> None:
        """Count from zero, and empty the log."""
        with self.feed.lock:
            self.feed.model.clear()
        self.log_lines.clear()
        self.draw()

    def action_sort(self) -> None:
        """Take the next order."""
        names = list(ORDERS)
        self.order = names[(names.index(self.order) + 1) % len(names)]
        self.draw()

    def action_changed(self) -> None:
        """Mark changed bytes, or do not."""
        self.marks_changes = not self.marks_changes
        self.draw()

    def action_filter(self) -> None:
        """Ask which channels to show."""
        asked = self.screen.query_one(Input)
        asked.add_class("-on")
        asked.focus()

    def action_all(self) -> None:
        """Show all channels again."""
        asked = self.screen.query_one(Input)
        asked.value = ""
        asked.remove_class("-on")
        self.table.focus()

    def action_record(self) -> None:
        """Say how to record it."""
        self.log_lines.write(Text(f"to record: {self.record_hint}", "bold"))
        self.notify(self.record_hint, title="To record", markup=False)

    def on_input_changed(self, event: Input.Changed) -> None:
        """Show the channels with this in their names."""
        self.pattern = event.value
        self.draw()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Back to the table."""
        event.input.remove_class("-on")
        self.table.focus()

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        """Show the last requests of a channel."""
        with self.feed.lock:
            for each in self.feed.model.channels.values():
                if each.name == event.row_key.value:
                    self.push_screen(Last(self.feed, each, self.period_s))


def _state(feed: Feed, is_paused: bool, lost: int) -> list[str]:
    """Return in some words what the screen shows, and what is wrong with it."""
    if feed.failure:
        state = f"FAILED: {feed.failure}"
    elif is_paused:
        state = "PAUSED"
    elif feed.ended.is_set():
        state = "ENDED"
    elif feed.live:
        state = "live"
    else:
        state = "reading" if feed.playback is None else f"x{feed.playback.speed:g}"
    warning = [f"WARNING: {feed.warnings[-1]}"] if feed.warnings else []
    return [state, *warning, *([f"{lost} EVENTS LOST"] if lost else [])]
