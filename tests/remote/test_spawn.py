"""Firmware in processes of its own: how it starts, is killed, and ends with who started it."""

import os
import select
import signal
import socket
import subprocess
import sys
import textwrap
import threading
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

import mboxio
from mboxio.remote import Faults, Remote, RemoteProcess
from mboxio.remote.programs.load import channels, from_function
from mboxio.remote.spawning.control import Control
from mboxio.remote.spawning.program import program_of
from mboxio.remote.spawning.reference import Reference, reference_to
from tests.tools import HEADER_FOLDER, tool

EXAMPLE = Path(__file__).parent.parent.parent / "examples" / "firmware_c"
PATIENCE_S = 60.0

once = pytest.mark.once  # no module that is compiled has a part in it

FIRMWARE = """
import signal

def firmware(remote):
    print("booted")

    @remote.handler("pmic")
    def pmic(message):
        if message == b"crash":
            signal.raise_signal(signal.SIGSEGV)
        return message[::-1]
"""


def turn(message: bytes) -> bytes:
    """A handler that another process has to find."""
    return message[::-1]


def offers_turn(remote: Remote) -> None:
    remote.handler("turn")(turn)


def offers_nothing() -> None:
    """Is no firmware."""


@pytest.fixture
def file(tmp_path: Path, sockets: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Firmware in a Python file."""
    assert sockets
    # Under a sanitizer, a process would end with status 1.
    monkeypatch.setenv("ASAN_OPTIONS", "detect_leaks=0:handle_segv=0")
    path = tmp_path / "firmware.py"
    path.write_text(FIRMWARE)
    return path


def test_a_file(file: Path, sockets: str) -> None:
    with Remote.spawn(file) as firmware, mboxio.connect(firmware.address) as connection:
        client = connection.client("pmic")
        assert client.request(b"abc") == b"cba"
        assert firmware.log == "booted\n"
        assert firmware.running
        assert firmware.address.startswith(f"shm:firmware-{os.getpid()}-")
        first = firmware.pid

        firmware.faults = Faults(missing_probability=1.0)
        with pytest.raises(mboxio.RequestTimeout):
            client.request(b"abc", timeout_s=0.01)
        firmware.faults = None
        assert client.request(b"abc") == b"cba"

        firmware.kill()
        assert firmware.ended == f"process {first} ended by SIGKILL"
        assert os.listdir(sockets) == []
        with pytest.raises(mboxio.RemoteGone, match=f"{firmware.address} is not served"):
            firmware.silence()

        firmware.restart()
        assert firmware.pid != first
        with mboxio.open(f"{firmware.address}/pmic") as another:
            assert another.request(b"abc") == b"cba"
        assert firmware.log == "booted\nbooted\n"
    assert os.listdir(sockets) == []
    assert firmware.log == "booted\nbooted\n"


def test_how_it_died(file: Path) -> None:
    with Remote.spawn(file) as firmware, mboxio.open(f"{firmware.address}/pmic") as client:
        ends = rf"gone: process {firmware.pid} (ended|died|closed the connection)"
        with pytest.raises(mboxio.RemoteGone, match=ends):
            client.request(b"crash", timeout_s=None)
        assert firmware.wait(PATIENCE_S) == -signal.SIGSEGV
        assert str(firmware.ended).startswith(f"process {firmware.pid} ended by SIGSEGV")
        assert not firmware.died  # this test waited for it
        assert "Fatal Python error: Segmentation fault" in firmware.log


@once
def test_frozen_firmware_is_silent_and_can_be_ended(file: Path) -> None:
    with Remote.spawn(file) as firmware, mboxio.open(f"{firmware.address}/pmic") as client:
        firmware.freeze()
        with pytest.raises(mboxio.RequestTimeout):
            client.request(b"abc", timeout_s=0.01)
        firmware.thaw()
        assert client.request(b"abc", timeout_s=PATIENCE_S) == b"cba"
        firmware.freeze()
    assert not firmware.running


@pytest.mark.usefixtures("sockets")
def test_functions_of_a_test() -> None:
    """Their module has a name, in importlib's mode, under which no other process finds it."""
    with (
        Remote.spawn({"turn": turn, "echo": bytes}) as firmware,
        mboxio.connect(firmware.address) as connection,
    ):
        assert connection.client("turn").request(b"abc") == b"cba"
        assert connection.client("echo").request(b"abc") == b"abc"


@once
def test_a_program_in_c(sockets: str, tmp_path: Path) -> None:
    make = (tool("make"), "-C", EXAMPLE, f"OUT={tmp_path}", f"RING={HEADER_FOLDER}")
    subprocess.run([*make, "CC=gcc"], check=True, stdout=subprocess.DEVNULL)
    log = tmp_path / "log"
    with Remote.spawn(tmp_path / "firmware", address="shm:in-c", log=log) as firmware:
        with mboxio.open("shm:in-c/echo") as client:
            assert client.request(b"abc") == b"abc"
        with pytest.raises(ValueError, match="only a remote in Python"):
            firmware.silence()
        firmware.restart()
        with mboxio.open("shm:in-c/echo") as client:
            assert client.request(b"abc") == b"abc"
    assert log.read_text() == "ready\nready\n"
    assert os.listdir(sockets) == []
    with pytest.raises(ValueError, match="faults are those of a remote in Python"):
        Remote.spawn(tmp_path / "firmware", faults=Faults())


@once
@pytest.mark.parametrize(
    ("text", "kind", "told", "log"),
    [
        ("1 / 0", ValueError, "failed: ZeroDivisionError", "ZeroDivisionError: division by zero"),
        (
            "import os\nprint('\\x1b[2Jred', flush=True)\nos.abort()",
            mboxio.RemoteGone,
            r"ended before it served shm:\S+: process \d+ ended by SIGABRT",
            r"\x1b[2Jred",
        ),
    ],
)
def test_firmware_that_does_not_start(
    file: Path, text: str, kind: type[Exception], told: str, log: str
) -> None:
    file.write_text(text)
    with pytest.raises(kind, match=told) as caught:
        Remote.spawn(file)
    assert log in "\n".join(caught.value.__notes__)


@once
@pytest.mark.usefixtures("sockets")
@pytest.mark.parametrize("command", ["python", "program"])
def test_firmware_that_never_serves(file: Path, command: str) -> None:
    file.write_text("import signal\nprint('waiting', flush=True)\nsignal.pause()")
    what = file if command == "python" else ["sleep", "3600"]
    with pytest.raises(mboxio.RemoteGone, match=r"does not serve shm:.* after 0\.3 s"):
        Remote.spawn(what, wait_s=0.3)


@once
@pytest.mark.usefixtures("sockets")
def test_a_program_that_ends_at_once() -> None:
    with pytest.raises(mboxio.RemoteGone, match=r"process \d+ ended with status 1"):
        Remote.spawn(["sh", "-c", "echo no board >&2; exit 1"])


@once
def test_an_address_that_is_served(file: Path) -> None:
    with (
        Remote.spawn(file, address="shm:one") as firmware,
        pytest.raises(mboxio.AddressError, match=rf"shm:one already \(pid {firmware.pid}\)"),
    ):
        Remote.spawn(file, address="shm:one")


def test_a_program_for_an_address_that_is_served(sockets: str) -> None:
    """A connection to it would succeed, and it would be another one's."""
    assert sockets
    remote = Remote("taken")
    remote.handler("pmic")(turn)
    with remote, pytest.raises(mboxio.AddressError, match="shm:taken already"):
        Remote.spawn(["sleep", "3600"], address="shm:taken")


def test_a_late_answer_is_not_taken_for_the_next_one() -> None:
    ours, theirs = socket.socketpair()
    control = Control(ours)
    with theirs:
        with pytest.raises(TimeoutError):
            control.ask(0, number=1)
        theirs.sendall(b'{"error": "late", "kind": "firmware"}\n{"number": 2}\n')
        assert control.ask(PATIENCE_S, number=2) == {"number": 2}
    assert control.ask(PATIENCE_S, number=3) is None
    control.close()


@pytest.mark.parametrize(
    ("what", "kind", "told"),
    [
        (7, TypeError, "7 is not firmware"),
        (b"firmware", TypeError, "is not firmware"),
        ([], TypeError, "is not firmware"),
        ({}, ValueError, "without a channel"),
        ({7: turn}, TypeError, "7 is not the name of a channel"),
        ({"a": 7}, TypeError, "channel 'a': 7 is not a function"),
        ({"a": lambda message: message}, TypeError, "a lambda.* top level of its module"),
        ({"a": b"".join}, TypeError, "has no name|a method of an object"),
        ("no/such.py", FileNotFoundError, "there is no file .*no/such.py"),
        (["no-such-program"], FileNotFoundError, "no program no-such-program"),
        (__file__.replace("test_spawn.py", ""), ValueError, "neither Python .* nor a program"),
    ],
)
def test_what_is_no_firmware(what: Any, kind: type[Exception], told: str) -> None:
    with pytest.raises(kind, match=told):
        program_of(what)


def test_functions_that_no_other_process_finds() -> None:
    def inner(message: bytes) -> bytes:
        return message

    with pytest.raises(TypeError, match="a function inside another one"):
        program_of({"a": inner})


@pytest.mark.parametrize(
    ("what", "told"),
    [
        (f"{__name__}:offers_nothing", "has to take one argument"),
        (f"{__name__}:nothing", "has no function nothing"),
        (f"{__name__}:PATIENCE_S", "which cannot be called"),
        ("no_such_module:firmware", "cannot be imported: ModuleNotFoundError"),
    ],
)
def test_functions_that_are_no_firmware(what: str, told: str) -> None:
    reference = Reference.parse(what)
    assert reference is not None
    with pytest.raises(ValueError, match=told):
        from_function(reference, Remote("unused"))


def test_a_function_that_is_firmware() -> None:
    remote = from_function(reference_to(offers_turn, "it"), Remote("unused"))
    assert list(channels(remote)) == ["turn"]


@once
def test_it_ends_with_its_parent(file: Path, tmp_path: Path) -> None:
    """Also a program that knows nothing of that, and neither holds a pipe that we could watch."""
    parent = tmp_path / "parent.py"
    parent.write_text(
        textwrap.dedent(f"""
        import os, signal, sys
        from mboxio.remote.spawning.keeper import Process
        from mboxio.remote.spawning.launcher import command_of
        from mboxio.remote import Remote

        firmware = Remote.spawn({str(file)!r})
        launcher = "mboxio.remote.spawning.launcher"
        program = command_of(launcher, str(os.getpid()), "/bin/sh", "-c", "echo up; sleep 3600")
        reading, writing = os.pipe()
        other = Process(program, writing)
        assert os.read(reading, 10) == b"up\\n"
        print(firmware.pid, other.pid, flush=True)
        sys.stdin.readline()
        os.kill(os.getpid(), signal.SIGKILL)
        """)
    )
    with subprocess.Popen(
        [sys.executable, str(parent)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        pids = [int(each) for each in process.stdout.readline().split()]
        ends = [os.pidfd_open(pid) for pid in pids]
        process.communicate(b"\n", timeout=PATIENCE_S)
    assert len(ends) == 2
    for end in ends:
        with os.fdopen(end) as descriptor:
            assert select.select([descriptor], [], [], PATIENCE_S)[0], "it lives on"


def test_it_outlives_the_thread_that_started_it(file: Path) -> None:
    made: list[RemoteProcess] = []
    thread = threading.Thread(target=lambda: made.append(Remote.spawn(file)))
    thread.start()
    thread.join()
    with made[0] as firmware, mboxio.open(f"{firmware.address}/pmic") as client:
        assert client.request(b"abc") == b"cba"


@once
def test_other_greenlets_go_on(file: Path) -> None:
    if find_spec("gevent") is None:
        pytest.skip("gevent is not installed")
    program = f"""
from gevent import monkey
monkey.patch_all()
import gevent, mboxio
from mboxio.remote import Remote

turns = []

def turn():
    while True:
        turns.append(1)
        gevent.sleep(0.001)

other = gevent.spawn(turn)
with Remote.spawn({str(file)!r}) as firmware:
    assert turns
    with mboxio.open(firmware.address) as client:
        assert client.request(b"abc") == b"cba"
    turns.clear()
    firmware.restart()
    assert turns
    firmware.kill()
    print(firmware.ended)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, timeout=PATIENCE_S
    )
    assert done.returncode == 0
    assert done.stdout.endswith("ended by SIGKILL\n")


@once
def test_a_forgotten_one_is_ended_and_told_of(file: Path) -> None:
    firmware = Remote.spawn(file)
    end = os.pidfd_open(firmware.pid)
    with os.fdopen(end) as descriptor:
        with pytest.warns(ResourceWarning, match="was forgotten"):
            del firmware
        assert select.select([descriptor], [], [], PATIENCE_S)[0]


@once
def test_spawning_at_import_is_refused(tmp_path: Path, sockets: str) -> None:
    """Each process would start the next one."""
    assert sockets
    script = tmp_path / "script.py"
    script.write_text(
        "from mboxio.remote import Remote\n"
        "def pmic(message):\n    return message\n"
        "with Remote.spawn({'pmic': pmic}):\n    pass\n"
    )
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=PATIENCE_S
    )
    assert done.returncode == 1
    assert 'if __name__ == "__main__":' in done.stderr
