"""The VideoCore mailbox of QEMU's Raspberry Pi, by qtest and by the stub for debuggers."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import mboxio
from mboxio import RequestTimeout
from mboxio.protocols import rpi_tags as tags
from mboxio.protocols.rpi_property import UNKNOWN, AsyncRpiProperty, RpiProperty
from mboxio.protocols.rpi_tags import Clock, Memory
from mboxio.regions import open_region
from tests.qemu.machine import Machine, running

REGISTERS = "@0x3f00b880+0x40"
POOL = "@0x100000"
# Of the board, not of the mailbox: its line is the first one of the second bank.
INTERRUPT_CONTROLLER = "@0x3f00b200+0x20"
ENABLE_SECOND_BANK, MAILBOX_LINE = 0x18, 2
RETURN_S = 20.0
"""How long a lost machine may take to be found again; it takes a second at the most."""

EXPECTED: dict[tags.Property[Any], Any] = {
    tags.FIRMWARE_REVISION: 0x548E1,
    tags.BOARD_MODEL: 0,
    tags.BOARD_REVISION: 0xA02082,
    tags.BOARD_SERIAL: 0,
    tags.MAC_ADDRESS: "52:54:00:12:34:56",
    tags.ARM_MEMORY: Memory(0, 0x3C00_0000),
    tags.VC_MEMORY: Memory(0x3C00_0000, 0x0400_0000),
    tags.clock_rate(Clock.ARM): 700_000_000,
    tags.max_clock_rate(Clock.ARM): 700_000_000,
    tags.TEMPERATURE: 25.0,
    tags.MAX_TEMPERATURE: 99.0,
    tags.DMA_CHANNELS: 0x003C,
}


@pytest.fixture
def raspi() -> Iterator[Machine]:
    with running("raspi3b") as machine:
        yield machine


def polled(machine: Machine, way: str) -> str:
    where = getattr(machine, way)
    return f"bcm2835:?at={where}{REGISTERS}&pool={where}{POOL}"


def interrupting(machine: Machine) -> str:
    where = f"{machine.qtest},irq_in=/machine/soc/cpu[0],line=0"
    return f"bcm2835:?at={where}{REGISTERS}&pool={machine.qtest}{POOL}&events=irq"


@pytest.fixture(params=["qtest", "gdb", "qtest with interrupt"])
def connection(request: pytest.FixtureRequest, raspi: Machine) -> Iterator[mboxio.Connection]:
    if request.param == "qtest with interrupt":
        with open_region(f"{raspi.qtest}{INTERRUPT_CONTROLLER}") as controller:
            controller.write(ENABLE_SECOND_BANK, MAILBOX_LINE, 4)
        address = interrupting(raspi)
    else:
        address = polled(raspi, request.param)
    with mboxio.connect(address) as connected:
        assert bool(connected._host.pump.descriptors) == (request.param == "qtest with interrupt")
        yield connected


def test_twelve_tags_come_in_one_message(connection: mboxio.Connection) -> None:
    assert len(EXPECTED) == 12
    pi = RpiProperty(connection.client("property"))
    assert pi.read_all(*EXPECTED) == list(EXPECTED.values())
    assert connection.stats()["property"].sent == 1


def test_eight_messages_in_flight_get_their_own_replies(connection: mboxio.Connection) -> None:
    pi = RpiProperty(connection.client("property"))
    wanted = list(EXPECTED.items())[:8]
    for _ in range(5):
        readings = [(pi.submit(each), value) for each, value in wanted]
        assert connection.stats()["property"].in_flight == 8
        for reading, value in reversed(readings):
            assert reading.result() == [value]
    stats = connection.stats()["property"]
    assert (stats.done, stats.late, stats.unknown, stats.held_slots) == (40, 0, 0, 0)


def test_an_unwired_channel_times_out_and_the_others_work(connection: mboxio.Connection) -> None:
    pi = RpiProperty(connection.client("property"))
    silent = connection.client(2)
    for number in range(10):
        with pytest.raises(RequestTimeout):
            silent.request((number << 4).to_bytes(4, "little"), timeout_s=0.01)
    assert pi.read(tags.MAC_ADDRESS) == EXPECTED[tags.MAC_ADDRESS]
    pending = silent.submit(b"\xf0\0\0\0", timeout_s=None)
    assert pi.read_all(*EXPECTED) == list(EXPECTED.values())
    assert not pending.done()
    pending.cancel()


def test_unknown_tags_are_told(connection: mboxio.Connection) -> None:
    pi = RpiProperty(connection.client("property"))
    assert pi.read_all(tags.THROTTLED, tags.BOARD_REVISION) == [UNKNOWN, 0xA02082]


def test_a_one_way_message_is_answered_and_nothing_is_held(connection: mboxio.Connection) -> None:
    client = connection.client("property")
    pi = RpiProperty(client)
    for _ in range(20):
        client.send(pi.exchange([tags.BOARD_MODEL]).message())
    assert pi.read(tags.BOARD_REVISION) == 0xA02082


def test_an_async_client_reads_them_as_well(connection: mboxio.Connection) -> None:
    async def talk() -> None:
        async with connection.async_client("property") as client:
            pi = AsyncRpiProperty(client)
            readings = [pi.submit(each) for each in list(EXPECTED)[:8]]
            values = [(await reading)[0] for reading in readings]
            assert values == list(EXPECTED.values())[:8]

    asyncio.run(talk())


def test_the_uncached_alias_is_optional(raspi: Machine) -> None:
    with mboxio.connect(f"{polled(raspi, 'qtest')}&alias=0") as connection:
        pi = RpiProperty(connection.client("property"))
        assert pi.read(tags.BOARD_REVISION) == 0xA02082


def test_the_end_of_qemu_ends_what_is_pending(raspi: Machine) -> None:
    with mboxio.connect(polled(raspi, "qtest")) as connection:
        pending = connection.client(2).submit(b"\x10\0\0\0", timeout_s=60)
        raspi.kill()
        assert isinstance(pending.exception(), mboxio.RemoteGone)


@pytest.mark.parametrize("way", ["qtest", "gdb", "qtest with interrupt"])
def test_a_qemu_that_is_started_again_is_found(tmp_path: Path, way: str) -> None:
    with running("raspi3b", tmp_path) as first:
        address = interrupting(first) if "interrupt" in way else polled(first, way)
        connection = mboxio.connect(address)
        pending = connection.client(2).submit(b"\x10\0\0\0", timeout_s=None)
        first.kill()
        assert isinstance(pending.exception(), mboxio.RemoteGone)
    with connection, running("raspi3b", tmp_path):
        client = connection.client("property")
        pi = RpiProperty(client)
        message = pi.exchange([tags.BOARD_MODEL]).message()
        client.request(message, queue_timeout_s=RETURN_S)
        assert pi.read_all(*EXPECTED) == list(EXPECTED.values())
        assert connection.stats()["property"].failed == 0
