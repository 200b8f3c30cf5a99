"""Running out of file descriptors: it works or is told as that, and nothing leaks."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator

import pytest

import mboxio
from mboxio.remote import Remote
from mboxio.remote.acpm import AcpmRemote

pytestmark = pytest.mark.once  # sockets are never compiled

PATIENCE_S = 120.0
FREE_MAX = 12

COMMON = """
import asyncio, errno, gc, json, os, resource, sys
import mboxio
from mboxio import MailboxError, RemoteGone, connect, open_async

hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]

def opened():
    listed = sorted(int(each) for each in os.listdir("/proc/self/fd"))
    return [each for each in listed if is_open(each)]

def is_open(descriptor):
    try:
        return bool(os.fstat(descriptor))
    except OSError:
        return False  # it listed the others

def leave(free):
    "Let this process have so many more descriptors than now."
    taken, limit = set(opened()), 0
    while free or limit in taken:
        free -= limit not in taken
        limit += 1
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))

def plenty():
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))

def out_of_descriptors(error):
    text = str(error)
    assert "out of file descriptors: the process has as many open as it may, " in text, repr(error)
    assert "(ulimit -n)" in text and "\\n" not in text and "waited" not in text, text
    return "none left"

def attempt(what):
    "Try with 0 to 12 free descriptors; what does not work says why, and takes nothing with it."
    outcomes = []
    for free in range(int(sys.argv[1]) + 1):
        plenty()
        before = opened()
        leave(free)
        try:
            what()
            outcomes.append("works")
        except MailboxError as error:
            assert error.errno in (errno.EMFILE, RemoteGone.default_errno), error.errno
            outcomes.append(out_of_descriptors(error))
        finally:
            plenty()
        gc.collect()  # a mapping goes with the traceback in which it is mentioned
        assert opened() == before, (free, before, opened())
    what()
    print(json.dumps(outcomes))
"""

HOSTS = {
    "blocking": """
def what():
    with mboxio.open("shm:t/echo", wait_s=1e6) as client:
        assert client.request(b"x") == b"x"
        client.submit(b"y").add_done_callback(lambda request: None)
""",
    "subscribed": """
def what():
    with mboxio.connect("shm:t") as connection:
        client = connection.client("echo")
        client.on_request(bytes)
        assert client.request(b"x") == b"x"
""",
    "asyncio": """
loop = asyncio.new_event_loop()

async def use():
    async with mboxio.connect("shm:t") as connection:
        client = connection.async_client("echo")
        try:
            assert await client.request(b"x") == b"x"
        finally:
            client.close()

def what():
    loop.run_until_complete(use())
""",
    "acpm": """
def what():
    with mboxio.open("acpm:/0?at=peer:a") as client:
        client.request(bytes(32))
""",
    "file": """
with open(os.environ["MBOXIO_RUNTIME_DIR"] + "/registers", "wb") as file:
    file.write(bytes(0x10000))

def what():
    with mboxio.connect("exynos_mbox:?at=file:" + file.name):
        pass
""",
    "remote": """
from mboxio.remote import Remote

def what():
    remote = Remote("u")
    remote.handler("echo")(bytes)
    with remote:
        pass
""",
    "firmware": """
from mboxio.remote.acpm import AcpmRemote

def what():
    for address in ("peer:b", "file:" + os.environ["MBOXIO_RUNTIME_DIR"] + "/sram"):
        remote = AcpmRemote(address)
        remote.channel()
        with remote:
            pass
""",
    "both": """
from mboxio.remote import Remote

def what():
    remote = Remote("u")
    remote.handler("echo")(bytes)
    with remote, mboxio.open("shm:u/echo") as client:
        assert client.request(b"x") == b"x"
""",
}


@pytest.fixture
def served(sockets: str) -> Iterator[None]:
    remote = Remote("t")
    remote.handler("echo")(bytes)
    firmware = AcpmRemote("peer:a")
    firmware.channel(slot_bytes=32)
    with remote, firmware:
        yield


def run(program: str, free_max: int = FREE_MAX) -> list[str]:
    ended = subprocess.run(
        [sys.executable, "-c", COMMON + program, str(free_max)],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert ended.returncode == 0, ended.stderr
    outcomes: list[str] = json.loads(ended.stdout)
    return outcomes


@pytest.mark.parametrize(
    ("host", "warm"),
    [*((host, True) for host in HOSTS), *((host, False) for host in HOSTS if host != "asyncio")],
)
def test_it_works_or_says_that_there_are_no_descriptors(
    served: None, host: str, warm: bool
) -> None:
    outcomes = run(f"{HOSTS[host]}{'what()' if warm else ''}\nattempt(what)", 20)
    assert outcomes[0] == "none left"
    assert outcomes[-1] == "works"
    if warm:
        enough = outcomes.index("works")
        assert set(outcomes[enough:]) == {"works"}


REMOTE = """
from mboxio.remote import Remote

plenty()
remote = Remote("u")
remote.handler("echo")(bytes)
remote.start()
print("ready", flush=True)
for line in sys.stdin:
    plenty()
    if line.strip() != "all":
        leave(int(line))
    print(json.dumps(len(opened()) if line.strip() == "all" else 0), flush=True)
remote.stop()
"""


def test_a_remote_without_descriptors_tells_its_hosts(sockets: str) -> None:
    assert os.path.isabs(sockets)
    with subprocess.Popen(
        [sys.executable, "-c", COMMON + REMOTE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None

        def tell(line: str) -> int:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(f"{line}\n")
            process.stdin.flush()
            return int(process.stdout.readline())

        assert process.stdout.readline() == "ready\n"
        outcomes: list[str] = []
        for free in range(FREE_MAX):
            tell(str(free))
            said = "works"
            try:
                with mboxio.open("shm:u/echo", timeout_s=PATIENCE_S) as client:
                    assert client.request(b"x") == b"x"
            except mboxio.RemoteGone as error:
                said = str(error)
            outcomes.append(said)
        told = r"shm:u: the remote refuses: .*: out of file descriptors: the process has as many .*"
        assert all(said == "works" or re.fullmatch(told, said) for said in outcomes)
        assert outcomes[0] != "works"
        assert outcomes[-1] == "works"
        tell("all")
        with mboxio.open("shm:u/echo", timeout_s=PATIENCE_S) as client:
            assert client.request(b"x") == b"x"
        process.stdin.close()
        assert process.wait(PATIENCE_S) == 0


REGIONS = """
import socket
from mboxio.regions import open_region
from mboxio.regions.probes.serial import SerialPort
from mboxio.devicetree import DeviceTree

folder = os.environ["MBOXIO_RUNTIME_DIR"]
with open(folder + "/file", "wb") as file:
    file.write(bytes(4096))
ways = {
    "file": lambda: open_region("file:" + file.name),
    "qtest": lambda: open_region("qtest:" + folder + "/none@0+4"),
    "gdb": lambda: open_region("gdb:localhost:1@0+4"),
    "openocd": lambda: open_region("openocd:localhost:1@0+4"),
    "peer": lambda: open_region("peer:none"),
    "serial": lambda: SerialPort("/dev/tty", 1.0),
    "vcio": lambda: mboxio.connect("vcio:?device=/dev/null"),
    "tree": lambda: DeviceTree.open(file.name),
    "folder": lambda: DeviceTree.open(folder),
    "other tree": lambda: mboxio.connect("dt:/x?dtb=" + file.name),
}
for name, way in ways.items():
    try:
        way().close()
    except Exception as error:
        assert "descriptors" not in str(error), error
leave(0)
for name, way in ways.items():
    try:
        way()
    except MailboxError as error:
        assert error.errno == errno.EMFILE, (name, error)
        out_of_descriptors(error)
    else:
        raise AssertionError(name)
plenty()
print("[]")
"""


def test_every_way_to_a_region_says_that_there_are_no_descriptors(sockets: str) -> None:
    os.mkdir(sockets, 0o700)
    assert run(REGIONS) == []
