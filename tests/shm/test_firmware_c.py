"""The example of firmware in C behind a host in Python."""

import asyncio
import os
import resource
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

import mboxio
from mboxio import RemoteError, RemoteGone
from mboxio.local.doorbells import refuse_descriptors
from mboxio.local.sockets import DOORBELL, connect, listen, ring_doorbell
from mboxio.ring import REPLY, REQUEST
from mboxio.ring.layout import HOST_ARMED, REMOTE_ARMED
from tests.remote.minihost import MiniHost, receive_memory
from tests.shm.slow import SlowDescriptor
from tests.shm.support import Program, numbered, until
from tests.tools import HEADER_FOLDER, tool

EXAMPLE = Path(__file__).parent.parent.parent / "examples" / "firmware_c"
PATIENCE_S = 20.0
LINES_MAX = 200
CPU = 12
"""Where a side says its CPU, in bytes from its armed word."""
TELLS = """
#define _GNU_SOURCE
#include <unistd.h>
int given_way(void);
int given_way(void) { return write(1, "gives way\\n", 10) != 10; }
"""

Start = Callable[..., "FirmwareInC"]


class FirmwareInC(Program):
    """A process of the example, see there for the arguments."""

    def __init__(self, program: Path, *arguments: object) -> None:
        self.process = subprocess.Popen(
            [program, *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.received = b""
        self.ended: tuple[int, str] | None = None

    def voluntary_switches(self) -> int:
        """Return how often it has gone to sleep."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(status.partition("\nvoluntary_ctxt_switches:")[2].split()[0])


def build(out: Path, compiler: str, flags: str = "-O2") -> Path:
    """Build the example as its page says."""
    command = [
        *(tool("make"), "-C", EXAMPLE, f"OUT={out}", f"RING={HEADER_FOLDER}"),
        *(f"CC={compiler}", f"CFLAGS={flags}"),
    ]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)  # type: ignore[arg-type]
    return out / "firmware"


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("firmware_c"), "gcc")


@pytest.fixture(scope="module")
def program_on_old_kernels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the example as it is where the kernel passes all descriptors."""
    return build(tmp_path_factory.mktemp("firmware_old"), "gcc", "-O2 -DSO_PASSRIGHTS=-1")


@pytest.fixture(scope="module")
def program_that_tells(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the example that tells of each time that it gives way."""
    out = tmp_path_factory.mktemp("firmware_tells")
    (out / "tells.h").write_text(TELLS)
    return build(out, "gcc", f"-O2 -include {out}/tells.h -Dsched_yield=given_way")


@pytest.fixture(scope="module")
def program_on_musl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the example with another C library, whose structures have other fields and gaps."""
    machine = subprocess.run(
        ["gcc", "-print-multiarch"], check=True, capture_output=True, text=True
    )
    # musl's compiler sees its own headers only; those of Linux come after them.
    kernel = f"-idirafter /usr/include -idirafter /usr/include/{machine.stdout.strip()}"
    compiler = f"{tool('musl-gcc')} {kernel}"
    return build(tmp_path_factory.mktemp("firmware_on_musl"), compiler)


@pytest.fixture
def serve(program: Path, programs: list[Program]) -> Start:
    """Start the firmware; hosts can connect when this returns."""

    def start(*arguments: object, program: Path = program) -> FirmwareInC:
        started = FirmwareInC(program, *arguments)
        programs.append(started)
        assert started.line() == "ready"
        return started

    return start


def test_it_is_short() -> None:
    for part in EXAMPLE.glob("*.[ch]"):
        assert len(part.read_text().splitlines()) < LINES_MAX


@pytest.mark.parametrize("mode", ["sleep", "spin"])
def test_many_in_flight(serve: Start, mode: str) -> None:
    serve("t", mode)
    with mboxio.open("shm:t", timeout_s=PATIENCE_S) as client:
        assert client._channel.name == "echo"
        assert client.request(b"") == b""
        assert client.request(bytes(range(256))) == bytes(range(256))
        for _ in range(20):
            messages = [numbered(number) for number in range(client._queue.depth)]
            requests = [client.submit(message) for message in messages]
            assert [request.result() for request in requests] == messages
        client.send(b"no reply to this one")
        client.flush(PATIENCE_S)


@pytest.mark.parametrize("looks", ["sleep", "1000"])
def test_on_the_hosts_cpu_it_gives_way_once(
    serve: Start, program_that_tells: Path, looks: str
) -> None:
    """Before a sleep, and only where the host says that it runs there."""
    firmware = serve("t", looks, program=program_that_tells)
    cpu = max(os.sched_getaffinity(0))
    os.sched_setaffinity(firmware.pid, {cpu})
    with MiniHost("t") as host:

        def ask(host_cpu: int) -> None:
            host.region.write(HOST_ARMED + CPU, host_cpu, 4)
            for _ in range(3):  # no host that sleeps, which would say its own CPU
                host.send(b"x", channel="echo", kind=REQUEST)
                until(lambda: host.pop("echo"), "it answers")
                until(lambda: host.region.read(REMOTE_ARMED, 4), "it sleeps")

        ask(0)  # as an old host
        assert host.region.read(REMOTE_ARMED + CPU, 4) == cpu + 1
        ask(cpu + 2)
        ask(0xFFFFFFFF)
        ask(cpu + 1)
        assert [firmware.line() for _ in range(3)] == ["gives way"] * 3
        ask(0)
    firmware.process.kill()
    assert firmware.process.stdout is not None
    assert firmware.received + firmware.process.stdout.read() == b""


@pytest.mark.parametrize("mode", ["sleep", "spin"])
def test_on_musl(serve: Start, program_on_musl: Path, mode: str) -> None:
    serve("t", mode, 2, program=program_on_musl)
    with mboxio.connect("shm:t") as connection:
        client = connection.client("echo1", timeout_s=PATIENCE_S)
        messages = [numbered(number) for number in range(client._queue.depth)]
        requests = [client.submit(message) for message in messages]
        assert [request.result() for request in requests] == messages
        with pytest.raises(RemoteError, match="it was asked to fail"):
            client.request(b"fail")


@pytest.mark.parametrize("mode", ["sleep", "spin"])
def test_errors_go_to_their_request(serve: Start, mode: str) -> None:
    serve("t", mode)
    with mboxio.open("shm:t", timeout_s=PATIENCE_S) as client:
        good, bad = client.submit(b"good"), client.submit(b"fail, please")
        with pytest.raises(RemoteError, match="it was asked to fail") as raised:
            bad.result()
        assert raised.value.status == 22
        assert good.result() == b"good"


def test_many_channels_and_long_messages(serve: Start) -> None:
    serve("t", "sleep", 64, 100, 4096)
    with mboxio.connect("shm:t") as connection:
        assert [*connection._host.channels] == [
            "echo",
            *(f"echo{number}" for number in range(1, 64)),
        ]
        clients = [
            connection.client(name, timeout_s=PATIENCE_S) for name in connection._host.channels
        ]
        assert {client._queue.depth for client in clients} == {100}
        messages = [numbered(number, 4096) for number in range(64)]
        requests = [
            client.submit(message) for client, message in zip(clients, messages, strict=True)
        ]
        assert [request.result() for request in requests] == messages


def test_it_sleeps_and_is_woken(serve: Start) -> None:
    firmware = serve("t", "sleep")
    with mboxio.open("shm:t?spin_s=0", timeout_s=PATIENCE_S) as client:
        for number in range(50):
            slept = firmware.voluntary_switches()
            assert client.request(numbered(number)) == numbered(number)
            until(lambda: firmware.voluntary_switches() > slept, "it sleeps again")  # noqa: B023


def test_a_full_ring_to_the_host_stops_nothing(serve: Start) -> None:
    """A host that takes no replies keeps its requests waiting, asleep; then all are answered."""
    firmware = serve("t", "sleep", 1, 4)
    with MiniHost("t") as host:
        for tag in range(8):
            until(lambda: host.channels["echo"][0].free(), "the first four were taken")
            slept = firmware.voluntary_switches()
            host.send(b"x", channel="echo", kind=REQUEST, tag=tag)
        until(lambda: firmware.voluntary_switches() > slept, "the firmware sleeps")
        replies = host.receive(4, "echo")
        while len(replies) < 8:
            ring_doorbell(host.socket)  # there is room again
            replies += host.receive(1, "echo")
        assert replies == [(REPLY, tag, b"x") for tag in range(8)]


def test_with_asyncio(serve: Start) -> None:
    serve("t")

    async def ask() -> list[bytes]:
        async with mboxio.open_async("shm:t", timeout_s=PATIENCE_S) as client:
            return await asyncio.gather(*(client.request(numbered(n)) for n in range(32)))

    assert asyncio.run(ask()) == [numbered(number) for number in range(32)]


@pytest.mark.parametrize("mode", ["sleep", "spin"])
def test_killed_and_started_again(serve: Start, mode: str) -> None:
    firmware = serve("t", mode)
    with mboxio.open("shm:t", timeout_s=None) as client:
        assert client.request(b"first life") == b"first life"
        firmware.freeze()
        request = client.submit(b"too late")
        firmware.kill()
        with pytest.raises(RemoteGone) as raised:
            request.result()
        assert raised.value.handed_over == "yes"
        serve("t", mode)
        assert client.request(b"second life", queue_timeout_s=PATIENCE_S) == b"second life"


@pytest.mark.parametrize("mode", ["sleep", "spin"])
def test_one_host_after_the_other(serve: Start, mode: str) -> None:
    serve("t", mode)
    for _ in range(3):
        with mboxio.open("shm:t?connect_timeout_s=20", timeout_s=PATIENCE_S) as client:
            assert client.request(b"x") == b"x"


def test_a_name_has_one_remote(serve: Start, program: Path) -> None:
    serve("t")
    second = subprocess.run([program, "t"], capture_output=True, text=True)
    assert second.returncode == 1
    assert "is in use" in second.stderr
    with pytest.raises(mboxio.AddressError, match="somebody serves shm:t already"):
        listen("t")


def test_a_folder_of_others_is_refused(program: Path, sockets: str) -> None:
    Path(sockets).mkdir(mode=0o755)
    refused = subprocess.run([program, "t"], capture_output=True, text=True)
    assert refused.returncode == 1
    assert "not private" in refused.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("t", "sleep", 0),
        ("t", "sleep", 1, 65536),
        ("t", "sleep", 1, 1, 8),
        ("t", "sleep", 64, 65535, 65536),
    ],
)
def test_impossible_arguments(program: Path, arguments: tuple[object, ...]) -> None:
    refused = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True)
    assert refused.returncode == 2
    assert refused.stderr.startswith("usage:")


def test_a_host_that_lies_is_left(serve: Start) -> None:
    serve("t")
    with MiniHost("t") as host:
        assert host.request(b"x", channel="echo") == (REPLY, 1, b"x")
        host.region.write(host.layout.channels[0].to_remote.front, 0xFFFF, 4)
        ring_doorbell(host.socket)
        host.wait_gone()
    with mboxio.open("shm:t?connect_timeout_s=20", timeout_s=PATIENCE_S) as client:
        assert client.request(b"x") == b"x"


@pytest.mark.parametrize("mode", ["sleep", "spin"])
def test_a_slow_descriptor_stops_nothing(
    serve: Start, program_on_old_kernels: Path, mode: str
) -> None:
    firmware = serve("t", mode, program=program_on_old_kernels)
    with SlowDescriptor() as slow:
        with MiniHost("t") as bad:
            firmware.freeze()  # else it may let go before we have
            slow.send(bad.socket, DOORBELL)
            firmware.thaw()
            bad.wait_gone()
        with mboxio.open("shm:t?connect_timeout_s=20", timeout_s=PATIENCE_S) as client:
            assert client.request(b"x") == b"x"


def test_descriptors_are_refused_where_the_kernel_can(serve: Start) -> None:
    serve("t")
    with SlowDescriptor() as slow, MiniHost("t") as host:
        if refuse_descriptors(host.socket):
            with pytest.raises(PermissionError):
                slow.send(host.socket, DOORBELL)
        assert host.request(b"x", channel="echo") == (REPLY, 1, b"x")


def test_without_descriptors_hosts_wait(serve: Start) -> None:
    """What is too much for the process ends nothing."""
    firmware = serve("t", "sleep")
    descriptors = Path(f"/proc/{firmware.pid}/fd")
    before = len(list(descriptors.iterdir()))
    limits = resource.prlimit(firmware.pid, resource.RLIMIT_NOFILE)
    for _ in range(5):
        with MiniHost("t") as host:
            assert host.request(b"x", channel="echo") == (REPLY, 1, b"x")
            resource.prlimit(firmware.pid, resource.RLIMIT_NOFILE, (0, limits[1]))
        until(lambda: len(list(descriptors.iterdir())) == before, "the firmware lets it go")
        with connect("t") as waiting:
            resource.prlimit(firmware.pid, resource.RLIMIT_NOFILE, limits)
            assert receive_memory(waiting).size_bytes
    assert firmware.process.poll() is None


def test_a_link_in_place_of_the_folder_is_refused(program: Path, sockets: str) -> None:
    """Nothing in the folder that it leads to is touched."""
    private = Path(f"{sockets}-private")
    private.mkdir(mode=0o700)
    (private / "t.lock").write_text("precious")
    (private / "t.sock").write_text("precious")
    Path(sockets).symlink_to(private)
    refused = subprocess.run([program, "t"], capture_output=True, text=True)
    assert refused.returncode == 1
    assert "not private" in refused.stderr
    assert [each.read_text() for each in sorted(private.iterdir())] == ["precious"] * 2


@pytest.mark.parametrize("name", ["t.lock", "t.sock"])
def test_a_file_in_the_way_stays(program: Path, sockets: str, name: str) -> None:
    Path(sockets).mkdir(mode=0o700)
    precious = Path(f"{sockets}-precious")
    precious.write_text("precious")
    if name == "t.lock":
        Path(sockets, name).symlink_to(precious)
    else:
        precious.rename(precious := Path(sockets, name))
    refused = subprocess.run([program, "t"], capture_output=True, text=True)
    assert refused.returncode == 1
    assert precious.read_text() == "precious"


@pytest.mark.parametrize("name", ["../t", "", "a/b", "x" * 65, "a b"])
def test_names_are_plain(program: Path, sockets: str, name: str) -> None:
    refused = subprocess.run([program, name], capture_output=True, text=True)
    assert refused.returncode == 2
    assert not Path(sockets).exists()
