"""Rings behind a probe, of which each transaction costs a millisecond: how many a request needs."""

import pytest

from mboxio import Connection
from mboxio.controllers.firmware_rings.driver import FirmwareRings
from mboxio.controllers.firmware_rings.options import RingsOptions
from mboxio.errors import MailboxError, RemoteGone
from mboxio.regions.region import Kind, Memory
from mboxio.regions.views.batched import Batched
from tests.firmware_rings.model import Firmware
from tests.firmware_rings.probe import Probe

REQUESTS = 120
OPTIONS = RingsOptions(timeout_s=20.0)


def behind(packet_bytes: int) -> tuple[Firmware, Probe]:
    firmware = Firmware(Memory(bytearray(8192)))
    firmware.settle()
    probe = Probe(firmware.memory, packet_bytes, firmware.settle)
    probe.access_s = 1e-9  # counted, not waited for
    return firmware, probe


def transactions(kind: Kind, packet_bytes: int, window: int) -> float:
    _, probe = behind(packet_bytes)
    probe.kind = kind
    with Connection(FirmwareRings(options=OPTIONS, region=probe)) as connection:
        client = connection.client(0, backlog=32)
        assert client.request(b"first") == b"first"
        texts = [b"%032d" % number for number in range(4 * REQUESTS)]
        probe.transactions = 0
        assert list(client.map(texts, window=window)) == texts
        return probe.transactions / len(texts)


@pytest.mark.parametrize(
    ("packet_bytes", "window", "most"), [(512, 1, 8.0), (64, 1, 9.0), (512, 8, 1.3), (64, 8, 4.0)]
)
def test_transactions(packet_bytes: int, window: int, most: float) -> None:
    batched = transactions(Kind.REMOTE, packet_bytes, window)
    assert batched <= most
    assert batched < transactions(Kind.DEVICE, packet_bytes, window)  # each access by itself


def test_nobody_looks_while_nothing_is_asked() -> None:
    _, probe = behind(512)
    with Connection(FirmwareRings(options=OPTIONS, region=probe)) as connection:
        client = connection.client(0)
        assert client.request(b"first") == b"first"
        before = probe.transactions
        with pytest.raises(MailboxError):
            client.request(bytes(57))  # too long: refused before anything is accessed
        assert probe.transactions == before


def test_what_waits_when_firmware_restarts_was_not_handed_over() -> None:
    firmware, probe = behind(512)
    driver = FirmwareRings(options=OPTIONS, region=probe)
    with Connection(driver) as connection:
        client = connection.client(0, backlog=8)
        assert client.request(b"first") == b"first"
        assert driver.far is not None
        driver.far.proven_ns -= 10**12  # it was long ago
        firmware.reset()
        firmware.settle()
        with pytest.raises(RemoteGone) as caught:
            client.request(b"for the life before")
        assert caught.value.handed_over == "no"
        assert all(message != b"for the life before" for _, message in firmware.heard)


def test_a_closed_connection_hands_over_what_waits() -> None:
    firmware, probe = behind(512)
    with Connection(FirmwareRings(options=OPTIONS, region=probe)) as connection:
        connection.client(0).post(b"last words")
    firmware.settle()
    assert b"last words" in [message for _, message in firmware.heard]
    assert firmware.memory.read(68, 4) == 0  # nobody is there any more


class TestBatched:
    def make(self) -> tuple[Memory, Probe, Batched]:
        memory = Memory(bytearray(1024))
        probe = Probe(memory)
        return memory, probe, Batched(probe)

    def test_writes_wait_and_keep_their_order(self) -> None:
        memory, probe, batched = self.make()
        batched.publish_last([0])
        batched.write(0, 1, 4)
        batched.write_words(64, (2, 3))
        batched.write(0, 4, 4)
        assert memory.read_words(0, 32) == [0] * 32
        assert batched.read(0, 4) == 4
        batched.flush()
        assert probe.log == ["write 0x40+8", "write 0x0"]
        assert memory.read(0, 4) == 4
        assert not batched.waiting

    def test_gaps_are_filled_where_nobody_reads(self) -> None:
        memory, probe, batched = self.make()
        memory.write(72, 9, 4)
        batched.fill(64, 256)
        batched.write_words(64, (1, 2))
        batched.write(76, 3, 4)
        batched.write(300, 4, 4)
        batched.flush()
        assert probe.log == ["write 0x40+16", "write 0x12c"]
        assert memory.read_words(64, 4) == [1, 2, 0, 3]

    def test_what_was_fetched_holds_until_it_is_forgotten(self) -> None:
        memory, probe, batched = self.make()
        batched.fetch(0, 64)
        memory.write(4, 7, 4)
        assert batched.read(4, 4) == 0
        assert batched.read_words(0, 16) == [0] * 16
        assert len(probe.log) == 1
        batched.forget()
        assert batched.read(4, 4) == 7

    def test_dropped_writes_are_never_made(self) -> None:
        memory, probe, batched = self.make()
        batched.write(0, 1, 4)
        batched.drop()
        batched.flush()
        assert not probe.log
        assert memory.read(0, 4) == 0

    def test_other_widths_go_through(self) -> None:
        memory, _, batched = self.make()
        batched.write(8, 5, 4)
        batched.write(12, 6, 1)
        assert memory.read(8, 4) == 5
        assert batched.read(12, 1) == 6

    @pytest.mark.parametrize("value", [-1, 1 << 32])
    def test_words_are_words(self, value: int) -> None:
        _, _, batched = self.make()
        with pytest.raises(ValueError, match="is not a 32-bit word"):
            batched.write(0, value, 4)
