"""Getting an endpoint with a node: the service's own, one left from before, or a new one.

An endpoint that was made stays when it is closed, and is used again. To destroy one may take
the kernel down if the remote dies in that moment, and no look beforehand excludes that.
"""

import errno
import os
import time
from dataclasses import dataclass

from mboxio._base.texts import remote_text
from mboxio._os.descriptors import refuse_exhausted
from mboxio._os.whose import why
from mboxio.controllers.rpmsg import rules
from mboxio.controllers.rpmsg.choosing import RpmsgPlace
from mboxio.controllers.rpmsg.nodes.ioctls import CREATE_EPT, endpoint_info
from mboxio.controllers.rpmsg.nodes.system import System
from mboxio.controllers.rpmsg.options import ANY, RpmsgOptions
from mboxio.controllers.rpmsg.sysfs import (
    CHARDEV,
    RpmsgNode,
    RpmsgService,
    endpoints,
    holders,
    services,
)
from mboxio.errors import AddressError, MailboxError, RemoteGone

__all__ = ["OpenedNode", "TryAgain", "open_endpoint"]

DEAD = frozenset({errno.EPIPE, errno.ENODEV, errno.ENXIO, errno.ENOENT})
"""What opening says where the remote has gone in between."""


YOUNG_S = 2.0
"""So long after a node was made udev may not have given it to its group yet."""


class TryAgain(Exception):
    """What failed may work in a moment, with nothing changed by the user.

    Args:
        error: what to say if it does not.
    """

    def __init__(self, error: MailboxError) -> None:
        super().__init__(error)
        self.error = error


@dataclass(frozen=True)
class OpenedNode:
    """An open endpoint.

    Args:
        descriptor: of its node.
        node: name of that, such as ``rpmsg0``.
        made: it was made by a control device, for this connection or an earlier one.
    """

    descriptor: int
    node: str
    made: bool


def open_endpoint(system: System, place: RpmsgPlace, options: RpmsgOptions) -> OpenedNode:
    """Open an endpoint for a place.

    Raises:
        TryAgain: another program makes an endpoint at this moment, or udev is not ready.
        AddressError: another one has it, or this user may not.
        RemoteGone: the remote has gone in between.
    """
    service = place.service
    if service is not None and options.bind and not service.driver:
        service = _bind(system, service)
    if service is not None and service.driver not in ("", CHARDEV):
        raise AddressError(_taken(service))
    own_source = service is not None and options.src in (-1, service.src)
    if service is not None and service.driver == CHARDEV and own_source:
        if not service.node:
            raise RemoteGone(f"rpmsg: the endpoint of {place.name!r} has gone, or is not made yet")
        return OpenedNode(_open(system, service.node), service.node, False)
    return _made(system, place, options)


def _bind(system: System, service: RpmsgService) -> RpmsgService:
    """Have ``rpmsg_chrdev`` drive a service that no driver of the kernel knows."""
    drivers = system.root / "sys/bus/rpmsg/drivers" / CHARDEV
    attribute = service.folder / "driver_override"
    try:
        system.store(attribute, CHARDEV)
        attribute = drivers / "bind"
        system.store(attribute, service.folder.name)
    except FileNotFoundError:
        if not service.folder.exists():
            raise RemoteGone(f"rpmsg: {service.name!r} has gone") from None
        raise AddressError(f"{drivers} does not exist: modprobe rpmsg_char") from None
    except OSError as error:
        refuse_exhausted(error, str(attribute))
        if error.errno not in (errno.EBUSY, errno.ENODEV):  # another one did it
            raise AddressError(
                f"bind=yes: {attribute}: {why(error, str(attribute))}", errno=error.errno
            ) from None
    bound = [each for each in services(system.root) if each.folder == service.folder]
    if not bound:
        raise RemoteGone(f"rpmsg: {service.name!r} has gone")
    return bound[0]


def _made(system: System, place: RpmsgPlace, options: RpmsgOptions) -> OpenedNode:
    """Open an endpoint that was left, or make one."""
    if place.dst in (-1, ANY):
        raise AddressError(f"rpmsg: {place.name!r} was announced without an address: add dst=")
    try:
        argument = endpoint_info(place.name, options.src, place.dst)
    except ValueError as error:
        raise AddressError(str(error)) from None
    if not place.vdev.control:
        raise AddressError(
            f"rpmsg: {place.vdev.name} has no control device: modprobe rpmsg_ctrl rpmsg_char",
            not_yet=True,
        )
    # Opened anew each time: one of an earlier life makes the kernel complain and lose memory.
    control = _open(system, place.vdev.control)
    try:
        # The answer does not say which node was made, so nobody else may make one meanwhile.
        try:
            system.lock(control)
        except BlockingIOError:
            path = f"/dev/{place.vdev.control}"
            held = AddressError(f"{path}: another program makes endpoints", errno=errno.EBUSY)
            raise TryAgain(held) from None
        before = _alike(system, place, options)
        for each in before:
            try:
                return OpenedNode(system.open(each.node), each.node, True)
            except OSError as error:
                # Two with one source cannot be open; one of any source is made beside it.
                if error.errno != errno.EBUSY or options.src >= 0:
                    raise _refused(system, each.node, error) from None
        try:
            system.ioctl(control, CREATE_EPT, argument)
        except OSError as error:
            raise _refused(system, place.vdev.control, error) from None
        known = {each.node for each in before}
        made = [each for each in _alike(system, place, options) if each.node not in known]
        if len(made) != 1:
            raise RemoteGone(f"rpmsg: the endpoint that was made for {place.name!r} has gone")
        return OpenedNode(_open(system, made[0].node), made[0].node, True)
    finally:
        system.close(control)


def _alike(system: System, place: RpmsgPlace, options: RpmsgOptions) -> list[RpmsgNode]:
    src = options.src & ANY
    return [
        each
        for each in endpoints(system.root)
        if each.control == place.vdev.control
        and (each.name, each.dst, each.src) == (place.name, place.dst, src)
    ]


def _open(system: System, node: str) -> int:
    try:
        return system.open(node)
    except OSError as error:
        raise _refused(system, node, error) from None


def _refused(system: System, node: str, error: OSError) -> Exception:
    """Return the error for a node that cannot be used, in words for people."""
    told = _told(system, node, error)
    if isinstance(error, (PermissionError, FileNotFoundError)) and _is_young(system, node):
        return TryAgain(told)
    return told


def _is_young(system: System, node: str) -> bool:
    """Return whether a node was made a moment ago."""
    try:
        return time.time() - os.stat(system.root / "dev" / node).st_ctime < YOUNG_S
    except OSError:
        return False


def _told(system: System, node: str, error: OSError) -> MailboxError:
    if isinstance(error, MailboxError):
        return error
    path = f"/dev/{node}"
    try:
        refuse_exhausted(error, path)
    except MailboxError as exhausted:
        return exhausted
    if error.errno == errno.EBUSY:
        found = ", ".join(str(each) for each in holders(node, system.root))
        return AddressError(
            f"{path} is open already: {found or 'another program'} has it", errno=errno.EBUSY
        )
    if error.errno in DEAD:
        return RemoteGone(f"{path}: the remote has gone, or udev has not made the node yet")
    text = f"{path}: {why(error, str(system.root / 'dev' / node))}"
    if isinstance(error, PermissionError):
        text += f": install the udev rules of mboxio ({rules.NAME}) and join group mboxio"
    return AddressError(text, errno=error.errno)


def _taken(service: RpmsgService) -> str:
    name, driver = remote_text(service.name), service.driver
    text = f"rpmsg: the kernel's driver {driver} has {service.vdev.name}/{name}"
    if service.tty:
        return f"{text}: write rpmsg:?tty=/dev/{service.tty}&framing=cobs"
    unbind = f"echo {service.folder.name} > /sys/bus/rpmsg/drivers/{driver}/unbind"
    return f"{text}: {unbind}, and add bind=yes"
