"""The lives of a remote, as Linux shows them: devices that go and come, and a processor's state.

Nothing tells that a remote hangs: time-outs do.
"""

import errno
import socket
from pathlib import Path

from mboxio._base.texts import remote_text
from mboxio.controllers.rpmsg.nodes.system import System
from mboxio.controllers.rpmsg.sysfs import RpmsgVdev, processors, state_of, vdevs

__all__ = ["Uevents", "folder_of", "reason_of_death", "stays_dead"]

UEVENT_BYTES = 8192
BATCH = 256
"""Uevents that are read in one go."""
KERNEL = 0
"""The port of the kernel: other senders are programs."""


class Uevents:
    """Hears which devices of RPMsg go and come.

    Where the kernel does not tell, as in some containers, nothing is heard: sysfs is looked at
    with growing pauses in any case.

    Args:
        system: the kernel.
    """

    def __init__(self, system: System) -> None:
        self.socket: socket.socket | None = system.uevents()

    def fileno(self) -> int:
        """Return the descriptor; -1 if nothing is heard."""
        return -1 if self.socket is None else self.socket.fileno()

    def read(self) -> tuple[bool, bool]:
        """Return whether a device of RPMsg went, and whether one came or something was missed."""
        went = came = False
        for _ in range(BATCH if self.socket is not None else 0):
            assert self.socket is not None
            try:
                data, _, _, sender = self.socket.recvmsg(UEVENT_BYTES)
            except BlockingIOError:
                break
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                went = came = True  # there were more than fit
                continue
            if isinstance(sender, tuple) and sender and sender[0] != KERNEL:
                continue  # udev, or anybody who may
            action, _, where = data.partition(b"\0")[0].decode(errors="replace").partition("@")
            if "virtio" in where or "rpmsg" in where:
                went = went or action == "remove"
                came = came or action in ("add", "bind")
        return went, came

    def close(self) -> None:
        """Hear nothing more."""
        heard, self.socket = self.socket, None
        if heard is not None:
            heard.close()


def stays_dead(processor: Path | None) -> str:
    """Say why a remote will not come back by itself though its endpoints look alive; or nothing.

    A processor that crashed and is not recovered keeps its devices: reads find nothing, and writes
    are accepted until the ring is full.
    """
    if processor is None:
        return ""
    state, recovery = state_of(processor)
    if state == "crashed" and recovery == "disabled":
        return f"{_named(processor)} crashed, recovery disabled"
    return ""


def reason_of_death(system: System, vdev: RpmsgVdev, processor: Path | None, name: str) -> str:
    """Say what became of a remote whose endpoint ended.

    Args:
        vdev: the link, as it was.
        processor: the folder of its remote processor; None if there is none.
        name: of the service.
    """
    if dead := stays_dead(processor):
        return dead
    if processor is not None:
        state, _ = state_of(processor)
        if state == "crashed":
            return f"{_named(processor)} crashed"
        if state and state not in ("running", "attached"):
            return f"{_named(processor)} is {remote_text(state)}"
    now = [each for each in vdevs(system.root) if each.name == vdev.name]
    if any(each.identity == vdev.identity for each in now):
        return f"service {remote_text(name)!r} was closed by the remote"
    if now:
        return f"{vdev.name} restarted"
    return f"{vdev.name} has gone"


def folder_of(system: System, vdev: RpmsgVdev) -> Path | None:
    """Return the folder of the remote processor behind a link; None if there is none."""
    found = (each.folder for each in processors(system.root) if each.node == vdev.processor)
    return next(found, None)


def _named(processor: Path) -> str:
    try:
        name = (processor / "name").read_text().strip()
    except OSError:
        name = ""
    return f"{processor.name} ({remote_text(name)})" if name else processor.name
