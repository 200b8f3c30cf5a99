"""Mailbox channels from a device tree, looked up as Linux does.

>>> tree = DeviceTree.open("board.dtb")
>>> tree.channel("/firmware/scmi", "tx").provider
"""

from mboxio.devicetree.blob import Node
from mboxio.devicetree.bus import InterruptSpecifier, Range
from mboxio.devicetree.files import LIVE
from mboxio.devicetree.lookup import EPROBE_DEFER, MailboxConsumer, Provider, Specifier, scmi_roles
from mboxio.devicetree.report import describe
from mboxio.devicetree.tree import DeviceTree

__all__ = [
    "EPROBE_DEFER",
    "LIVE",
    "DeviceTree",
    "InterruptSpecifier",
    "MailboxConsumer",
    "Node",
    "Provider",
    "Range",
    "Specifier",
    "describe",
    "scmi_roles",
]
