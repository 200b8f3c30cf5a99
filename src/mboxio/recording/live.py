"""Traffic of a running program: it opens a socket, and whoever may connects and gets a capture.

A program that opted in listens in the private folder of its user, where the sockets of remotes lie
as well. Who connects sends a line of JSON that says what is wanted, and gets pcapng until one of
the two goes. Nobody connected: nothing is recorded, and nothing costs anything.
"""

import os
import socket
import struct
import threading
import time
import weakref
from contextlib import suppress
from glob import escape, glob

from mboxio._base.gate import complain
from mboxio.capture.output import Output
from mboxio.capture.pieces import CaptureError
from mboxio.local.folder import check_private, folder_path, may_own, runtime_folder
from mboxio.recording.recorder import Recorder, Tappable
from mboxio.recording.wanted import ASK_S, Wanted

__all__ = ["Live", "attach"]

PREFIX = "record-"
WAITING_MAX = 16
LEFT_S = 1.0
"""How long the end of a program waits for those who read slowly."""
CREDENTIALS = struct.Struct("3i")


class ReaderOutput(Output):
    """Output to a reader, who gets nothing before all that was asked for is listened to.

    Args:
        link: the connection; the thread that makes this says when it listens.
        path: of the socket, for errors.
    """

    def __init__(self, link: socket.socket, path: str) -> None:
        super().__init__(os.dup(link.fileno()), f"a reader of {path}")
        self._maker = threading.get_ident()
        self._begun = threading.Event()
        self._head = b""

    def write(self, data: bytes | memoryview) -> None:
        """See `Output.write`."""
        if threading.get_ident() == self._maker and not self._begun.is_set():
            self._head += data
            return
        self._begun.wait()
        super().write(data)

    def begin(self) -> None:
        """Let the reader have it, from the head of the capture on."""
        super().write(self._head)
        self.begun()

    def begun(self) -> None:
        """Let what is written go on, or fail."""
        self._begun.set()


class Live:
    """The program's side: answers whoever connects.

    Raises:
        AddressError: there is no private folder for the socket.
        OSError: it cannot be made.
    """

    def __init__(self) -> None:
        self.pid = os.getpid()
        folder, name = runtime_folder(), f"{PREFIX}{self.pid}"
        self.path, unready = os.path.join(folder, name), os.path.join(folder, f".{name}")
        self._places: weakref.WeakSet[Tappable] = weakref.WeakSet()
        self._watched: dict[Recorder, Wanted] = {}
        self._links: set[socket.socket] = set()
        self._guard = threading.RLock()  # a finalizer may close a connection within
        self._closing = threading.Event()
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            # Under its name it listens already: who is refused takes the program for dead.
            with suppress(FileNotFoundError):
                os.unlink(unready)
            self._listener.bind(unready)
            self._listener.listen(WAITING_MAX)
            os.rename(unready, self.path)
        except BaseException:
            self._listener.close()
            raise
        _ALL.add(self)
        threading.Thread(target=self._accept, name="mboxio live", daemon=True).start()

    def add(self, place: Tappable) -> None:
        """A connection or a remote is there now."""
        with self._guard:
            self._places.add(place)
            watched = list(self._watched.items())
        for recorder, wanted in watched:
            if wanted.matches(place.address):
                self._listen(recorder, place)

    def close(self) -> None:
        """Listen no longer, and let readers have what is left; twice is fine."""
        if self.pid != os.getpid():
            return
        with self._guard:
            self._closing.set()
            recorders, links = list(self._watched), list(self._links)
        try:
            os.unlink(self.path)
        except FileNotFoundError:
            pass
        hang_up(self._listener)
        self._listener.close()
        end_s = time.monotonic() + LEFT_S
        for recorder in recorders:
            recorder.close(max(end_s - time.monotonic(), 0.0))
        for link in links:  # whoever reads too slowly loses the rest
            hang_up(link)
        for recorder in recorders:
            recorder.close()

    def forked(self) -> None:
        """This is a child now: what is open here is its parent's, and ends with that."""
        self._listener.close()
        for link in self._links:
            link.close()

    def _accept(self) -> None:
        while True:
            try:
                link, _ = self._listener.accept()
            except OSError:  # closed, or no descriptor is left
                if self._closing.wait(ASK_S):
                    return
                continue
            with self._guard:
                if self._closing.is_set():
                    link.close()
                    return
                self._links.add(link)
            threading.Thread(
                target=self._serve, args=(link,), name="mboxio live reader", daemon=True
            ).start()

    def _serve(self, link: socket.socket) -> None:
        with link:
            try:
                wanted = self._asked(link)
            except (OSError, ValueError) as error:
                complain("somebody asked for a capture of %s", self.path, error)
            else:
                self._watch(link, wanted)
            finally:
                with self._guard:
                    self._links.discard(link)

    def _asked(self, link: socket.socket) -> Wanted:
        credentials = link.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size)
        uid = CREDENTIALS.unpack(credentials)[1]
        if uid not in (0, os.geteuid()):
            raise PermissionError(f"user {uid} may not see what user {os.geteuid()} says")
        return Wanted.receive(link)

    def _watch(self, link: socket.socket, wanted: Wanted) -> None:
        if wanted.address and not self._wanted_of(wanted):
            return
        output = ReaderOutput(link, self.path)
        recorder = wanted.recorder(output)
        try:
            with self._guard:  # a place is among these, or finds the recorder in `add`
                if self._closing.is_set():
                    return
                self._watched[recorder] = wanted
                places = self._wanted_of(wanted)
            for place in places:
                self._listen(recorder, place)
            output.begin()
            link.recv(1)  # whoever reads sends nothing more: it is gone
        except OSError:  # reset
            pass
        finally:
            with self._guard:
                self._watched.pop(recorder, None)
            recorder.leave_all()
            output.begun()
            recorder.close()

    def _wanted_of(self, wanted: Wanted) -> list[Tappable]:
        with self._guard:
            return [each for each in self._places if wanted.matches(each.address)]

    def _listen(self, recorder: Recorder, place: Tappable) -> None:
        tap = recorder.tap_for(place)
        place.add_tap(tap)
        with self._guard:
            watched = recorder in self._watched
        if not watched:  # whoever read it left meanwhile
            place.drop_tap(tap)


def hang_up(link: socket.socket, how: int = socket.SHUT_RDWR) -> None:
    """Let the other end of a connection know that nothing follows."""
    try:
        link.shutdown(how)
    except OSError:  # it has gone, or is closed
        pass


_ALL: "weakref.WeakSet[Live]" = weakref.WeakSet()


def _after_fork() -> None:
    for live in list(_ALL):
        live.forked()


os.register_at_fork(after_in_child=_after_fork)


def attach(wanted: Wanted, pid: int | None = None) -> list[socket.socket]:
    """Connect to the running programs that show what is wanted; returns a connection to each.

    Args:
        wanted: of their traffic.
        pid: of one program; None: all of this user's.

    Raises:
        AddressError: others can get at the folder of the sockets.
        CaptureError: no program shows it; the text says how to make one.
    """
    folder = folder_path()
    check_private(folder, may_own(True))
    name = f"{PREFIX}{'*' if pid is None else pid}"
    links: list[socket.socket] = []
    asked = 0
    for path in sorted(glob(os.path.join(escape(folder), name))):
        link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            link.settimeout(ASK_S)
            link.connect(path)
            link.sendall(wanted.line())
            asked += 1
            if link.recv(1, socket.MSG_PEEK):  # else it has nothing of that
                link.settimeout(None)
                links.append(link)
                continue
        except ConnectionRefusedError:  # its program was killed
            _forget(path)
        except FileNotFoundError:  # it ended just now
            pass
        except OSError as error:  # it does not answer, or will not
            complain("a program that can be recorded does not answer at %s", path, error)
        link.close()
    if not links:
        what = wanted.address or "anything"
        said = f"{asked} that can be watched have no connection to it" if asked else "none can"
        raise CaptureError(
            f"no running program shows {what} ({said}): start it with MBOXIO_RECORD=live, "
            f"or as: mboxio record -o FILE -- COMMAND"
        )
    return links


def _forget(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:  # another one who looked was faster
        pass
