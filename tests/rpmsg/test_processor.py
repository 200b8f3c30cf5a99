"""A processor back to back with a host, in one thread, step by step."""

from typing import Any

import pytest

from mboxio.errors import AddressError, RemoteError
from mboxio.remote import Faults
from mboxio.remote.rpmsg import firmware_image
from mboxio.remote.rpmsg.layout import TRACE_AT, RpmsgLayout
from mboxio.remote.rpmsg.services import Services
from mboxio.rpmsg.image import find_table
from mboxio.rpmsg.message import NAME_SERVICE, Announcement
from mboxio.rpmsg.table import ANYWHERE, parse_table

from .back import HOST, MS, Back
from .host import READY


def test_nothing_is_touched_before_the_host_is_ready() -> None:
    back = Back(begin=False)
    back.services.service("echo")
    before = bytes(back.region.buffer())
    for status in (0, 1, 3):
        back.region.write(back.host.status_at, status, 1)
        assert not back.end.stirs()
        assert not back.end.serve(0)
        assert back.end.arm()
    back.region.write(back.host.status_at, 0, 1)
    assert bytes(back.region.buffer()) == before
    back.host.begin()
    assert back.end.stirs()
    assert not back.end.arm()
    back.step()
    assert back.host.services == {"echo": 1024}
    assert back.rung == 1


def test_services_answer_from_their_addresses() -> None:
    back = Back()
    back.services.service("echo")
    back.services.service("upper", bytes.upper, address=30)
    hidden = back.services.service("hidden", lambda message: message[::-1], announced=False)
    back.step()
    assert back.host.services == {"echo": 1024, "upper": 30}
    assert back.ask("echo", b"one") == [b"one"]
    assert back.ask("upper", b"two", 7) == [b"TWO"]
    back.host.send(hidden.address, b"abc")
    back.step()
    assert back.host.messages == [(hidden.address, HOST, b"cba")]
    assert back.got() == [b"cba"]
    assert back.ask("echo", b"") == [b""]
    counts = back.stats
    assert (counts.messages, counts.replies, counts.announcements, counts.links) == (4, 4, 2, 1)


def test_a_service_comes_late_and_goes() -> None:
    back = Back()
    back.step()
    assert back.host.services == {}
    late = back.services.service("late")
    assert back.end.stirs()
    assert not back.end.arm()
    back.step()
    assert back.ask("late", b"x") == [b"x"]
    late.withdraw()
    late.withdraw()
    back.step()
    assert back.host.gone == ["late"]
    assert back.ask(1024, b"x") == []
    assert back.stats.unknown == 1
    back.services.service("late")
    back.step()
    assert back.ask("late", b"y") == [b"y"]


def test_a_service_that_goes_and_comes_at_once_is_a_new_one() -> None:
    back = Back()
    first = back.services.service("echo", latency_s=1e-3)
    back.step()
    back.host.send("echo", b"owed")
    back.step()
    first.withdraw()
    back.services.service("echo", address=2000)
    back.step(5 * MS)
    assert back.host.gone == ["echo"]
    assert back.host.services == {"echo": 2000}
    assert back.got() == []
    assert back.stats.dropped == 1
    assert back.end.next_ns() is None


def test_announcements_and_answers_wait_for_buffers() -> None:
    back = Back()
    for number in range(10):
        back.services.service(f"service-{number}")
    back.end.serve(0)
    assert back.host.link.pending() == 4
    assert back.stats.announcements == 4
    assert not back.end.stirs()
    assert back.end.next_ns() is not None  # a look, should the host not ring
    back.step()
    assert len(back.host.services) == 10

    taken = 0
    while back.host.send("service-3", b"%d" % taken):
        back.end.serve(0)
        taken += 1
    assert back.stats.replies == 4
    assert taken > 8  # and what found no buffer waits, up to a limit
    back.step()
    while len(back.host.messages) < taken:
        back.step()
    assert back.got() == [b"%d" % number for number in range(taken)]


def test_a_host_that_reads_nothing_is_not_read_either() -> None:
    back = Back()
    back.services.service("echo")
    back.step()
    sent = 0
    for _ in range(200):
        sent += back.host.send("echo", b"x")
        back.end.serve(0)
    assert sent < 60
    assert back.end.arm()
    before = back.stats.messages
    for _ in range(20):
        back.end.serve(0)
    assert back.stats.messages == before
    for _ in range(100):
        back.step()
    assert len(back.got()) == sent


def test_firmware_that_only_tries_to_send_drops_answers() -> None:
    back = Back()
    back.services.service("echo")
    back.step()
    back.processor.outbox.dropping = True
    for number in range(6):
        assert back.host.send("echo", b"%d" % number)
        back.end.serve(0)
    back.step()
    assert back.got() == [b"0", b"1", b"2", b"3"]
    assert back.stats.dropped == 2


def test_answers_to_the_first_source_are_those_of_openamp() -> None:
    back = Back()
    back.services.service("first", answers="first")
    back.step()
    assert back.ask("first", b"a", 7) == [b"a"]
    assert back.ask("first", b"b", 8) == []
    assert back.host.messages == []
    back.host.send("first", b"c", 8)
    back.step()
    assert back.got(7) == [b"c"]
    back.host.begin()  # a new life has a new first one
    back.step()
    assert back.ask("first", b"d", 8) == [b"d"]


@pytest.mark.parametrize("looks", [True, False])
def test_the_host_resets(looks: bool) -> None:
    """Everything is dropped and announced again, also if the reset itself was not seen."""
    back = Back()
    back.services.service("echo")
    back.services.service("slow", latency_s=1e-3)
    back.step()
    back.host.send("slow", b"owed")
    back.step()
    back.host.reset()
    if looks:
        assert back.end.serve(back.now_ns)
        assert back.processor.link is None
        assert back.end.arm()
    back.host.begin()
    assert back.end.stirs()
    assert not back.end.arm()
    back.step()
    assert back.host.services == {"echo": 1024, "slow": 1025}
    back.step(5 * MS)
    assert back.got() == []
    assert back.ask("echo", b"again") == [b"again"]
    assert back.stats.links == 2


def test_latency_and_workers() -> None:
    back = Back()
    back.services.service("slow", latency_s=1e-3, workers=2)
    back.step()
    for number in range(4):
        assert back.host.send("slow", b"%d" % number)
    back.step()
    assert back.got() == []
    assert back.end.next_ns() == 1 * MS
    back.step(1 * MS)
    assert back.got() == [b"0", b"1"]
    back.step(1 * MS)
    assert back.got() == [b"2", b"3"]
    assert back.end.next_ns() is None


def test_a_handler_that_fails_or_answers_nothing(caplog: pytest.LogCaptureFixture) -> None:
    def handler(message: bytes) -> Any:
        return {b"none": None, b"array": bytearray(b"fine"), b"long": bytes(49)}[message]

    back = Back()
    back.services.service("odd", handler)
    back.step()
    for message, answers in {b"none": [], b"what": [], b"long": [], b"array": [b"fine"]}.items():
        assert back.ask("odd", message) == answers
    assert back.stats.failures == 2
    assert "KeyError" in caplog.text
    assert "49 bytes, a buffer takes 48" in caplog.text


def test_unsolicited_messages_go_to_who_spoke_last() -> None:
    back = Back()
    back.services.service("sensor", lambda _: None)
    back.step()
    assert not back.processor.notify("sensor", b"nobody spoke")
    assert not back.processor.notify("other", b"no such service")
    back.ask("sensor", b"hello", 7)
    assert back.processor.notify("sensor", b"21")
    back.ask("sensor", b"hello", 8)
    assert back.processor.notify("sensor", b"22")
    back.step()
    assert [each[1:] for each in back.host.messages] == [(8, b"22")]
    for _ in range(4):
        assert back.processor.notify("sensor", b"x")
    assert not back.processor.notify("sensor", b"no buffer")


def test_a_host_that_announces_is_known_before_it_speaks() -> None:
    back = Back()
    back.services.service("sensor")
    back.step()
    back.host.send(NAME_SERVICE, Announcement("sensor", 0x700).pack(), 0x700)
    back.step()
    assert back.processor.endpoints.of_host == {"sensor": 0x700}
    assert back.processor.notify("sensor", b"21")
    back.step()
    assert back.got(0x700) == [b"21"]
    back.host.send(NAME_SERVICE, Announcement("sensor", 0x700, gone=True).pack(), 0x700)
    back.host.send(NAME_SERVICE, b"nonsense")
    back.step()
    assert back.processor.endpoints.of_host == {}
    assert back.stats.unknown == 1


@pytest.mark.parametrize(
    ("faults", "answers"),
    [
        (Faults(missing_probability=1), []),
        (Faults(duplicate_probability=1), [b"a", b"a", b"b", b"b"]),
        (Faults(reorder_probability=0.5, seed=3), None),
        (Faults(late_probability=1, late_s=1), []),
    ],
)
def test_faults(faults: Faults, answers: list[bytes] | None) -> None:
    back = Back()
    back.services.service("echo")
    back.services.faults = faults
    back.step()
    if answers is None:
        sent = [b"%d" % number for number in range(100)]
        got: list[bytes] = []
        for message in sent:
            got += back.ask("echo", message)
        back.step(100 * MS)
        got += back.got()
        assert sorted(got) == sorted(sent)
        assert got != sent
        assert back.stats.reordered > 10
        return
    back.host.send("echo", b"a")
    back.host.send("echo", b"b")
    back.step()
    assert back.got() == answers
    back.step(2000 * MS)
    assert back.got() == ([b"a", b"b"] if faults.late_probability else [])


@pytest.mark.parametrize(
    ("queue", "field", "value", "told"),
    [
        (0, "index", 9, "used index moved by"),
        (0, "head", 9, "gave back buffer 9"),
        (0, "filled", 4000, "filled 4000 of 64"),
        (0, "filled", 3, "filled 3 of 64"),
        (0, "again", 0, "gave back buffer"),
        (1, "index", 9, "used index moved by"),
        (1, "head", 9, "gave back buffer 9"),
        (1, "again", 0, "gave back buffer"),
    ],
)
def test_lies_on_the_rings(queue: int, field: str, value: int, told: str) -> None:
    back = Back()
    back.services.service("echo")
    back.step()
    assert back.ask("echo", b"x") == [b"x"]
    if field == "filled":  # of a buffer that the host did lend
        back.processor.put(1024, HOST, b"x", filled=value)
    else:  # with messages under way in both directions
        assert back.processor.put(1024, HOST, b"x")
        assert back.host.link.send(HOST, 1024, b"x") >= 0
        assert back.host.link.send(HOST, 1024, b"x") >= 0
        link = back.processor.link
        assert link is not None
        assert link.receive() == b"x"
        link.release()
        assert back.end.lie(queue, field, value)
    with pytest.raises(RemoteError, match=told):
        back.host.look()
    back.host.begin()
    back.step()
    assert back.ask("echo", b"again") == [b"again"]


def test_lies_in_messages() -> None:
    back = Back()
    back.services.service("echo")
    back.step()
    assert back.processor.put(1024, 0x999, b"to nobody")
    assert back.processor.put(5, NAME_SERVICE, b"\xff" * 40)
    back.processor.announce(*(Announcement(f"flood-{n}", 5000 + n) for n in range(100)))
    back.step()
    assert back.host.messages == [(1024, 0x999, b"to nobody")]
    assert len(back.host.strange) == 1
    assert len(back.host.services) == 101
    back.services.faults = Faults(oversize_probability=1)
    back.host.send("echo", b"x")
    back.end.serve(0)
    with pytest.raises(RemoteError, match="a message of 65535 bytes"):
        back.host.look()
    assert back.stats.oversize == 1
    with pytest.raises(ValueError, match="no field 'rear' to lie about"):
        back.end.lie(0, "rear", 1)
    with pytest.raises(ValueError, match="no queue 2"):
        back.end.lie(2, "head", 1)


def test_leaked_buffers_come_back_at_the_end() -> None:
    back = Back()
    back.services.service("echo")
    back.step()
    back.processor.leaking = True
    sent = 0
    while back.host.send("echo", b"x"):
        back.step()
        sent += 1
    assert sent == 4
    assert back.got() == [b"x"] * 4  # it works, and then the host has no buffer
    back.processor.leaking = False
    back.step()
    assert back.ask("echo", b"y") == [b"y"]


def test_silence() -> None:
    back = Back()
    back.services.service("echo")
    back.step()
    back.processor.silent = True
    assert back.ask("echo", b"x") == []
    assert not back.end.stirs()
    assert back.end.next_ns() is None
    back.processor.silent = False
    back.step()
    assert back.got() == [b"x"]


@pytest.mark.parametrize(
    ("offset", "value", "width"),
    [(2, 9, 2), (4, 9, 2)],  # of the available part: the index, the first head
)
def test_a_lying_host_is_told_of_once_and_comes_back_by_a_reset(
    offset: int, value: int, width: int
) -> None:
    back = Back()
    back.services.service("echo")
    back.step()
    ring = back.host.link.outgoing
    back.host.send("echo", b"x")
    back.region.write(ring.available + offset, value, width)
    with pytest.raises(RemoteError, match="the remote lied"):
        back.end.serve(0)
    assert back.processor.broken
    for _ in range(3):
        assert not back.end.serve(0)
        assert not back.end.stirs()
        assert back.end.arm()
    back.host.begin()
    back.step()
    assert not back.end.processor.broken
    assert back.ask("echo", b"again") == [b"again"]


@pytest.mark.parametrize("damage", [(16, 0xFFFF0000), (0, 2), (4, 300)])
def test_a_host_that_damages_the_table(damage: tuple[int, int]) -> None:
    back = Back(begin=False)
    back.region.write(damage[0], damage[1], 4)
    back.region.write(back.host.status_at, READY, 1)
    with pytest.raises(RemoteError, match="resource table"):
        back.end.serve(0)
    assert not back.end.serve(0)


def test_a_host_that_puts_a_ring_nowhere() -> None:
    back = Back(begin=False)
    device = back.host.table.rpmsg[0]
    back.region.write(device.ring_at(0), 0x7FFF0000, 4)
    back.region.write(back.host.status_at, READY, 1)
    with pytest.raises(RemoteError, match="lied in the resource table: the ring cannot be used"):
        back.end.serve(0)


def test_the_trace_is_read_up_to_its_end() -> None:
    back = Back()
    back.end.trace("booted\n")
    assert back.region.read_block(TRACE_AT, 8) == b"booted\n\0"
    back.end.trace("x" * 5000 + "end")
    text = back.region.read_block(TRACE_AT, 4096)
    assert text.endswith(b"xend\0")
    assert text.index(0) == 4095


@pytest.mark.parametrize("wide", [False, True])
def test_the_firmware_image(wide: bool) -> None:
    found = find_table(firmware_image(RpmsgLayout(num=256, address=0x1000_0000), wide=wide))
    assert found is not None
    assert found.address == 0x1000_0000
    table = parse_table(found.table)
    assert [each.address for each in table.rpmsg[0].rings] == [ANYWHERE] * 2
    assert table.carveout("vdev0buffer") is None
    fixed = find_table(firmware_image(anywhere=False))
    assert fixed is not None
    rings = parse_table(fixed.table).rpmsg[0].rings
    assert [each.address for each in rings] == [0x4000, 0x8000]


@pytest.mark.parametrize("num", [1, 16, 256, 1024])
@pytest.mark.parametrize("align", [4, 16, 4096, 65536])
def test_layouts_do_not_overlap(num: int, align: int) -> None:
    layout = RpmsgLayout(num, align, 512)
    first, second = layout.rings
    assert first.problem(layout.size_bytes) is None
    assert first.base + first.size_bytes <= second.base
    assert second.base + second.size_bytes <= layout.buffers
    assert layout.buffers + 1024 * num <= layout.size_bytes
    assert len(layout.table()) <= TRACE_AT
    if num == 256 and align <= 4096:
        assert (first.base, second.base, layout.buffers) == (0x4000, 0x8000, 0x10000)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"num": 3}, "not a power of two"),
        ({"num": 2048}, "up to 1024"),
        ({"align": 3}, "align is 3"),
        ({"buffer_bytes": 18}, "not a multiple of 4"),
        ({"address": 100}, "no page of 32 bits"),
        ({"address": 0xFFFF_F000}, "with room behind"),
    ],
)
def test_impossible_layouts(options: dict[str, int], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        RpmsgLayout(**options)


def test_services_that_cannot_be() -> None:
    services = Services()
    services.service("one", address=5)
    for arguments, why in [
        (("one",), "there already"),
        (("two words",), "printable ASCII"),
        (("x" * 32,), "1 to 31"),
    ]:
        with pytest.raises(ValueError, match=why):
            services.service(*arguments)
    for address in (5, 53, 0, -1, 1 << 32):
        with pytest.raises(ValueError, match="address"):
            services.service("two", address=address)
    with pytest.raises(ValueError, match="answers is 'all'"):
        services.service("two", answers="all")  # type: ignore[arg-type]

    async def later(message: bytes) -> bytes:
        return message

    with pytest.raises(TypeError, match="async"):
        services.service("two", later)  # type: ignore[arg-type]
    with pytest.raises(AddressError, match="no service 'two'; there are: one"):
        services.find("two")
