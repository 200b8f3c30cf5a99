"""A command that is recorded, with all the processes that it starts."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
from collections.abc import Sequence
from types import FrameType
from typing import Any

from mboxio._base.tap import RECORD_VARIABLE
from mboxio.local.temporary import temporary_parent
from mboxio.recording.live import CREDENTIALS
from mboxio.recording.program import TO
from mboxio.recording.relay import Relay
from mboxio.recording.wanted import Wanted

__all__ = ["RecordedCommand"]

LEFT_S = 2.0
"""How long its processes may take to write what they have left, when the command has ended."""
WAITING_MAX = 64


class RecordedCommand:
    """Runs a command whose processes bring what they do to a socket of ours.

    Ctrl-C reaches the command as well as us, and we go on until it has ended.

    Args:
        command: the program and its arguments.
        relay: gets the streams.
        wanted: what is recorded.
        quiet: the command's output goes to stderr, since ours is on stdout.

    Raises:
        OSError: it cannot be started.
    """

    def __init__(
        self, command: Sequence[str], relay: Relay, wanted: Wanted, quiet: bool = False
    ) -> None:
        self.relay = relay
        self._wanted = wanted
        # This user's alone.
        self._folder = tempfile.mkdtemp(prefix="mboxio-record-", dir=temporary_parent())
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        path = os.path.join(self._folder, "to")
        try:
            self._listener.bind(path)
            self._listener.listen(WAITING_MAX)
            environment = {**os.environ, RECORD_VARIABLE: f"{TO}{path}"}
            where = 2 if quiet else None
            self.process = subprocess.Popen(list(command), env=environment, stdout=where)
        except BaseException:
            self.close()
            raise
        self._thread = threading.Thread(target=self._accept, name="mboxio record", daemon=True)
        self._thread.start()

    def wait(self) -> int:
        """Wait until the command has ended; returns its exit code as a shell does.

        SIGTERM and SIGHUP are passed on to it. On the main thread.
        """

        def pass_on(number: int, frame: FrameType | None) -> None:
            self.process.send_signal(number)

        handlers: dict[int, Any] = {signal.SIGTERM: pass_on, signal.SIGHUP: pass_on}
        handlers[signal.SIGINT] = signal.SIG_IGN
        before = {number: signal.signal(number, each) for number, each in handlers.items()}
        try:
            code = self.process.wait()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
        return 128 - code if code < 0 else code

    def finish(self) -> bool:
        """Take what its processes still have to say; False: some of them run on."""
        self._stop_listening()
        return self.relay.join(LEFT_S)

    def close(self) -> None:
        """Let go of the socket; twice is fine."""
        self._stop_listening()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _stop_listening(self) -> None:
        try:
            self._listener.shutdown(socket.SHUT_RDWR)
        except OSError:  # it is closed, or was never bound
            pass
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                link, _ = self._listener.accept()
            except OSError:  # closed
                return
            with link:
                given = link.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size)
                uid = CREDENTIALS.unpack(given)[1]
                if uid not in (0, os.geteuid()):
                    self.relay.warnings.append(f"a process of user {uid} was turned away")
                    continue
                try:
                    link.sendall(self._wanted.line())
                except OSError:  # it has ended already
                    continue
                self.relay.add(link.makefile("rb"))
