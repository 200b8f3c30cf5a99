"""The RPMsg device in a memory: where its rings, buffers and status are, and a link over them."""

import time
from pathlib import Path

from mboxio.controllers.virtio_rpmsg.options import VirtioRpmsgOptions, numbers
from mboxio.errors import AddressError, RemoteError, RemoteGone
from mboxio.regions.access import number
from mboxio.regions.finding.elf import read_image
from mboxio.regions.region import Kind, Region
from mboxio.rpmsg.image import find_table
from mboxio.rpmsg.link import HostLink, Pool, RemoteLink, RpmsgLink
from mboxio.rpmsg.message import FEATURE_NAME_SERVICE
from mboxio.rpmsg.table import ANYWHERE, TABLE_BYTES_MAX, VirtioDevice, parse_table
from mboxio.virtio.access import words_of
from mboxio.virtio.layout import SplitLayout
from mboxio.virtio.ring import HostRing, RemoteRing
from mboxio.virtio.words import Window, Windows

__all__ = ["Device", "device_in_time"]

ACKNOWLEDGED, DRIVER, READY, NEEDS_RESET = 1, 2, 4, 0x40
PAGE = 4096
AGREED_AT = 16
LOOK_S = 0.01


class Device:
    """One RPMsg device.

    Args:
        region: the memory.
        options: see `VirtioRpmsgOptions`.

    Raises:
        AddressError: the options do not fit the memory.
        RemoteError: the resource table is damaged.
        RemoteGone: there is no table yet.

    Attributes:
        status: offset of the status byte, in bytes; -1: there is no table.
        numbers: by which the queues are rung.
        in_use: an earlier host left it ready, or left its buffers in ring 0: a remote may work in
            the rings to this moment.
    """

    def __init__(self, region: Region, options: VirtioRpmsgOptions) -> None:
        self.region = region
        self.options = options
        self.table = -1
        self.entry: VirtioDevice | None = None
        self.pool = options.buffers
        self.layouts: list[SplitLayout] = []
        if options.rings:
            first, second = numbers(options.rings, "rings")
            self.layouts = [SplitLayout(at, options.num, options.align) for at in (first, second)]
        else:
            self.read_table()
        for each in self.layouts:
            if wrong := each.problem(region.size_bytes):
                raise AddressError(f"virtio-rpmsg: a ring cannot be there: {wrong}")
        if self.pool < 0:
            self.pool = up(max(each.base + each.size_bytes for each in self.layouts), PAGE)
        lent = words_of(region).load16(self.layouts[0].available + 2)
        self.in_use = self.ready() or lent != 0

    @property
    def status(self) -> int:
        """The offset of the status byte; -1: there is none."""
        return -1 if self.entry is None else self.table + self.entry.status_at

    @property
    def numbers(self) -> list[int]:
        """By which numbers the queues are rung."""
        return [0, 1] if self.entry is None else [each.notify for each in self.entry.rings]

    def read_table(self) -> None:
        """Find the resource table, and what it says of rings and buffers."""
        options = self.options
        self.table = self.find_table()
        length = min(TABLE_BYTES_MAX, self.region.size_bytes - self.table)
        found = parse_table(copied(self.region, self.table, length))
        if not found.rpmsg:
            raise RemoteError("the resource table has no RPMsg device with two rings")
        self.entry = found.rpmsg[0]
        free = up(self.table + found.size_bytes, PAGE)
        self.layouts = []
        for ring in self.entry.rings:
            at = self.offset_of(ring.address)
            if ring.address == ANYWHERE:
                if options.role != "host":
                    raise RemoteGone("the host has not chosen where the rings are")
                at = free
            self.layouts.append(SplitLayout(at, ring.num, ring.align))
            free = up(max(free, at + self.layouts[-1].size_bytes), PAGE)
        carveout = found.carveout("vdev0buffer")
        if self.pool < 0 and carveout is not None and carveout.address != ANYWHERE:
            self.pool = self.offset_of(carveout.address)

    def find_table(self) -> int:
        """Return the offset of the live table."""
        text = self.options.table or "0"
        if text[:1].isdigit():
            at = number(text)
        else:
            try:
                image = read_image(str(Path(text).expanduser()), f"table={text}")
            except OSError as error:
                raise AddressError(f"table={text}: {error.strerror}", errno=error.errno) from None
            found = find_table(image)
            if found is None:
                raise AddressError(f"table={text}: this firmware has no resource table")
            at = self.offset_of(found.address)
        if not 0 <= at <= self.region.size_bytes - 16 or at % 4:
            raise AddressError(
                f"the resource table would be at {at:#x}, in {self.region.size_bytes:#x} bytes"
            )
        if self.region.read(at, 4) == 0:
            raise RemoteGone(f"there is no resource table yet at {at:#x}")
        return at

    def offset_of(self, address: int) -> int:
        """Return where in the region an address of the remote is."""
        return address - self.options.address

    # -- the life of the device

    def link(self) -> RpmsgLink:
        """Return this side of the link, at the start of a life or where the rings stand.

        Raises:
            AddressError: the buffers do not fit the memory.
            RemoteGone: the host is not ready.
        """
        words = words_of(self.region)
        if self.options.role == "remote":
            self.require_host()
            first, second = (RemoteRing(words, each) for each in self.layouts)
            return RemoteLink(first, second, Windows(Window(self.options.address, words)))
        pool_address = self.options.address + self.pool
        pool = Pool(words, self.pool, pool_address, self.options.buffer_bytes)
        try:
            incoming, outgoing = (HostRing(words, each) for each in self.layouts)
            link = HostLink(incoming, outgoing, pool)
        except ValueError as error:
            raise AddressError(f"virtio-rpmsg: {error}") from None
        self.say(0)  # who still serves an earlier host lets go of it
        link.start()
        self.describe()
        self.say(ACKNOWLEDGED | DRIVER | READY)
        return link

    def require_host(self) -> None:
        """Raise RemoteGone if the host is not ready."""
        if not self.ready():
            raise RemoteGone("the host is not ready: its driver has not set the status")

    def describe(self) -> None:
        """Tell the remote where we put the rings, and what was agreed."""
        entry = self.entry
        if entry is None:
            return
        for place, (ring, layout) in enumerate(zip(entry.rings, self.layouts, strict=True)):
            if ring.address == ANYWHERE:
                address = self.options.address + layout.base
                self.region.write(self.table + entry.ring_at(place), address, 4)
        agreed = entry.features & FEATURE_NAME_SERVICE
        self.region.write(self.table + entry.offset + AGREED_AT, agreed, 4)

    def say(self, status: int) -> None:
        """Tell the remote how far the host is."""
        if self.status >= 0:
            self.region.write(self.status, status, 1)

    def ready(self) -> bool:
        """Return whether the link is up, as far as a status says."""
        if self.status < 0:
            return True
        status = self.region.read(self.status, 1)
        return bool(status & READY) and not status & NEEDS_RESET


def device_in_time(region: Region, options: VirtioRpmsgOptions) -> Device:
    """Return the device; a remote waits for its host, as hosts do for services.

    Giving up and opening again would not do: who serves this memory may take the end of a
    connection for the end of its remote. Raises as `Device`.
    """
    is_host = options.role == "host"
    until_s = time.monotonic() + options.announce_s
    while True:
        try:
            device = Device(region, options)
            if not is_host:
                device.require_host()
            return device
        except RemoteGone:
            if is_host or region.lost or time.monotonic() >= until_s:
                raise
        time.sleep(LOOK_S)


def up(offset: int, align: int) -> int:
    """Return the next multiple of ``align``."""
    return -(-offset // align) * align


def copied(region: Region, offset: int, length: int) -> bytes:
    """Copy what may change any time."""
    if region.kind is Kind.NORMAL:
        return region.read_block(offset, length)
    words = region.read_words(offset, length // 4)
    return b"".join(word.to_bytes(4, "little") for word in words)
