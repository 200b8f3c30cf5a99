"""The ring of firmware in C behind the contract of Python's: `mboxio_ring.h`, compiled by gcc.

What the compiled ring does with the same header it does in Cython; this is the header alone.
"""

import ctypes
import tempfile
from ctypes import POINTER, byref, c_int, c_int32, c_uint32, c_void_p
from functools import cache
from pathlib import Path
from typing import Any

from mboxio.errors import MessageTooLong
from mboxio.regions import Region
from mboxio.ring import Armed, Consumer, Implementation, Producer
from mboxio.ring.layout import RingLayout
from tests.tools import compile_c

TOO_LONG, BAD_KIND = -5, -6
U32_MAX = 0xFFFFFFFF
SHIM = Path(__file__).with_name("shim.c")


class Entry(ctypes.Structure):
    """``struct mboxio_entry``."""

    _fields_ = (("payload", c_void_p), ("length", c_uint32), ("kind", c_uint32), ("tag", c_uint32))


SIGNATURES: dict[str, tuple[Any, ...]] = {
    "ring_bytes": (c_uint32,),
    "lie_value": (c_uint32, c_void_p),
    "init": (None, c_void_p, c_void_p, c_void_p, c_void_p, c_uint32, c_uint32, c_int),
    "attach": (c_int, c_void_p, c_int),
    "push": (c_int, c_void_p, c_uint32, c_uint32, ctypes.c_char_p, c_uint32),
    "free": (c_int32, c_void_p),
    "consumed": (c_int32, c_void_p),
    "peek": (c_int, c_void_p, POINTER(Entry)),
    "copy_out": (None, c_void_p, POINTER(Entry)),
    "advance": (None, c_void_p),
    "release": (None, c_void_p),
    "pending": (c_int32, c_void_p),
    "drop_all": (c_int, c_void_p),
    "arm": (None, c_void_p, c_void_p),
    "disarm": (None, c_void_p),
    "doorbell_needed": (c_int, c_void_p, c_void_p),
}


@cache
def shim() -> Any:
    """Compile and load the shared object, once."""
    with tempfile.TemporaryDirectory(prefix="mboxio-shim-") as folder:
        library = ctypes.CDLL(str(compile_c(SHIM, Path(folder, "shim.so"), "-shared", "-fPIC")))
    for name, (result, *arguments) in SIGNATURES.items():
        function = getattr(library, f"shim_{name}")
        function.restype, function.argtypes = result, arguments
    return library


class Exported:
    """Memory of a region that stays where it is."""

    def __init__(self, region: Region) -> None:
        buffer = region.buffer()
        if buffer is None:
            raise ValueError(f"{region!r} is no normal memory")
        self.bytes = (ctypes.c_char * len(buffer)).from_buffer(buffer)

    def at(self, offset: int) -> int:
        return ctypes.addressof(self.bytes) + offset


class Side:
    """One ``struct mboxio_ring`` over a region."""

    def __init__(self, region: Region, layout: RingLayout, own: int, peer: int) -> None:
        if wrong := layout.problem(region.size_bytes):
            raise ValueError(f"the ring cannot be used: {wrong}")
        self.memory = Exported(region)
        self.struct = ctypes.create_string_buffer(shim().shim_ring_bytes())
        self.call(
            "init",
            *(self.memory.at(offset) for offset in (own, peer, layout.base)),
            layout.slots,
            layout.slot_bytes,
            layout.framed,
        )

    def call(self, name: str, *arguments: Any) -> Any:
        return getattr(shim(), f"shim_{name}")(self.struct, *arguments)


class CProducer(Producer):
    """The sending side in C."""

    def __init__(self, region: Region, layout: RingLayout, armed: Armed | None = None) -> None:
        super().__init__(layout.slots, layout.message_bytes, armed)
        self.side = Side(region, layout, layout.front, layout.rear)
        self.reset()

    def check(self, result: int) -> int:
        if result < 0:
            raise self.lied(result, self.side.call("lie_value"))
        return result

    def reset(self) -> None:
        self.check(self.side.call("attach", True))
        self.broken = False

    def push(self, kind: int, tag: int, message: Any) -> bool:
        if not (0 <= kind <= U32_MAX and 0 <= tag <= U32_MAX):
            raise OverflowError(f"kind {kind} or tag {tag} is not a 32-bit number")
        data = bytes(memoryview(message))
        result = self.side.call("push", kind, tag, data, len(data))
        if result == TOO_LONG:
            raise MessageTooLong(f"{len(data)} bytes, the ring takes {self.message_bytes}")
        if result == BAD_KIND:
            raise ValueError(f"{kind} is no kind of message")
        return bool(self.check(result))

    def free(self) -> int:
        return self.check(self.side.call("free"))

    def consumed(self) -> int:
        return self.check(self.side.call("consumed"))


class CConsumer(Consumer):
    """The receiving side in C."""

    def __init__(self, region: Region, layout: RingLayout) -> None:
        super().__init__(layout.slots, layout.message_bytes)
        self.side = Side(region, layout, layout.rear, layout.front)
        self.entry = Entry()
        self.check(self.side.call("attach", False))

    def check(self, result: int) -> int:
        if result < 0:
            raise self.lied(result, self.side.call("lie_value"))
        return result

    def check_here(self) -> None:
        if not self.entry.payload:
            raise RuntimeError("there is no message under peek")

    def reset(self) -> None:
        self.entry = Entry()
        self.check(self.side.call("drop_all"))
        self.broken = False

    def peek(self) -> bool:
        result = self.side.call("peek", byref(self.entry))
        if result <= 0:
            self.entry = Entry()
            return bool(self.check(result))
        self.kind, self.tag = self.entry.kind, self.entry.tag
        self.length = self.entry.length
        return True

    def payload(self) -> bytes:
        self.check_here()
        copy = ctypes.create_string_buffer(max(self.length, 1))
        shim().shim_copy_out(copy, byref(self.entry))
        return copy.raw[: self.length]

    def copy_into(self, buffer: Any) -> int:
        self.check_here()
        target = memoryview(buffer).cast("B")
        if len(target) < self.length:
            raise ValueError(f"{self.length} bytes do not fit a buffer of {len(target)} bytes")
        target[: self.length] = self.payload()
        return self.length

    def advance(self) -> None:
        self.check_here()
        self.entry = Entry()
        self.side.call("advance")

    def release(self) -> None:
        self.side.call("release")

    def pending(self) -> int:
        return self.check(self.side.call("pending"))


class CArmed(Armed):
    """Armed words in C."""

    def __init__(self, region: Region, own: int, peer: int) -> None:
        self.memory = Exported(region)
        self.own, self.peer = self.memory.at(own), self.memory.at(peer)
        self.sleeps = c_uint32(0)
        self.rung = c_uint32(0)
        self.disarm()

    def arm(self) -> None:  # type: ignore[override]
        shim().shim_arm(self.own, byref(self.sleeps))

    def disarm(self) -> None:
        shim().shim_disarm(self.own)

    def peer_armed(self) -> bool:
        return bool(shim().shim_doorbell_needed(self.peer, byref(self.rung)))


IN_C = Implementation("C", CProducer, CConsumer, CArmed)
