"""A child of fork: closing ends there, and it keeps nothing of the parent's open."""

import asyncio
import os
import signal
import threading
from typing import Any

from mboxio import Connection
from tests.race.manual import Manual
from tests.tools import fork

from .support import PATIENCE_S


class SlowStart(Manual):
    """The second channel takes its time to start."""

    def __init__(self) -> None:
        super().__init__(correlators=(None, None))
        self.starting, self.go_on = threading.Event(), threading.Event()

    def start(self, channel: Any) -> None:
        if channel.name == "1":
            self.starting.set()
            self.go_on.wait(PATIENCE_S)


def test_a_fork_while_somebody_starts_a_channel() -> None:
    driver = SlowStart()
    connection = Connection(driver)
    client = connection.client(0)
    thread = threading.Thread(target=lambda: connection.client(1))
    thread.start()
    assert driver.starting.wait(PATIENCE_S)
    pid = fork()
    if pid == 0:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(int(PATIENCE_S))
        try:
            client.close()
            connection.close()
        except BaseException:
            os._exit(2)
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    driver.go_on.set()
    thread.join()
    connection.close()
    assert code == 0, "close() hangs in the child"


def test_a_child_keeps_no_copy_of_a_loops_descriptors() -> None:
    """A copy in the child keeps the socket open: the remote does not see the parent's end."""

    async def run() -> int:
        with Connection(Manual(wired=True)) as connection:
            async with connection.async_client(0):
                (port,) = connection._host.pump.loops
                (copy,) = port.ears.copies  # type: ignore[attr-defined]
                pid = fork()
                if pid == 0:
                    try:
                        os.fstat(copy)
                    except OSError:
                        os._exit(0)
                    os._exit(1)
                return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    assert asyncio.run(run()) == 0
