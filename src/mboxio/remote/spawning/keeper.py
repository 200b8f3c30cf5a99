"""A process that ends no later than this one, and what is known of its end.

The kernel kills such a process with the *thread* that started it, so a thread of its own starts it,
waits for its end and notes that.
"""

import os
import select
import signal
import subprocess
from collections.abc import Mapping, Sequence
from threading import Event, Lock, Thread

__all__ = ["Process"]


class Process:
    """A process, started.

    It is the first of a process group: Ctrl-C in a terminal does not reach it, and its own
    children end with it.

    Args:
        command: which program, by its path, and its arguments.
        log: descriptor that all its output goes to.
        environment: of the process; None: that of this one.
        folder: where it runs; None: where this one does.
        descriptors: which it gets, under the same numbers.

    Raises:
        OSError: it cannot be started.
    """

    def __init__(
        self,
        command: Sequence[str],
        log: int,
        environment: Mapping[str, str] | None = None,
        folder: str | None = None,
        descriptors: Sequence[int] = (),
    ) -> None:
        self.pid = 0
        self.status: int | None = None
        self.dumped = False
        self._owner = os.getpid()
        self._lock = Lock()
        self._unwanted = False
        self._errors: list[BaseException] = []
        self._started, self._over = Event(), Event()
        arguments = (command, log, environment, folder, descriptors)
        self._thread = Thread(
            target=self._keep, args=arguments, name=f"mboxio keeper of {command[0]}", daemon=True
        )
        self._thread.start()
        try:
            self._started.wait()
        except BaseException:
            self.kill()
            raise
        for error in self._errors:
            self._thread.join()
            raise error

    @property
    def ended(self) -> str | None:
        """How it ended, in words; None: it has not."""
        if self.status is None:
            return None
        if self.status >= 0:
            return f"process {self.pid} ended with status {self.status}"
        dumped = " (core dumped)" if self.dumped else ""
        return f"process {self.pid} ended by {_name(-self.status)}{dumped}"

    def signal(self, number: int) -> bool:
        """Send a signal to it and its children; False: it has ended, or is not ours."""
        with self._lock:
            self._unwanted = self._unwanted or number == signal.SIGKILL
            if not self.pid or self.status is not None or os.getpid() != self._owner:
                return False
            os.killpg(self.pid, number)
            return True

    def kill(self) -> None:
        """Kill it and wait for its end; idempotent."""
        self.signal(signal.SIGKILL)
        self.wait()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait for its end; False: it has not ended within that time."""
        if os.getpid() != self._owner:
            return True  # of a fork: it is the parent's
        if not self._over.wait(timeout_s):
            return False
        self._thread.join()
        return True

    def _keep(
        self,
        command: Sequence[str],
        log: int,
        environment: Mapping[str, str] | None,
        folder: str | None,
        descriptors: Sequence[int],
    ) -> None:
        try:
            started = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
                cwd=folder,
                pass_fds=descriptors,
                process_group=0,
            )
        except BaseException as error:
            self._errors.append(error)
            self._started.set()
            self._over.set()
            return
        with self._lock:
            self.pid = started.pid
            if self._unwanted:  # the thread that wanted it was interrupted
                os.killpg(self.pid, signal.SIGKILL)
        self._started.set()
        _sleep_until_over(self.pid)
        with self._lock:
            try:
                # It stays in the process table until no thread can send it a signal any more.
                end = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
                self.dumped = end is not None and end.si_code == os.CLD_DUMPED
                os.killpg(self.pid, signal.SIGKILL)  # its children
            except (ChildProcessError, ProcessLookupError):
                pass  # gevent, or a program that ignores SIGCHLD, has taken it from the table
            self.status = started.wait()
        self._over.set()


def _sleep_until_over(pid: int) -> None:
    """Wait for the end of a process; after gevent's patch_all() the other greenlets go on."""
    try:
        descriptor = os.pidfd_open(pid)
    except (AttributeError, OSError):  # of this Python, or because it is gone or none is left
        try:
            os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        except ChildProcessError:
            pass
        return
    try:
        poller = select.poll()
        poller.register(descriptor, select.POLLIN)
        poller.poll()
    finally:
        os.close(descriptor)


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
