"""Through the user's own ssh, to a real sshd: the way there, and what is said if there is none."""

import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import mboxio
from mboxio import AccessDenied, AddressError, RemoteGone
from mboxio.controllers.grpc.tunnel import SSH_VARIABLE
from mboxio.controllers.loopback import Loopback
from tests.far.processes import USER, Python
from tests.far.support import House, end_met
from tests.shm.support import until
from tests.tools import tool

pytestmark = pytest.mark.once  # about ssh

SSHD = "/usr/sbin/sshd"


class Sshd:
    """A server of ssh within this machine, for this user, and what a user has for it.

    Args:
        folder: for its files.
        runtime: where it says that mailboxes are; what users have for a while is there as well.
    """

    def __init__(self, folder: Path, runtime: str) -> None:
        self.folder = folder
        self.temporary = Path(runtime, "tmp")  # sockets can be in it: pytest's paths are long
        self.temporary.mkdir()
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        for name in ("host", "user", "bound", "stranger"):
            new = ("-q", "-t", "ed25519", "-N", "", "-f", str(folder / name))
            subprocess.run([tool("ssh-keygen"), *new], check=True)
        user, bound, host = (self.public(name) for name in ("user", "bound", "host"))
        self.write("authorized", f"{user}\nrestrict,pty {bound}\n")
        self.write("known", f"[127.0.0.1]:{self.port} {host}\n")
        self.write("nobody", "")
        self.write(
            "server",
            f"Port {self.port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\n"
            f"AuthorizedKeysFile {folder}/authorized\nPidFile none\nStrictModes no\nUsePAM no\n"
            f"PermitRootLogin yes\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n"
            f"SetEnv MBOXIO_RUNTIME_DIR={runtime}\n",
        )
        if os.geteuid() == 0:
            os.makedirs("/run/sshd", mode=0o755, exist_ok=True)  # it insists on that
        log = open(folder / "log", "wb")  # noqa: SIM115
        self.process = subprocess.Popen([SSHD, "-D", "-e", "-f", f"{folder}/server"], stderr=log)
        log.close()
        until(lambda: b"listening" in (folder / "log").read_bytes(), "sshd listens")

    def write(self, name: str, text: str) -> None:
        """Write a file of the folder."""
        (self.folder / name).write_text(text)

    def public(self, name: str) -> str:
        """Return a public key."""
        return " ".join((self.folder / f"{name}.pub").read_text().split()[:2])

    def client(self, **changes: Any) -> str:
        """Write a configuration of ssh for the host ``lab``; returns the command."""
        settings: dict[str, Any] = {
            "HostName": "127.0.0.1",
            "Port": self.port,
            "IdentityFile": self.folder / "user",
            "IdentitiesOnly": "yes",
            "IdentityAgent": "none",
            "StrictHostKeyChecking": "yes",
            "UserKnownHostsFile": self.folder / "known",
        }
        lines = [f"{name} {value}" for name, value in (settings | changes).items()]
        self.write("client", "\n".join(["Host lab", *lines, ""]))
        return f"{tool('ssh')} -F {self.folder}/client"


@pytest.fixture
def sshd(folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sshd]:
    """A server, and the command of a user who may log in."""
    tool(SSHD)
    started = Sshd(tmp_path, folder)
    monkeypatch.setenv(SSH_VARIABLE, started.client())
    monkeypatch.setenv("TMPDIR", str(started.temporary))
    monkeypatch.setattr("tempfile.tempdir", None)
    yield started
    started.process.terminate()
    started.process.wait()


@pytest.fixture
def socket_there(house: House, folder: str) -> str:
    """A gateway's socket at its usual place, served by this process."""
    house.path = os.path.join(folder, "gateway@grpc.sock")
    house.serve(Loopback())
    return house.path


def left(sshd: Sshd) -> list[str]:
    """Return what the ways through ssh have left behind."""
    return os.listdir(sshd.temporary)


@pytest.mark.parametrize("more", ["", "?socket={socket}"], ids=["asked for", "given"])
def test_a_mailbox_behind_ssh(sshd: Sshd, socket_there: str, more: str) -> None:
    address = "grpc+ssh:lab/board/0" + more.format(socket=socket_there)
    with mboxio.open(address, timeout_s=20) as client:
        assert client.request(b"hello") == b"hello"
    assert not left(sshd)


@pytest.mark.parametrize("name", [90 * "x", "a:b"], ids=["too long", "with a colon"])
def test_a_temporary_folder_where_no_socket_can_be_is_not_used(
    sshd: Sshd, socket_there: str, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    odd = sshd.folder / name
    odd.mkdir()
    monkeypatch.setenv("TMPDIR", str(odd))
    monkeypatch.setattr("tempfile.tempdir", None)
    with mboxio.open("grpc+ssh:lab/board/0", timeout_s=20) as client:
        assert client.request(b"hello") == b"hello"
        assert not os.listdir(odd)


def test_a_connection_of_ssh_that_is_lost_is_made_again(sshd: Sshd, socket_there: str) -> None:
    with mboxio.open("grpc+ssh:lab/board/0", timeout_s=20) as client:
        assert client.request(b"hello") == b"hello"
        driver: Any = client._host.controller
        os.killpg(driver.dialling.process.pid, signal.SIGKILL)
        assert isinstance(end_met(client), RemoteGone)
        assert client.request(b"again", queue_timeout_s=20) == b"again"
    assert not left(sshd)


def test_nothing_is_left_of_a_program_that_is_killed(sshd: Sshd, socket_there: str) -> None:
    echo = USER.replace("[::-1]", "")
    program = Python("-c", echo, "grpc+ssh:lab/board/0")
    program.line()
    assert left(sshd)
    program.kill()
    until(lambda: not left(sshd), "the socket is removed, and ssh has ended")


@pytest.mark.parametrize(
    ("changes", "more", "kind", "told"),
    [
        ({"HostName": "host.invalid"}, "", RemoteGone, "Could not resolve hostname host.invalid"),
        ({"Port": 1}, "", RemoteGone, "ssh says: connect to host 127.0.0.1 port 1: Connection ref"),
        ({"IdentityFile": "{folder}/stranger"}, "", AccessDenied, "Permission denied"),
        ({"UserKnownHostsFile": "{folder}/nobody"}, "", AccessDenied, "Host key verification fail"),
        (
            {"IdentityFile": "{folder}/bound"},
            "",
            RemoteGone,
            "or the login may not reach it",
        ),
        ({}, "?socket=/none.sock", RemoteGone, "no gateway answers at /none.sock there"),
        ({}, "?socket=/" + 107 * "x", AddressError, "has at most 107 bytes"),
        ({"Nonsense": "yes"}, "?socket=/none.sock", RemoteGone, "ssh says: .*bad configuration"),
    ],
)
def test_what_ssh_says_is_said(sshd, socket_there, monkeypatch, changes, more, kind, told):
    """Without a gateway at the end of it there is always somebody who knows why."""
    made = {name: str(each).format(folder=sshd.folder) for name, each in changes.items()}
    monkeypatch.setenv(SSH_VARIABLE, sshd.client(**made))
    with pytest.raises(kind, match=told):
        mboxio.connect("grpc+ssh:lab/board" + more)
    assert not left(sshd)


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("grpc+ssh:lab/board", "there is no mboxio-no-ssh here: install OpenSSH"),
        ("grpc+ssh:-oProxyCommand=id/board", r"write grpc\+ssh:\[USER@\]HOST/NAME/channel"),
    ],
)
def test_what_cannot_be_is_told_before_ssh_is_run(folder, monkeypatch, address, told):
    monkeypatch.setenv(SSH_VARIABLE, "mboxio-no-ssh")
    with pytest.raises(AddressError, match=told):
        mboxio.connect(address)
