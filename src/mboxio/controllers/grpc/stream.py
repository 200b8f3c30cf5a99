"""One stream to a gateway: a thread that reads, gRPC's own that writes, and the news between."""

import threading
from collections import deque
from collections.abc import Iterator
from queue import SimpleQueue
from typing import Any, NamedTuple

from mboxio.controllers.grpc.bell import Bell
from mboxio.controllers.grpc.dialling import Dialling
from mboxio.far.batch import batch
from mboxio.far.engine import ATTACH, EXPORT, SERVICE

__all__ = ["Ending", "Stream"]

FULL_BYTES = 4 << 20
"""With so much news that nobody has looked at, the gateway has to wait, and count what it drops."""
JOIN_S = 2.0
AGREE_S = 0.5
"""How long the gateway may take to end its side; one that counts a user as lost logs that."""


class Ending(NamedTuple):
    """How a stream ended.

    Args:
        code: the name of gRPC's status, such as ``UNAVAILABLE``.
        why: in words.
    """

    code: str
    why: str


class Stream:
    """A stream from its first dial to its end; a lost one is not mended, another takes its place.

    It knows nothing of the driver, which may be forgotten while the threads still run.

    Args:
        dialling: how the gateway is reached.
        export: what is asked for there.
        bell: rings when there is news.
    """

    def __init__(self, dialling: Dialling, export: str, bell: Bell) -> None:
        self.dialling = dialling
        self.export = export
        self.bell = bell
        self.out: deque[bytes] = deque()
        self.wake: SimpleQueue[None] = SimpleQueue()  # for whoever writes
        self.is_idle = False  # who writes
        self.ended = False  # nothing more is put
        self.news: deque[bytes] = deque()
        self.read = self.taken = 0  # bytes; each is written by one side
        self.room: SimpleQueue[None] = SimpleQueue()
        self.ending: Ending | None = None
        self.call: Any = None
        self.given_up = False
        self.thread = threading.Thread(target=self._read, name="mboxio grpc", daemon=True)
        self.threads = [self.thread]  # and those of gRPC that work for this stream

    def take(self) -> bytes:
        """Return the oldest news; there is some. The thread reads on where it waits for that."""
        message = self.news.popleft()
        before = self.taken
        self.taken += len(message)
        if self.read - before > FULL_BYTES:  # after that: the thread looks at both in between
            self.room.put(None)
        return message

    def put(self, frame: bytes) -> None:
        """Send a frame; it never waits. One thread at a time."""
        self.out.append(frame)
        if self.is_idle:
            self.is_idle = False
            self.wake.put(None)

    def start(self) -> None:
        """Dial, on a thread."""
        self.thread.start()

    def hang_up(self) -> None:
        """End the stream. It does not wait for that."""
        self.given_up = True
        self.stop_writing()
        self.room.put(None)
        call = self.call
        if call is not None:
            call.cancel()

    def end(self) -> None:
        """End the stream, by agreement if the gateway has said anything and agrees soon."""
        if self.read and self.ending is None and threading.current_thread() not in self.threads:
            self.stop_writing()
            self.thread.join(AGREE_S)
        self.hang_up()
        self.join()

    def stop_writing(self) -> None:
        """End this side of the stream when what waits is written."""
        self.ended = True
        self.wake.put(None)

    def join(self) -> None:
        """Wait until its threads have ended."""
        if self.thread.ident is None or threading.current_thread() in self.threads:
            return
        for each in self.threads:  # the first one ends after the others have begun
            each.join(JOIN_S)

    # -- the threads

    def _read(self) -> None:
        ending = Ending("UNKNOWN", "the thread that reads ended")
        channel = None
        try:
            channel = self.dialling.dial()
            path = f"/{SERVICE}/{ATTACH}"
            call = channel.stream_stream(path)(self._written(), metadata=((EXPORT, self.export),))
            self.call = call
            call.add_callback(self._note_thread)
            if self.given_up:
                call.cancel()
            ending = self._follow(call)
        except Exception as error:  # of gRPC, or of what it was given
            ending = Ending("UNKNOWN", f"{type(error).__name__}: {error}")
        finally:
            self.stop_writing()
            self.ending = ending
            self.bell.ring()
            if channel is not None:
                channel.close()

    def _follow(self, call: Any) -> Ending:
        """Read until the end."""
        news, ring = self.news, self.bell.ring
        try:
            for message in call:
                news.append(message)
                self.read += len(message)
                ring()
                while self.read - self.taken > FULL_BYTES and not self.given_up:
                    self.room.get()
        except self.dialling.grpc.RpcError as error:
            code: Any = getattr(error, "code", lambda: None)()
            details: Any = getattr(error, "details", lambda: None)()
            return Ending(getattr(code, "name", "UNKNOWN"), str(details or error))
        return Ending("OK", "the gateway ended the stream")

    def _note_thread(self) -> None:
        """Remember a thread of gRPC; called on it."""
        self.threads.append(threading.current_thread())

    def _written(self) -> Iterator[bytes]:
        """Yield what is sent, as much as waits each time; gRPC asks when the last is written."""
        out = self.out
        self._note_thread()
        while True:
            self.is_idle = True
            if not out and not self.ended:  # in this order: who puts looks whether it is idle
                self.wake.get()
            self.is_idle = False
            if out:
                yield batch(out)
            elif self.ended:
                return
