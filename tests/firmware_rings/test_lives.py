"""Firmware that is killed, hangs and lies, and hosts that die: in processes, over mapped memory."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import mboxio
from mboxio.errors import MailboxError, RemoteGone, RequestTimeout
from tests.firmware_rings.process import FirmwareProcess
from tests.tools import fork

TIMES = int(os.environ.get("MBOXIO_LIVES", "15"))
"""How often somebody dies; `make recovery` asks for more."""
HOST = Path(__file__).with_name("host.py")
PATIENCE_S = 20.0


@pytest.fixture(params=[False, True], ids=["polls", "sleeps"])
def firmware(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[FirmwareProcess]:
    with FirmwareProcess(tmp_path, bell=request.param) as process:
        yield process


def first_reply(client: mboxio.Client, text: bytes) -> bytes:
    """Ask until there is an answer, and return it."""
    until_s = time.monotonic() + PATIENCE_S
    while True:
        try:
            return client.request(text, timeout_s=1.0)
        except MailboxError:
            assert time.monotonic() < until_s


def test_traffic(firmware: FirmwareProcess) -> None:
    with mboxio.connect(firmware.address) as connection:
        one, two = connection.client("echo0", backlog=64), connection.client("echo1", backlog=64)
        texts = [b"%d" % number for number in range(400)]
        assert list(one.map(texts, window=8)) == texts
        assert [two.request(text) for text in texts[:50]] == texts[:50]
        with pytest.raises(MailboxError, match="error 22: no"):
            one.request(b"!")
        with one.subscribe() as news:
            assert one.request(b"N") == b"N"
            assert news.get(timeout_s=PATIENCE_S) == b"news"
        one.on_request(lambda message: b"me")
        assert one.request(b"Q") == b"Q"
        assert connection.stats()["echo0"].remote_requests == 1


def test_firmware_dies_in_traffic(firmware: FirmwareProcess) -> None:
    with mboxio.connect(firmware.address) as connection:
        client = connection.client("echo0", backlog=64)
        for life in range(TIMES):
            texts = [b"W%d-%d" % (life, number) for number in range(16)]
            asked = [(text, client.submit(text)) for text in texts]
            firmware.reset()
            for text, request in asked:
                try:
                    assert request.result() == text
                except (RemoteGone, RequestTimeout):
                    pass
            assert first_reply(client, b"life %d" % life) == b"life %d" % life
        assert connection.stats()["echo0"].unknown == 0


def test_host_dies_in_traffic(firmware: FirmwareProcess) -> None:
    for life in range(max(3, TIMES // 3)):
        command = [sys.executable, str(HOST), firmware.address]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as host:
            assert host.stdout is not None
            assert host.stdout.readline() == b"asking\n"
            host.kill()
        with mboxio.connect(firmware.address) as connection:
            client = connection.client("echo0", backlog=16)
            texts = [b"new host %d %d" % (life, number) for number in range(32)]
            assert list(client.map(texts, window=8)) == texts
            assert connection.stats()["echo0"].unknown == 0


def test_change_of_host_while_firmware_waits(firmware: FirmwareProcess) -> None:
    for life in range(4 * TIMES):
        with mboxio.connect(firmware.address) as connection:
            client = connection.client("echo0", backlog=16)
            texts = [b"W host %d %d" % (life, number) for number in range(8)]
            asked = [client.submit(text) for text in texts]
            assert asked[0].result() == texts[0]  # the others stay behind


def test_firmware_hangs(firmware: FirmwareProcess) -> None:
    with mboxio.connect(f"{firmware.address}&beat_s=0.1") as connection:
        client = connection.client("echo0")
        with pytest.raises(RemoteGone, match=r"its heart has stood still for 0\.1 s: it hangs"):
            client.request(b"H", timeout_s=PATIENCE_S)
        firmware.reset()
        assert first_reply(client, b"back") == b"back"


def test_firmware_lies(firmware: FirmwareProcess) -> None:
    with mboxio.connect(firmware.address) as connection:
        client = connection.client("echo0")
        with pytest.raises(MailboxError, match=r"the remote lied|gone"):
            client.request(b"L")
        firmware.reset()
        connection.remote_restarted()
        assert first_reply(client, b"back") == b"back"


def test_nobody_there(firmware: FirmwareProcess) -> None:
    firmware.kill()
    with pytest.raises(RemoteGone):
        mboxio.connect(f"{firmware.address}&answer_s=0.05")


def test_one_host_at_a_time(firmware: FirmwareProcess) -> None:
    with mboxio.connect(firmware.address) as connection:
        client = connection.client("echo0")
        with pytest.raises(MailboxError, match="another connection of this process"):
            mboxio.connect(firmware.address)
        assert client.request(b"not disturbed") == b"not disturbed"


def test_search_finds_it_where_it_is(tmp_path: Path) -> None:
    ram = tmp_path / "ram.bin"
    ram.write_bytes(b"MBX1" + bytes(16380))  # code that has the magic as a literal
    with FirmwareProcess(tmp_path, bell=False) as firmware:
        memory = ram.read_bytes()
        assert memory[:4] == b"MBX1"
        with mboxio.connect(firmware.address + "&search=yes") as connection:
            assert connection.client("echo1").request(b"found") == b"found"


def test_a_fork_leaves_the_parents_connection_alone(firmware: FirmwareProcess) -> None:
    with mboxio.connect(firmware.address) as connection:
        client = connection.client("echo0")
        assert client.request(b"before") == b"before"
        child = fork()
        if child == 0:
            try:
                client.request(b"in the child")
            except mboxio.ForkedError:
                os._exit(7)
            os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
        assert client.request(b"after") == b"after"
