"""The conformance suite on a mailbox of another machine: a fake one behind a gateway."""

import dataclasses
import os
import tempfile

import pytest

from mboxio.controllers.grpc.options import UnixOptions
from mboxio.controllers.grpc.ways import OverUnix
from mboxio.controllers.loopback import Loopback
from mboxio.testing import Bench, check_controller, checks
from tests.conformance.benches import bench
from tests.drivers import IrqFifo
from tests.far.support import House
from tests.shm.support import until

pytestmark = pytest.mark.usefixtures("each_loop")

OPEN = "/proc/self/fd"


def sockets() -> int:
    """Return how many sockets this process has open."""
    return sum(target.startswith("socket:") for target in map(target_of, os.listdir(OPEN)))


def target_of(number: str) -> str:
    """Return what an open descriptor is."""
    try:
        return os.readlink(f"{OPEN}/{number}")
    except FileNotFoundError:
        return ""  # it listed the folder


class Settled(OverUnix):
    """gRPC closes sockets on threads of its own, a moment after the streams over them."""

    def open(self) -> None:
        self.before = sockets()
        super().open()

    def close(self) -> None:
        super().close()
        until(lambda: sockets() <= self.before, "sockets are closed")


class Elsewhere:
    """A bench whose mailbox is reached through a gateway."""

    def __init__(self, near: Bench) -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="mboxio-")
        self.house = House(os.path.join(self.folder.name, "g.sock"))
        self.house.serve(near.controller)
        self.driver = Settled(f"{self.house.path}/board", UnixOptions())
        self.near = near
        self.bench = dataclasses.replace(
            near, controller=self.driver, close=self.close, notify=self.notify, op_s=5.0
        )

    def notify(self, channel: int, message: bytes) -> None:
        """Return when it has come to where the driver finds it."""
        stream = self.driver.stream
        assert stream is not None
        assert self.near.notify is not None
        before = stream.read
        self.near.notify(channel, message)
        until(lambda: stream.read > before, "a message on the stream")

    def close(self) -> None:
        self.house.close()
        self.folder.cleanup()


def fake() -> Bench:
    driver = IrqFifo()
    return Elsewhere(bench(driver)).bench


def loopback() -> Bench:
    driver = Loopback()
    near = Bench(controller=driver, notify=driver.notify, ask=driver.ask, patience_s=20.0)
    return Elsewhere(near).bench


@pytest.mark.parametrize("name", checks())
@pytest.mark.parametrize("factory", [fake, loopback])
def test_conforms(factory, name):
    check_controller(factory, only=[name]).or_skip()
