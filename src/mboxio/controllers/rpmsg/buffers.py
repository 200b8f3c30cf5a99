"""How many buffers a ring has, from the resource table in the file of the firmware.

The kernel does not tell. Firmware that was started by a bootloader has no file here.
Source: Linux, Documentation/driver-api/firmware/fw_search_path.rst (facts only).
"""

from pathlib import Path

from mboxio.controllers.rpmsg.nodes.system import System
from mboxio.errors import AddressError, RemoteError
from mboxio.regions.finding.elf import read_image
from mboxio.rpmsg.image import find_table
from mboxio.rpmsg.table import parse_table

__all__ = ["buffers_of"]

OWN_PATH = "sys/module/firmware_class/parameters/path"
FOLDERS = ("lib/firmware/updates", "lib/firmware")
LINUX_MAX = 256
"""Linux has no more buffers in one direction, however long the ring is."""


def buffers_of(system: System, processor: Path | None) -> int | None:
    """Return how many buffers there are in one direction; None: it cannot be known.

    Args:
        processor: the folder of the remote processor; None if there is none.
    """
    image = None if processor is None else _image(system.root, processor)
    if image is None:
        return None
    try:
        found = find_table(image)
        devices = parse_table(found.table).rpmsg if found is not None else ()
    except RemoteError:
        return None  # the kernel has taken it, so it knows better what that is
    counts = [ring.num for device in devices for ring in device.rings]
    return min(LINUX_MAX, *counts) if counts else None


def _image(root: Path, processor: Path) -> bytes | None:
    try:
        name = (processor / "firmware").read_text().strip()
    except OSError:
        return None
    try:
        own = (root / OWN_PATH).read_text().strip().lstrip("/")
    except OSError:
        own = ""
    for folder in (*([own] if own else []), *FOLDERS):
        try:
            path = str(root / folder / name)
            return read_image(path, path)
        except (OSError, AddressError):
            continue
    return None
