"""The remote of a host in the manner of rpmsg-lite, whose rings look otherwise than Linux's."""

from functools import partial

import pytest

from mboxio.client.connection import Connection
from mboxio.controllers.virtio_rpmsg.driver import VirtioRpmsg
from mboxio.controllers.virtio_rpmsg.options import VirtioRpmsgOptions
from mboxio.errors import RemoteGone
from mboxio.regions import Memory
from mboxio.rpmsg.link import RemoteLink
from mboxio.rpmsg.looking.dump import BytesDump
from mboxio.rpmsg.looking.explain import WRONG, explain
from mboxio.virtio.layout import SplitLayout
from tests.rpmsg.filled import FilledHost
from tests.rpmsg.firmware import until
from tests.rpmsg.support import ACCESSES, ADDRESS, Pair

BUFFER_BYTES = 64
NUMS = [2, 8]
"""2 is rpmsg-lite's own default."""


@pytest.fixture(params=NUMS)
def num(request: pytest.FixtureRequest) -> int:
    number: int = request.param
    return number


def taken(link: RemoteLink) -> list[bytes]:
    found = []
    while (message := link.receive()) is not None:
        found.append(message)
    link.release()
    return found


@pytest.mark.parametrize("access", ACCESSES)
@pytest.mark.parametrize("age", [0, 0xFFF0])
def test_messages_go_both_ways(num: int, access: object, age: int) -> None:
    """Also where an index wraps."""
    pair = Pair(num, 16, BUFFER_BYTES, access)
    host = FilledHost(pair, BUFFER_BYTES)
    host.age(age)
    link = pair.join()
    for number in range(50):
        message = b"%d" % number
        assert host.send(1, 0x400, message)
        assert link.receive() == message
        assert (link.source, link.destination) == (1, 0x400)
        link.release()
        assert link.send(0x400, 1, message) >= 0
        assert host.receive() == message


@pytest.mark.parametrize("rounds", [0, 1, 3])
def test_all_that_was_sent_before_is_taken(num: int, rounds: int) -> None:
    """As many as there are buffers, too: both indices are the same then, as in an idle ring."""
    for waiting in range(num + 1):
        pair = Pair(num, 16, BUFFER_BYTES)
        host = FilledHost(pair, BUFFER_BYTES)
        before = pair.join()
        for _ in range(rounds):
            host.send(1, 2, b"earlier")
            taken(before)
        sent = [b"%d" % number for number in range(waiting)]
        assert all(host.send(1, 2, message) for message in sent)
        link = pair.join()
        assert taken(link) == sent
        assert not taken(link)
        assert host.send(1, 2, b"more")
        assert taken(link) == [b"more"]


def test_an_idle_ring_of_another_host_stays_idle(num: int) -> None:
    """Linux and OpenAMP do not say writable of what they send in."""
    pair = Pair(num, 16, BUFFER_BYTES)
    for _ in range(num):
        assert pair.host.send(1, 2, b"once") >= 0
        assert taken(pair.remote) == [b"once"]
        pair.host.sent()
    link = pair.join()
    assert not taken(link)
    pair.host.send(1, 2, b"twice")
    assert taken(link) == [b"twice"]


def test_who_only_looks_finds_nothing_wrong(num: int) -> None:
    pair = Pair(num, 16, BUFFER_BYTES)
    host = FilledHost(pair, BUFFER_BYTES)
    link = pair.join()
    host.send(1, 2, b"hello")
    taken(link)
    host.send(1, 2, b"waits")
    layouts = [SplitLayout(ADDRESS + each.base, each.num, each.align) for each in pair.layouts]
    picture = explain(BytesDump(pair.memory, ADDRESS), layouts, buffer_bytes=BUFFER_BYTES)
    assert not [each for each in picture.findings if each.kind == WRONG]


def test_the_driver_is_its_remote_also_in_a_second_life(num: int) -> None:
    pair = Pair(num, 16, BUFFER_BYTES)
    host = FilledHost(pair, BUFFER_BYTES, address=0)
    rings = ",".join(hex(each.base) for each in pair.layouts)
    options = VirtioRpmsgOptions(
        role="remote", rings=rings, num=num, align=16, fixed="pump=0x400:1", buffer_bytes=64
    )
    driver = VirtioRpmsg(options=options, region=Memory(pair.memory))
    with Connection(driver, address="virtio-rpmsg:filled") as connection:
        pump = connection.client("pump")
        listening = pump.subscribe()
        for _ in range(3):
            answers: list[bytes] = []
            for number in range(3 * num):
                until(partial(host.send, 1, 0x400, b"%d" % number), "no buffer came back")
                assert listening.get(timeout_s=20) == b"%d" % number
                pump.send(b"re %d" % number, timeout_s=20)
                answers.append(host.receive() or b"")
            assert answers == [b"re %d" % number for number in range(3 * num)]
            host.begin()
            with pytest.raises(RemoteGone, match="another life of the rings"):
                listening.get(timeout_s=20)
