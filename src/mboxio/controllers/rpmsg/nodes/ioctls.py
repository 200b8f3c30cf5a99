"""Requests of the character devices ``/dev/rpmsg_ctrlN`` and ``/dev/rpmsgN``, as numbers.

Source: Linux, include/uapi/linux/rpmsg.h (facts only).
"""

import struct

__all__ = ["ANY", "CREATE_EPT", "DESTROY_EPT", "ERESTARTSYS", "INFO", "NAME_BYTES", "endpoint_info"]

ANY = 0xFFFF_FFFF
"""The address of RPMsg that stands for any, and is never sent."""
NAME_BYTES = 32
INFO = struct.Struct(f"={NAME_BYTES}sII")
"""An endpoint: name, source, destination; the same for 32 and 64 bits."""
KIND = 0xB5
TO_KERNEL = 1


def _number(direction: int, number: int, size_bytes: int) -> int:
    return direction << 30 | size_bytes << 16 | KIND << 8 | number


CREATE_EPT = _number(TO_KERNEL, 1, INFO.size)
"""Of a control device: make an endpoint, and a node for it. The answer does not tell which."""
DESTROY_EPT = _number(0, 2, 0)
"""Of an endpoint: remove it, with its node. Once, and never after the remote's death: kernels up
to 6.1 at least do not survive that."""

ERESTARTSYS = 512
"""What leaks out of the kernel where a write has waited for a buffer in vain."""


def endpoint_info(name: str, src: int, dst: int) -> bytes:
    """Return the argument of `CREATE_EPT`; an address of -1 is any.

    Raises:
        ValueError: the kernel would cut the name.
    """
    encoded = name.encode()
    if len(encoded) >= NAME_BYTES:
        raise ValueError(f"the name of a service has at most {NAME_BYTES - 1} bytes: {name[:40]!r}")
    return INFO.pack(encoded, src & ANY, dst & ANY)
