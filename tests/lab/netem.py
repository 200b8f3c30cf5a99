"""A gateway behind a bad line: ``python -m tests.lab.netem``; ``make netem`` runs it.

Every request ends, none with the reply of another, and time-outs come when they were asked for.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter, deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mboxio
from tests.lab.wire import FAR, TUN, Wire, has_netem

PORT = 7629
DELAY_S, LOSS = 0.02, 0.01
TIMEOUT_S = 0.25
USER = "alice"
INSIDE = ["unshare", "--user", "--map-root-user", "--net"]
IMPOSSIBLE = "not possible here"


def certify(folder: Path) -> None:
    """Make an authority, and certificates of the gateway and of a user."""

    def openssl(*words: str) -> None:
        subprocess.run(["openssl", *words], check=True, cwd=folder, capture_output=True)

    new = ("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    openssl(*new, "-x509", "-days", "2", "-subj", "/CN=lab", "-keyout", "ca.key", "-out", "ca.pem")
    for name, common in (("gateway", FAR), ("user", USER)):
        openssl(*new, "-subj", f"/CN={common}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
        (folder / "names").write_text(f"subjectAltName=IP:{FAR}\n")
        authority = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial")
        files = ("-in", f"{name}.csr", "-out", f"{name}.pem", "-extfile", "names")
        openssl("x509", "-req", "-days", "2", *authority, *files)


def gateway(folder: Path) -> None:
    """Be the far side: a remote and its gateway."""
    from mboxio.gateway.allow import AllowList
    from mboxio.gateway.export import Export
    from mboxio.gateway.places import TlsPlace
    from mboxio.gateway.server import Gateway
    from mboxio.remote import Remote

    os.environ["MBOXIO_RUNTIME_DIR"] = str(folder)
    remote = Remote("board")
    remote.channel("echo", depth=64)
    remote.channel("mute", depth=64)
    remote.handler("echo")(lambda message: message[::-1])
    remote.handler("mute", latency_s=3600.0)(bytes)
    files = [str(folder / name) for name in ("gateway.pem", "gateway.key", "ca.pem")]
    place = TlsPlace(f"{FAR}:{PORT}", *files)
    with remote:
        exports = [Export("board", mboxio.connect("shm:board"))]
        with Gateway(exports, AllowList.everything_for(USER), [place]):
            print("ready", flush=True)
            signal.pause()


def traffic(client: mboxio.Client, in_flight: int, count: int) -> dict[str, Any]:
    """Ask so often, so many at once; returns how the requests ended, and how late."""
    ends: Counter[str] = Counter()
    late: list[float] = []
    waiting: deque[tuple[float, bytes, Any]] = deque()
    begin_s = time.monotonic()

    def finish() -> None:
        asked_s, message, request = waiting.popleft()
        error = request.exception()
        took_s = time.monotonic() - asked_s
        if error is not None:
            ends[type(error).__name__] += 1
            late.append(took_s - TIMEOUT_S)
        else:
            ends["own reply" if request.result() == message[::-1] else "WRONG REPLY"] += 1

    for number in range(count):
        if len(waiting) == in_flight:
            finish()
        message = number.to_bytes(8, "little")
        waiting.append((time.monotonic(), message, client.submit(message)))
    while waiting:
        finish()
    return {
        "in flight": in_flight,
        "requests": count,
        "ends": dict(ends),
        "seconds": round(time.monotonic() - begin_s, 1),
        "latest time-out after its deadline, ms": round(max(late, default=0.0) * 1e3),
    }


def goes_silent(
    what: str, silence: Callable[[bool], None], mute: mboxio.Client, echo: mboxio.Client
) -> bool:
    """What is in flight ends when the gateway counts as lost; later, the same client goes on."""
    asked = [mute.submit(b"in flight", timeout_s=60.0) for _ in range(8)]
    longest_s, meanwhile = 0.0, []
    begin_s = time.monotonic()
    silence(True)
    while not asked[-1].wait(0.05):  # nobody waits for it but those who want its reply
        before_s = time.monotonic()
        meanwhile.append(echo.submit(b"meanwhile", timeout_s=0.1, queue_timeout_s=0.1))
        longest_s = max(longest_s, time.monotonic() - before_s)
    gone_s = time.monotonic() - begin_s
    ends = Counter(type(request.exception()).__name__ for request in asked)
    others = Counter(type(request.exception()).__name__ for request in meanwhile)
    silence(False)
    begin_s = time.monotonic()
    reply = echo.request(b"again", queue_timeout_s=60.0)
    back_s = time.monotonic() - begin_s
    print(f"{what}: {dict(ends)} after {gone_s:.1f} s; later, it answers after {back_s:.1f} s;")
    print(f"  meanwhile: {dict(others)}, and a submit took {longest_s * 1e3:.1f} ms at most")
    quick = others.keys() <= {"RequestTimeout", "RemoteGone"}
    return ends == {"RemoteGone": 8} and reply == b"niaga" and bool(meanwhile) and quick


def near(folder: Path, scale: float) -> bool:
    """Be the near side; returns whether all is as it should be."""
    certify(folder)
    far = [sys.executable, "-m", "tests.lab.netem", "gateway", str(folder)]
    options = f"ca={folder}/ca.pem&cert={folder}/user.pem&key={folder}/user.key"
    good = True
    with Wire(far, DELAY_S, LOSS) as wire:
        print(f"{DELAY_S * 1e3:g} ms and {LOSS:.0%} loss in each direction by {wire.how}")
        with mboxio.connect(f"grpc:{FAR}:{PORT}/board?{options}") as connection:
            echo = connection.client("echo", timeout_s=20.0)
            mute = connection.client("mute", timeout_s=TIMEOUT_S)
            for client, in_flight, count, end in (
                (echo, 1, 100, "own reply"),
                (echo, 32, 4000, "own reply"),
                (mute, 1, 10, "RequestTimeout"),
                (mute, 32, 64, "RequestTimeout"),
            ):
                count = max(in_flight, int(count * scale))
                found = traffic(client, in_flight, count)
                good &= found["ends"] == {end: count}
                print(client.name, *(f"{name}: {value};" for name, value in found.items()))
            good &= goes_silent("line cut", wire.cut, mute, echo)
            good &= goes_silent("gateway frozen", wire.freeze, mute, echo)
            print(connection.stats())
    return good


def main(words: list[str]) -> int:
    """Begin in a namespace of our own, or say why that cannot be."""
    if words[:1] == ["gateway"]:
        gateway(Path(words[1]))
        return 0
    if words[:1] != ["inside"]:
        tried = subprocess.run([*INSIDE, "ip", "link"], capture_output=True, text=True)
        if tried.returncode:
            print(f"{IMPOSSIBLE}: {' '.join(INSIDE)}: {tried.stderr.strip()}")
            return 1
        return subprocess.call([*INSIDE, sys.executable, "-m", "tests.lab.netem", "inside", *words])
    if not has_netem() and not os.access(TUN, os.R_OK | os.W_OK):
        print(f"{IMPOSSIBLE}: this kernel has no netem, and {TUN} cannot be opened")
        return 1
    with tempfile.TemporaryDirectory(prefix="mboxio-netem-") as folder:
        return 0 if near(Path(folder), float(words[1]) if words[1:] else 1.0) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
