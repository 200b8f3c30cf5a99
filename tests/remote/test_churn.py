"""Hosts that come and go without end: what they cost, who is served meanwhile, who comes in."""

import itertools
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest

import mboxio
from mboxio import RemoteGone
from mboxio._limits.budget import Budget
from mboxio._limits.sparing import AT_ONCE, PER_S, Sparing
from mboxio.local.doorbells import let_go
from mboxio.local.sockets import WAITING_MAX, connect
from mboxio.remote import Remote
from mboxio.remote.serving.admission import CONNECTIONS_MAX, SHARE_KEPT, Admission
from mboxio.remote.serving.door import SHARE, Door
from mboxio.remote.serving.handshake import Peer
from mboxio.remote.serving.rounds import RemoteEnd
from mboxio.remote.serving.server import ConnectedHost
from mboxio.remote.serving.shm import ShmServer
from mboxio.ring import REPLY
from tests.hardening.support import PATIENCE_S, until

from .minihost import MiniHost
from .support import echo, until_gone

pytestmark = pytest.mark.usefixtures("sockets")

SECOND_NS = 1_000_000_000


def test_a_budget_fills_up_to_its_size() -> None:
    budget = Budget(10, per_s=2)
    now_ns = SECOND_NS
    assert budget.spend(9, now_ns) == budget.wait_ns(now_ns) == 0
    assert budget.spend(3, now_ns) == SECOND_NS + 1  # 2 too many
    assert budget.wait_ns(now_ns + SECOND_NS // 2) == SECOND_NS // 2 + 1
    later_ns = now_ns + 1000 * SECOND_NS
    assert budget.wait_ns(later_ns) == 0
    assert budget.spend(10, later_ns) == 1  # it holds no more than that
    assert budget.spend(1, later_ns - SECOND_NS) > 0  # whatever the clock does


class Counted(Door):
    """Keeps what each coming or going took, and how long the door rested for it."""

    rests: list[tuple[int, int]]

    def charge(self, began_ns: int, others: bool) -> None:
        before_ns = self.resume_ns
        self._budget.left = min(self._budget.left, 0.0)  # all that may be had at once is spent
        super().charge(began_ns, others)
        if self.resume_ns is not None and self.resume_ns != before_ns:
            self.rests.append((began_ns, self.resume_ns))
        assert others or self.resume_ns == before_ns


def hello(link: socket.socket) -> None:
    """Take the memory."""
    link.settimeout(PATIENCE_S)
    try:
        _, descriptors, _, _ = socket.recv_fds(link, 64, 4)
    except OSError:
        return
    for descriptor in descriptors:
        os.close(descriptor)


def half(link: socket.socket) -> None:
    """Say no more."""
    try:
        link.shutdown(socket.SHUT_WR)
    except OSError:
        pass  # the remote was faster


def at_once(link: socket.socket) -> None:
    """Want nothing."""


@pytest.fixture
def serving(monkeypatch: pytest.MonkeyPatch) -> Iterator[Counted]:
    monkeypatch.setattr("mboxio.remote.serving.hosts.Door", Counted)
    Counted.rests = []
    with echo(spin_s=0.0) as remote:
        yield cast(Counted, cast(ShmServer, remote._server)._door)
        until_gone(remote)


@pytest.mark.parametrize("way", [at_once, hello, half])
def test_who_is_there_is_served_and_who_comes_comes_in_while_others_come_and_go(
    serving: Counted, way: Callable[[socket.socket], None]
) -> None:
    over = threading.Event()

    def churn() -> None:
        while not over.is_set():
            try:
                with connect("demo") as link:
                    way(link)
            except RemoteGone:
                os.sched_yield()  # many others do the same

    with mboxio.open("shm:demo/c", timeout_s=PATIENCE_S) as served:
        churning = threading.Thread(target=churn)
        churning.start()
        try:
            until(lambda: len(serving.rests) > 3)
            for number in range(100):
                assert served.request(b"%d" % number) == b"%d" % number
            for _ in range(3):
                with mboxio.open("shm:demo/c?connect_timeout_s=60", timeout_s=60) as new:
                    assert new.request(b"new") == b"new"
        finally:
            over.set()
            churning.join()
        for began_ns, resume_ns in serving.rests:
            assert resume_ns > began_ns


def test_a_rest_lasts_in_proportion(serving: Counted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mboxio.remote.serving.door.monotonic_ns", lambda: 5_000_000)
    assert serving._budget.wait_ns(5_000_000) == 0
    serving.charge(4_000_000, True)
    assert serving.resume_ns is not None
    assert serving.resume_ns - 5_000_000 == pytest.approx(1_000_000 / SHARE, abs=2)
    serving.charge(0, False)  # nobody waits, so it is nobody's loss
    assert serving.resume_ns - 5_000_000 == pytest.approx(1_000_000 / SHARE, abs=2)


def test_who_has_gone_again_gets_no_memory(remote: Remote, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, go_on = threading.Event(), threading.Event()
    welcomed: list[socket.socket] = []
    welcome = ShmServer.welcome

    def counted(self: ShmServer, link: socket.socket) -> Any:
        welcomed.append(link)
        return welcome(self, link)

    def slow(message: bytes) -> bytes:
        asked.set()
        assert go_on.wait(PATIENCE_S)
        return message

    remote.channels["c"].handler = slow
    with mboxio.open("shm:demo/c", timeout_s=PATIENCE_S) as client:
        monkeypatch.setattr(ShmServer, "welcome", counted)
        request = client.submit(b"?")
        assert asked.wait(PATIENCE_S)
        for _ in range(WAITING_MAX // 2):
            connect("demo").close()
            with connect("demo") as link:
                link.shutdown(socket.SHUT_WR)
        go_on.set()
        assert request.result() == b"?"
        with MiniHost("demo") as last:
            assert last.request(b"!") == (REPLY, 1, b"!")
    assert len(welcomed) == 1
    assert remote.stats().refused == 0


def test_between_two_ends_that_take_long_all_others_are_served(
    remote: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, go_on = threading.Event(), threading.Event()
    done: list[str] = []
    late_ns = [0]
    serve = ShmServer._serve

    def slow_end(link: socket.socket) -> None:
        late_ns[0] += 20_000_000
        done.append("end")
        let_go(link)

    def counted(self: ShmServer) -> bool:
        done.append("look")
        return serve(self)

    def slow(message: bytes) -> bytes:
        asked.set()
        assert go_on.wait(PATIENCE_S)
        return message

    serving = "mboxio.remote.serving"
    monkeypatch.setattr(f"{serving}.hosts.let_go", slow_end)
    for each in ("hosts", "server"):
        monkeypatch.setattr(
            f"{serving}.{each}.monotonic_ns", lambda: time.monotonic_ns() + late_ns[0]
        )
    remote.channels["c"].handler = slow
    with mboxio.open("shm:demo/c", timeout_s=PATIENCE_S) as client:
        going = [MiniHost("demo") for _ in range(5)]
        request = client.submit(b"?")
        assert asked.wait(PATIENCE_S)
        for host in going:
            host.socket.close()
        monkeypatch.setattr(ShmServer, "_serve", counted)
        go_on.set()
        assert request.result() == b"?"
        until_gone(remote, but=1)
    ends = [number for number, what in enumerate(done) if what == "end"][:5]
    assert len(ends) == 5
    assert all("look" in done[one:other] for one, other in itertools.pairwise(ends))


def test_who_comes_is_not_waited_for_whatever_the_default_is(remote: Remote) -> None:
    before_s = socket.getdefaulttimeout()
    with MiniHost("demo") as served:
        socket.setdefaulttimeout(PATIENCE_S * 100)
        try:
            with MiniHost("demo") as host:  # it says nothing before it has its memory
                assert host.request(b"x") == served.request(b"x") == (REPLY, 1, b"x")
        finally:
            socket.setdefaulttimeout(before_s)


def test_a_full_queue_of_those_who_wait_is_tried_again(sockets: str) -> None:
    os.mkdir(sockets, 0o700)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listening:
        listening.bind(os.path.join(sockets, "busy.sock"))
        listening.listen(0)
        with connect("busy"):
            with pytest.raises(RemoteGone, match="is busy and accepts nobody now"):
                connect("busy")
            with pytest.raises(RemoteGone, match="is busy and accepts nobody now"):
                connect("busy", patience_s=0.005)
            found: list[socket.socket] = []
            waiting = threading.Thread(
                target=lambda: found.append(connect("busy", patience_s=PATIENCE_S))
            )
            waiting.start()
            listening.accept()[0].close()
            waiting.join()
            found.pop().close()


def test_a_process_with_many_places_makes_room_for_another() -> None:
    places = Admission()
    share = CONNECTIONS_MAX - CONNECTIONS_MAX // SHARE_KEPT

    def place(pid: int, asked: bool) -> Any:
        end = RemoteEnd()
        end.asked = asked
        return ConnectedHost(Peer(pid, 1000, 1), cast(socket.socket, None), end, 0)

    busy = [place(1, True) for _ in range(share - 10)]
    idle = [place(2, False) for _ in range(3)]
    greedy = [place(3, False) for _ in range(7)]
    assert places.makes_room(1000, 4, [*busy, *idle], 1) is None  # there is a place
    full = [*busy, *idle, *greedy]
    assert len(full) == share
    assert places.makes_room(1000, 4, full, 1) is greedy[0]
    assert places.makes_room(1000, 2, full, 1) is greedy[0]
    assert places.makes_room(1000, 3, full, 1) is None  # nobody idle has more
    assert places.makes_room(1001, 4, full, 1) is None  # another user has places of its own
    each_one = [place(number, False) for number in range(share)]
    assert places.makes_room(1000, share, each_one, 1) is None  # nobody has more than a fair share


def test_what_hosts_cause_to_be_logged_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    now_ns = [SECOND_NS]
    monkeypatch.setattr("mboxio._limits.sparing.monotonic_ns", lambda: now_ns[0])
    sparing = Sparing()

    def logged(text: str, count: int) -> list[str]:
        made = [
            logging.LogRecord("t", logging.WARNING, "", 0, text, (n,), None) for n in range(count)
        ]
        return [record.getMessage() for record in made if sparing.filter(record)]

    assert logged("lied %d", 10 * AT_ONCE) == [f"lied {n}" for n in range(AT_ONCE)]
    assert logged("refused %d", 2) == ["refused 0", "refused 1"]  # another kind
    now_ns[0] += SECOND_NS
    later = logged("lied %d", AT_ONCE)
    assert len(later) == PER_S
    assert later[:2] == [f"lied 0 ({9 * AT_ONCE} more like it were left out)", "lied 1"]
