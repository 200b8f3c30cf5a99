"""RPMsg on this machine: processors, vdevs, services, endpoints, and what to do where one lacks.

``mboxio rpmsg``, ``mboxio list`` and ``mboxio doctor`` say what is found here.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from mboxio.cli.machine.machine import Found, Machine, shown
from mboxio.controllers.rpmsg import sysfs
from mboxio.controllers.rpmsg.choosing import fits_address
from mboxio.controllers.rpmsg.sysfs import (
    CHARDEV,
    RpmsgHolder,
    RpmsgNode,
    RpmsgProcessor,
    RpmsgService,
    RpmsgVdev,
)

__all__ = ["RPMSG_RULE", "RpmsgMachine", "RpmsgTrouble", "rpmsg", "troubles"]

RPMSG_RULE = "the udev rule: mboxio rpmsg rule"
RUNNING = frozenset({"running", "attached"})
NODES = ("rpmsg-raw", CHARDEV)
"""Services of these names get a node from the kernel by themselves."""
TTY = ("rpmsg-tty", "rpmsg-tty-raw")


@dataclass(frozen=True)
class RpmsgTrouble:
    """Why something is missing, and what to do.

    Args:
        about: the processor, vdev, service or node.
        text: what is the matter.
        advice: the one thing to try.
    """

    about: str
    text: str
    advice: str


class RpmsgMachine:
    """All of RPMsg that a machine has, read once.

    Args:
        machine: where to look.
    """

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        root = machine.root
        self.processors: list[RpmsgProcessor] = sysfs.processors(root)
        self.vdevs: list[RpmsgVdev] = sysfs.vdevs(root)
        self.services: list[RpmsgService] = sysfs.services(root)
        self.endpoints: list[RpmsgNode] = sysfs.endpoints(root)

    @property
    def controls(self) -> list[str]:
        """The control devices."""
        return [each.control for each in self.vdevs if each.control]

    def holders(self, node: str) -> list[RpmsgHolder]:
        """Return who has a node open, as far as this user may see."""
        return sysfs.holders(node, self.machine.root)

    def address(self, service: RpmsgService) -> str:
        """Return what opens a service; empty: nothing does."""
        if not fits_address(service.name) or self.taken(service):
            return ""
        same = [each for each in self.services if each.name == service.name]
        here = [each for each in same if each.vdev == service.vdev]
        name = service.name
        if len(here) > 1:
            name += f"@{service.dst:#x}"
        plain = len(same) == len(here) and not name.startswith(("virtio", "remoteproc="))
        return f"rpmsg:{name}" if plain else f"rpmsg:{service.vdev.name}/{name}"

    def endpoint_address(self, endpoint: RpmsgNode) -> str:
        """Return what opens an endpoint that was made; empty: nothing does."""
        if not fits_address(endpoint.name):
            return ""
        return f"rpmsg:{endpoint.vdev}/{endpoint.name}?dst={endpoint.dst:#x}"

    def taken(self, service: RpmsgService) -> bool:
        """Return whether a driver of the kernel uses a service for itself."""
        return service.driver not in ("", CHARDEV)


def troubles(found: RpmsgMachine) -> Iterator[RpmsgTrouble]:
    """Yield what keeps services from being there or from being used, nearest to the remote first.

    Nothing is yielded for a machine without remote processors.
    """
    for processor in found.processors:
        yield from _of_processor(found, processor)
    for vdev in found.vdevs:
        yield from _of_vdev(found, vdev)
    for service in found.services:
        yield from _of_service(found, service)
    nodes = [*(each.node for each in found.endpoints), *found.controls]
    nodes += [each.tty for each in found.services if each.tty]
    for node in nodes:
        path = f"/dev/{shown(node)}"
        if found.machine.mode(f"dev/{node}") is None:
            yield RpmsgTrouble(path, "there is no such file", "udevadm trigger, or mount devtmpfs")
        elif closed := found.machine.closed(f"/dev/{node}"):
            yield RpmsgTrouble(path, closed, RPMSG_RULE)


def _of_processor(found: RpmsgMachine, processor: RpmsgProcessor) -> Iterator[RpmsgTrouble]:
    node = shown(processor.node)
    folder = f"/sys/class/remoteproc/{node}"
    about = f"{node} ({shown(processor.name)})" if processor.name else node
    if processor.state == "offline":
        text = f"it is offline; its firmware is {shown(processor.firmware) or 'not set'}"
        yield RpmsgTrouble(about, text, f"echo start > {folder}/state")
    elif processor.state == "crashed" and processor.recovery == "disabled":
        text = "it crashed, and recovery is disabled: its files stay there and nothing answers"
        yield RpmsgTrouble(about, text, f"echo recover > {folder}/recovery")
    elif processor.state and processor.state not in RUNNING:
        yield RpmsgTrouble(about, f"it is {shown(processor.state)}", f"cat {folder}/state; dmesg")
    elif processor.state and all(each.processor != processor.node for each in found.vdevs):
        text = f"it is {processor.state} and has no RPMsg device"
        advice = "firmware whose resource table has one with two rings; see dmesg"
        yield RpmsgTrouble(about, text, advice)


def _of_vdev(found: RpmsgMachine, vdev: RpmsgVdev) -> Iterator[RpmsgTrouble]:
    about = shown(vdev.name)
    announced = [each for each in found.services if each.vdev == vdev]
    folder = f"sys/bus/virtio/devices/{vdev.name}"
    is_virtio = found.machine.mode(folder) is not None
    if is_virtio and not announced and not found.machine.target(f"{folder}/driver"):
        yield RpmsgTrouble(about, "no driver of the kernel has it", "modprobe virtio_rpmsg_bus")
        return
    if not vdev.control:
        text = "it has no control device, so only services with a node of their own can be opened"
        yield RpmsgTrouble(about, text, "modprobe rpmsg_ctrl; modprobe rpmsg_char")
    if not announced:
        text = "the firmware has announced no service"
        advice = f"rpmsg:{about}/NAME?dst=ADDRESS opens one that is never announced"
        yield RpmsgTrouble(about, text, advice)


def _of_service(found: RpmsgMachine, service: RpmsgService) -> Iterator[RpmsgTrouble]:
    about = f"service {shown(service.name)} on {shown(service.vdev.name)}"
    if not fits_address(service.name):
        yield RpmsgTrouble(about, "its name does not fit into an address", "another name for it")
    elif found.taken(service) and not service.tty:
        driver = shown(service.driver)
        advice = f"echo {shown(service.folder.name)} > /sys/bus/rpmsg/drivers/{driver}/unbind"
        yield RpmsgTrouble(about, f"the kernel's driver {driver} has it", advice)
    elif not service.driver and service.name in NODES and not service.node:
        yield RpmsgTrouble(about, "it has no node", "modprobe rpmsg_char")
    elif not service.driver and service.name in TTY:
        yield RpmsgTrouble(about, "it has no terminal", "modprobe rpmsg_tty")


def rpmsg(machine: Machine) -> Iterator[Found]:
    """Yield services that can be talked to, other endpoints, and what is the matter."""
    found = RpmsgMachine(machine)
    problems = {each.about: each for each in reversed(list(troubles(found)))}
    told: set[str] = set()
    often = Counter(each.name for each in found.services)
    for service in found.services:
        name = shown(service.name)
        about = f"on {shown(service.vdev.name)} at {service.dst:#x}"
        node = service.node or service.tty
        about += f", /dev/{shown(node)}" if node else ""
        key = f"service {name} on {shown(service.vdev.name)}"
        told |= {key, f"/dev/{shown(node)}"}
        problem = problems.get(key) or problems.get(f"/dev/{shown(node)}" if node else "")
        if not node and problem is None and service.vdev.control:
            problem = problems.get(f"/dev/{shown(service.vdev.control)}")
        address = found.address(service)
        if service.tty and problem is None:
            address = f"rpmsg:?tty=/dev/{shown(service.tty)}"
        if often[service.name] > 1:
            name = f"{shown(service.vdev.name)}/{name}"
        if problem is None:
            yield Found("rpmsg", name, address, about)
        else:
            yield Found("rpmsg", name, "", about, problem.text, problem.advice)
    for each in found.endpoints:
        if all(each.node != service.node for service in found.services):
            path = f"/dev/{shown(each.node)}"
            told.add(path)
            problem = problems.get(path)
            text, advice = ("", "") if problem is None else (problem.text, problem.advice)
            address = "" if problem else found.endpoint_address(each)
            about = f"endpoint {shown(each.name)} to {each.dst:#x}"
            yield Found("rpmsg", path, address, about, text, advice)
    for about, trouble in problems.items():
        if about not in told:
            yield Found("rpmsg", about, "", "", trouble.text, trouble.advice)
