"""RPMsg over our own rings: the driver in both roles."""

import threading
from collections.abc import Iterator

import pytest

from mboxio import errors
from mboxio.client.connection import Connection
from mboxio.controllers.virtio_rpmsg.device import Device
from mboxio.controllers.virtio_rpmsg.driver import VirtioRpmsg
from mboxio.controllers.virtio_rpmsg.endpoints import ENDPOINTS_MAX
from mboxio.controllers.virtio_rpmsg.options import VirtioRpmsgOptions
from mboxio.regions import Memory
from tests.rpmsg.firmware import PATIENCE_S, Firmware, until

NUM, ALIGN = 8, 16
OFFSETS = (0x0, 0x1000)
RINGS: dict[str, object] = {"rings": "0x0,0x1000", "num": NUM, "align": ALIGN, "buffers": 0x2000}
TABLE: dict[str, object] = {"table": "0x100"}


@pytest.fixture
def memory() -> bytearray:
    return bytearray(1 << 16)


@pytest.fixture(params=["table", "rings"])
def layout(request: pytest.FixtureRequest) -> dict[str, object]:
    return TABLE if request.param == "table" else RINGS


@pytest.fixture
def firmware(memory: bytearray, layout: dict[str, object]) -> Firmware:
    return Firmware(memory, NUM, ALIGN, OFFSETS if layout is RINGS else None)


class Opened:
    """Connections that the test made, closed at its end."""

    def __init__(self, memory: bytearray, layout: dict[str, object]) -> None:
        self.memory = memory
        self.layout = layout
        self.connections: list[Connection] = []

    def __call__(self, role: str = "host", wanted: str = "", **options: object) -> Connection:
        values: dict[str, object] = {"announce_s": 0.0, "buffer_bytes": 64, "role": role}
        values |= self.layout
        values |= options
        settings = VirtioRpmsgOptions(**values)  # type: ignore[arg-type]
        driver = VirtioRpmsg(options=settings, region=Memory(self.memory))
        driver.expect(wanted)
        connection = Connection(driver, address=f"virtio-rpmsg:{role}")
        self.connections.append(connection)
        return connection


@pytest.fixture
def opened(memory: bytearray, layout: dict[str, object]) -> Iterator[Opened]:
    made = Opened(memory, layout)
    yield made
    for each in reversed(made.connections):
        each.close()


def heard(connection: Connection, name: str, address: int = -1) -> None:
    """Wait until a service can be talked to, at this address if one is given."""
    host = connection._host
    endpoints = host.controller.endpoints  # type: ignore[attr-defined]

    def known() -> bool:
        host.pump.look()
        endpoint = endpoints.by_name.get(name)
        found = -1 if endpoint is None else endpoint.remote
        return found >= 0 and address in (-1, found)

    until(known, f"{name} is not announced")


@pytest.mark.parametrize("layout", [TABLE], ids=["table"])
def test_a_remote_waits_for_a_host_that_comes_later(
    opened: Opened, firmware: Firmware, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the connection that it has, which it may not get twice."""
    looked = threading.Event()
    read_table = Device.read_table

    def look(device: Device) -> None:
        looked.set()
        read_table(device)

    monkeypatch.setattr(Device, "read_table", look)
    remotes: list[Connection] = []
    waiting = threading.Thread(
        target=lambda: remotes.append(opened("remote", services="echo", announce_s=PATIENCE_S))
    )
    waiting.start()
    try:
        assert looked.wait(PATIENCE_S)
        host = opened()
    finally:
        waiting.join()
    heard(host, "echo")
    with remotes[0].client("echo") as device:
        asked = device.subscribe()
        host.client("echo").send(b"hello", timeout_s=PATIENCE_S)
        assert asked.get(PATIENCE_S) == b"hello"


def test_both_roles_speak(opened: Opened, firmware: Firmware) -> None:
    host = opened(replies="order")
    remote = opened("remote", services="echo")
    device = remote.client("echo")
    asked = device.subscribe()
    with pytest.raises(errors.WrongMessage, match="has no address now"):
        device.send(b"nobody has spoken to us yet")
    heard(host, "echo")
    client = host.client("echo")

    def answer() -> None:
        for _ in range(50):
            device.send(asked.get(timeout_s=20).upper())

    thread = threading.Thread(target=answer)
    thread.start()
    for number in range(50):
        assert client.request(b"hello %d" % number, timeout_s=20) == b"HELLO %d" % number
    thread.join()


def test_a_service_is_waited_for(opened: Opened, firmware: Firmware) -> None:
    with pytest.raises(errors.RemoteGone, match=r"'late' was not announced .* nothing") as caught:
        opened(wanted="late")
    assert caught.value.not_yet

    def announce() -> None:
        firmware.join()
        firmware.announce("early", 0x400)
        firmware.announce("late", 0x401)

    if firmware.rings is None:
        thread = threading.Thread(target=announce)
        thread.start()
        host = opened(wanted="late", announce_s=20.0)
        thread.join()
        assert [*host.stats()][:2] == ["early", "late"]


def test_services_come_and_go(opened: Opened, firmware: Firmware) -> None:
    host = opened(replies="order")
    firmware.join()
    firmware.announce("pump", 0x400)
    heard(host, "pump")
    client = host.client("pump")
    request = client.submit(b"one", timeout_s=20)
    assert firmware.next() == (1024, 0x400, b"one")
    firmware.announce("pump", 0x400, gone=True)
    with pytest.raises(errors.RemoteError, match="'pump' was taken back"):
        request.result()
    with pytest.raises(errors.WrongMessage, match="was taken back"):
        client.send(b"two")
    firmware.announce("pump", 0x500)
    heard(host, "pump", 0x500)
    request = client.submit(b"three", timeout_s=20)
    assert firmware.next() == (1024, 0x500, b"three")
    firmware.say(0x500, 1024, b"four")
    assert request.result() == b"four"


def test_announced_twice_the_first_address_stays(opened: Opened, firmware: Firmware) -> None:
    host = opened()
    firmware.join()
    firmware.announce("pump", 0x400)
    firmware.announce("pump", 0x401)
    heard(host, "pump")
    host.client("pump").post(b"x")
    assert firmware.next()[1] == 0x400


def test_more_services_than_there_can_be(opened: Opened, firmware: Firmware) -> None:
    host = opened()
    firmware.join()
    listening = host.client("announcements").subscribe()
    for number in range(ENDPOINTS_MAX + 5):
        until(firmware.link.free, "no buffer")
        firmware.announce(f"service-{number}", number + 1)
        listening.get(timeout_s=20)
    assert len(host.stats()) == ENDPOINTS_MAX + 1


def test_replies_known_by_our_address(opened: Opened, firmware: Firmware) -> None:
    """Answered in any order, and a reply that was not asked for answers nothing."""
    host = opened(replies="source")
    firmware.join()
    firmware.announce("pump", 0x400)
    heard(host, "pump")
    client = host.client("pump")
    listening = client.subscribe()  # somebody looks all the time
    requests = [client.submit(b"%d" % number, timeout_s=20) for number in range(NUM)]
    asked = [firmware.next() for _ in range(NUM)]
    assert len({source for source, _, _ in asked}) == NUM
    firmware.say(0x400, asked[0][0] + 3_000_000, b"nobody asked")
    for source, _, message in reversed(asked):
        firmware.say(0x400, source, b"re " + message)
    assert [each.result() for each in requests] == [b"re %d" % number for number in range(NUM)]
    firmware.say(0x400, asked[0][0], b"again")
    until(lambda: host.stats()["pump"].late or host.stats()["pump"].unknown, "not counted")
    listening.close()


def test_a_number_in_the_message(opened: Opened, firmware: Firmware) -> None:
    host = opened(replies="tag:2:1")
    firmware.join()
    firmware.announce("pump", 0x400)
    heard(host, "pump")
    client = host.client("pump")
    requests = [client.submit(b"ab\0d%d" % number, timeout_s=20) for number in range(3)]
    for source, _, message in reversed([firmware.next() for _ in range(3)]):
        firmware.say(0x400, source, message)
    for number, request in enumerate(requests):
        assert request.result()[4:] == b"%d" % number


def test_another_endpoint_cannot_answer(opened: Opened, firmware: Firmware) -> None:
    host = opened(replies="order")
    firmware.join()
    firmware.announce("pump", 0x400)
    heard(host, "pump")
    client = host.client("pump")
    listening = client.subscribe()
    request = client.submit(b"one", timeout_s=20)
    source, _, _ = firmware.next()
    firmware.say(0x999, source, b"an impostor")
    firmware.say(0x400, source, b"the answer")
    assert request.result() == b"the answer"
    assert listening.get(timeout_s=20) == b"an impostor"


def test_endpoints_that_nobody_announces(opened: Opened, firmware: Firmware) -> None:
    """Firmware with rpmsg-lite may have fixed addresses and no name service."""
    host = opened(fixed="pump=0x10:30,valve=0x11:31", replies="order")
    firmware.join()
    request = host.client("valve").submit(b"one", timeout_s=20)
    assert firmware.next() == (0x11, 31, b"one")
    firmware.say(31, 0x11, b"two")
    assert request.result() == b"two"


def test_messages_to_nobody_are_counted(opened: Opened, firmware: Firmware) -> None:
    host = opened()
    firmware.join()
    firmware.say(1, 0x7777, b"hello?")
    firmware.say(1, 53, b"no announcement")
    announcements = host.client("announcements")
    assert announcements.subscribe() is not None
    until(lambda: host.stats()["announcements"].unknown == 2, "not counted")


def test_a_buffer_that_never_comes_back(opened: Opened, firmware: Firmware) -> None:
    """The remote takes nothing: the queue is full, time runs out, and nothing hangs."""
    host = opened()
    firmware.join()
    firmware.announce("pump", 0x400)
    heard(host, "pump")
    client = host.client("pump")
    for number in range(NUM):
        client.post(b"%d" % number)
    with pytest.raises(errors.QueueFull):
        client.post(b"too many")
    with pytest.raises(errors.RequestTimeout):
        client.send(b"too many", timeout_s=0.01, queue_timeout_s=0.01)
    for number in range(NUM):
        assert firmware.next()[2] == b"%d" % number
    client.post(b"again")
    assert firmware.next()[2] == b"again"


def test_a_lie_stops_the_link_until_another_life(opened: Opened, firmware: Firmware) -> None:
    host = opened()
    firmware.join()
    firmware.announce("pump", 0x400)
    heard(host, "pump")
    client = host.client("pump")
    listening = client.subscribe()
    ring = firmware.link.outgoing
    firmware.region.write(ring.used + 2, ring.made + NUM + 1, 2)
    with pytest.raises(errors.RemoteError, match="used index moved"):
        client.send(b"x", timeout_s=20)
    host.remote_restarted()
    firmware.join()
    firmware.announce("pump", 0x400)
    heard(host, "pump")
    client.post(b"x")
    assert firmware.next()[2] == b"x"
    listening.close()


@pytest.mark.parametrize("layout", ["table"], indirect=True)
def test_firmware_that_was_loaded_again(opened: Opened, firmware: Firmware) -> None:
    """A new table says so: what was in flight ends, and the new life is another one."""
    host = opened(replies="order", announce_s=20.0, fixed="f=1:2")
    firmware.join()
    firmware.announce("pump", 0x400)
    heard(host, "pump")
    client = host.client("pump")
    request = client.submit(b"one", timeout_s=20)
    firmware.boot()
    with pytest.raises(errors.RemoteGone, match="the firmware restarted"):
        request.result()
    with pytest.raises(errors.MailboxError, match="firmware restarted"):
        client.request(b"nobody is there", timeout_s=0.05)
    firmware.join()
    firmware.announce("pump", 0x500)
    until(lambda: _works(client), "no new life")


def _works(client: object) -> bool:
    try:
        client.post(b"two")  # type: ignore[attr-defined]
    except errors.MailboxError:
        return False
    return True


@pytest.mark.parametrize("layout", ["table"], indirect=True)
def test_a_host_that_went_and_came_back(opened: Opened, firmware: Firmware) -> None:
    host = opened()
    remote = opened("remote", services="echo")
    heard(host, "echo")
    echo = remote.client("echo")
    host.client("echo").post(b"one")
    assert echo.subscribe() is not None
    host.close()
    until(lambda: not _works(echo), "the remote does not notice")
    again = opened()
    heard(again, "echo")


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"role": "both"}, "host or remote"),
        ({"rings": "1"}, "two offsets"),
        ({"rings": "a,b"}, "are numbers"),
        ({"rings": "0,1", "table": "0"}, "leave out"),
        ({"buffer_bytes": 18}, "multiple of 4"),
        ({"bells": "0"}, "say which"),
        ({"mbox": "x", "bells": "0,1,2"}, "at most two"),
        ({"bell_shift": 32}, "0 to 31"),
        ({"services": "a b"}, "printable"),
        ({"fixed": "a=1"}, "both addresses"),
        ({"fixed": "a=1:2,b=1:3"}, "twice"),
        ({"fixed": "a=-1:2"}, "an address is"),
        ({"replies": "perhaps"}, "write none, order"),
        ({"replies": "tag:3:2"}, "within one word"),
    ],
)
def test_options_that_make_no_sense(options: dict[str, object], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        VirtioRpmsgOptions(**options)  # type: ignore[arg-type]


def test_it_is_not_said_where_the_rings_are() -> None:
    with pytest.raises(errors.AddressError, match="say where the rings are"):
        VirtioRpmsg()


@pytest.mark.parametrize("layout", ["rings"], indirect=True)
def test_rings_that_cannot_be_there(opened: Opened) -> None:
    for options, why in (
        ({"rings": "0x0,0xfff8"}, "a ring cannot be there"),
        ({"buffers": 0xFFF0}, "8 buffers|buffers of"),
        ({"rings": "0x4,0x1000"}, "multiple of 8"),
        ({"num": 6}, "power of two"),
    ):
        with pytest.raises(errors.AddressError, match=why):
            opened(**options)
