"""Both sides meet whatever happens: resets and deaths of hosts between any two accesses."""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mboxio import Connection
from mboxio.controllers.firmware_rings.bells import Bell
from mboxio.controllers.firmware_rings.driver import FirmwareRings
from mboxio.controllers.firmware_rings.options import RingsOptions
from mboxio.errors import MailboxError, RemoteGone
from mboxio.regions.region import Kind, Memory, Region
from mboxio.regions.views.window import Window
from mboxio.ring.layout import HOST_LIFE
from tests.firmware_rings.model import Firmware
from tests.tools import examples

RESET, DIE = -1, -2
STEPS = st.one_of(st.integers(0, 12), st.just(RESET))
SCHEDULES = st.lists(st.tuples(st.integers(0, 60), st.sampled_from([RESET, DIE])), max_size=4)


class Stepped(Region):
    """Firmware's memory as one host sees it; the firmware goes on with each access of the host.

    Args:
        firmware: whose memory.
        kind: what the host takes it for.
        pace: steps of the firmware for each access, used again and again.
        events: what happens before which access.
    """

    def __init__(
        self, firmware: Firmware, kind: Kind, pace: Sequence[int], events: dict[int, int]
    ) -> None:
        self.firmware = firmware
        self.memory = firmware.memory
        self.kind = kind
        self.size_bytes = self.memory.size_bytes
        self.pace = pace
        self.events = events
        self.accesses = 0
        self.lives: set[int] = set()
        self.dead = False
        self.gone = False  # the next access breaks

    def happen(self) -> None:
        if self.gone:
            self.gone = False
            raise RemoteGone("the way to the memory broke")
        if self.dead:
            return
        event = self.events.get(self.accesses)
        steps = self.pace[self.accesses % len(self.pace)]
        self.accesses += 1
        if event == DIE:
            words = self.memory.read_words(0, self.size_bytes // 4)
            self.memory = Memory(bytearray(self.size_bytes))  # what it does now, nobody sees
            self.memory.write_words(0, words)
            self.dead = True
            return
        if event == RESET:
            self.firmware.reset()
        for _ in range(steps):
            self.firmware.step()

    def read(self, offset: int, width: int) -> int:
        self.happen()
        return self.memory.read(offset, width)

    def write(self, offset: int, value: int, width: int) -> None:
        self.happen()
        if offset == HOST_LIFE and value and not self.dead:
            self.lives.add(value)
        self.memory.write(offset, value, width)

    def read_words(self, offset: int, count: int) -> list[int]:
        self.happen()
        return self.memory.read_words(offset, count)

    def write_words(self, offset: int, words: Sequence[int]) -> None:
        self.happen()
        if offset == HOST_LIFE and words[0] and not self.dead:
            self.lives.add(words[0])
        self.memory.write_words(offset, words)


OPTIONS = RingsOptions(answer_s=0.05, timeout_s=0.1, poll_s=20e-6, shared=True)


PATIENT = RingsOptions(answer_s=20.0, timeout_s=20.0, poll_s=20e-6, shared=True)


def converse(region: Stepped, number: int, options: RingsOptions = OPTIONS) -> bool:
    """Be one host, once the firmware is up; returns whether all went well."""
    region.firmware.settle()
    try:
        with Connection(FirmwareRings(options=options, region=region)) as connection:
            client = connection.client(0, backlog=8)
            asked = [b"%d-%d" % (number, each) for each in range(6)]
            requests = [(text, client.submit(text)) for text in asked]
            for text, request in requests:
                reply = request.result()
                if not region.dead:  # a dead host believes what it likes
                    assert reply == text
            return True
    except MailboxError:
        return False


@pytest.mark.parametrize("kind", [Kind.DEVICE, Kind.REMOTE])
@settings(max_examples=examples(40), deadline=None)
@given(
    pace=st.lists(st.integers(1, 9), min_size=1, max_size=6),
    plans=st.lists(SCHEDULES, min_size=1, max_size=4),
)
def test_nobody_gets_anothers_reply(
    kind: Kind, pace: list[int], plans: list[list[tuple[int, int]]]
) -> None:
    firmware = Firmware(Memory(bytearray(4096)))
    hosts: list[Stepped] = []
    for number, plan in enumerate(plans):
        hosts.append(Stepped(firmware, kind, pace, dict(plan)))
        converse(hosts[-1], number)
    last = Stepped(firmware, kind, [9], {})
    assert converse(last, len(plans), PATIENT)
    for life, message in firmware.heard:
        number = int(message.split(b"-")[0])
        host = [*hosts, last][number]
        assert life in host.lives, f"host {number} was served in the life of another"


@pytest.mark.parametrize("kind", [Kind.DEVICE, Kind.REMOTE])
@pytest.mark.parametrize("event", [RESET, DIE])
def test_once_before_each_access(kind: Kind, event: int) -> None:
    for before in range(0, 90, 3 if event == DIE else 1):
        firmware = Firmware(Memory(bytearray(4096)))
        first = Stepped(firmware, kind, [3], {before: event})
        converse(first, 0)
        last = Stepped(firmware, kind, [9], {})
        assert converse(last, 1, PATIENT), before
        assert all(
            life in (first, last)[int(message[:1])].lives for life, message in firmware.heard
        )


@pytest.mark.parametrize("kind", [Kind.DEVICE, Kind.REMOTE])
def test_what_firmware_says_first_is_heard(kind: Kind) -> None:
    for pace in range(1, 30, 4):
        firmware = Firmware(Memory(bytearray(4096)), greets=True)
        firmware.settle()
        region = Stepped(firmware, kind, [pace], {})
        with Connection(FirmwareRings(options=OPTIONS, region=region)) as connection:
            client = connection.client(0)
            with client.subscribe() as messages:
                assert messages.get(timeout_s=1.0) == b"hello"


@pytest.mark.parametrize("kind", [Kind.DEVICE, Kind.REMOTE])
def test_memory_of_a_life_that_is_over(kind: Kind) -> None:
    firmware = Firmware(Memory(bytearray(4096)))
    firmware.settle()
    region = Stepped(firmware, kind, [0], {})  # it hangs
    with pytest.raises(RemoteGone, match=r"nobody answers in 0\.05 s"):
        Connection(FirmwareRings(options=OPTIONS, region=region))


class TwoPlaces(Stepped):
    """RAM in which a memory of another program lies before that of the firmware."""

    def __init__(self, kind: Kind) -> None:
        ram = Memory(bytearray(2 * PLACE_BYTES))
        places = [Window(ram, at, PLACE_BYTES) for at in (0, PLACE_BYTES)]
        self.before, after = (Firmware(each) for each in places)
        self.before.settle()
        after.settle()
        super().__init__(after, kind, [3], {})
        self.memory, self.size_bytes = ram, ram.size_bytes


PLACE_BYTES = 4096
SEARCHING = RingsOptions(search=True, answer_s=0.05, timeout_s=5.0)


@pytest.mark.parametrize("kind", [Kind.DEVICE, Kind.REMOTE])
def test_a_search_goes_on_where_nobody_answers(kind: Kind) -> None:
    region = TwoPlaces(kind)
    for _ in range(2):
        driver = FirmwareRings(options=SEARCHING, region=region)
        with Connection(driver) as connection:
            client = connection.client(0)
            assert client.request(b"0-0") == b"0-0"
            assert driver.place.offset == PLACE_BYTES
            with pytest.raises(MailboxError, match=r"uses the rings .* already"):
                Connection(FirmwareRings(options=SEARCHING, region=region))
            region.firmware.reset()
            region.firmware.settle()
            connection.remote_restarted()
            assert client.request(b"0-1", queue_timeout_s=20.0) == b"0-1"


@pytest.mark.parametrize("kind", [Kind.DEVICE, Kind.REMOTE])
def test_a_new_life_elsewhere(kind: Kind) -> None:
    """As where a bootloader has rings, and the program that it starts has others."""
    region = TwoPlaces(kind)
    region.firmware, later = region.before, region.firmware
    later.memory.write(0, 0, 4)
    with Connection(FirmwareRings(options=SEARCHING, region=region)) as connection:
        client = connection.client(0)
        assert client.request(b"0-0") == b"0-0"
        region.firmware = later
        later.reset()
        later.settle()
        connection.remote_restarted()
        assert client.request(b"0-1", queue_timeout_s=20.0) == b"0-1"
        assert later.heard


def test_nobody_answers_anywhere() -> None:
    region = TwoPlaces(Kind.DEVICE)
    region.pace = [0]
    with pytest.raises(RemoteGone, match="a memory is there at offset 0x1000 and nobody answers"):
        Connection(FirmwareRings(options=SEARCHING, region=region))


@pytest.mark.parametrize("content", [b"\0", b"\xff", b"MBX1"])
def test_garbage_is_no_memory(content: bytes) -> None:
    memory = Memory(bytearray((content * 4096)[:4096]))
    for kind in (Kind.DEVICE, Kind.REMOTE):
        region = Stepped(Firmware(memory), kind, [0], {})
        with pytest.raises(RemoteGone, match="the firmware has not started"):
            Connection(FirmwareRings(options=OPTIONS, region=region))
        assert not region.lives  # it wrote nothing there


def test_another_host_takes_it() -> None:
    firmware = Firmware(Memory(bytearray(4096)))
    firmware.settle()
    regions = [Stepped(firmware, Kind.DEVICE, [5], {}) for _ in range(2)]
    drivers = [FirmwareRings(options=OPTIONS, region=region) for region in regions]
    with Connection(drivers[0]) as one:
        client = one.client(0)
        assert client.request(b"0-0") == b"0-0"
        with Connection(drivers[1]) as two:
            with pytest.raises(MailboxError, match="another host has taken its memory"):
                client.request(b"0-1")
            drivers[0].reaching.run()
            assert two.client(0).request(b"1-0") == b"1-0"  # it was not taken back
            assert not drivers[0].linked
        drivers[0].reaching.run()  # the other one has left
        assert client.request(b"0-2") == b"0-2"


class CutBell(Bell):
    """A doorbell of which the wire is cut."""

    rings = True
    cut = False

    @property
    def broken(self) -> bool:
        return self.cut

    def open(self) -> None:
        self.cut = False

    def ring(self) -> None:
        if self.cut:
            raise RemoteGone("the wire is cut")


@pytest.mark.parametrize("kind", [Kind.DEVICE, Kind.REMOTE])
@pytest.mark.parametrize("what", ["bell", "memory"])
def test_an_end_that_shows_in_an_access(kind: Kind, what: str) -> None:
    firmware = Firmware(Memory(bytearray(4096)))
    firmware.settle()
    region = Stepped(firmware, kind, [5], {})
    driver = FirmwareRings(options=OPTIONS, region=region)
    with Connection(driver) as connection:
        bell = driver.bell = CutBell()
        client = connection.client(0)
        assert client.request(b"0-0") == b"0-0"
        if what == "bell":
            bell.cut = True
        else:
            region.gone = True
        with pytest.raises(MailboxError):
            client.request(b"0-1")
        assert client.request(b"0-2", timeout_s=20, queue_timeout_s=20) == b"0-2"
