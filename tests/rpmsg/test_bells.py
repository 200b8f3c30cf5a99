"""Rings of another mailbox wake both sides, whatever a vendor's ring carries."""

from typing import Any

import pytest

from mboxio import errors
from mboxio.client.connection import Connection
from mboxio.controllers.virtio_rpmsg.driver import VirtioRpmsg
from mboxio.controllers.virtio_rpmsg.options import VirtioRpmsgOptions
from mboxio.driver.ports import Ports
from mboxio.regions import Memory
from tests.rpmsg.firmware import Firmware, until

NUM, ALIGN, OFFSETS = 8, 16, (0x0, 0x1000)


class Client:
    """A client of a mailbox, which writes down how it was rung."""

    def __init__(self, name: str, ports: Ports, rung: list[object]) -> None:
        self.name = name
        self.ports = ports
        self.rung = rung
        self.full = False
        self.closed = False

    def ring(self) -> None:
        self.rung.append(self.name)

    def post(self, word: bytes) -> None:
        if self.full:
            raise errors.QueueFull("the mailbox is full")
        self.rung.append((self.name, int.from_bytes(word, "little")))

    def close(self) -> None:
        self.closed = True


class Mailbox:
    """A connection to a mailbox."""

    def __init__(self) -> None:
        self.clients: list[Client] = []
        self.rung: list[object] = []
        self.closed = False

    def __call__(self, address: str) -> "Mailbox":
        assert address == "mailbox:"
        return self

    def client(self, name: str, ports: Ports) -> Client:
        self.clients.append(Client(name, ports, self.rung))
        return self.clients[-1]

    def close(self) -> None:
        self.closed = True

    def ring_the_host(self) -> None:
        """The other side rings."""
        received: Any = self.clients[-1].ports.received
        received(b"")


def opened(memory: bytearray, mailbox: Mailbox, **options: object) -> Connection:
    settings = VirtioRpmsgOptions(
        rings="0x0,0x1000",
        num=NUM,
        align=ALIGN,
        buffers=0x2000,
        **{"buffer_bytes": 64, "announce_s": 0.0, "mbox": "mailbox:", **options},  # type: ignore[arg-type]
        fixed="pump=0x500:0x400",
        replies="order",
    )
    driver = VirtioRpmsg(options=settings, region=Memory(memory))
    driver.stack(mailbox)
    return Connection(driver, address="virtio-rpmsg:")


@pytest.mark.parametrize(
    ("options", "rings"),
    [
        ({}, ["0", "0"]),
        ({"bells": "tx,rx"}, ["tx", "rx"]),
        ({"bell_shift": 0}, [("0", 0), ("0", 1)]),
        ({"bell_shift": 16, "bells": "mu"}, [("mu", 0), ("mu", 0x10000)]),
    ],
)
def test_what_a_ring_carries(options: dict[str, object], rings: list[object]) -> None:
    memory, mailbox = bytearray(1 << 14), Mailbox()
    with opened(memory, mailbox, **options) as host:
        firmware = Firmware(memory, NUM, ALIGN, OFFSETS)
        firmware.join()
        client = host.client("pump")
        request = client.submit(b"one", timeout_s=20)
        assert mailbox.rung == rings  # the link is up, and a message lies in queue 1
        assert firmware.next()[2] == b"one"
        firmware.say(0x400, 0x500, b"two")
        mailbox.ring_the_host()
        assert request.result() == b"two"
        until(lambda: len(mailbox.rung) == 3, "the buffer was given back without a ring")
        assert mailbox.rung[2] == rings[0]
    assert mailbox.closed
    assert all(each.closed for each in mailbox.clients)


def test_a_ring_that_is_lost() -> None:
    """The rings are looked at all the same, now and then."""
    memory, mailbox = bytearray(1 << 14), Mailbox()
    with opened(memory, mailbox) as host:
        firmware = Firmware(memory, NUM, ALIGN, OFFSETS)
        firmware.join()
        request = host.client("pump").submit(b"one", timeout_s=20)
        firmware.next()
        firmware.say(0x400, 0x500, b"two")
        assert request.result() == b"two"


def test_a_full_mailbox_is_rung_already() -> None:
    memory, mailbox = bytearray(1 << 14), Mailbox()
    with opened(memory, mailbox, bell_shift=0) as host:
        firmware = Firmware(memory, NUM, ALIGN, OFFSETS)
        firmware.join()
        mailbox.clients[0].full = True
        host.client("pump").post(b"one")
        assert firmware.next()[2] == b"one"


@pytest.mark.parametrize("heeds", [False, True])
def test_a_side_that_asks_for_silence(heeds: bool) -> None:
    memory, mailbox = bytearray(1 << 14), Mailbox()
    with opened(memory, mailbox, heed_silence=heeds) as host:
        firmware = Firmware(memory, NUM, ALIGN, OFFSETS)
        firmware.join()
        firmware.link.incoming.silence(True)
        before = len(mailbox.rung)
        host.client("pump").post(b"one")
        assert len(mailbox.rung) - before == (0 if heeds else 1)


def test_there_is_no_way_to_connect() -> None:
    options = VirtioRpmsgOptions(mbox="mailbox:", rings="0x0,0x1000", num=8, align=16)
    driver = VirtioRpmsg(options=options, region=Memory(bytearray(1 << 14)))
    with pytest.raises(errors.AddressError, match="needs a way to connect"):
        Connection(driver, address="virtio-rpmsg:")
