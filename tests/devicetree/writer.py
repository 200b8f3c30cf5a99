"""Writes flattened device trees, right or wrong ones."""

import struct
from collections.abc import Mapping
from typing import Any

MAGIC = 0xD00DFEED
BEGIN_NODE, END_NODE, PROP, END = 1, 2, 3, 9

Tree = Mapping[str, Any]
"""Properties and child nodes by name: a value that is a mapping is a child."""


def value(given: Any) -> bytes:
    """Return a property's bytes: of a number or a list of them, of a string or strings."""
    if isinstance(given, bytes):
        return given
    if isinstance(given, int):
        return struct.pack(">I", given)
    if isinstance(given, str):
        return given.encode() + b"\0"
    return b"".join(value(each) for each in given)


def pad(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


class Writer:
    """Collects the two blocks of a device tree."""

    def __init__(self) -> None:
        self.structure = bytearray()
        self.strings = bytearray()
        self.names: dict[str, int] = {}

    def node(self, name: str, tree: Tree) -> None:
        self.structure += struct.pack(">I", BEGIN_NODE) + pad(name.encode() + b"\0")
        for key, given in tree.items():
            if not isinstance(given, Mapping):
                self.property(key, value(given))
        for key, given in tree.items():
            if isinstance(given, Mapping):
                self.node(key, given)
        self.structure += struct.pack(">I", END_NODE)

    def property(self, name: str, data: bytes) -> None:
        if name not in self.names:
            self.names[name] = len(self.strings)
            self.strings += name.encode() + b"\0"
        self.structure += struct.pack(">III", PROP, len(data), self.names[name]) + pad(data)


def blob(tree: Tree) -> bytes:
    """Return a device tree of version 17."""
    writer = Writer()
    writer.node("", tree)
    writer.structure += struct.pack(">I", END)
    return assemble(bytes(writer.structure), bytes(writer.strings))


def assemble(structure: bytes, strings: bytes, *, version: int = 17) -> bytes:
    """Put header, memory reservations and blocks together."""
    at = 40 + 16
    total = at + len(structure) + len(strings)
    header = struct.pack(
        ">10I",
        *(MAGIC, total, at, at + len(structure), 40),
        *(version, 16, 0, len(strings), len(structure)),
    )
    return header + bytes(16) + structure + strings
