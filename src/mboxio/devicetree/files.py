"""Where a device tree is read from: a file, a folder, the running kernel."""

import errno
import os

from mboxio._os.descriptors import refuse_exhausted
from mboxio._os.whose import why
from mboxio.devicetree.blob import BYTES_MAX, MAGIC
from mboxio.devicetree.folder import flatten
from mboxio.devicetree.forms import GZIP, HEAD_BYTES, explain, long_fit, unpack
from mboxio.errors import AddressError, DeviceTreeError

__all__ = ["LIVE", "LIVE_FOLDERS", "live", "read"]

LIVE = "/sys/firmware/fdt"
"""The tree with which the running kernel was started. Root alone may read it."""
LIVE_FOLDERS = ("/proc/device-tree", "/sys/firmware/devicetree/base")
"""The tree that the running kernel has now, with what was put onto it; for everybody."""

MAGIC_BYTES = MAGIC.to_bytes(4)
TOTAL_AT = 4


def live() -> tuple[bytes, str]:
    """Read the running kernel's tree; returns it, and where it was.

    Raises:
        AddressError: it cannot be read; the text says what was tried.
    """
    errors: list[AddressError] = []
    for path in (LIVE, *LIVE_FOLDERS):
        try:
            return read(path), path
        except AddressError as error:
            errors.append(error)
    raise AddressError(
        f"no device tree of the running kernel, name a .dtb: {'; '.join(map(str, errors))}",
        errno=errors[0].errno,
    )


def read(path: str | os.PathLike[str]) -> bytes:
    """Read a file or a folder; returns a flattened tree.

    Raises:
        AddressError: it cannot be read; ``errno`` and the text say why.
        DeviceTreeError: it is no device tree.
    """
    name = os.fspath(path)
    if os.path.isdir(path):
        return flatten(path)  # its errors name the file in question
    try:
        with open(path, "rb", opener=_opener) as file:
            # Who names a disk by mistake is told before it is read.
            head = file.read(HEAD_BYTES)
            data = head
            if head.startswith((GZIP, MAGIC_BYTES)):
                data += file.read(BYTES_MAX)
            if head.startswith(GZIP):
                data = unpack(data)
            if not data.startswith(MAGIC_BYTES):
                raise DeviceTreeError(explain(head, file, name))
    except DeviceTreeError as error:
        raise DeviceTreeError(f"{name}: {error}") from None
    except OSError as error:
        refuse_exhausted(error, name)
        hint = ""
        if error.errno == errno.EACCES and name == LIVE:
            hint = f" ({LIVE_FOLDERS[0]} is for everybody)"
        raise AddressError(f"{name}: {why(error, name)}{hint}", errno=error.errno) from None
    if len(data) > BYTES_MAX:
        # What stands behind a tree, as in a partition of flash, does not make it longer.
        total = int.from_bytes(data[TOTAL_AT : TOTAL_AT + 4])
        if not TOTAL_AT < total <= BYTES_MAX:
            what = f"longer than any device tree: more than {BYTES_MAX >> 20} MiB"
            if long_fit(data):
                what = (
                    "a FIT image: dumpimage -l lists its parts, dumpimage -T flat_dt takes one out"
                )
            raise DeviceTreeError(f"{name}: {what}")
        data = data[:total]
    return data


def _opener(path: str, flags: int) -> int:
    """Open a file, also a pipe that nobody writes into: that one is at its end, not waited for."""
    descriptor = os.open(path, flags | os.O_NONBLOCK)
    os.set_blocking(descriptor, True)
    return descriptor
