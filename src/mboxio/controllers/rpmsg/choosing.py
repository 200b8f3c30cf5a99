"""Which of the announced services an address means."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mboxio._base.texts import remote_text
from mboxio.controllers.rpmsg.options import Wanted
from mboxio.controllers.rpmsg.sysfs import (
    CHARDEV,
    RpmsgProcessor,
    RpmsgService,
    RpmsgVdev,
    processors,
    services,
    vdevs,
)
from mboxio.errors import AddressError

__all__ = ["RpmsgChoice", "RpmsgPlace", "choose", "fits_address", "follow", "usable"]

SHOWN_MAX = 20
"""Services that an error lists."""


@dataclass(frozen=True)
class RpmsgPlace:
    """Where the messages of a channel go.

    Args:
        channel: what the channel is called.
        name: of the service.
        dst: the remote's address.
        vdev: the link.
        service: as announced; None where the address alone is known.
    """

    channel: str
    name: str
    dst: int
    vdev: RpmsgVdev
    service: RpmsgService | None


@dataclass(frozen=True)
class RpmsgChoice:
    """A link, and what is used of it."""

    vdev: RpmsgVdev
    places: tuple[RpmsgPlace, ...]


def choose(root: Path, wanted: Wanted) -> RpmsgChoice:
    """Find what an address means.

    Raises:
        AddressError: nothing fits (``not_yet``: it may be announced later), or more than one thing
            does; the text lists what there is.
    """
    links, known, remotes = vdevs(root), services(root), processors(root)
    fitting = [each for each in links if _is_wanted(each, wanted, remotes)]
    if not wanted.services:
        return _all_services(fitting, known, wanted, remotes)
    having = [
        each
        for each in fitting
        if all(_matches(written, each, known, wanted) for written in wanted.services)
    ]
    if not having and wanted.dst >= 0:
        having = [each for each in fitting if each.control]  # there may be no name service
    if not having:
        raise _absent(wanted, known, remotes)
    if len(having) > 1:
        found = [
            service
            for each in having
            for written in wanted.services
            for service in _matches(written, each, known, wanted)
        ]
        what = _listed(found) or ", ".join(each.name for each in having)
        raise AddressError(f"rpmsg: several fit: {what}: write rpmsg:virtioN/SERVICE")
    (vdev,) = having
    places = [_place(written, vdev, known, wanted) for written in wanted.services]
    return RpmsgChoice(vdev, tuple(places))


def follow(wanted: Wanted, chosen: RpmsgChoice, links: Sequence[RpmsgVdev]) -> Wanted:
    """Return what to look for in the next life, when a vdev may have another number."""
    processor = chosen.vdev.processor
    if processor and [each.processor for each in links].count(processor) == 1:
        return replace(wanted, vdev="", processor=processor)
    return wanted


def fits_address(name: str) -> bool:
    """Return whether an announced name can be that of a channel."""
    return name.isprintable() and name.strip() == name != "" and not set(name) & set("/?&=%#,")


def usable(service: RpmsgService) -> bool:
    """Return whether a service can be a channel: no other driver has it, and its name fits."""
    return service.driver in ("", CHARDEV) and fits_address(service.name)


def _is_wanted(vdev: RpmsgVdev, wanted: Wanted, remotes: Iterable[RpmsgProcessor]) -> bool:
    if wanted.vdev and vdev.name != wanted.vdev:
        return False
    if not wanted.processor:
        return True
    names = {name for each in remotes if each.node == vdev.processor for name in _names(each)}
    return wanted.processor in names


def _names(processor: RpmsgProcessor) -> tuple[str, str]:
    return processor.node, processor.name


def _matches(
    written: str, vdev: RpmsgVdev, known: Iterable[RpmsgService], wanted: Wanted
) -> list[RpmsgService]:
    name, dst = wanted.split(written)
    return [
        each for each in known if each.vdev == vdev and each.name == name and dst in (-1, each.dst)
    ]


def _place(
    written: str, vdev: RpmsgVdev, known: Iterable[RpmsgService], wanted: Wanted
) -> RpmsgPlace:
    found = _matches(written, vdev, known, wanted)
    name, dst = wanted.split(written)
    if len(found) > 1:
        raise AddressError(f"rpmsg: several fit: {_listed(found)}: add dst=ADDRESS")
    if not found:
        return RpmsgPlace(written, name, dst, vdev, None)
    return RpmsgPlace(written, name, found[0].dst, vdev, found[0])


def _all_services(
    fitting: Sequence[RpmsgVdev],
    known: Sequence[RpmsgService],
    wanted: Wanted,
    remotes: Sequence[RpmsgProcessor],
) -> RpmsgChoice:
    found = [each for each in known if each.vdev in fitting and usable(each)]
    having = [each for each in fitting if any(service.vdev == each for service in found)]
    if not having:
        raise _absent(wanted, known, remotes)
    if len(having) > 1:
        names = ", ".join(each.name for each in having)
        raise AddressError(f"rpmsg: several vdevs fit: {names}: write rpmsg:virtioN")
    often = Counter(each.name for each in found)
    places = [
        RpmsgPlace(
            each.name if often[each.name] == 1 else f"{each.name}@{each.dst:#x}",
            each.name,
            each.dst,
            having[0],
            each,
        )
        for each in found
    ]
    return RpmsgChoice(having[0], tuple(places))


def _absent(
    wanted: Wanted, known: Iterable[RpmsgService], remotes: Iterable[RpmsgProcessor]
) -> AddressError:
    """Say what is missing, what is there, and what to do."""
    names = " and ".join(repr(each) for each in wanted.services)
    where = f" on {wanted.vdev}" if wanted.vdev else ""
    where += f" of remote processor {wanted.processor!r}" if wanted.processor else ""
    what = f"no service {names}" if names else "no service"
    text = f"rpmsg: {what} is announced{where}; there are: {_listed(known) or 'none'}"
    remotes = list(remotes)
    if wanted.processor and not any(wanted.processor in _names(each) for each in remotes):
        shown = ", ".join(f"{each.node} ({remote_text(each.name)})" for each in remotes) or "none"
        return AddressError(f"{text}; remote processors: {shown}", not_yet=True)
    for each in remotes:
        if wanted.processor and wanted.processor not in _names(each):
            continue
        if each.state == "offline":
            text += (
                f"; {each.node} ({remote_text(each.name)}) is offline: echo start > "
                f"/sys/class/remoteproc/{each.node}/state"
            )
        elif each.state and each.state not in ("running", "attached"):
            text += f"; {each.node} ({remote_text(each.name)}) is {remote_text(each.state)}"
    return AddressError(text, not_yet=True)


def _listed(found: Iterable[RpmsgService]) -> str:
    texts = [f"{each.vdev.name}/{remote_text(each.name)} at {each.dst:#x}" for each in found]
    more = f" and {len(texts) - SHOWN_MAX} more" if len(texts) > SHOWN_MAX else ""
    return ", ".join(texts[:SHOWN_MAX]) + more
