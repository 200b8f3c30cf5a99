"""Where the instructions of a request go: ``python -m benchmarks.profile`` prints a table.

It counts with valgrind, with 32 in flight and a remote in C. The host runs twice with different
numbers of bursts, so that only what each request costs is left. Seconds are no part of it: an
instruction that waits for another CPU counts as any other. Under valgrind the host is so slow that
every reply is there when it looks, so nothing is spent on waiting.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import mboxio
from benchmarks.peers.mboxio_shm import address, far
from benchmarks.processes import build_c
from benchmarks.setting import ROOT, Setting

IN_FLIGHT = 32
BURSTS = (100, 400)
PARTS = {
    "interpreter: loop and calls": r"_PyEval|Vectorcall|_Py_CheckFunctionResult|list|rangeiter",
    "verbs: their arguments": r"pw_6mboxio.*(submit|request|result)$",
    "accept or refuse": r"Endpoint|Waited|Sender",
    "place in the queue, tag, TX done": r"Queue|Held|Line|Window|Correlator",
    "driver and ring": r"RingController|Lane|ring_8compiled|ring_4ring|controller_",
    "whose reply it is, and its end": r"Channel|Ends|Order|Counts|Request__?(apply|fin|res|set)",
    "lock and clock": r"Gate|Mutex|Monotonic|clock_gettime|thread_ident|ThreadState",
    "look": r"Pump|Turns|Spinner|Sleepers",
    "objects": r"tp_new|tp_dealloc|GC_|Malloc|Free|Bytes|Alloc|Object_Init|NewRef|mem(cpy|set)",
}


def host(bursts: int) -> None:
    """Send bursts, and nothing else."""
    cpus = sorted(os.sched_getaffinity(0))
    setting = Setting("mboxio_shm", "spin", "c", in_flight=IN_FLIGHT, cpus=(cpus[-1], cpus[-2]))
    os.sched_setaffinity(0, {setting.cpus[0]})
    message = bytes(setting.size_bytes)
    with tempfile.TemporaryDirectory(prefix="mboxio-bench-") as where:
        os.environ["MBOXIO_RUNTIME_DIR"] = os.path.join(where, "run")
        with far(setting, where), mboxio.open(address(setting)) as client:
            verbs = [client.submit] * IN_FLIGHT
            for _ in range(bursts):
                for request in [submit(message) for submit in verbs]:
                    request.result()


def counted(valgrind: str, bursts: int) -> Counter[str]:
    """Return the instructions of each function."""
    with tempfile.NamedTemporaryFile(prefix="mboxio-bench-") as file:
        tool = (valgrind, "--tool=callgrind", f"--callgrind-out-file={file.name}")
        program = (sys.executable, "-m", "benchmarks.profile", str(bursts))
        environment = {**os.environ, "PYTHONHASHSEED": "0"}
        subprocess.run(
            [*tool, *program], cwd=ROOT, env=environment, check=True, stderr=subprocess.DEVNULL
        )
        return functions(Path(file.name).read_text())


def functions(text: str) -> Counter[str]:
    """Read callgrind's format: a cost is the function's; the one after a call is the call's."""
    names: dict[str, str] = {}
    found: Counter[str] = Counter()
    function, called = "", False
    for line in text.splitlines():
        if match := re.match(r"c?fn=\((\d+)\)(?: (.*))?", line):
            name = names.setdefault(match[1], match[2] or "")
            function = name if line.startswith("fn") else function
        elif line.startswith("calls="):
            called = True
        elif re.match(r"[-+*0-9]", line):
            if not called:
                found[function] += int(line.split()[-1])
            called = False
    return found


def parts(valgrind: str) -> dict[str, float]:
    """Return the instructions of a request by what they are for."""
    few, many = (counted(valgrind, bursts) for bursts in BURSTS)
    requests = IN_FLIGHT * (BURSTS[1] - BURSTS[0])
    found: Counter[str] = Counter()
    for function, instructions in many.items():
        of = [part for part, names in PARTS.items() if re.search(names, function)]
        found[of[0] if of else "the rest"] += instructions - few[function]
    return {part: found[part] / requests for part in (*PARTS, "the rest")}


def main() -> None:
    """Print the parts as JSON."""
    valgrind = shutil.which("valgrind")
    if valgrind is None:
        raise SystemExit("valgrind is missing: apt-get install valgrind")
    build_c()
    print(json.dumps(parts(valgrind), indent=1))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        host(int(sys.argv[1]))
    else:
        main()
