"""A connection that a shell keeps: its channels, what is heard on them, and its deaths."""

import shutil
import signal
import threading
from collections.abc import Callable
from datetime import datetime

import click

from mboxio import (
    Client,
    ClosedError,
    Messages,
    MessagesLost,
    RemoteGone,
    Request,
    RequestTimeout,
)
from mboxio.cli.shared.messages import shown_as
from mboxio.cli.shared.options import reached, timeout
from mboxio.cli.shared.settings import Endian
from mboxio.cli.shared.signals import LOOK_S, Signals
from mboxio.cli.shared.text import printable, word

__all__ = ["Cancelled", "Session"]


class Cancelled(Exception):
    """Ctrl-C ended a command, and nothing else."""


class Session:
    """What the commands of a shell work on; a context manager.

    Args:
        address: of a controller, or of one of its channels.
        wait_s: how long the remote may take to come up, in seconds.
        timeout_s: limit for requests, in seconds; infinite: none; None: the channel's.
        form: how messages are shown; see `shown_as`.
        order: of the bytes in words.
        say: prints lines; called by any thread.
        typed: whether the lines are typed and read by a person.
    """

    def __init__(
        self,
        address: str,
        wait_s: float | None,
        timeout_s: float | None,
        form: str,
        order: Endian,
        say: Callable[[str], object],
        typed: bool,
    ) -> None:
        self.address = address
        self.timeout_s = timeout_s
        self.form = form
        self.order: Endian = order
        self.say = say
        self.typed = typed
        self.lock = threading.Condition()
        self.clients: dict[str, Client] = {}
        self.listeners: dict[str, Listener] = {}
        self.heard = 0
        self.gone = False
        self.connection, self.channel = reached(address, wait_s)

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def width(self) -> int | None:
        """Return the columns of the terminal; None: it is not read on one."""
        return shutil.get_terminal_size().columns if self.typed else None

    # -- channels

    def names(self) -> list[str]:
        """Return the channels of the controller."""
        return list(self.connection._host.channels)

    def require(self, name: str) -> str:
        """Return the name of a channel, which may be given by its number."""
        return self.connection._host.find_channel(int(name) if name.isdecimal() else name).name

    def client(self) -> Client:
        """Return the client of the channel in use."""
        found = self.clients.get(self.channel)
        if found is None:
            found = self.clients[self.channel] = self.connection.client(self.channel)
        return found

    # -- messages

    def request(self, data: bytes) -> bytes:
        """Send a request and return the reply; Ctrl-C cancels it."""
        return self._wait(self.client().submit, data)

    def send(self, data: bytes) -> None:
        """Send a one-way message, and wait until it is taken; Ctrl-C cancels it."""
        self._wait(self.client().post, data)

    def _wait(self, begin: Callable[..., Request[bytes]], data: bytes) -> bytes:
        with Signals() as signals:  # first: a Ctrl-C right after the beginning cancels too
            request = begin(data, timeout_s=timeout(self.timeout_s))
            while not request.wait(LOOK_S):
                if signals.number:
                    request.cancel()
                    break
            end_if_told(signals)
        return request.result()

    def listen(self, name: str) -> None:
        """Show the unsolicited messages of a channel from now on."""
        if name not in self.listeners:
            self.listeners[name] = Listener(self, self.connection.client(name))

    def unlisten(self, name: str) -> None:
        """Show them no more."""
        listener = self.listeners.pop(name, None)
        if listener is not None:
            listener.close()

    def wait(self, count: int, seconds: float) -> None:
        """Wait until this many more messages have been shown since the last such wait.

        Raises:
            ClickException: they did not come in time.
        """
        with Signals() as signals, self.lock:
            rounds = max(int(seconds / LOOK_S), 1)
            while self.heard < count and rounds and not signals.number:
                self.lock.wait(min(LOOK_S, seconds))
                rounds -= 1
            end_if_told(signals)
            if self.heard < count:
                raise click.ClickException(f"{self.heard} of {count} messages in {seconds:g} s")
            self.heard -= count

    def show(self, channel: str, message: bytes) -> None:
        """Print a message that came in on a channel."""
        time = datetime.now().strftime("%H:%M:%S.%f")[:-3]
        head = f"{time} {word(channel)} rx [{len(message)}]"
        lines = shown_as(message, self.form, self.order)
        if len(lines) == 1 and self.form != "dump":
            head, lines = f"{head} {lines[0]}", []
        self.say("\n".join([head, *lines]))
        with self.lock:
            self.heard += 1
            self.lock.notify_all()

    # -- lives of the remote

    def take_death(self, error: Exception) -> None:
        """Tell once that the remote has gone."""
        with self.lock:
            first, self.gone = not self.gone, True
        if first:
            self.say(printable(str(error)))
        self.look()

    def look(self) -> None:
        """Tell once that the remote is there again."""
        with self.lock:
            back = self.gone and not self.connection._host.lost
            if back:
                self.gone = False
        if back:
            self.say("the remote is there again")

    def reconnect(self, wait_s: float | None) -> None:
        """Give the connection up and make a new one; the same channels are listened to."""
        heard = list(self.listeners)
        self.close()
        self.connection, self.channel = reached(self.address, wait_s, self.channel)
        self.gone = False
        for name in heard:
            self.listen(name)

    def close(self) -> None:
        """Close the connection; whatever waits on it ends."""
        for name in list(self.listeners):
            self.unlisten(name)
        self.clients.clear()
        self.connection.close()


class Listener:
    """A thread that shows what comes in on one channel.

    Args:
        session: shows it.
        client: of the channel; closed with this.
    """

    def __init__(self, session: Session, client: Client) -> None:
        self.session = session
        self.client = client
        try:
            self.messages: Messages = client.subscribe()
        except BaseException:
            client.close()
            raise
        self.thread = threading.Thread(target=self.run, name=f"listen {client.name}", daemon=True)
        self.thread.start()

    def run(self) -> None:
        """Show messages until this is closed."""
        while True:
            try:
                # While the remote is away nothing else tells that it has come back.
                message = self.messages.get(LOOK_S if self.session.gone else None)
            except RequestTimeout:
                self.session.look()
            except RemoteGone as error:
                self.session.take_death(error)
            except MessagesLost as error:
                self.session.say(str(error))
            except ClosedError:
                return
            else:
                self.session.look()
                self.session.show(self.client.name, message)

    def close(self) -> None:
        """Stop listening."""
        self.messages.close()
        self.client.close()
        self.thread.join()


def end_if_told(signals: Signals) -> None:
    """Raise what a signal asks for: Ctrl-C ends the command, any other the shell."""
    if signals.number == signal.SIGINT:
        raise Cancelled
    signals.check()
