"""ACPM: words with a number in the first one, and what the PMIC makes of them."""

import errno
from struct import unpack

from mboxio.controllers.acpm.layout import TAG_BITS, TAG_LOW_BIT
from mboxio.protocols.acpm_pmic import (
    BULK_READ,
    BULK_WRITE,
    ERRNOS,
    READ,
    UPDATE,
    VERBS,
    WRITE,
    Fields,
    take_apart,
)
from mboxio.see.decoding.contract import Decoded, Message

__all__ = ["AcpmDecoder", "PmicDecoder"]

WORDS_MAX = 16
"""Shown in a line."""


class AcpmDecoder:
    """Any message of ACPM: its number, and its words."""

    def decode(self, message: Message) -> Decoded | None:
        """See `Decoder.decode`."""
        count = len(message.data) // 4
        if not count or len(message.data) % 4:
            raise ValueError(f"{len(message.data)} bytes are no words")
        words = unpack(f"<{count}I", message.data)
        number = words[0] >> TAG_LOW_BIT & ((1 << TAG_BITS) - 1)
        shown = " ".join(f"{word:08x}" for word in words[:WORDS_MAX])
        more = f" and {count - WORDS_MAX} more" if count > WORDS_MAX else ""
        return Decoded(f"number {number}: {shown}{more}", (), {"number": number, "words": [*words]})


class PmicDecoder:
    """Operations on the registers of a PMIC."""

    def decode(self, message: Message) -> Decoded | None:
        """See `Decoder.decode`."""
        said = take_apart(message.data)
        asked = take_apart(message.request) if message.request else said
        if asked.function >= len(VERBS):
            raise ValueError(f"function {asked.function} is not 0 to {len(VERBS) - 1}")
        fields: dict[str, object] = {
            "operation": VERBS[asked.function],
            "bus": asked.bus,
            "kind": asked.kind,
            "register": asked.register,
            "number": said.number,
        }
        where = _where(asked)
        if not message.is_reply:
            fields.update(_asked_fields(said))
            return Decoded(_asked(said), (), fields)
        fields["result"] = said.result
        if said.result:
            name = errno.errorcode[ERRNOS.get(said.result, errno.EIO)]
            text = f"{VERBS[asked.function]} of {where}: result {said.result} ({name})"
            return Decoded(text, (), fields)
        if asked.function == READ:
            fields["value"] = said.value
            return Decoded(f"{said.value:#04x} in {where}", (), fields)
        if asked.function == BULK_READ:
            data = said.data[: asked.value]
            fields["data"] = data.hex()
            return Decoded(f"{data.hex(' ')} in {where}", (), fields)
        return Decoded(f"{VERBS[asked.function]} of {where}: done", (), fields)


def _where(asked: Fields) -> str:
    """Name the registers of an operation."""
    first, which = asked.register, f"register {asked.register:#04x}"
    if asked.function in (BULK_READ, BULK_WRITE):
        which = f"registers {first:#04x} to {first + max(asked.value, 1) - 1 & 0xFF:#04x}"
    return f"{which} (kind {asked.kind}, bus {asked.bus})"


def _asked(said: Fields) -> str:
    """Say what is asked for."""
    where = _where(said)
    if said.function == WRITE:
        return f"write {said.value:#04x} to {where}"
    if said.function == UPDATE:
        return f"update bits {said.mask:#04x} to {said.value:#04x} in {where}"
    if said.function == BULK_WRITE:
        return f"write {said.data[: said.value].hex(' ')} to {where}"
    return f"read {where}"


def _asked_fields(said: Fields) -> dict[str, object]:
    if said.function == BULK_READ:
        return {"count": said.value}
    if said.function == BULK_WRITE:
        return {"data": said.data[: said.value].hex()}
    if said.function == UPDATE:
        return {"value": said.value, "mask": said.mask}
    return {"value": said.value} if said.function == WRITE else {}
