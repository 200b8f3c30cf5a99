"""A device tree's mailboxes as plain data, for JSON."""

import errno
import hashlib
from collections.abc import Sequence
from typing import Any

from mboxio.devicetree.blob import Node
from mboxio.devicetree.lookup import MailboxConsumer, Provider, Specifier
from mboxio.devicetree.overlay import Overlay
from mboxio.devicetree.tree import DeviceTree

__all__ = ["describe"]


def describe(tree: DeviceTree, name: str) -> dict[str, Any]:
    """Return what a device tree says about mailboxes.

    Args:
        tree: the tree.
        name: what to call it.
    """
    return {
        "dtb": name,
        "bytes": len(tree.data),
        "sha256": hashlib.sha256(tree.data).hexdigest(),
        "model": next(iter(tree.root.strings("model")), None),
        "compatible": tree.root.compatible,
        **({"overlay": _overlay(tree.overlay)} if tree.overlay else {}),
        "providers": [_provider(each) for each in tree.providers()],
        "consumers": [_consumer(each) for each in tree.consumers()],
    }


def _overlay(overlay: Overlay) -> dict[str, Any]:
    return {"targets": overlay.targets, "open": overlay.labels}


def _provider(provider: Provider) -> dict[str, Any]:
    node = provider.node
    return {
        "path": node.path,
        "phandle": provider.phandle,
        "compatible": node.compatible,
        "mbox_cells": provider.cells,
        "enabled": node.enabled,
        "reg": [
            {"address": each.address, "size": each.size_bytes, "cpu": each.cpu}
            for each in provider.reg
        ],
        "interrupts": [
            {"parent": _path(each.parent), "cells": list(each.cells)}
            for each in provider.interrupts
        ],
        **({"labels": provider.labels} if provider.labels else {}),
        **_names(node, "reg-names", "interrupt-names"),
    }


def _consumer(consumer: MailboxConsumer) -> dict[str, Any]:
    node = consumer.node
    found: dict[str, Any] = {
        "path": node.path,
        "compatible": node.compatible,
        "enabled": node.enabled,
        "channels": [_channel(each) for each in consumer.channels],
        **_names(node, "mbox-names"),
    }
    if consumer.shmem:
        found["shmem"] = _paths(consumer.shmem)
    if consumer.memory_region:
        found["memory_region"] = _paths(consumer.memory_region)
    if consumer.owner is not None:
        found["owner"] = consumer.owner.path
    if consumer.error is not None:
        code = errno.errorcode[consumer.error.errno or errno.EINVAL]
        found["error"] = f"{code}: {consumer.error}"
    return found


def _channel(specifier: Specifier) -> dict[str, Any]:
    found: dict[str, Any] = {
        "index": specifier.index,
        "name": specifier.name,
        "provider": _path(specifier.provider),
        "cells": list(specifier.cells),
    }
    if specifier.nodes:
        found["cell_nodes"] = {str(at): node.path for at, node in specifier.nodes.items()}
    return found


def _names(node: Node, *properties: str) -> dict[str, list[str]]:
    return {
        each.replace("-", "_"): node.strings(each) for each in properties if each in node.properties
    }


def _path(node: Node | None) -> str | None:
    return None if node is None else node.path


def _paths(nodes: Sequence[Node | None]) -> list[str | None]:
    return [_path(each) for each in nodes]
