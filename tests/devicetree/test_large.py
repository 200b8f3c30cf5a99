"""Legal trees that are large or odd: told in seconds, or refused by a limit."""

import struct
import time
from collections.abc import Callable
from typing import Any

import pytest

from mboxio import DeviceTreeError
from mboxio.devicetree import DeviceTree, bus, describe
from tests.devicetree.writer import END, Writer, assemble, blob

pytestmark = pytest.mark.once

SECONDS = 20
"""Two are usual. What takes hours must not pass on any machine."""


def cells(*numbers: int) -> bytes:
    return struct.pack(f">{len(numbers)}I", *numbers)


def chain() -> bytes:
    """Each node's interrupt parent is the next one, and none has interrupts."""
    count = 20_000
    links = {f"n{at}": {"phandle": at + 1, "interrupt-parent": at + 2} for at in range(count)}
    users = {
        f"m{at}": {"#mbox-cells": 0, "interrupt-parent": 1, "interrupts": [1]}
        for at in range(count)
    }
    return blob({**links, **users})


def wide() -> bytes:
    """Tens of thousands of nodes beside each other."""
    count = 15_000
    providers = {
        f"m@{at:x}": {"phandle": at + 1, "#mbox-cells": 1, "reg": [at * 16, 16]}
        for at in range(count)
    }
    consumers = {f"c@{at:x}": {"mboxes": [at + 1, 0]} for at in range(count)}
    windows = cells(*(number for at in range(32) for number in (~at & 0xFFFFFFFF, 0, 0)))
    soc = {"#address-cells": 1, "ranges": windows + cells(0, 0x40000000, 0x10000000)}
    return blob({"#address-cells": 1, "soc": {**soc, **providers, **consumers}})


def namesakes() -> bytes:
    """Nodes of one path, and as many labels of that path."""
    count = 15_000
    writer = Writer()
    writer.structure += cells(1, 0)
    for _ in range(count):
        writer.node("m", {"#mbox-cells": 0})
    writer.node("__symbols__", {f"l{at}": "/m" for at in range(count)})
    writer.structure += cells(2, END)
    return assemble(bytes(writer.structure), bytes(writer.strings))


@pytest.mark.parametrize("make", [chain, wide, namesakes])
def test_told_in_seconds(make: Callable[[], bytes]) -> None:
    data = make()
    began = time.process_time()
    found = describe(DeviceTree(data), "t")
    assert time.process_time() - began < SECONDS
    assert len(found["providers"]) >= 15_000
    if make is wide:
        assert found["providers"][9]["reg"] == [{"address": 144, "size": 16, "cpu": 0x40000090}]
        assert found["consumers"][9]["channels"][0]["provider"] == "/soc/m@9"
    if make is namesakes:
        assert [len(each.get("labels", ())) for each in found["providers"][:2]] == [15_000, 0]


def nested(levels: int, windows: int, registers: int, nodes: int) -> bytes:
    """Buses below buses; the last window of each is the one that fits."""
    last = cells(0, 0, 0xFFFFFFFF)
    ranges = cells(*(~at & 0xFFFFFFFF for at in range(windows - 1) for _ in range(3))) + last
    node = {"#mbox-cells": 0, "reg": cells(1, 1) * registers}
    tree: dict[str, Any] = {f"m{at}": node for at in range(nodes)}
    for _ in range(levels):
        tree = {"b": {"#address-cells": 1, "#size-cells": 1, "ranges": ranges, **tree}}
    return blob({"#address-cells": 1, "#size-cells": 1, **tree})


def test_buses_below_buses() -> None:
    data = nested(levels=60, windows=100, registers=2, nodes=100)
    began = time.process_time()
    (*_, provider) = DeviceTree(data).providers()
    assert time.process_time() - began < SECONDS
    assert [(each.address, each.cpu) for each in provider.reg] == [(1, 1), (1, 1)]


def test_more_windows_than_on_any_board() -> None:
    tree = DeviceTree(nested(levels=60, windows=1024, registers=1024, nodes=100))
    began = time.process_time()
    for _ in range(2):
        with pytest.raises(
            DeviceTreeError, match="more windows than on any board: over 10,000,000"
        ):
            tree.providers()
    assert time.process_time() - began < SECONDS


def test_each_answer_has_the_whole_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    tree = DeviceTree(nested(levels=3, windows=10, registers=1, nodes=1))
    monkeypatch.setattr(bus, "WINDOWS_MAX", 30)
    for _ in range(3):
        assert tree.providers()[0].reg == tree.regions(tree.providers()[0].node)
    monkeypatch.setattr(bus, "WINDOWS_MAX", 29)
    with pytest.raises(DeviceTreeError, match="more windows"):
        tree.regions(tree.nodes[-1])


@pytest.mark.parametrize("name", ["mboxes", "shmem", "memory-region"])
def test_references_that_would_be_too_long_to_tell(name: str) -> None:
    """Four bytes each, and each stands for a long path."""
    far = {"a" * 200: {"b" * 200: {"phandle": 1, "#mbox-cells": 0}}}
    most = 1 << 18
    tree = DeviceTree(blob({**far, "c": {"mboxes": b"", name: cells(1) * most}}))
    (consumer,) = tree.consumers()
    assert most in (len(consumer.channels), len(consumer.shmem), len(consumer.memory_region))
    tree = DeviceTree(blob({**far, "c": {"mboxes": b"", name: cells(1) * (most + 1)}}))
    with pytest.raises(
        DeviceTreeError, match="longer than on any board: mboxes, shmem, memory-reg"
    ):
        tree.consumers()


@pytest.mark.parametrize("name", ["reg", "interrupts", "interrupts-extended"])
def test_providers_that_would_be_too_long_to_tell(name: str) -> None:
    tree = {f"m{at}": {"#mbox-cells": 0, name: bytes(4096)} for at in range(257)}
    with pytest.raises(DeviceTreeError, match="longer than on any board: #mbox-cells, reg, inter"):
        DeviceTree(blob(tree)).providers()
