"""Firmware is started in a process of its own, and waited for until it serves."""

import os
import secrets
import socket
from collections.abc import Mapping
from dataclasses import asdict
from threading import RLock

from mboxio.address.address import Address
from mboxio.client.open import connect
from mboxio.client.patience import Patience, is_not_yet
from mboxio.errors import MailboxError, RemoteGone
from mboxio.local.sockets import listen, socket_path, unlisten
from mboxio.remote.faults import Faults
from mboxio.remote.spawning.control import Control
from mboxio.remote.spawning.keeper import Process
from mboxio.remote.spawning.launcher import Loading, command_of
from mboxio.remote.spawning.output import ProcessOutput
from mboxio.remote.spawning.program import Firmware, program_of

__all__ = ["Started"]

END_S = 1.0
"""How long a process may take from closing its sockets to its end."""
TAIL_LINES = 20
NAME_MAX = 40


class Started:
    """A process that serves an address, or an error with the end of its log.

    Args, errors: see `Remote.spawn`.
    """

    def __init__(
        self,
        firmware: Firmware,
        *,
        address: str | None = None,
        wait_s: float = 30.0,
        faults: Faults | None = None,
        env: Mapping[str, str] | None = None,
        log: "str | os.PathLike[str] | None" = None,
    ) -> None:
        if Loading.now:
            raise RuntimeError(
                "a module that starts firmware while it is imported would do so in that firmware's "
                'process again: write if __name__ == "__main__": before it'
            )
        self._process: Process | None = None
        self._control: Control | None = None
        self._lock = RLock()
        self._ending_wanted = self._waited = False
        self.program = program_of(firmware)
        if faults is not None and self.program.command:
            raise ValueError(f"{self.program.text}: faults are those of a remote in Python")
        Patience(wait_s)  # raises
        self._address = address or f"shm:{_unused(self.program.file or 'firmware')}"
        self._parsed = Address.parse(self._address)
        self._wait_s = wait_s
        self._faults = faults
        self._environment = None if env is None else {**os.environ, **env}
        self._output = ProcessOutput(log)
        try:
            self._start()
        except BaseException:
            self._output.close()
            raise

    def kill(self) -> None:
        """End it; see `RemoteProcess.kill`."""
        raise NotImplementedError

    def _start(self) -> None:
        self._ending_wanted = self._waited = False
        try:
            if self.program.command:
                self._start_command()
            else:
                self._start_python()
        except BaseException as error:
            self.kill()
            if isinstance(error, (MailboxError, ValueError)):
                self._add_log(error)
            raise

    def _start_python(self) -> None:
        ours, theirs = socket.socketpair()
        self._control = Control(ours)
        with theirs:
            command = command_of(
                "mboxio.remote.programs.child", str(os.getpid()), str(theirs.fileno())
            )
            passed = (theirs.fileno(),)
            self._process = Process(command, self._output.fileno(), self._environment, None, passed)
        faults = None if self._faults is None else asdict(self._faults)
        try:
            answer = self._control.ask(
                self._wait_s, address=self._address, faults=faults, **self.program.python
            )
        except TimeoutError:
            raise self._late() from None
        if answer is None:
            raise self._gone(f"{self.program.text} ended before it served {self.address}")
        self._address = answer["serving"]

    def _start_command(self) -> None:
        """Start a program, and connect to it as often as it takes: it says nothing itself."""
        self._require_unserved()  # it would be another one that we connect to
        arguments = self.program.arguments(self._parsed.name, self._address)
        command = command_of("mboxio.remote.spawning.launcher", str(os.getpid()), *arguments)
        self._process = Process(command, self._output.fileno(), self._environment)
        patience = Patience(self._wait_s, what=self._address)
        while True:
            try:
                connect(self._address).close()
                return
            except (MailboxError, OSError) as error:
                if not is_not_yet(error):
                    raise
                pause_ns = patience.pause_ns(error)
            if self._process.wait(pause_ns / 1e9):
                raise self._gone(f"{self.program.text} ended before it served {self.address}")
            if not pause_ns:
                raise self._late()

    def _late(self) -> RemoteGone:
        """Return the error for firmware that does not come up."""
        return RemoteGone(
            f"{self.program.text} does not serve {self.address} after {self._wait_s:g} s"
        )

    def _gone(self, told: str) -> RemoteGone:
        """Return the error for firmware that went away, with how that happened."""
        if self._process is not None:
            self._process.wait(END_S)
        return RemoteGone(f"{told}: {self.ended or 'its process still runs'}")

    def _add_log(self, error: Exception) -> None:
        lines = self.log_tail()
        told = "\n".join(["its log ends with:", *(f"  {each}" for each in lines)])
        error.add_note(told if lines else "its log is empty")

    def _tidy(self) -> None:
        """Close the line to it; remove the files that a killed remote leaves. Under the lock."""
        if self._control is not None:
            self._control.close()
            self._control = None
        try:
            self._require_unserved()
        except (MailboxError, OSError):
            pass  # another remote serves it by now

    def _require_unserved(self) -> None:
        """Raise AddressError if the address is served; remove files that were left there."""
        name, scheme = self._parsed.name, "shm"
        if self._parsed.controller == "acpm":
            scheme, _, name = self._parsed.options.get("at", "").partition(":")
        if scheme not in ("shm", "peer") or self._parsed.controller not in ("shm", "acpm"):
            return
        path = socket_path(name, scheme)
        if os.path.lexists(path):
            unlisten(path, *listen(name, scheme))

    @property
    def address(self) -> str:
        """What hosts connect to."""
        return self._address

    def log_tail(self, lines: int = TAIL_LINES) -> list[str]:
        """Return the last lines of the log, with control characters escaped."""
        return self._output.tail(lines)

    @property
    def ended(self) -> str | None:
        """How its process ended, such as ``process 4711 ended by SIGSEGV``; None: it runs."""
        return None if self._process is None else self._process.ended


def _unused(what: str) -> str:
    """Return a name that no other remote has."""
    stem = os.path.splitext(os.path.basename(what))[0]
    plain = "".join(each if each.isascii() and each.isalnum() else "-" for each in stem)
    return f"{plain[:NAME_MAX] or 'firmware'}-{os.getpid()}-{secrets.token_hex(3)}"
