"""A device tree as a folder, as the kernel shows it: nodes are folders, properties are files.

It becomes a flattened tree, so that whatever was read goes through one reader with its checks. A
tree can change while it is read, and a folder may hold anything: no link is followed, nothing but
regular files is read, and the whole is bounded.
"""

import errno
import os
import stat
import struct

from mboxio._os.descriptors import refuse_exhausted
from mboxio._os.whose import why
from mboxio.devicetree.blob import (
    BEGIN_NODE,
    BYTES_MAX,
    DEPTH_MAX,
    END,
    END_NODE,
    MAGIC,
    PROP,
)
from mboxio.errors import AddressError, DeviceTreeError

__all__ = ["flatten"]

ENTRY_BYTES = 12
"""The least that a node or a property takes; what is left out counts as well."""
READ_BYTES = 1 << 16
GONE = frozenset({errno.ENOENT, errno.ENODEV, errno.ENOTDIR, errno.ELOOP, errno.ENXIO})
"""What an entry says that has gone since it was listed, or is something else by now."""
KEPT_SECRET = "security-"
"""The kernel lets root alone read properties that begin like this."""
SIGNS = frozenset({"#address-cells", "#size-cells", "compatible", "model", "name"})
"""The root of a device tree has some of these."""

HEADER = struct.Struct(">10I")
RESERVED_BYTES = 16


def flatten(path: str | os.PathLike[str]) -> bytes:
    """Read a folder such as ``/proc/device-tree``; returns a flattened tree of version 17.

    Raises:
        AddressError: something in it cannot be read; the text says what and why.
        DeviceTreeError: it is no device tree, or too large for one.
    """
    folder = Folder()
    try:
        root = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise _unreadable(os.fspath(path), error) from None
    try:
        with os.scandir(root) as entries:
            if not any(entry.name in SIGNS for entry in entries):
                raise DeviceTreeError(
                    f"{os.fspath(path)}: no device tree: the folder has neither compatible nor "
                    "model nor #address-cells"
                )
        folder.node(root, "", os.fspath(path).rstrip("/"), 1)
    finally:
        os.close(root)
    return folder.blob()


class Folder:
    """Collects the blocks of a flattened tree."""

    def __init__(self) -> None:
        self.structure = bytearray()
        self.strings = bytearray()
        self.names: dict[bytes, int] = {}
        self.counted_bytes = 0

    def node(self, descriptor: int, name: str, path: str, depth: int) -> None:
        """Take in a node and all below it.

        Args:
            descriptor: of its folder.
            name: of the node.
            path: for what is told.
            depth: of the node; the root has 1.
        """
        if depth > DEPTH_MAX:
            raise DeviceTreeError(f"{path}: nested deeper than any device tree")
        self._count(len(name), path)
        self.structure += struct.pack(">I", BEGIN_NODE) + _padded(os.fsencode(name) + b"\0")
        files, folders = self._entries(descriptor, path)
        for each in files:
            value = self._value(descriptor, each, path)
            # The kernel makes this property of the name of the node; no flattened tree has it.
            if value is not None and (each, value) != ("name", _plain(name)):
                self._property(os.fsencode(each), value, path)
        for each in folders:
            below = _open(each, os.O_DIRECTORY, descriptor, path)
            if below is None:
                continue
            try:
                # A node that is called like a property gets a number from the kernel.
                bare, number, _ = each.rpartition("#")
                own = bare if number and bare in files else each
                self.node(below, own, f"{path}/{each}", depth + 1)
            finally:
                os.close(below)
        self.structure += struct.pack(">I", END_NODE)

    def _entries(self, descriptor: int, path: str) -> tuple[list[str], list[str]]:
        """Return properties and nodes by name: the kernel's own order is not that of the tree."""
        files: list[str] = []
        folders: list[str] = []
        try:
            with os.scandir(descriptor) as entries:
                for entry in entries:
                    self._count(ENTRY_BYTES, path)
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.name)
                    elif entry.is_file(follow_symlinks=False):
                        files.append(entry.name)
        except OSError as error:
            _unless_gone(path, error)
        return sorted(files), sorted(folders)

    def _value(self, descriptor: int, name: str, path: str) -> bytes | None:
        """Return the value of a property; None if it is not to be had."""
        file = None if name.startswith(KEPT_SECRET) else _open(name, 0, descriptor, path)
        if file is None:
            return None
        value = bytearray()
        try:
            if not stat.S_ISREG(os.fstat(file).st_mode):  # it may be something else by now
                return None
            while part := os.read(file, READ_BYTES):
                value += part
                self._count(len(part), path)
        except OSError as error:
            _unless_gone(f"{path}/{name}", error)
            return None
        finally:
            os.close(file)
        return bytes(value)

    def _count(self, length_bytes: int, path: str) -> None:
        self.counted_bytes += length_bytes
        if self.counted_bytes > BYTES_MAX:
            raise DeviceTreeError(
                f"{path}: longer than any device tree: more than {BYTES_MAX >> 20} MiB"
            )

    def _property(self, name: bytes, value: bytes, path: str) -> None:
        if name not in self.names:
            self._count(len(name), path)
            self.names[name] = len(self.strings)
            self.strings += name + b"\0"
        self.structure += struct.pack(">3I", PROP, len(value), self.names[name]) + _padded(value)

    def blob(self) -> bytes:
        """Put header, no memory reservations and the blocks together."""
        structure = bytes(self.structure) + struct.pack(">I", END)
        at = HEADER.size + RESERVED_BYTES
        total = at + len(structure) + len(self.strings)
        places = (total, at, at + len(structure), HEADER.size)
        header = HEADER.pack(MAGIC, *places, 17, 16, 0, len(self.strings), len(structure))
        return header + bytes(RESERVED_BYTES) + structure + bytes(self.strings)


def _open(name: str, flags: int, folder: int, path: str) -> int | None:
    """Open an entry of a folder, and wait for nobody; None: it has gone, or is a link by now."""
    flags |= os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        return os.open(name, flags, dir_fd=folder)
    except OSError as error:
        _unless_gone(f"{path}/{name}", error)
        return None


def _unless_gone(path: str, error: OSError) -> None:
    if error.errno not in GONE:
        raise _unreadable(path, error) from None


def _unreadable(path: str, error: OSError) -> AddressError:
    refuse_exhausted(error, path)
    return AddressError(f"{path}: {why(error, path)}", errno=error.errno)


def _plain(name: str) -> bytes:
    return os.fsencode(name.partition("@")[0]) + b"\0"


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
