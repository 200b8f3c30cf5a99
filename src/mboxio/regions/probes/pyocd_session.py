"""A session of pyOCD that is our own: opened so that no processor is halted, and closed so, too.

pyOCD's manual, "Session options" and "Target delegates". By default it would halt each processor,
erase a chip that is locked, and execute ``pyocd_user.py`` of the current folder.
"""

import os
from collections.abc import Mapping
from importlib import import_module
from typing import Any, Protocol

from mboxio._base.texts import remote_text
from mboxio.errors import AddressError, RemoteGone

__all__ = ["Session", "attach", "detach", "drop", "module"]

INSTALL = 'pip install pyocd, or pip install ".[pyocd]" in a checkout of mboxio'
ATTACH: Mapping[str, object] = {
    "connect_mode": "attach",  # "halt" is the default
    "auto_unlock": False,  # which erases all of the flash
    "no_config": True,
    "user_script": os.devnull,
    "resume_on_disconnect": True,  # else debugging stays powered; see `Leaving`
    "warning.cortex_m_default": False,
}


class Session(Protocol):
    """What is used of a session of pyOCD's."""

    probe: Any
    target: Any
    delegate: Any

    @property
    def is_open(self) -> bool: ...
    def open(self) -> None: ...
    def close(self) -> None: ...


def module(name: str) -> Any:
    """Return a part of pyOCD.

    Raises:
        AddressError: it is not installed.
    """
    try:
        return import_module(f"pyocd.{name}")
    except ModuleNotFoundError as error:
        raise AddressError(f"pyocd: needs pyOCD ({error}): {INSTALL}") from None


class Leaving:
    """What pyOCD asks at the end: its own way would switch off the cycle counter of firmware."""

    def stop_debug_core(self, core: Any) -> bool:
        """Let go of a processor; returns that pyOCD need not do it.

        Without debugging a breakpoint in the code is a fault, and does not halt.
        """
        if not hasattr(core, "DHCSR"):
            return False
        core.write32(core.DHCSR, core.DBGKEY)
        return True


def attach(where: str, options: Mapping[str, object]) -> Session:
    """Open a session on a probe.

    Args:
        where: the probe's unique ID or a part of it, with ``TYPE:`` before it or without; "" where
            only one is connected.
        options: those of pyOCD that the address gives.

    Raises:
        AddressError: pyOCD is not installed, knows no such target, or several probes match.
        RemoteGone: no such probe is connected, or it does not reach the target.
    """
    exceptions, helper = module("core.exceptions"), module("core.helpers").ConnectHelper
    session: Session | None = None
    try:
        probes = helper.get_all_connected_probes(blocking=False, unique_id=where or None)
        if not probes:
            asked = f" {remote_text(where)!r}" if where else ""
            raise RemoteGone(f"no debug probe{asked} is connected: pyocd list")
        if len(probes) > 1:
            names = remote_text(", ".join(probe.unique_id for probe in probes))
            raise AddressError(f"pyocd: several probes match {where!r}; there are: {names}")
        # A session goes to this folder, wherever another one has been.
        here = {"project_dir": os.getcwd()}
        chosen = {**ATTACH, **here, **options}
        made: Session = module("core.session").Session(probes[0], options=chosen)
        session = made
        made.delegate = Leaving()
        made.open()
        return made
    except BaseException as error:
        if session is not None:
            detach(session)
        if isinstance(error, exceptions.TargetSupportError):
            raise AddressError(f"pyocd:{where}: {remote_text(str(error))}") from None
        if isinstance(error, exceptions.Error | OSError):
            said = remote_text(str(error) or type(error).__name__)
            raise RemoteGone(f"pyocd:{where} does not reach the target: {said}") from None
        raise


def detach(session: Session) -> None:
    """Close a session; what fails at that, pyOCD has logged."""
    try:
        session.close()
    except (module("core.exceptions").Error, OSError):
        drop(session)


def drop(session: Session) -> None:
    """Let go of the probe of a session that is lost, without another word to the target."""
    try:
        session.probe.close()
    except (module("core.exceptions").Error, OSError):
        return  # it is not there any more
