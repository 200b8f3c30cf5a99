"""Gateways of this process and of others, and what comes to them."""

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import mboxio
from mboxio import Controller
from mboxio.far.engine import engine
from mboxio.far.frames import Frame
from mboxio.far.reader import Reader
from mboxio.gateway.allow import AllowList
from mboxio.gateway.export import Export
from mboxio.gateway.limits import Limits
from mboxio.gateway.loop import new_loop
from mboxio.gateway.places import LocalPlace, Place
from mboxio.gateway.server import Gateway

ALL = '[alice]\n"*/*" = ["observe", "notifications", "request"]\n'
HEAD = struct.Struct("<BBHiQIII")
"""Of a frame; written apart from what packs and reads them."""


def frames_of(message: bytes, kinds: frozenset[int], channels: int) -> Iterator[Frame]:
    """Yield the frames of one message of the stream."""
    reader = Reader(kinds, channels)
    reader.begin(message)
    while reader.next():
        yield reader.frame()


@contextmanager
def keep_engine() -> Iterator[None]:
    """Keep what gRPC and uvloop share between everything in a process: threads and descriptors."""
    grpc = engine()
    new_loop().close()
    channel = grpc.insecure_channel("unix:/nowhere")
    try:
        yield
    finally:
        channel.close()


def end_met(client: Any) -> Any:
    """Return how a request ends that is the first to meet the end of a gateway."""
    try:
        return client.submit(b"meets the end").exception()
    except mboxio.MailboxError as error:  # it noticed before it was accepted
        return error


class House:
    """A gateway in this process with one socket for alice.

    Args:
        path: of the socket.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.gateway: Gateway | None = None
        self.lines: list[str] = []

    def serve(
        self,
        controller: Controller | str,
        allow: str = ALL,
        user: str = "alice",
        place: Place | None = None,
        **more: Any,
    ) -> Gateway:
        """Export one mailbox as ``board``, by the socket or at another place; ``more`` by name."""
        if isinstance(controller, str):
            connection = mboxio.connect(controller)
        else:
            connection = mboxio.Connection(controller, address="fake:")
        others = more.pop("more", {}).items()
        read_only = more.pop("read_only", False)
        self.gateway = Gateway(
            [
                Export("board", connection, read_only=read_only),
                *(Export(name, mboxio.Connection(each, address="fake:")) for name, each in others),
            ],
            AllowList.parse(allow),
            [place or LocalPlace(self.path, user)],
            limits=Limits(**more),
            log=self.lines.append,
        )
        self.gateway.start()
        return self.gateway

    @property
    def address(self) -> str:
        """Of the export."""
        return f"grpc+unix:{self.path}/board"

    def close(self) -> None:
        """End the gateway."""
        if self.gateway is not None:
            self.gateway.stop()
