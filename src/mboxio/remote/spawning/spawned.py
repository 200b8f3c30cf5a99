"""`RemoteProcess`: firmware that runs in a process of its own, and can be killed."""

import os
import signal
import warnings
from dataclasses import asdict
from typing import NoReturn, Self

from mboxio.errors import RemoteGone, no_copy
from mboxio.remote.faults import Faults
from mboxio.remote.spawning.started import Started

__all__ = ["RemoteProcess"]

ANSWER_S = 10.0
STOP_S = 5.0
CRASHES = frozenset({signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGSEGV})
"""Signals by which no process ends that was only told to."""


class RemoteProcess(Started):
    """Firmware in a process of its own; `Remote.spawn` makes it. A context manager.

    It ends with this process, however that ends. All methods may be called by any thread.

    Args, errors: see `Remote.spawn`.
    """

    # -- what it is

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
    def died(self) -> bool:
        """Whether it ended on its own, and the program has not waited for that with `wait`."""
        status = None if self._process is None else self._process.status
        if status is None or self._waited:
            return False
        return not self._ending_wanted or -status in CRASHES

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
            # A frozen process has to go on to be able to end.
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
