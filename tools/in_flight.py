"""Make the README's picture: the same requests one at a time and all at once, on one scale of time.

``python tools/in_flight.py docs/in-flight.svg``
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import mboxio
from mboxio.remote import Remote

REQUESTS = 32
LATENCY_S = 0.005


def main(picture: str) -> None:
    """Record twice, and draw."""
    remote = Remote("board")
    remote.handler("power", latency_s=LATENCY_S, workers=REQUESTS)(bytes)
    with tempfile.TemporaryDirectory() as folder, remote:
        one, many = Path(folder, "one.pcapng"), Path(folder, "many.pcapng")
        for path, in_flight in ((one, 1), (many, REQUESTS)):
            with mboxio.open("shm:board/power", timeout_s=5, record=path) as client:
                for _ in client.map([bytes(4)] * REQUESTS, window=in_flight):
                    pass
        command = [sys.executable, "-m", "mboxio", "timeline", str(one), str(many), "--compare"]
        titles = ["--title", "1 in flight", "--title", f"{REQUESTS} in flight"]
        subprocess.run([*command, *titles, "-o", picture], check=True)


if __name__ == "__main__":
    main(sys.argv[1])
