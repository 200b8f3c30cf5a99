"""What a message costs a remote in Python: ``python -m benchmarks.profile_remote`` prints a table.

As `benchmarks.profile`, but valgrind runs the remote. The host keeps its ring filled, so the remote
never waits and its batches are full: a run with few messages and one with many differ by what each
message costs.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections import Counter, deque
from pathlib import Path

import mboxio
from benchmarks.callgrind import by_object, by_part, valgrind
from benchmarks.setting import ROOT
from mboxio.remote import Remote
from mboxio.remote.serving import server

IN_FLIGHT, DEPTH = 200, 256
MESSAGES = (2_000, 52_000)
SPIN_S = 0.5e-3
"""While it starts and ends, the remote does not look for longer than this."""
CHUNK_NS = 100_000_000
"""How long it looks at the rings before it asks the sockets: under valgrind, the 50 µs of everyday
are a single batch and not several hundred messages."""
SHORT_S = 60.0
HANDLERS = {"bytes": bytes, "a function": lambda message: message}
OBJECTS = {
    "interpreter": r"libpython|bin/python",
    "channel": r"remote/served_channel",
    "connection": r"remote/shm_end",
    "looks": r"serving/rounds",
    "rings": r"mboxio/ring/",
    "lock and clock": r"_base/native|vdso|\[vdso\]",
    "C library": r"libc[.-]|libpthread|ld-linux",
}


def serve(handler: str) -> None:
    """Answer until told to stop."""
    server.CHUNK_NS = CHUNK_NS
    remote = Remote("profile", spin_s=SPIN_S)
    remote.channel("echo", depth=DEPTH)
    remote.handler("echo")(HANDLERS[handler])
    remote.handler("stop")(lambda message: remote.stop())
    with remote:
        print("ready", flush=True)
        thread = remote._thread
        assert thread is not None
        thread.join()


def send(messages: int) -> None:
    """Have so many messages answered, then stop the remote."""
    message = bytes(32)
    with mboxio.connect(f"shm:profile?timeout_s={SHORT_S:.0f}") as connection:
        submit = connection.client("echo").submit
        waiting = deque(submit(message) for _ in range(IN_FLIGHT))
        for _ in range(messages - IN_FLIGHT):
            waiting.popleft().result()
            waiting.append(submit(message))
        while waiting:
            waiting.popleft().result()
        connection.client("stop").send(b"")


def counted(program: str, handler: str, messages: int) -> Counter[str]:
    """Return the instructions of a remote in each shared object."""
    with tempfile.TemporaryDirectory(prefix="mboxio-bench-") as where:
        os.environ["MBOXIO_RUNTIME_DIR"] = os.path.join(where, "run")
        file = Path(where, "callgrind.out")
        tool = (program, "--tool=callgrind", "--log-file=/dev/null")
        command = (sys.executable, "-m", "benchmarks.profile_remote", handler)
        with subprocess.Popen(
            [*tool, f"--callgrind-out-file={file}", *command],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": "0"},
            stdout=subprocess.PIPE,
        ) as process:
            try:
                assert process.stdout is not None
                if process.stdout.readline() != b"ready\n":
                    raise RuntimeError("the remote did not start under valgrind")
                send(messages)
                if process.wait(SHORT_S) != 0:
                    raise RuntimeError(f"the remote ended with {process.returncode}")
            finally:
                process.kill()
        return by_object(file.read_text())


def parts(tool: str, handler: str) -> dict[str, float]:
    """Return the instructions of a message by where they are."""
    few, many = (counted(tool, handler, messages) for messages in MESSAGES)
    many.subtract(few)
    each = by_part(many, OBJECTS, MESSAGES[1] - MESSAGES[0])
    return {**each, "all of it": sum(each.values())}


def main() -> None:
    """Print the parts as JSON."""
    tool = valgrind()
    print(json.dumps({handler: parts(tool, handler) for handler in HANDLERS}, indent=1))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        serve(sys.argv[1])
    else:
        main()
