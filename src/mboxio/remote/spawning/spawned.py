"""`RemoteProcess`: firmware that runs in a process of its own, and can be killed."""

import os
import secrets
import signal
import socket
import warnings
from collections.abc import Mapping
from dataclasses import asdict
from threading import RLock
from typing import NoReturn, Self

from mboxio.address.address import Address
from mboxio.client.open import connect
from mboxio.client.patience import Patience, is_not_yet
from mboxio.errors import MailboxError, RemoteGone, no_copy
from mboxio.local.sockets import listen, socket_path, unlisten
from mboxio.remote.faults import Faults
from mboxio.remote.spawning.control import Control
from mboxio.remote.spawning.keeper import Process
from mboxio.remote.spawning.launcher import Loading, command_of
from mboxio.remote.spawning.output import Output
from mboxio.remote.spawning.program import Firmware, program_of

__all__ = ["RemoteProcess"]

ANSWER_S = 10.0
STOP_S = 5.0
END_S = 1.0
"""How long a process may take from closing its sockets to its end."""
TAIL_LINES = 20
CRASHES = frozenset({signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGSEGV})
"""Signals by which no process ends that was only told to."""
NAME_MAX = 40


class RemoteProcess:
    """Firmware in a process of its own; `Remote.spawn` makes it. A context manager.

    It ends with this process, however that ends. All methods may be called by any thread.

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
        self._output = Output(log)
        try:
            self._start()
        except BaseException:
            self._output.close()
            raise

    # -- what it is

    @property
    def address(self) -> str:
        """What hosts connect to."""
        return self._address

    @property
    def pid(self) -> int:
        """Its process, also when that has ended."""
        return 0 if self._process is None else self._process.pid

    @property
    def log(self) -> str:
        """What it printed, all its lives together."""
        return self._output.text()

    @property
    def log_path(self) -> str | None:
        """The file that it prints to, where `Remote.spawn` was given one."""
        return self._output.path

    @property
    def running(self) -> bool:
        """Whether its process lives."""
        return self._process is not None and self._process.status is None

    @property
    def ended(self) -> str | None:
        """How its process ended, such as ``process 4711 ended by SIGSEGV``; None: it runs."""
        return None if self._process is None else self._process.ended

    @property
    def died(self) -> bool:
        """Whether it ended on its own, and the program has not waited for that with `wait`."""
        status = None if self._process is None else self._process.status
        if status is None or self._waited:
            return False
        return not self._ending_wanted or -status in CRASHES

    def log_tail(self, lines: int = TAIL_LINES) -> list[str]:
        """Return the last lines of the log, with control characters escaped."""
        return self._output.tail(lines)

    def __repr__(self) -> str:
        state = self.ended or f"process {self.pid}"
        return f"<RemoteProcess {self.address}, {self.program.text}, {state}>"

    # -- living and dying

    def kill(self) -> None:
        """Send SIGKILL and wait until it is gone; idempotent."""
        with self._lock:
            if self._process is not None:
                self._ending_wanted |= self._process.signal(signal.SIGKILL)
                self._process.kill()
            self._tidy()

    def stop(self, grace_s: float = STOP_S) -> None:
        """End it and wait until it is gone; idempotent.

        Args:
            grace_s: how long it may take, in seconds; then it is killed. A program gets SIGTERM.
        """
        with self._lock:
            process = self._process
            self._ending_wanted |= self.running
            if process is not None and self._control is None:
                process.signal(signal.SIGTERM)
            elif self._control is not None:
                self._control.close()  # which ends it, whichever of its threads gets a signal
            if process is not None and process.signal(signal.SIGCONT):
                process.wait(grace_s)
            self.kill()

    def restart(self) -> None:
        """Kill it if it lives and start it again under the same address; raises as `Remote.spawn`.

        The log goes on.
        """
        with self._lock:
            self.kill()
            self._start()

    def wait(self, timeout_s: float | None = None) -> int:
        """Wait until it ends on its own; return its exit status, or minus the signal's number.

        Args:
            timeout_s: how long to wait, in seconds; None waits forever.

        Raises:
            TimeoutError: it has not ended.
        """
        process = self._process
        if process is None or not process.wait(timeout_s):
            raise TimeoutError(f"{self.program.text} still runs after {timeout_s} s")
        self._waited = True
        assert process.status is not None
        return process.status

    def look_for_end(self, timeout_s: float) -> None:
        """Give a process that is about to end the time for it, in seconds; `ended` says whether."""
        if self._process is not None:
            self._process.wait(timeout_s)

    def freeze(self) -> None:
        """Stop it where it is, as firmware that hangs; `thaw` lets it go on."""
        process = self._process
        if process is not None and process.signal(signal.SIGSTOP):
            try:  # a signal that was only sent may take its time
                os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
            except ChildProcessError:
                pass  # it has ended

    def thaw(self) -> None:
        """Let it go on after `freeze`."""
        if self._process is not None:
            self._process.signal(signal.SIGCONT)

    def close(self) -> None:
        """End it; then only its log is left. Idempotent."""
        self.stop()
        self._output.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_process", None) is not None and self.running:
            warnings.warn(f"{self!r} was forgotten: close it", ResourceWarning, 2, source=self)
            self.kill()
            self._output.close()

    def __reduce__(self) -> NoReturn:
        raise no_copy(self)

    # -- misbehaving

    @property
    def faults(self) -> Faults | None:
        """How replies go wrong from now on, see `Faults`; only of a remote in Python."""
        return self._faults

    @faults.setter
    def faults(self, faults: Faults | None) -> None:
        self._tell(faults=None if faults is None else asdict(faults))
        self._faults = faults

    def silence(self, silent: bool = True) -> None:
        """Take nothing and answer nothing, but stay connected; False: go on."""
        self._tell(silence=bool(silent))

    def _tell(self, **told: object) -> None:
        with self._lock:
            if self.program.command:
                raise ValueError(f"{self.program.text}: only a remote in Python does as it is told")
            if self._control is None:
                raise self._gone(f"{self.address} is not served")
            try:
                answer = self._control.ask(ANSWER_S, **told)
            except TimeoutError:
                raise RemoteGone(
                    f"{self.program.text} does not react: is it frozen, or does a handler wait?"
                ) from None
            if answer is None:
                raise self._gone(f"{self.address} is not served any more")

    # -- starting

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


def _unused(what: str) -> str:
    """Return a name that no other remote has."""
    stem = os.path.splitext(os.path.basename(what))[0]
    plain = "".join(each if each.isascii() and each.isalnum() else "-" for each in stem)
    return f"{plain[:NAME_MAX] or 'firmware'}-{os.getpid()}-{secrets.token_hex(3)}"
