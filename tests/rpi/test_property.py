"""Typed values of the firmware, over the mailbox of a VideoCore in this process."""

import asyncio
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from mboxio import MessageTooLong, RemoteError, RequestTimeout, WrongMessage
from mboxio.protocols import rpi_tags as tags
from mboxio.protocols.rpi_property import UNKNOWN, AsyncRpiProperty, RpiProperty, UnknownTag
from mboxio.protocols.rpi_tags import Clock, Device, Memory, Power, Throttled, Voltage
from mboxio.sim import VirtualClock
from mboxio.sim.videocore import VideoCore
from tests.rpi.bench import connected

EXPECTED = {
    tags.FIRMWARE_REVISION: 0x64B20E10,
    tags.BOARD_MODEL: 0,
    tags.BOARD_REVISION: 0xA02082,
    tags.BOARD_SERIAL: 0x12345678,
    tags.MAC_ADDRESS: "b8:27:eb:01:23:45",
    tags.ARM_MEMORY: Memory(0, 948 << 20),
    tags.VC_MEMORY: Memory(948 << 20, 76 << 20),
    tags.TEMPERATURE: 48.312,
    tags.MAX_TEMPERATURE: 85.0,
    tags.clock_rate(Clock.ARM): 600_000_000,
    tags.voltage(Voltage.CORE): 1.2,
    tags.power(Device.USB_HCD): Power.ON,
    tags.DMA_CHANNELS: 0x7F35,
    tags.COMMAND_LINE: "console=serial0,115200 root=/dev/mmcblk0p2 rootwait",
}


@contextmanager
def board(core: VideoCore, *, allow: Any = (), **options: Any) -> Iterator[RpiProperty]:
    with connected(core, **options) as connection:
        yield RpiProperty(connection.client("property"), allow=allow)


@pytest.mark.parametrize("wanted", EXPECTED, ids=str)
def test_each_value_is_read_by_itself(wanted: tags.Property[Any]) -> None:
    with board(VideoCore()) as pi:
        assert pi.read(wanted) == EXPECTED[wanted]


def test_many_values_come_in_one_message() -> None:
    core = VideoCore()
    wanted = [each for each in EXPECTED if each is not tags.COMMAND_LINE][:12]
    with board(core) as pi:
        assert pi.read_all(*wanted) == [EXPECTED[each] for each in wanted]  # type: ignore[arg-type]
    assert len(core.taken) == 1


def test_several_messages_are_in_flight_at_once() -> None:
    core = VideoCore()
    core.stall()
    with board(core) as pi:
        readings = [pi.submit(wanted) for wanted in list(EXPECTED)[:8]]  # type: ignore[arg-type]
        assert len(core.to_core) == 8
        core.resume()
        values = [reading.result() for reading in reversed(readings)]
    assert values == [[EXPECTED[wanted]] for wanted in reversed(list(EXPECTED)[:8])]


def test_throttling_is_told_in_flags() -> None:
    with board(VideoCore()) as pi:
        flags = pi.read(tags.THROTTLED)
    assert flags == (
        Throttled.UNDER_VOLTAGE
        | Throttled.THROTTLED
        | Throttled.WAS_UNDER_VOLTAGE
        | Throttled.WAS_THROTTLED
    )


@pytest.mark.parametrize("raw", [1_350_000, 6, struct.unpack("<I", struct.pack("<i", -4))[0]])
def test_voltages_come_in_microvolts_or_in_steps(raw: int) -> None:
    core = VideoCore()
    core.values[0x30003] = struct.pack("<2I", 1, raw)
    with board(core) as pi:
        volts = pi.read(tags.voltage(Voltage.CORE))
    assert volts == pytest.approx({1_350_000: 1.35, 6: 1.35}.get(raw, 1.1))


def test_an_unknown_tag_is_an_error_alone_and_marked_among_others() -> None:
    core = VideoCore()
    del core.values[tags.BOARD_SERIAL.tag]
    core.values[tags.THROTTLED.tag] = b""  # how some firmware says that it has nothing to say
    with board(core) as pi:
        for unknown in (tags.BOARD_SERIAL, tags.THROTTLED):
            with pytest.raises(UnknownTag, match="this firmware does not know"):
                pi.read(unknown)  # type: ignore[misc]
        assert pi.read_all(tags.BOARD_SERIAL, tags.BOARD_MODEL) == [UNKNOWN, 0]
        assert not UNKNOWN


def test_an_answer_that_does_not_fit_is_asked_for_again() -> None:
    core = VideoCore()
    core.values[tags.COMMAND_LINE.tag] = b"x" * 700
    core.values[0x1234] = b"y" * 100
    with board(core, slot_bytes=1024, slots=3) as pi:
        line, other, model = pi.read_all(
            tags.COMMAND_LINE, tags.raw(0x1234, room_bytes=8), tags.BOARD_MODEL
        )
        assert (line, other, model) == ("x" * 700, b"y" * 100, 0)
        assert len(core.taken) == 2
        assert pi.submit(tags.raw(0x1234, room_bytes=0)).result() == [b"y" * 100]


def test_what_did_not_fit_waits_for_a_slot_of_its_own() -> None:
    core = VideoCore()
    core.values[0x1234] = b"y" * 100
    with board(core, slots=2) as pi:
        readings = [pi.submit(tags.raw(0x1234, room_bytes=4)) for _ in range(2)]
        assert readings[0].request.wait(5)
        core.stall()
        others = [pi.submit(tags.BOARD_MODEL) for _ in range(2)]
        core.resume()
        assert [reading.result() for reading in readings] == [[b"y" * 100]] * 2
        assert [other.result() for other in others] == [[0]] * 2


def test_an_answer_longer_than_the_channel_carries_is_a_remote_error() -> None:
    core = VideoCore()
    core.values[0x1234] = b"y" * 400
    with board(core) as pi, pytest.raises(RemoteError, match="the answer has 400 bytes"):
        pi.read(tags.raw(0x1234))


def test_an_answer_that_grows_for_ever_is_given_up() -> None:
    class Growing(VideoCore):
        def answer(self, word: int) -> None:
            self.values[0x1234] = self.values.get(0x1234, bytes(4)) + bytes(8)
            super().answer(word)

    core = Growing()
    with board(core) as pi, pytest.raises(RemoteError, match="more than the"):
        pi.read(tags.raw(0x1234, room_bytes=4))
    assert len(core.taken) == 3


def test_a_longer_answer_of_later_firmware_is_read_as_far_as_it_is_known() -> None:
    core = VideoCore()
    core.values[tags.ARM_MEMORY.tag] = struct.pack("<4I", 0, 4096, 1, 2)
    with board(core) as pi:
        assert pi.read(tags.ARM_MEMORY) == Memory(0, 4096)


def test_a_shorter_answer_is_a_remote_error() -> None:
    core = VideoCore()
    core.values[tags.ARM_MEMORY.tag] = bytes(4)
    with board(core) as pi, pytest.raises(RemoteError, match="4 bytes, not 8 or more"):
        pi.read(tags.ARM_MEMORY)


def test_the_firmware_may_refuse_a_message() -> None:
    core = VideoCore()
    core.fails = True
    with board(core) as pi:
        with pytest.raises(RemoteError, match="could not read") as caught:
            pi.read(tags.BOARD_MODEL)
        assert caught.value.status == 0x80000001
        core.fails = False
        assert pi.read(tags.BOARD_MODEL) == 0


class OldFirmware(VideoCore):
    """Firmware that says of a message with a tag it does not know that all of it failed.

    Args:
        gives_up: where it meets such a tag: at "once", before it has answered any; "there", with
            what follows left alone; or at the "end".
    """

    def __init__(self, gives_up: str) -> None:
        super().__init__(1 << 16)
        self.gives_up = gives_up
        self.messages = 0

    def answer(self, word: int) -> None:
        self.messages += 1
        known = dict(self.values)
        offset = (word & ~15) - self.bus_address
        at, fails = offset + 8, False
        while tag := self.memory.read_words(at, 1)[0]:
            fails |= tag not in known
            if fails and self.gives_up == "there":
                self.values.pop(tag, None)
            at += 12 + self.memory.read_words(at + 4, 1)[0]
        if fails and self.gives_up == "once":
            self.values.clear()
        super().answer(word)
        self.values.clear()
        self.values.update(known)
        if fails:
            self.memory.write_words(offset + 4, [0x80000001])


@pytest.mark.parametrize(("gives_up", "messages"), [("once", 1 + 4), ("there", 1 + 3), ("end", 1)])
def test_firmware_from_before_a_tag_answers_the_others(gives_up: str, messages: int) -> None:
    core = OldFirmware(gives_up)
    wanted = [tags.TEMPERATURE, tags.raw(0x30999), tags.BOARD_REVISION, tags.MAX_TEMPERATURE]
    with board(core) as pi:
        assert pi.read_all(*wanted) == [48.312, UNKNOWN, 0xA02082, 85.0]  # type: ignore[arg-type]
        assert core.messages == messages
        with pytest.raises(
            RemoteError, match=r"this tag, or could not read the request \(0x80000001\)"
        ):
            pi.read(tags.raw(0x30999))


@pytest.mark.parametrize("gives_up", ["once", "there", "end"])
def test_so_do_messages_in_flight_and_those_that_are_awaited(gives_up: str) -> None:
    core = OldFirmware(gives_up)
    wanted = [tags.raw(0x30999), tags.TEMPERATURE, tags.raw(0x30998), tags.COMMAND_LINE]
    expected = [UNKNOWN, 48.312, UNKNOWN, EXPECTED[tags.COMMAND_LINE]]

    async def work() -> None:
        async with connection.async_client("property") as client:
            assert await AsyncRpiProperty(client).read_all(*wanted) == expected  # type: ignore[arg-type]

    with connected(core, slot_bytes=512) as connection:
        reading = RpiProperty(connection.client("property")).submit(*wanted)  # type: ignore[arg-type]
        assert reading.result() == expected
        asyncio.run(work())


def test_where_nothing_is_answered_nothing_is_said_to_be_unknown() -> None:
    core = VideoCore()
    core.fails = True
    with board(core) as pi:
        with pytest.raises(RemoteError, match="does not know these tags, or could not") as caught:
            pi.read_all(tags.TEMPERATURE, tags.BOARD_MODEL)
        assert caught.value.status == 0x80000001


def test_what_runs_code_is_not_asked_twice() -> None:
    core = OldFirmware("once")
    with board(core, allow=tuple(tags.RUNS_CODE)) as pi:
        code = tags.raw(next(iter(tags.RUNS_CODE.values())))
        with pytest.raises(RemoteError, match="does not know this tag, or could not"):
            pi.read_all(code, tags.TEMPERATURE)
        assert core.messages == 1


@pytest.mark.parametrize("name", tags.RUNS_CODE)
def test_tags_that_run_code_have_to_be_allowed_by_name(name: str) -> None:
    core = VideoCore()
    wanted = tags.raw(tags.RUNS_CODE[name])
    with board(core) as pi:
        with pytest.raises(WrongMessage, match=f"allow '{name}'"):
            pi.read(wanted)
        for verb in (pi.read_all, pi.submit):
            with pytest.raises(WrongMessage, match=f"allow '{name}'"):
                verb(tags.BOARD_MODEL, wanted)
        assert core.taken == []
    core = VideoCore()
    core.values[wanted.tag] = bytes(4)
    with board(core, allow=name) as pi:
        assert pi.read(wanted) == bytes(4)
        others = [other for other in tags.RUNS_CODE.values() if other != wanted.tag]
        with pytest.raises(WrongMessage):
            pi.read(tags.raw(others[0]))


def test_only_known_names_are_allowed() -> None:
    with pytest.raises(ValueError, match="execute-code"), board(VideoCore(), allow="everything"):
        pass


def test_too_much_for_one_message_is_refused() -> None:
    core = VideoCore()
    with board(core) as pi, pytest.raises(MessageTooLong):
        pi.read_all(*EXPECTED, *EXPECTED)  # type: ignore[arg-type]
    assert core.taken == []


def test_switching_says_what_it_wants() -> None:
    asked: list[bytes] = []

    class Listening(VideoCore):
        def answer(self, word: int) -> None:
            offset = (word & ~15) - self.bus_address
            asked.append(struct.pack("<3I", *self.memory.read_words(offset + 20, 3)))
            super().answer(word)

    core = Listening()
    core.values[0x28001] = struct.pack("<2I", 3, 1)
    core.values[0x38002] = struct.pack("<2I", 3, 600_000_000)
    with board(core) as pi:
        assert pi.read(tags.set_power(Device.USB_HCD, True)) == Power.ON
        assert pi.read(tags.set_clock_rate(Clock.ARM, 700_000_000)) == 600_000_000
    assert asked == [struct.pack("<3I", 3, 3, 0), struct.pack("<3I", 3, 700_000_000, 0)]


def test_a_time_out_is_that_of_the_call() -> None:
    core = VideoCore()
    core.mute = True
    with board(core, clock=VirtualClock()) as pi, pytest.raises(RequestTimeout):
        pi.read(tags.BOARD_MODEL, timeout_s=2)


def test_the_same_verbs_are_awaited() -> None:
    core = VideoCore()
    core.values[0x1234] = b"y" * 100
    del core.values[tags.BOARD_SERIAL.tag]

    async def talk() -> None:
        with connected(core) as connection:
            pi = AsyncRpiProperty(connection.async_client("property"))
            assert await pi.read(tags.MAC_ADDRESS) == "b8:27:eb:01:23:45"
            assert await pi.read_all(tags.BOARD_MODEL, tags.BOARD_SERIAL) == [0, UNKNOWN]
            readings = [pi.submit(tags.raw(0x1234, room_bytes=4)) for _ in range(8)]
            for reading in readings:
                assert await reading == [b"y" * 100]
            with pytest.raises(UnknownTag):
                await pi.read(tags.BOARD_SERIAL)
            pi.client.close()

    asyncio.run(talk())
