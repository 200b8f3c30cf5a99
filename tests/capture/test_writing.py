"""Where captures go: files, one after the other, streams that break, and places of other users."""

import errno
import io
import itertools
import os
import socket
import stat
import subprocess
import sys
import threading
from collections import deque
from pathlib import Path

import pytest

from mboxio.capture import output, writing
from mboxio.capture.event import Event
from mboxio.capture.reading import CaptureError, read
from mboxio.capture.writing import open_writer, register
from tests.capture.events import life

pytestmark = pytest.mark.once


def written(path: Path, snap: int | None = None) -> list[Event]:
    """Write a life and return what is read of it."""
    writer = open_writer(path, snap=snap)
    for each in life():
        writer.write(each)
    writer.close()
    writer.close()
    with read(path) as capture:
        found = list(capture)
    assert capture.warnings == []
    return found


@pytest.mark.parametrize("suffix", [".pcapng", ".jsonl"])
def test_a_file_is_its_user_s_alone_and_is_overwritten(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"x{suffix}"
    old = os.umask(0)
    try:
        assert written(path) == life()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert written(path, snap=2)[0].message == b"as"
    finally:
        os.umask(old)
    assert all(each.is_cut for each in written(path, snap=2) if each.length > 2)
    assert [each.length for each in written(path, snap=0)] == [each.length for each in life()]
    assert [each.message for each in written(path, snap=0)] == [b""] * len(life())


@pytest.mark.parametrize("suffix", [".pcapng", ".jsonl"])
def test_rotation_by_size(tmp_path: Path, suffix: str) -> None:
    writer = open_writer(tmp_path / f"x{suffix}", rotate_bytes=1200, offset_ns=7)
    events = life() * 20
    for each in events:
        writer.write(each)
    writer.close()
    names = [f"x{suffix}", *(f"x.{n}{suffix}" for n in range(1, len(os.listdir(tmp_path))))]
    assert sorted(names) == sorted(os.listdir(tmp_path))
    assert len(names) > 5
    found: list[Event] = []
    for name in names:
        path = tmp_path / name
        assert path.stat().st_size <= 1200
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        with read(path) as capture:
            found += capture
        assert (capture.warnings, capture.offset_ns) == ([], 7)
    assert found == events


def test_batches_are_written_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that is killed loses a batch, and leaves no half of an event."""
    sizes: list[int] = []
    path = tmp_path / "x.pcapng"

    def write(descriptor: int, data: memoryview, real=os.write) -> int:
        sizes.append(real(descriptor, data))
        with read(path) as capture:
            assert len(list(capture)) > len(sizes) - 2
        assert capture.warnings == []
        return sizes[-1]

    monkeypatch.setattr(os, "write", write)
    writer = open_writer(path)
    for each in life() * 300:
        writer.write(each)
    writer.close()
    assert 3 < len(sizes) < 9
    assert sum(sizes) == path.stat().st_size


@pytest.mark.parametrize(
    ("name", "options", "error", "says"),
    [
        ("x.txt", {}, CaptureError, ".jsonl or .pcapng"),
        ("x", {}, CaptureError, "the suffix says how"),
        ("none/x.pcapng", {}, FileNotFoundError, "No such file"),
        ("x.pcapng", {"snap": -1}, ValueError, "snap is -1"),
        ("x.pcapng", {"rotate_bytes": 0}, ValueError, "rotate_bytes is 0"),
        ("/dev/null", {"rotate_bytes": 9}, CaptureError, "only files can be rotated"),
        ("folder.pcapng", {}, IsADirectoryError, "directory"),
    ],
)
def test_what_cannot_be_written(tmp_path: Path, name: str, options, error, says: str) -> None:
    (tmp_path / "folder.pcapng").mkdir()
    with pytest.raises(error) as raised:
        open_writer(tmp_path / name, **options)
    assert all(each in str(raised.value) for each in says.split(" or "))
    assert os.listdir(tmp_path) == ["folder.pcapng"]


def test_a_link_that_another_user_may_have_put_there_is_not_followed(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_bytes(b"precious")
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    for folder, follows in ((shared, False), (tmp_path, True)):
        link = folder / "x.pcapng"
        link.symlink_to(target)
        if follows:
            assert written(link) == life()
            continue
        with pytest.raises(CaptureError, match="is a symbolic link where others could"):
            open_writer(link)
        assert target.read_bytes() == b"precious"


def test_a_file_of_another_user_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.pcapng"
    path.write_bytes(b"theirs")
    tmp_path.chmod(0o777)
    monkeypatch.setattr(output, "_trusted", lambda: {4_000_000})
    with pytest.raises(CaptureError, match=r"belongs to user .*: choose another name"):
        open_writer(path)
    assert path.read_bytes() == b"theirs"
    tmp_path.chmod(0o755)  # what lies in a user's own folder is for root to write to
    assert written(path) == life()


def test_a_full_disk_is_told_once() -> None:
    with pytest.raises(OSError) as raised:
        open_writer("/dev/full")
    assert (raised.value.errno, raised.value.filename) == (errno.ENOSPC, "/dev/full")


def through(reader: int, write_end) -> list[Event]:
    """Read from a descriptor what a thread writes; events arrive without closing."""
    with open(reader, "rb") as stream:
        capture = read(stream)
        arrived = []
        events = iter(capture)
        for each in life():
            write_end.write(each)
            arrived.append(next(events))
        write_end.close()
        assert list(events) == []
    assert capture.warnings == []
    return arrived


def test_a_fifo_and_a_socket_get_each_event_at_once(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    writer = open_writer(fifo)
    os.set_blocking(reader, True)
    assert through(reader, writer) == life()
    path = str(tmp_path / "socket")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        writer = open_writer(path)
        taken, _ = listener.accept()
    assert through(taken.detach(), writer) == life()


@pytest.mark.parametrize("blocking", [True, False])
def test_a_reader_that_goes_ends_it_once(tmp_path: Path, blocking: bool) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    writer = open_writer(fifo)
    assert isinstance(writer, writing.PcapngWriter)
    os.set_blocking(writer._output._descriptor, blocking)
    taken = threading.Thread(target=lambda: [os.read(reader, 4096), os.close(reader)])
    taken.start()
    many = itertools.repeat(life()[0])
    with pytest.raises(BrokenPipeError):
        deque(map(writer.write, many), maxlen=0)
    taken.join()
    writer.close()


def test_stdout_is_a_stream() -> None:
    program = (
        "from mboxio.capture.writing import open_writer\n"
        "from mboxio.capture.event import Event, Kind, Source\n"
        "print('before')\n"
        "writer = open_writer('-')\n"
        "writer.write(Event(5, Kind.MESSAGE, Source('shm:demo', 'pmic'), message=b'hello'))\n"
        "writer.close()\n"
        "print('after')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, check=True)
    before, capture, after = b"before\n", b"\x0a\x0d\x0d\x0a", b"after\n"
    assert done.stdout.startswith(before + capture)
    assert done.stdout.endswith(after)
    (event,) = read(io.BytesIO(done.stdout.removeprefix(before).removesuffix(after)))
    assert event.message == b"hello"


def test_other_formats_register(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "_made_elsewhere", {})

    class Counter:
        def __init__(self, output: output.Output, snap: int | None) -> None:
            self.output, self.snap = output, snap

        def write(self, event: Event, comment: str = "") -> None:
            self.output.write(b".")

        def close(self) -> None:
            self.output.close()

    register(".dots", Counter)
    writer = open_writer(tmp_path / "x.dots")
    for each in life():
        writer.write(each)
    writer.close()
    assert (tmp_path / "x.dots").read_bytes() == b"." * len(life())
    with pytest.raises(CaptureError, match="cannot be rotated"):
        open_writer(tmp_path / "x.dots", rotate_bytes=9)
