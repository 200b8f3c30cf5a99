"""The udev rules that give the nodes of RPMsg to a group; root alone may use them otherwise."""

from importlib.resources import files

__all__ = ["NAME", "text"]

NAME = "70-mboxio-rpmsg.rules"
"""Of the file, here and in ``/etc/udev/rules.d``."""


def text() -> str:
    """Return the rules, with how to install them."""
    return (files("mboxio.controllers.rpmsg") / NAME).read_text()
