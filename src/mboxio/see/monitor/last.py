"""The screen of one channel: its last requests, and the ones that are stuck."""

from typing import ClassVar, cast

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.widgets import DataTable, Footer, Static

from mboxio.see.monitor.channel import RECENT_MAX, ChannelState
from mboxio.see.monitor.feed import Feed
from mboxio.see.monitor.history import HEADERS, row_of, summary
from mboxio.see.monitor.thrift import Thrift

__all__ = ["Last"]

STUCK_MAX = 64


class Last(Screen[None]):
    """What is not over on a channel, oldest first, and then what was over last.

    Args:
        feed: where it comes from.
        channel: which.
        period_s: between two looks.
    """

    CSS = """
    #facts { height: auto; max-height: 40%; padding: 0 1; background: $surface; }
    DataTable { height: 1fr; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,enter,backspace", "back", "Back", key_display="esc", priority=True),
        Binding("space", "pause", "Pause"),
    ]

    def __init__(self, feed: Feed, channel: ChannelState, period_s: float) -> None:
        super().__init__()
        self.feed = feed
        self.channel = channel
        self.period_s = period_s
        self.thrift = Thrift()
        self.stands_still = False

    def compose(self) -> ComposeResult:
        """See `Screen`."""
        yield Static("", id="facts")
        yield DataTable[Text](cursor_type="row", zebra_stripes=True)
        yield Footer()

    def on_mount(self) -> None:
        """See `Screen`."""
        self.query_one(DataTable).focus()
        self.draw()
        self.set_interval(self.period_s, self.look)

    def look(self) -> None:
        """Show how it is now, unless it stands still."""
        if not self.stands_still and self.thrift.may_paint():
            self.draw()
            self.call_after_refresh(self.thrift.painted)

    def draw(self) -> None:
        """Show how it is now."""
        with self.feed.lock:
            now_ns = self.feed.now_ns()
            lines = summary(self.channel, now_ns)
            doubt_ns = self.channel.doubt_ns
            waiting = [row_of(each, now_ns, doubt_ns) for each in self.channel.stuck(STUCK_MAX)]
            over = [row_of(each, now_ns) for each in self.channel.ended(RECENT_MAX)]
        self.query_one("#facts", Static).update(Text("\n".join([self.channel.name, *lines])))
        table = cast("DataTable[Text]", self.query_one(DataTable))
        at = table.cursor_row
        table.clear(columns=True)
        for name in HEADERS:
            table.add_column(name)
        for row, style in [*((each, "bold") for each in waiting), *((each, "") for each in over)]:
            table.add_row(*(Text(cell, style) for cell in row))
        table.move_cursor(row=at)

    def action_back(self) -> None:
        """Back to all channels."""
        self.dismiss()

    def action_pause(self) -> None:
        """Let the table stand still, or go on."""
        self.stands_still = not self.stands_still
        self.draw()
