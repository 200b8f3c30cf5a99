"""``gateway``: what it refuses to begin with, who may come, and what it says of them."""

import json
import os
import pwd
import signal
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest

import mboxio
from mboxio import AccessDenied, AddressError
from tests.cli.conftest import PATIENCE_S, Invoke, Run, Start, one_line
from tests.far.processes import myself
from tests.shm.support import until

pytest.importorskip("grpc")
pytestmark = [
    pytest.mark.once,  # the command is never compiled
    pytest.mark.usefixtures("engine_kept"),
]

WRONG = 2
ALL = '"*/*" = ["observe", "notifications", "request"]\n'
ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes somebody else")


@pytest.fixture
def folder(sockets: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A private folder, which is this directory, with allow-lists."""
    os.makedirs(sockets, mode=0o700)
    monkeypatch.chdir(sockets)
    for user in ("alice", "anybody", "nobody", myself()):
        Path(f"{user}.toml").write_text(f"[{user}]\n{ALL}")
    Path("wrong.toml").write_text('[alice]\n"*/*" = ["everything"]\n')
    Path("loose.toml").write_text("level = 1\n")
    Path("text.pem").write_text("not PEM")
    return Path(sockets)


@pytest.fixture
def serve(start: Start) -> Any:
    """Start a gateway for this user, and wait until it serves; returns it and what it says."""

    def begin(*args: str, user: str = "") -> tuple["subprocess.Popen[bytes]", str]:
        process = start("gateway", *args, "--user", user or myself())
        assert process.stdout is not None
        line = process.stdout.readline().decode()
        assert line, process.stderr and process.stderr.read()
        return process, line

    return begin


def said_by(process: "subprocess.Popen[bytes]", count: int) -> list[str]:
    """Return so many lines of a gateway's log."""
    assert process.stderr is not None
    return [process.stderr.readline().decode().rstrip("\n") for _ in range(count)]


@pytest.mark.parametrize(
    ("args", "told"),
    [
        ("", "Missing argument 'ADDRESS...'"),
        ("nonsense", "'nonsense' is no address"),
        ("warp:", "no controller 'warp'"),
        ("loopback:?x=1", "loopback: no option 'x'"),
        ("loopback:/0", "'loopback:/0' names a channel: a gateway takes a whole mailbox"),
        ("loopback: loopback:", "Two mailboxes are called 'loopback'"),
        ("loopback: --as a --as b", "--as: there are 1 addresses, 2 names"),
        ("loopback: --as a/b", "'a/b' is no name for users"),
        ("loopback: --user mboxio-nobody", "there is no user 'mboxio-nobody' here"),
        ("loopback: --allow-list none.toml", "the allow-list none.toml cannot be read: No such"),
        ("loopback: --allow-list wrong.toml", "'everything' is none of observe, notifications"),
        ("loopback: --allow-list loose.toml", "'level' is outside of a [user]"),
        ("loopback: --allow-list alice.toml", "alice.toml allows nothing to '{me}'"),
        ("loopback: --socket alice=a.sock", "Say who may do what: --allow-list FILE"),
        ("loopback: --listen localhost", "Say who may do what: --allow-list FILE"),
        ("loopback: --insecure", "--cert, --key, --ca and --insecure go with --listen"),
        ("loopback: --ca text.pem", "--cert, --key, --ca and --insecure go with --listen"),
        ("loopback: --socket a.sock {alice}", "--socket 'a.sock': write USER=PATH"),
        ("loopback: --socket alice=a {alice}", "--socket 'alice=a': write USER=PATH"),
        ("loopback: --socket bob=a.sock {alice}", "allows nothing to 'bob'"),
        ("loopback: --socket alice=/tmp/a.sock {alice}", "/tmp can be entered by everybody"),
        ("loopback: --socket alice=/none/a.sock {alice}", "/none/a.sock: No such file"),
        ("loopback: --listen localhost {alice}", "show certificates, and so does this one"),
        ("loopback: --listen 0.0.0.0 --insecure {alice}", "only this machine may come"),
        ("loopback: --listen localhost --insecure {alice}", "allows nothing to 'anybody'"),
        ("loopback: --listen a:b --insecure {alice}", "'a:b' is nothing to listen at"),
        ("loopback: --listen [::1]:65536 --insecure {alice}", "is nothing to listen at"),
        ("loopback: --listen localhost --insecure --key a {alice}", "exclude each other"),
        ("loopback: --listen localhost --key a --ca b {alice}", "give --cert; or let them"),
        ("loopback: --listen localhost {tls} {alice}", "text.pem: it has no certificate in PEM"),
        ("loopback: --listen localhost --cert a --key b --ca c {alice}", "c: No such file"),
        ("loopback: --frozen-s inf", "frozen_s=inf: write a number"),
        ("loopback: --sessions 0", "'--sessions': 0 is not in the range"),
    ],
)
def test_what_is_wrong_is_one_line(folder: Path, invoke: Invoke, args: str, told: str) -> None:
    names = {
        "me": myself(),
        "alice": "--allow-list alice.toml",
        "tls": "--cert text.pem --key text.pem --ca text.pem",
    }
    user = [] if "--user" in args else ["--user", myself()]
    result = invoke("gateway", *args.format(**names).split(), *user)
    assert told.format(**names) in one_line(result.stderr_bytes)
    assert (result.exit_code, result.stdout) == (WRONG, "")


@ROOT
def test_root_says_whom_the_gateway_becomes(folder: Path, invoke: Invoke) -> None:
    result = invoke("gateway", "loopback:")
    assert "with --user NAME" in one_line(result.stderr_bytes)
    assert result.exit_code == WRONG


def test_a_remote_that_is_not_there(folder: Path, invoke: Invoke) -> None:
    result = invoke("gateway", "shm:none", "--user", myself())
    assert "nobody serves shm:none" in one_line(result.stderr_bytes)
    assert result.exit_code == 1


def test_a_port_that_is_taken(folder: Path, run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        where = f"127.0.0.1:{taken.getsockname()[1]}"
        place = ("--listen", where, "--insecure", "--allow-list", "anybody.toml")
        result = run("gateway", "loopback:", "--user", myself(), *place)
    assert one_line(result.stderr) == f"nothing can listen at {where}: Address already in use"
    assert result.returncode == WRONG


def test_without_grpc_nothing_is_opened(folder: Path, run: Run, monkeypatch: Any) -> None:
    (folder / "grpc.py").write_text("raise ImportError('no module named grpc')")
    monkeypatch.setenv("PYTHONPATH", str(folder), prepend=os.pathsep)
    result = run("gateway", "shm:none", "--user", myself())
    assert one_line(result.stderr).startswith("gRPC is missing: pip install grpcio, or ")
    assert result.returncode == WRONG


def test_by_default_one_may_do_everything_by_a_private_socket(folder: Path, serve: Any) -> None:
    process, line = serve("loopback:", "--as", "board", "--json")
    where = str(folder / "gateway@grpc.sock")
    said = {"exports": {"board": "loopback:"}, "listening": [where], "metrics": None}
    assert json.loads(line) == said
    with mboxio.open(f"grpc+unix:{where}/board/0", timeout_s=PATIENCE_S) as client:
        assert client.request(b"hello") == b"hello"
    with pytest.raises(AccessDenied, match="is not exported here"):
        mboxio.connect(f"grpc+unix:{where}/other")
    process.send_signal(signal.SIGTERM)  # as systemd does
    me = myself()
    attach, detach, refuse = said_by(process, 3)
    assert attach == f"attach: {me} at board, {where}"
    assert detach.startswith(f"detach: {me} at board: ")
    assert refuse == f"refuse: {me}: 'other' is not exported here to {me}"
    assert process.wait(PATIENCE_S) == 0
    assert not os.path.exists(where)


def test_a_second_gateway_leaves_the_first_one_alone(folder: Path, serve: Any, run: Run) -> None:
    serve("loopback:")
    result = run("gateway", "loopback:", "--user", myself())
    assert f"a gateway listens at {folder}/gateway@grpc.sock already" in one_line(result.stderr)
    assert result.returncode == WRONG
    with mboxio.open(f"grpc+unix:{folder}/gateway@grpc.sock/loopback/0") as client:
        assert client.request(b"hello", timeout_s=PATIENCE_S) == b"hello"


def test_a_port_within_this_machine_is_for_anybody(folder: Path, serve: Any) -> None:
    place = ("--listen", "127.0.0.2:0", "--insecure", "--allow-list", "anybody.toml")
    process, line = serve("loopback:", "--read-only", "--json", *place)
    (where,) = json.loads(line)["listening"]
    with mboxio.open(f"grpc:{where}/loopback/0?insecure=yes") as client:
        with pytest.raises(AddressError, match="listen-only"):
            client.request(b"hello")
        assert said_by(process, 1) == [f"attach: anybody at loopback, {where}"]


@ROOT
def test_whom_a_gateway_becomes_can_read_it(
    folder: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    hidden = folder / "hidden"
    hidden.mkdir(mode=0o700)
    package = hidden / "mboxio"
    package.symlink_to(Path(mboxio.__file__).parent)
    os.chmod(folder.parent, 0o711)
    os.chmod(folder, 0o711)
    monkeypatch.setenv("PYTHONPATH", str(hidden), prepend=os.pathsep)
    place = ("--allow-list", "nobody.toml", "--socket", f"nobody={folder}/g.sock")
    result = run("gateway", "loopback:", "--user", "nobody", *place)
    assert one_line(result.stderr).startswith(f"nobody cannot read {package}: install mboxio where")
    assert result.returncode == WRONG


@ROOT
def test_root_opens_the_mailbox_and_somebody_else_serves_it(folder: Path, serve: Any) -> None:
    os.chmod(folder.parent, 0o711)
    for_nobody = folder / "nobody"
    nobody = pwd.getpwnam("nobody")
    registers = folder / "registers"
    registers.write_bytes(bytes(0x1000))
    registers.chmod(0o600)
    for_nobody.mkdir(mode=0o700)
    os.chown(for_nobody, nobody.pw_uid, nobody.pw_gid)
    os.chmod(folder, 0o711)
    place = ("--allow-list", "nobody.toml", "--socket", f"nobody={for_nobody}/g.sock")
    process, _ = serve(f"mhu:?at=file:{registers}&words=yes", "--as", "b", *place, user="nobody")
    status = Path(f"/proc/{process.pid}/status").read_text()
    found = dict(line.split(":\t", 1) for line in status.splitlines())
    assert set(found["Uid"].split()) == {str(nobody.pw_uid)}
    assert set(found["Gid"].split()) == {str(nobody.pw_gid)}
    assert int(found["CapEff"], 16) == int(found["CapPrm"], 16) == 0
    with mboxio.open(f"grpc+unix:{for_nobody}/g.sock/b") as client:
        message = client.post((7).to_bytes(4, "little"))
        until(lambda: 7 in registers.read_bytes(), "the word is in the registers")
        message.cancel()
    assert said_by(process, 1) == [f"attach: nobody at b, {for_nobody}/g.sock"]
