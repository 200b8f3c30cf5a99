"""What serves until a signal comes hears it at whatever moment it comes."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.once  # the command is never compiled

PROGRAM = """
import signal
import threading
from mboxio.cli.shared.serving import until_interrupted

reread = threading.Event()

class Server:
    def start(self):
        threading.Thread(target=self.work, daemon=True).start()

    def work(self):
        # To this thread, so that the other is not disturbed: to it, that is like a signal that
        # comes when it has looked for one and does not wait yet.
        while not reread.wait(0.05):
            if signal.getsignal(signal.SIGHUP) is not signal.SIG_DFL:
                signal.pthread_kill(threading.get_ident(), signal.SIGHUP)
        signal.pthread_kill(threading.get_ident(), signal.SIGTERM)

    def stop(self):
        print("stopped")

until_interrupted(Server(), lambda: "serving", reread.set)
"""


def test_a_signal_that_does_not_disturb_the_wait_is_heard() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=20, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "serving\nstopped\n", "")
