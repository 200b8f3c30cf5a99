"""The options of ``rpmsg:``, and what the name in an address means."""

import re
from dataclasses import dataclass

from mboxio.controllers.replies import correlator_of
from mboxio.controllers.rpmsg.nodes.ioctls import ANY
from mboxio.errors import AddressError

__all__ = ["ANY", "FRAMINGS", "RpmsgOptions", "Wanted"]

ADDRESS_MAX = ANY - 1
FRAMINGS = ("cobs", "length", "line")
MESSAGE_BYTES = 496
MESSAGE_BYTES_MAX = (1 << 16) - 1
"""The length in the header of a message has 16 bits."""

AT_ADDRESS = re.compile(r"(.+)@(0[xX][0-9a-fA-F]{1,8})", re.ASCII)
VDEV = re.compile(r"virtio[0-9]+", re.ASCII)
PROCESSOR = "remoteproc="


@dataclass(frozen=True, kw_only=True)
class RpmsgOptions:
    """Options of an address: ``rpmsg:virtio0/SERVICE?dst=0x400&replies=order``.

    Args:
        services: names that have to be announced, ``a,b``; the connection has these channels only.
            Where several have one name, ``a@0x400`` is the one at this address of the remote.
        dst: address of the remote's endpoint, where several have one name or none is announced;
            -1: as announced.
        src: our own address; -1: any.
        bind: have the kernel's ``rpmsg_chrdev`` drive the service, so that it gets an endpoint
            which keeps messages while it is closed.
        destroy: remove the endpoint at the end if it was made for this. Otherwise the next
            connection uses it again.
        hello: a text, or ``hex:`` and digits, to send first in each life of the remote, for
            firmware that cannot speak before it has heard us; it may be empty.
        replies: how replies are tied to requests: ``none``; ``order`` or ``order:IN_FLIGHT``;
            ``tag:OFFSET:BYTES``, a little-endian number in each message that the firmware returns.
        message_bytes: longest message; Linux has buffers of 512 bytes, and 16 of them are a header.
        depth: buffers of the ring; 0: what the firmware's resource table says, else 16.
        timeout_s: default deadline of a request, in seconds.
        fd: number of an open descriptor of an endpoint, or of a socket of type SEQPACKET, in place
            of a service.
        tty: a terminal of the kernel's ``rpmsg_tty``, in place of a service.
        framing: where messages begin and end there: ``cobs``, ``length`` (two bytes, little-endian)
            or ``line``.
    """

    services: str = ""
    dst: int = -1
    src: int = -1
    bind: bool = False
    destroy: bool = False
    hello: str | None = None
    replies: str = "none"
    message_bytes: int = MESSAGE_BYTES
    depth: int = 0
    timeout_s: float = 1.0
    fd: int = -1
    tty: str = ""
    framing: str = "cobs"

    def __post_init__(self) -> None:
        for name, value in (("dst", self.dst), ("src", self.src)):
            if not -1 <= value <= ADDRESS_MAX:
                raise ValueError(f"{name}={value:#x}: an address is 0 to {ADDRESS_MAX:#x}")
        if not 0 < self.message_bytes <= MESSAGE_BYTES_MAX:
            raise ValueError(f"message_bytes is 1 to {MESSAGE_BYTES_MAX}")
        if self.framing not in FRAMINGS:
            raise ValueError(f"framing={self.framing!r}: write {', '.join(FRAMINGS)}")
        if self.tty and self.fd >= 0:
            raise ValueError("fd= and tty= are two ways to one thing: write one of them")
        self.greeting()
        correlator_of(self.replies)

    def greeting(self) -> bytes | None:
        """Return the first message of a life; None if there is none."""
        if self.hello is None:
            return None
        kind, _, digits = self.hello.partition(":")
        if kind != "hex" or not digits:
            return self.hello.encode()
        try:
            return bytes.fromhex(digits)
        except ValueError:
            raise ValueError(f"hello={self.hello!r}: write pairs of hex digits") from None


@dataclass(frozen=True)
class Wanted:
    """What an address asks for.

    Args:
        vdev: name of the virtio device; empty: any.
        processor: name of the remote processor, or of its folder; empty: any.
        services: names that have to be there, as written in the address; empty: all that there are.
        dst: address of the remote's endpoint, where the name does not say it; -1: any.
    """

    vdev: str = ""
    processor: str = ""
    services: tuple[str, ...] = ()
    dst: int = -1

    @classmethod
    def of(cls, name: str, channel: str, options: RpmsgOptions) -> "Wanted":
        """Take apart what stands in an address before and after the ``/``.

        Raises:
            AddressError: it names services in two places.
        """
        listed = tuple(dict.fromkeys(each for each in options.services.split(",") if each))
        vdev = name if VDEV.fullmatch(name) else ""
        processor = name.removeprefix(PROCESSOR) if name.startswith(PROCESSOR) else ""
        if name.startswith(PROCESSOR) and not processor:
            raise AddressError("rpmsg:remoteproc= lacks the name of the processor")
        service = "" if vdev or processor else name
        if channel.isdecimal():
            channel = ""  # the number of a channel; a service of such a name goes into services=
        if service and (channel or listed):
            raise AddressError(
                f"rpmsg: {service!r} is a service already: before the / write virtioN or "
                "remoteproc=NAME"
            )
        if listed and channel and channel not in listed:
            raise AddressError(f"rpmsg: {channel!r} is not among services={options.services}")
        if len(listed) > 1 and options.dst >= 0:
            raise AddressError("rpmsg: dst= is the address of one service, and several are listed")
        services = listed or tuple(each for each in (service or channel,) if each)
        return cls(vdev, processor, services, options.dst)

    def split(self, written: str) -> tuple[str, int]:
        """Return the name of a service and its address, -1 for any, of what an address says."""
        if found := AT_ADDRESS.fullmatch(written):
            return found[1], int(found[2], 16)
        return written, self.dst
