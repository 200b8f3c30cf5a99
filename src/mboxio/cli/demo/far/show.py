"""``mboxio demo far``: a board behind a gateway, two users of it, and the gateway is killed."""

from collections.abc import Iterator
from contextlib import ExitStack
from time import monotonic
from typing import Any

import mboxio
from mboxio import _build
from mboxio.cli.demo.far.gateway import EXPORT, READER, USER, address_of
from mboxio.cli.demo.process import FirmwareProcess, private_folder
from mboxio.cli.demo.screen import Screen, show_end
from mboxio.cli.demo.traffic import PowerTraffic, measured, ticking
from mboxio.cli.machine.gateways import listing_of
from mboxio.cli.shared.options import connected
from mboxio.cli.shared.output import Output
from mboxio.cli.shared.signals import Signals
from mboxio.client.open import Address
from mboxio.far.engine import engine

__all__ = ["run"]

CHANNEL, TOLD = "power", "sensor"
MANY = 32
MEASURE_S = 1.0
PATIENCE_S = 5.0
READ_S = 0.2


class Reader:
    """The user who may only listen.

    Args:
        connection: his.
    """

    def __init__(self, connection: mboxio.Connection) -> None:
        self.messages = connection.client(TOLD).subscribe()
        self.client = connection.client(CHANNEL)
        self.heard = self.refused = self.losses = 0

    def listen(self, seconds: float) -> None:
        """Hear what the board says for a while; also that it is lost."""
        end_s = monotonic() + seconds
        while (left_s := end_s - monotonic()) > 0:
            try:
                self.messages.get(left_s)
            except mboxio.RemoteGone:
                self.losses += 1
            except (mboxio.RequestTimeout, mboxio.MessagesLost):
                continue
            else:
                self.heard += 1

    def ask(self) -> str:
        """Ask all the same; returns the error."""
        try:
            self.client.request(b"may I?")
        except (mboxio.AddressError, mboxio.AccessDenied) as error:
            self.refused += 1
            return type(error).__name__
        return "no error"


class FarShow:
    """What the demo does, and what it found.

    Args:
        folder: of the sockets.
        gateway: the process between the users and the board.
        signals: looked at between requests.
        screen: where progress is shown.
    """

    def __init__(
        self, folder: str, gateway: FirmwareProcess, signals: Signals, screen: Screen
    ) -> None:
        self.began_s = monotonic()
        self.folder = folder
        self.gateway = gateway
        self.screen = screen
        self.tick = ticking(signals.check, screen.refresh)
        self.rates: dict[int, float] = {}
        self.over_s = self.back_s = 0.0
        self.faults: list[str] = []

    @property
    def gain(self) -> float:
        """How many times as many requests per second many in flight bring."""
        return self.rates[MANY] / self.rates[1] if self.rates[1] else 0.0

    def run(self) -> None:
        """Go through all steps."""
        for user in (USER, READER):
            self.show_rights(user)
        user_at, reader_at = (
            f"{address_of(self.folder, each)}/{EXPORT}" for each in (USER, READER)
        )
        with connected(user_at) as connection, connected(reader_at) as other:
            self.user = PowerTraffic(connection, self.tick, CHANNEL)
            self.reader = Reader(other)
            self.measure(1)
            self.measure(MANY)
            self.read()
            self.kill()
            self.restart()
            self.user.drain(PATIENCE_S)
            self.faults += self.user.broken(connection.stats()[CHANNEL])

    # -- the steps

    def show_rights(self, user: str) -> None:
        """Say what the gateway lets a user do."""
        found = listing_of(Address.parse(address_of(self.folder, user)))
        (export,) = found.exports
        rights = {each.name: each.rights for each in export.channels}[CHANNEL]
        told = f"{export.name}, {len(export.channels)} channels: may {', '.join(rights)}"
        self.screen.finish(self.screen.row(found.user, told))

    def measure(self, in_flight: int) -> None:
        """Send requests for a while, so many in flight."""
        name, first = ("", self.rates[1]) if self.rates else (CHANNEL, 0.0)
        self.rates[in_flight] = measured(self.user, self.screen, name, in_flight, MEASURE_S, first)

    def read(self) -> None:
        """The other user hears what the board says, and may not ask."""
        row = self.screen.row(READER)
        self.reader.listen(READ_S)
        error = self.reader.ask()
        row.text = f"{self.reader.heard} unsolicited messages heard; a request is refused: {error}"
        self.screen.finish(row)

    def kill(self) -> None:
        """Kill the gateway with requests in flight: all of them end."""
        row = self.screen.row("SIGKILL")
        self.user.fill(MANY)
        self.gateway.freeze()
        self.user.collect()  # what came before it stood still makes room
        self.user.fill(MANY)
        self.gateway.kill()
        count, before = len(self.user.pending), self.user.failed
        self.over_s = self.user.drain(PATIENCE_S)
        row.text = f"{count} requests in flight: all over in {self.over_s * 1e3:.0f} ms, "
        row.text += f"{self.user.failed - before} with RemoteGone"
        self.screen.finish(row)

    def restart(self) -> None:
        """Start the gateway again: the same clients go on."""
        row = self.screen.row("restart", "the gateway starts again ...")
        self.screen.refresh(True)
        self.gateway.stop()
        self.gateway.start()
        self.back_s = self.user.first_reply()
        heard = self.reader.heard
        until_s = monotonic() + PATIENCE_S
        while self.reader.heard == heard and monotonic() < until_s:  # it tries now and then
            self.reader.listen(READ_S)
        if self.reader.heard == heard:
            self.faults.append(f"{READER} hears nothing after the restart")
        row.text = f"same clients: reply after {self.back_s * 1e3:.0f} ms, "
        row.text += f"{READER} was told {self.reader.losses} loss, and hears again"
        self.screen.finish(row)


def broken(show: FarShow) -> Iterator[str]:
    """Say what went wrong, in words; nothing if all guarantees were kept."""
    yield from show.faults
    if show.gain < 1:
        yield f"{show.gain:.2f} times the requests per second with many in flight"
    if show.reader.refused != 1 or show.reader.losses != 1:
        yield f"{READER} was refused {show.reader.refused} times, told {show.reader.losses} losses"


def found(show: FarShow, faults: list[str]) -> dict[str, Any]:
    """Return what the demo found as data."""
    reader = show.reader
    return {
        **show.user.counted(),
        "per_second": {str(number): round(rate) for number, rate in show.rates.items()},
        "gain": round(show.gain, 2),
        "all_over_s": round(show.over_s, 4),
        "back_s": round(show.back_s, 4),
        "reader": {"heard": reader.heard, "refused": reader.refused, "losses": reader.losses},
        "seconds": round(monotonic() - show.began_s, 3),
        "broken": faults,
    }


def run(as_json: bool) -> None:
    """Run the demo.

    Args:
        as_json: print what was found as one JSON object, and nothing else.

    Raises:
        AddressError: there is no gRPC.
        ClickException: a guarantee was broken.
    """
    engine()  # before anything is started
    console = Output(silent=as_json)
    with ExitStack() as stack:
        signals = stack.enter_context(Signals())
        folder = stack.enter_context(private_folder())
        firmware = FirmwareProcess("demo", folder, signals.check)
        gateway = FirmwareProcess(
            folder, folder, signals.check, "mboxio.cli.demo.far.gateway", "gateway"
        )
        for process in (firmware, gateway):
            stack.callback(process.stop)
            process.start()
        title = f"mboxio demo far ({_build.short()} build): a board behind a gateway, two users"
        screen = stack.enter_context(Screen(console, title))
        show = FarShow(folder, gateway, signals, screen)
        show.run()
        faults = list(broken(show))
    told = f"{show.user.sent:,} requests, {show.user.failed} failed, 0 mispaired, 0 held; "
    told += f"gain {show.gain:.1f}× ({monotonic() - show.began_s:.1f} s)"
    show_end(console, as_json, "far", found(show, faults), told)
