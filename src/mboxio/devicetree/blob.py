"""The flattened device tree: from the bytes of a .dtb to nodes and their properties.

Layout: Devicetree Specification 0.4, chapter 5. The reader trusts nothing in the bytes: whatever
is wrong with them is a `DeviceTreeError`, and the work is bounded by their length.
"""

import struct
from collections.abc import Iterator

from mboxio._base.texts import remote_text
from mboxio.errors import DeviceTreeError

__all__ = ["BYTES_MAX", "MAGIC", "Node", "parse"]

MAGIC = 0xD00DFEED
HEADER = struct.Struct(">10I")
HEADER_V16_BYTES = 36
BEGIN_NODE, END_NODE, PROP, NOP, END = 1, 2, 3, 4, 9
VERSION_MIN, VERSION_MAX = 16, 17

BYTES_MAX = 4 << 20
"""Linux maps 2 MiB of a device tree at most; real ones have some 100 KiB."""
DEPTH_MAX, PATH_MAX, PROPERTY_NAME_MAX = 64, 1024, 256
"""Far beyond what is real; they bound what a hostile tree can make of its bytes."""


class Node:
    """A node with its properties, whose values are bytes.

    Args:
        name: with its unit address, as in the tree: ``mailbox@7e00b880``.
        parent: None for the root.
    """

    __slots__ = ("_path", "children", "name", "parent", "properties")

    def __init__(self, name: str, parent: "Node | None") -> None:
        self.name = name
        self.parent = parent
        self.properties: dict[str, bytes] = {}
        self.children: list[Node] = []
        self._path: str | None = None

    @property
    def path(self) -> str:
        """Where the node is: ``/soc/mailbox@7e00b880``."""
        if self._path is None:
            names = [each.name for each in self.lineage()][-2::-1]
            self._path = "/" + "/".join(names)
        return self._path

    @property
    def shown(self) -> str:
        """Its path in a message."""
        return remote_text(self.path)

    @property
    def enabled(self) -> bool:
        """Whether it and all above it are: their ``status`` is missing or okay."""
        states = (each.properties.get("status", b"okay") for each in self.lineage())
        return all(text(state) in ("okay", "ok") for state in states)

    @property
    def compatible(self) -> list[str]:
        """What the node is, the most special name first."""
        return self.strings("compatible")

    def lineage(self) -> "Iterator[Node]":
        """Yield this node, its parent and so on up to the root."""
        node: Node | None = self
        while node is not None:
            yield node
            node = node.parent

    def walk(self) -> "Iterator[Node]":
        """Yield this node and all below it, in the order of the tree."""
        waiting: list[Node] = [self]
        while waiting:
            node = waiting.pop()
            yield node
            waiting.extend(reversed(node.children))

    def child(self, name: str) -> "Node | None":
        """Return the first child of this name; None if there is none."""
        return next((each for each in self.children if each.name == name), None)

    def cells(self, name: str) -> tuple[int, ...]:
        """Return a property as 32-bit cells; bytes beyond the last whole one do not count."""
        value = self.properties.get(name, b"")
        return struct.unpack_from(f">{len(value) // 4}I", value)

    def cell(self, name: str) -> int | None:
        """Return the first cell of a property; None if there is none."""
        value = self.properties.get(name, b"")
        return int.from_bytes(value[:4]) if len(value) >= 4 else None

    def strings(self, name: str) -> list[str]:
        """Return a property as a list of strings."""
        value = self.properties.get(name, b"")
        return [text(each) for each in value.removesuffix(b"\0").split(b"\0")] if value else []

    def __repr__(self) -> str:
        return f"<Node {self.shown}>"


def text(value: bytes) -> str:
    """Return the string at the beginning of a property."""
    return value.partition(b"\0")[0].decode(errors="backslashreplace")


def parse(data: bytes) -> Node:
    """Read a flattened device tree, version 16 or 17; returns its root.

    Raises:
        DeviceTreeError: it is none, or it is damaged; the text says where.
    """
    structure, strings = _blocks(data)
    root: Node | None = None
    node: Node | None = None
    depth = length = offset = 0
    while True:
        token = _word(structure, offset)
        offset += 4
        if token == BEGIN_NODE:
            end = structure.find(b"\0", offset, offset + PATH_MAX)
            if end < 0 or (node is None and root is not None):
                raise _damaged(f"no node can begin at {offset - 4:#x}")
            child = Node(text(structure[offset:end]), node)
            if node is None:
                root = child
            else:
                node.children.append(child)
            node = child
            depth += 1
            length += len(child.name) + 1
            if depth > DEPTH_MAX or length > PATH_MAX:
                raise _damaged(f"the nodes at {offset - 4:#x} are nested too deep")
            offset = end + 1
        elif token == PROP:
            size, name_at = _word(structure, offset), _word(structure, offset + 4)
            value = structure[offset + 8 : offset + 8 + size]
            end = strings.find(b"\0", name_at, name_at + PROPERTY_NAME_MAX)
            # All properties of a node come before its first child (5.4.2 of the specification).
            if node is None or node.children or len(value) != size or end < 0:
                raise _damaged(f"the property at {offset - 4:#x} cannot be")
            node.properties.setdefault(text(strings[name_at:end]), value)
            offset += 8 + size
        elif token == END_NODE and node is not None:
            depth -= 1
            length -= len(node.name) + 1
            node = node.parent
        elif token == END and root is not None and node is None:
            return root
        elif token != NOP:
            raise _damaged(f"token {token:#x} at {offset - 4:#x} cannot be")
        offset = (offset + 3) & ~3


def _blocks(data: bytes) -> tuple[bytes, bytes]:
    """Check the header; return the structure block and the strings block."""
    if len(data) < 8 or int.from_bytes(data[:4]) != MAGIC:
        raise DeviceTreeError("no device tree: a .dtb begins with d0 0d fe ed")
    if len(data) < HEADER.size:
        raise _damaged(f"{len(data)} bytes are no header")
    _, total, at, strings_at, reserved_at, version, oldest, _, strings_bytes, size = (
        HEADER.unpack_from(data)
    )
    if version < VERSION_MIN or not VERSION_MIN <= oldest <= VERSION_MAX or oldest > version:
        raise DeviceTreeError(
            f"a device tree of version {version} (readable as {oldest}); {VERSION_MIN} and "
            f"{VERSION_MAX} can be read, and dtc -I dtb -O dtb makes {VERSION_MAX} of older ones"
        )
    header = HEADER.size
    if version < VERSION_MAX:
        header, size = HEADER_V16_BYTES, total - at
    if not HEADER.size <= total <= len(data):
        raise _damaged(f"it has {total} bytes by its header, here are {len(data)}")
    inside = (
        header <= min(at, strings_at, reserved_at)
        and max(at + size, strings_at + strings_bytes, reserved_at) <= total
    )
    if not inside or size < 0 or at % 4:
        raise _damaged("a block lies outside")
    return data[at : at + size], data[strings_at : strings_at + strings_bytes]


def _word(structure: bytes, offset: int) -> int:
    if offset + 4 > len(structure):
        raise _damaged("it ends in the middle")
    return int.from_bytes(structure[offset : offset + 4])


def _damaged(what: str) -> DeviceTreeError:
    return DeviceTreeError(f"a damaged device tree: {what}")
