"""What the other side says: no terminal obeys it, and it is as long as a line has room for."""

import errno
import fcntl
import logging
import os
import pickle
import socket
import threading
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

import mboxio
from mboxio import MailboxError, RemoteError, RemoteGone
from mboxio._base.texts import LINE_MAX, REMOTE_MAX, printable, remote_text
from mboxio.devicetree import DeviceTree
from mboxio.local import handover
from mboxio.local.sockets import HELLO, REFUSAL
from mboxio.regions import open_region
from mboxio.regions.probes import gdb_step
from mboxio.remote import Remote
from mboxio.ring import ERROR
from tests.devicetree.writer import blob
from tests.io.stubs import FakeGdb, FakeQtest

from .minihost import MiniHost
from .support import echo

ORDERS = "\x1b[2J\x1b]0;t\x07\x9b31m\u202egnp\u2066\u200f\r\n\x00\x7f\u2028\ud800"
"""What terminals obey: C0, C1, writing direction, and what ends a line."""
NASTY = (ORDERS + "WARNING: all is well" + "A" * 10_000).encode(errors="surrogatepass")
PATIENCE_S = 20.0
OURS_MAX = 160
"""What we say around it."""


def check(error: BaseException) -> str:
    """Return the text of an error that may be shown."""
    text = str(error)
    assert text.isprintable()
    assert len(text) <= OURS_MAX + REMOTE_MAX
    shown = "".join(traceback.format_exception(error))
    assert all(each.isprintable() for each in shown.splitlines())
    assert "\x1b" not in shown
    assert "\x1b" not in repr(error) + repr(error.args)
    return text


class Raw(RemoteError):
    """An error of somebody who lets everything through."""

    def __str__(self) -> str:
        return NASTY.decode(errors="replace")


# -- the one place


def test_the_text_of_a_remote_is_one_short_line() -> None:
    assert remote_text(b"no such voltage: 5 \xc2\xb5V") == "no such voltage: 5 µV"
    assert remote_text(b"\x1b[31m\x9b\n") == r"\x1b[31m� "
    assert remote_text("\u202eabc\x85") == r"\u202eabc\x85"
    assert remote_text("x" * REMOTE_MAX) == "x" * REMOTE_MAX
    assert remote_text("x" * (REMOTE_MAX + 1)) == "x" * (REMOTE_MAX - 3) + "..."
    assert remote_text("\U0001f600".encode() * 999) == "\U0001f600" * (REMOTE_MAX - 3) + "..."
    for text in (NASTY, NASTY.decode(errors="replace"), bytearray(NASTY)):
        shown = remote_text(text)
        assert shown.isprintable()
        assert len(shown) == REMOTE_MAX


def test_every_error_of_ours_is_one_line() -> None:
    for kind in (MailboxError, RemoteError, RemoteGone, mboxio.AddressError):
        error = kind(ORDERS)
        assert str(error).isprintable()
        assert str(pickle.loads(pickle.dumps(error))) == str(error.fresh()) == str(error)
        assert len(str(kind("x" * 1_000_000))) <= LINE_MAX + 40
    assert printable("one\ntwo") == str(MailboxError("one\ntwo")) == "one two"


# -- rings and sockets


def test_the_reason_of_an_error_reply(sockets: str) -> None:
    def refuse(message: bytes) -> bytes:
        raise Raw("", status=5)

    remote = Remote("demo")
    remote.channel("c", message_bytes=1 << 14)
    remote.handler("c")(refuse)
    with remote, mboxio.open("shm:demo/c") as client:
        with pytest.raises(RemoteError) as caught:
            client.request(b"")
        assert caught.value.status == 5
        assert r"error 5: \x1b[2J" in check(caught.value)


def test_the_reason_of_an_error_reply_of_the_host(sockets: str) -> None:
    remote = echo()
    errors: list[RemoteError] = []

    def ask() -> None:
        with pytest.raises(RemoteError) as caught:
            remote.ask_wait("c", b"what", PATIENCE_S)
        errors.append(caught.value)

    with remote, MiniHost("demo") as host:
        thread = threading.Thread(target=ask)
        thread.start()
        ((_, tag, _),) = host.receive()
        host.send(b"\x05\0\0\0" + NASTY[:60], kind=ERROR, tag=tag)
        thread.join(PATIENCE_S)
    assert errors[0].status == 5
    assert r"\x1b[2J" in check(errors[0])


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        (REFUSAL + NASTY[:250], RemoteGone),
        (NASTY[:256], RemoteError),
        (HELLO + ORDERS[:9].encode(), RemoteError),
    ],
)
def test_what_comes_in_place_of_a_memory(said: bytes, kind: type[MailboxError]) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        theirs.send(said)
        with pytest.raises(kind) as caught:
            handover.receive_memory(ours, HELLO, 64, "shm:x")
    assert r"\x1b[2J" in check(caught.value)


def test_who_holds_the_lock(sockets: str) -> None:
    os.mkdir(sockets, 0o700)
    lock = os.open(os.path.join(sockets, "demo.lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        os.write(lock, NASTY[:32])
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(mboxio.AddressError, match="somebody serves") as caught:
            echo().start()
    finally:
        os.close(lock)
    assert r"\x1b[2J" in check(caught.value)


def test_what_a_handler_raises_over_a_message(
    sockets: str, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(message: bytes) -> bytes:
        raise ValueError(message.decode(errors="replace"))

    remote = Remote("demo")
    remote.channel("c", message_bytes=1 << 14)
    remote.handler("c")(fail)
    with remote, mboxio.open("shm:demo/c") as client, caplog.at_level(logging.WARNING):
        with pytest.raises(RemoteError) as caught:
            client.request(NASTY[:200])
        assert caught.value.status == errno.EIO
    check(caught.value)
    (record,) = caplog.records
    assert all(each.isprintable() for each in record.getMessage().split("\n"))


# -- texts by protocol


def use_qtest(path: str) -> None:
    with open_region(f"qtest:{path},irq_in=/cpu,line=1@0+4") as region:
        region.read(0, 4)
        region.write(0, 1, 4)


@pytest.mark.parametrize("verdict", ["OK", "FAIL"])
@pytest.mark.parametrize("command", ["endianness", "readl", "writel", "irq_intercept_in"])
def test_the_answers_of_qemu(tmp_path: Path, command: str, verdict: str) -> None:
    said = NASTY.replace(b"\n", b"").decode(errors="replace")
    with FakeQtest(tmp_path) as stub:
        honest = stub.answer

        def answer(words: list[str]) -> str:
            return f"{verdict} {said}" if words[0] == command else honest(words)

        stub.answer = answer  # type: ignore[method-assign]
        if verdict == "OK" and command not in ("endianness", "readl"):
            use_qtest(stub.path)  # nobody reads it
            return
        with pytest.raises(MailboxError) as caught:
            use_qtest(stub.path)
    assert r"\x1b" in check(caught.value)


@pytest.mark.parametrize("console", [b"", b"O" + NASTY[:900].hex().encode()])
def test_the_answers_of_a_stub(tmp_path: Path, console: bytes) -> None:
    said = b"E." + NASTY.replace(b"#", b"").replace(b"$", b"")[:4000]
    with FakeGdb(tmp_path) as stub:
        with open_region(f"gdb:{stub.path}@0x1000+0x40") as region:
            stub.error = said
            for access in (lambda: region.read(0, 4), lambda: region.write(0, 1, 4)):
                with pytest.raises(RemoteError) as caught:
                    access()
                assert r"E.\x1b[2J" in check(caught.value)
        honest = stub.answer

        def answer(question: str) -> bytes:
            return said if question.startswith("qRcmd") else honest(question)

        stub.answer = answer  # type: ignore[method-assign]
        if console:
            stub.chatter = b"$%s#%02x" % (console, sum(console) & 0xFF)
        with pytest.raises(mboxio.AddressError) as refused:
            open_region(f"gdb:{stub.path},monitor=scan@0x1000+0x40")
    text = str(refused.value)
    assert text.isprintable()
    assert len(text) <= OURS_MAX + 2 * REMOTE_MAX


@pytest.mark.parametrize("question", [b"p0", b"m90000000,4"])
def test_the_answers_about_registers(question: bytes) -> None:
    stub = FakeGdb(None)
    stub.listening.close()

    def ask(packet: bytes, stops: bool = False) -> bytes:
        return NASTY[:4000] if packet == question else stub.answer(packet.decode())

    with pytest.raises(MailboxError) as caught:
        gdb_step.Processor(ask, 0x9000_0000)
    assert r"\x1b[2J" in check(caught.value)


# -- device trees


def nasty_tree() -> DeviceTree:
    name = "client" + ORDERS[:12] + "y" * 400
    client = {
        "mboxes": [1, 5, 0],
        "mbox-names": [ORDERS[:14] + "z" * 3000, "b"],
        "compatible": name,
    }
    return DeviceTree(blob({"one": {"phandle": 1, "#mbox-cells": 1}, name: client}))


@pytest.mark.parametrize(
    "use",
    [
        lambda tree, path: tree.channel(path, 1),
        lambda tree, path: tree.channel(path, 7),
        lambda tree, path: tree.channel(path, "c"),
    ],
)
def test_the_names_in_a_device_tree(use: Callable[[DeviceTree, str], object]) -> None:
    tree = nasty_tree()
    node = tree.root.children[1]
    with pytest.raises(mboxio.DeviceTreeError) as caught:
        use(tree, node.path)
    text = str(caught.value)
    assert text.isprintable()
    assert r"\x1b[2J" in text
    assert len(text) <= OURS_MAX + 2 * REMOTE_MAX
    assert repr(node).isprintable()
