"""Where sockets lie, who may use them, and what a dead remote leaves behind."""

import fcntl
import os
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mboxio._os.whose import myself
from mboxio.errors import AddressError, RemoteGone
from mboxio.local import elsewhere
from mboxio.local import folder as folder_module
from mboxio.local import sockets as sockets_module
from mboxio.local.sockets import (
    WAITING_MAX,
    connect,
    listen,
    ring_doorbell,
    socket_path,
    unlisten,
)


def test_the_folder_is_chosen_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MBOXIO_RUNTIME_DIR", "/tmp/own")
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/7")
    assert socket_path("demo") == "/tmp/own/demo.sock"
    monkeypatch.delenv("MBOXIO_RUNTIME_DIR")
    assert socket_path("demo") == "/run/user/7/mboxio/demo.sock"
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    monkeypatch.setattr(os, "geteuid", lambda: 4711)
    assert socket_path("demo") == "/tmp/mboxio-4711/demo.sock"


@pytest.mark.parametrize("name", ["", "a/b", "../up", "a b", "ä", "x" * 65, "shm:x", "a\n"])
def test_names_are_plain(name: str) -> None:
    with pytest.raises(AddressError, match="no name"):
        socket_path(name)


def test_a_path_that_no_socket_can_have(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MBOXIO_RUNTIME_DIR", "/tmp/" + "x" * 98)
    with pytest.raises(AddressError, match="longer than 107 bytes: set MBOXIO_RUNTIME_DIR"):
        socket_path("demo")


def test_what_is_made_is_private(sockets: str) -> None:
    listening, lock = listen("demo")
    try:
        assert stat.S_IMODE(os.stat(sockets).st_mode) == 0o700
        assert stat.S_IMODE(os.stat(socket_path("demo")).st_mode) == 0o600
        assert not os.get_inheritable(lock)
        assert not listening.get_inheritable()
        with connect("demo") as connection:
            assert not connection.get_inheritable()
            assert connection.gettimeout() == 0
    finally:
        listening.close()
        os.close(lock)


def test_a_folder_that_others_can_enter(sockets: str) -> None:
    os.mkdir(sockets)
    os.chmod(sockets, 0o710)
    for call in (socket_path, listen, connect):
        with pytest.raises(
            AddressError, match=r"can be used by others \(mode 7[0-7]+\): set MBOXIO_RUNTIME_DIR"
        ):
            call("demo")


def test_a_folder_of_somebody_else(sockets: str, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkdir(sockets, 0o700)
    monkeypatch.setattr(os, "geteuid", lambda: 4711)
    with pytest.raises(AddressError, match="belongs to user"):
        socket_path("demo")


def test_a_folder_that_is_none(sockets: str) -> None:
    Path(sockets).touch(0o600)
    with pytest.raises(AddressError, match="no folder"):
        listen("demo")
    os.unlink(sockets)
    os.symlink("/", sockets)
    with pytest.raises(AddressError, match="symbolic link"):
        listen("demo")


def test_a_folder_that_cannot_be_made(sockets: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MBOXIO_RUNTIME_DIR", sockets + "/missing/deep")
    with pytest.raises(AddressError, match="cannot be made"):
        listen("demo")


def test_nobody_serves(sockets: str) -> None:
    assert not os.path.exists(sockets)
    with pytest.raises(RemoteGone, match=r"nobody serves shm:demo; start .*mboxio serve shm:demo"):
        connect("demo")
    assert not os.path.exists(sockets)


def test_a_name_is_served_once(sockets: str) -> None:
    assert sockets
    listening, lock = listen("demo")
    try:
        with pytest.raises(AddressError, match=rf"serves shm:demo already \(pid {os.getpid()}\)"):
            listen("demo")
        with connect("demo"):
            pass
    finally:
        listening.close()
        os.close(lock)


def test_a_stale_socket_is_replaced(sockets: str) -> None:
    assert sockets
    listening, lock = listen("demo")
    listening.close()
    os.close(lock)
    assert os.path.exists(socket_path("demo"))
    with pytest.raises(RemoteGone, match="nobody serves"):
        connect("demo")
    listening, lock = listen("demo")
    with connect("demo"):
        listening.close()
        os.close(lock)


def test_who_ends_leaves_no_file(sockets: str) -> None:
    for _ in range(2):
        listening, lock = listen("demo")
        assert sorted(os.listdir(sockets)) == ["demo.lock", "demo.sock"]
        unlisten(socket_path("demo"), listening, lock)
        assert os.listdir(sockets) == []


def test_who_cannot_listen_leaves_no_lock(sockets: str) -> None:
    os.mkdir(sockets, 0o700)
    Path(socket_path("demo")).touch()
    with pytest.raises(AddressError, match="in the way"):
        listen("demo")
    assert os.listdir(sockets) == ["demo.sock"]


def between(monkeypatch: pytest.MonkeyPatch, *steps: Callable[[], object]) -> None:
    """Have steps done when the lock file is open and not locked yet, one each time."""
    coming = list(steps)
    flock = fcntl.flock

    def late(descriptor: int, how: int) -> None:
        if coming:
            coming.pop(0)()
        flock(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", late)


def test_a_lock_that_was_removed_before_it_was_taken_counts_for_nothing(
    sockets: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = listen("demo")
    between(monkeypatch, lambda: unlisten(socket_path("demo"), *first))
    second = listen("demo")
    try:
        with pytest.raises(AddressError, match="serves shm:demo already"):
            listen("demo")
    finally:
        unlisten(socket_path("demo"), *second)
    assert os.listdir(sockets) == []


def test_another_that_took_the_name_meanwhile_has_it(
    sockets: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = listen("demo")
    others: list[tuple[socket.socket, int]] = []

    def swap() -> None:
        unlisten(socket_path("demo"), *first)
        others.append(listen("demo"))

    between(monkeypatch, swap)
    with pytest.raises(AddressError, match="serves shm:demo already"):
        listen("demo")
    connect("demo").close()
    unlisten(socket_path("demo"), *others[0])
    assert os.listdir(sockets) == []


def test_who_holds_a_removed_lock_for_a_moment_is_nobody_who_serves(
    sockets: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = listen("demo")
    path = os.path.join(sockets, "demo.lock")
    with open(path, "rb") as stale:

        def swap() -> None:
            unlisten(socket_path("demo"), *first)
            fcntl.flock(stale, fcntl.LOCK_EX | fcntl.LOCK_NB)

        between(monkeypatch, swap)
        unlisten(socket_path("demo"), *listen("demo"))
    assert os.listdir(sockets) == []


def test_a_socket_of_another_is_not_removed(sockets: str) -> None:
    """Somebody deleted the lock by hand, and another remote came."""
    first = listen("demo")
    os.unlink(os.path.join(sockets, "demo.lock"))
    second = listen("demo")
    unlisten(socket_path("demo"), *first)
    connect("demo").close()
    unlisten(socket_path("demo"), *second)
    assert os.listdir(sockets) == []


CONTENDER = """
import fcntl, sys
from mboxio import AddressError
from mboxio.local.sockets import listen, socket_path, unlisten

alone = open(sys.argv[1], "wb")
served = 0
print("ready", flush=True)
for _ in range(int(sys.argv[2])):
    try:
        made = listen("demo")
    except AddressError as error:
        assert "serves shm:demo already" in str(error), error
        continue
    fcntl.flock(alone, fcntl.LOCK_EX | fcntl.LOCK_NB)  # fails if two serve
    served += 1
    fcntl.flock(alone, fcntl.LOCK_UN)
    unlisten(socket_path("demo"), *made)
print(served)
"""


def test_no_two_serve_one_name_whoever_ends_or_is_killed(sockets: str, tmp_path: Path) -> None:
    def contender(rounds: int) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-c", CONTENDER, str(tmp_path / "alone"), str(rounds)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    os.mkdir(sockets, 0o700)
    lasting = [contender(1000) for _ in range(3)]
    try:
        for _ in range(5):
            with contender(10**9) as doomed:
                assert doomed.stdout is not None
                assert doomed.stdout.readline() == b"ready\n"
                doomed.kill()
        served = 0
        for each in lasting:
            stdout, stderr = each.communicate(timeout=60)
            assert (each.returncode, stderr) == (0, b"")
            served += int(stdout.split()[1])
        assert served > 0
    finally:
        for each in lasting:
            each.kill()
            each.communicate()
    unlisten(socket_path("demo"), *listen("demo"))  # what the killed ones left is in nobody's way
    assert os.listdir(sockets) == []


def test_what_is_no_socket_is_not_removed(sockets: str) -> None:
    os.mkdir(sockets, 0o700)
    Path(socket_path("demo")).touch()
    with pytest.raises(AddressError, match="in the way"):
        listen("demo")
    assert os.path.exists(socket_path("demo"))


def test_a_lock_is_no_link(sockets: str) -> None:
    os.mkdir(sockets, 0o700)
    os.symlink("elsewhere", os.path.join(sockets, "demo.lock"))
    with pytest.raises(AddressError, match="cannot be opened"):
        listen("demo")


def test_another_kind_of_socket(sockets: str) -> None:
    os.mkdir(sockets, 0o700)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as stream:
        stream.bind(socket_path("demo"))
        stream.listen()
        with pytest.raises(AddressError, match="no socket of a remote"):
            connect("demo")


def test_hosts_that_nobody_accepts(sockets: str) -> None:
    assert sockets
    listening, lock = listen("demo")
    waiting: list[socket.socket] = []
    try:
        waiting.extend(connect("demo") for _ in range(WAITING_MAX + 1))
        with pytest.raises(RemoteGone, match="busy"):
            connect("demo")
    finally:
        for each in (*waiting, listening):
            each.close()
        os.close(lock)


def test_a_doorbell_never_blocks_or_raises() -> None:
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with near:
        for _ in range(10_000):
            ring_doorbell(near)
        assert far.recv(16) == b"\0"
        far.close()
        ring_doorbell(near)
    ring_doorbell(near)


def test_who_is_not_found_is_told_with_the_place(
    sockets: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(elsewhere, "FOLDERS", (f"{tmp_path}/mboxio-{{}}",))
    other = tmp_path / "mboxio-7"
    other.mkdir()
    (other / "demo.sock").touch()
    with pytest.raises(RemoteGone) as caught:
        connect("demo")
    assert f"looked at {sockets}/demo.sock, as {myself()}" in str(caught.value)
    assert f"set MBOXIO_RUNTIME_DIR={other} to reach it" in str(caught.value)
    monkeypatch.delenv("MBOXIO_RUNTIME_DIR")
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    with pytest.raises(RemoteGone, match="XDG_RUNTIME_DIR is not set here"):
        connect("nobody-has-this")


AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, who may become others")
USER, STRANGER = 4711, 666


@contextmanager
def served(folder: Path, user: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A remote of another user, in a folder of that user's."""
    folder.parent.mkdir(exist_ok=True)
    folder.mkdir(0o700)
    os.chown(folder, user, user)
    monkeypatch.setenv("MBOXIO_RUNTIME_DIR", str(folder))
    os.seteuid(user)
    try:
        listening, lock = listen("demo")
    finally:
        os.seteuid(0)
    monkeypatch.delenv("MBOXIO_RUNTIME_DIR")
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    try:
        yield
    finally:
        listening.close()
        os.close(lock)


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that stands for /tmp: everybody may make folders in it."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o1777)
        monkeypatch.setattr(
            elsewhere, "FOLDERS", (f"{name}/run-{{}}/mboxio", f"{name}/mboxio-{{}}")
        )
        own = f"{name}/mboxio-{os.geteuid()}"
        folder = folder_module.folder_path

        def chosen() -> str:
            found = folder()
            return own if found.startswith("/tmp/mboxio-") else found

        monkeypatch.setattr(sockets_module, "folder_path", chosen)
        monkeypatch.setattr(folder_module, "folder_path", chosen)
        yield Path(name)


@AS_ROOT
def test_root_finds_the_remote_of_who_called_sudo(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with served(place / f"mboxio-{USER}", USER, monkeypatch):
        with pytest.raises(RemoteGone, match=f"belongs to user {USER}"):
            connect("demo")
        monkeypatch.setenv("SUDO_UID", str(USER))
        connect("demo").close()
        os.chmod(place / f"mboxio-{USER}", 0o777)  # anybody could be there
        with pytest.raises(RemoteGone, match="nobody serves"):
            connect("demo")


@AS_ROOT
def test_root_reaches_the_session_that_sudo_left_to_it(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with served(place / f"run-{USER}" / "mboxio", USER, monkeypatch):
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(place / f"run-{USER}"))
        with pytest.raises(AddressError, match=f"belongs to user {USER}"):
            connect("demo")
        monkeypatch.setenv("SUDO_UID", str(USER))
        connect("demo").close()


@AS_ROOT
def test_root_may_name_the_folder_of_a_user_but_serves_nothing_there(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = place / "board"
    with served(folder, USER, monkeypatch):
        monkeypatch.setenv("MBOXIO_RUNTIME_DIR", str(folder))
        connect("demo").close()
        with pytest.raises(AddressError, match=f"belongs to user {USER}.*of your own"):
            listen("other")


@AS_ROOT
@pytest.mark.parametrize("sudo", [False, True])
def test_a_stranger_who_was_first_in_tmp_is_not_asked(
    sudo: bool, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The names of folders in /tmp are free for all: only the kernel says whose they are."""
    with served(place / f"mboxio-{USER if sudo else 0}", STRANGER, monkeypatch):
        if sudo:
            monkeypatch.setenv("SUDO_UID", str(USER))
        with pytest.raises((AddressError, RemoteGone), match=f"user {STRANGER}") as caught:
            connect("demo")
        assert str(place) in str(caught.value)


@AS_ROOT
def test_a_stranger_behind_the_socket_of_another_is_not_asked(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder is right, and whoever listens there is somebody else."""
    folder = place / f"mboxio-{USER}"
    with served(folder, STRANGER, monkeypatch):
        os.chown(folder, USER, USER)
        monkeypatch.setenv("SUDO_UID", str(USER))
        with pytest.raises(RemoteGone, match="nobody serves"):
            connect("demo")
        os.rename(folder, place / "mboxio-0")
        os.chown(place / "mboxio-0", 0, 0)
        with pytest.raises(
            AddressError,
            match=f"belongs to somebody else: user {STRANGER} serves there, and this is user root",
        ):
            connect("demo")
