"""The property interface of a Raspberry Pi: tags by their names, answers with their units."""

import struct
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, cast

from mboxio.protocols import rpi_tags as tags
from mboxio.protocols.rpi_buffer import REQUEST, Ask, asks_in, take_apart
from mboxio.protocols.rpi_property import value_of
from mboxio.protocols.rpi_words import in_json, in_words
from mboxio.see.decoding.contract import Decoded, Message

__all__ = ["PropertyDecoder"]

Makers = tuple[Callable[[Any], tags.Property[Any]], ...]
CLOCKS: Makers = (
    tags.clock_rate,
    tags.max_clock_rate,
    tags.min_clock_rate,
    tags.measured_clock_rate,
    tags.clock_running,
    lambda clock: tags.set_clock_rate(clock, 0),
)
VOLTAGES: Makers = (tags.voltage, tags.max_voltage, tags.min_voltage)
DEVICES: Makers = (tags.power, tags.power_up_time, lambda device: tags.set_power(device, False))
SETS_RATE = tags.set_clock_rate(tags.Clock.ARM, 0).tag
SETS_POWER = tags.set_power(tags.Device.SD_CARD, False).tag

ALONE = [each for each in tags.OVERVIEW if each.request in (b"", bytes(4))]
BY_TAG = {each.tag: each for each in (*ALONE, tags.COMMAND_LINE)}
THINGS = cast(
    "tuple[tuple[Iterable[Any], Makers], ...]",
    ((tags.Clock, CLOCKS), (tags.Voltage, VOLTAGES), (tags.Device, DEVICES)),
)
BY_THING = {
    (made.tag, made.request[:4]): made
    for things, makers in THINGS
    for thing in things
    for made in (make(thing) for make in makers)
}
"""Of what is asked about one of several things, whose number is the first word."""
JOINED_MAX = 3
"""So many tags stand in one line."""


class PropertyDecoder:
    """Buffers, and what the firmware made of them."""

    def decode(self, message: Message) -> Decoded | None:
        """See `Decoder.decode`."""
        asks = asks_in(message.request or message.data)
        (code,) = struct.unpack_from("<I", message.data, 4)
        if code == REQUEST and not message.is_reply:
            return _decoded(
                [_asked(ask) for ask in asks],
                {
                    "code": code,
                    "tags": [
                        {"tag": ask.tag, "name": _property(ask).name, "request": ask.value.hex()}
                        for ask in asks
                    ],
                },
            )
        whole, answers = take_apart(message.data, asks)
        said: list[str] = []
        found: list[dict[str, object]] = []
        for ask, answer in zip(asks, answers, strict=True):
            each = _property(ask)
            value = value_of(each, answer)
            more = f" of {answer.length_bytes} bytes" if answer.partial else ""
            said.append(f"{each.name}: {in_words(each.name, value)}{more}")
            found.append({"tag": ask.tag, "name": each.name, "value": in_json(value)})
        if not whole:
            said.insert(0, "the firmware failed (0x80000001)")
        return _decoded(said, {"code": code, "tags": found})


def _property(ask: Ask) -> tags.Property[Any]:
    """Return what a tag means; of one that is not known its value is the bytes."""
    known = BY_THING.get((ask.tag, ask.value[:4])) or BY_TAG.get(ask.tag)
    return known or replace(tags.raw(ask.tag), name=f"tag {ask.tag:#010x}")


def _asked(ask: Ask) -> str:
    """Say what a tag asks for."""
    name = _property(ask).name
    second = int.from_bytes(ask.value[4:8], "little")
    if ask.tag == SETS_RATE:
        return f"{name} to {in_words('clock', second)}"
    if ask.tag == SETS_POWER:
        return f"{name} {'on' if second & 1 else 'off'}"
    known = (ask.tag, ask.value) in BY_THING or ask.tag in BY_TAG
    return f"{name} ({ask.value.hex(' ')})" if ask.value and not known else name


def _decoded(said: list[str], fields: dict[str, object]) -> Decoded:
    """Put few tags into the line, and more below it."""
    if len(said) <= JOINED_MAX:
        return Decoded(", ".join(said) or "no tags", (), fields)
    return Decoded(f"{len(said)} tags", tuple(said), fields)
