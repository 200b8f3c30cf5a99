"""The kernel's device on a live board, with its ioctl replaced."""

import errno
import fcntl
import os
from pathlib import Path

import pytest

import mboxio
from mboxio import AddressError, Connection, RemoteError, RequestTimeout, WrongMessage
from mboxio.address.catalogue import load
from mboxio.controllers.vcio import Vcio
from mboxio.protocols import rpi_tags as tags
from mboxio.protocols.rpi_property import UNKNOWN, RpiProperty
from tests.rpi.kernel import Kernel


@pytest.fixture
def kernel(tmp_path: Path) -> Kernel:
    return Kernel(tmp_path)


@pytest.mark.parametrize(("pointer_bytes", "number"), [(8, 0xC0086400), (4, 0xC0046400)])
def test_values_come_through_the_ioctl(kernel: Kernel, pointer_bytes: int, number: int) -> None:
    with Connection(kernel.driver(pointer_bytes=pointer_bytes)) as connection:
        pi = RpiProperty(connection.client("property"))
        assert pi.read(tags.MAC_ADDRESS) == "b8:27:eb:01:23:45"
        assert pi.read_all(tags.BOARD_MODEL, tags.raw(0x777), tags.TEMPERATURE) == [
            0,
            UNKNOWN,
            48.312,
        ]
    assert kernel.numbers == [number, number]


def test_a_long_answer_is_asked_for_again(kernel: Kernel) -> None:
    kernel.core.values[0x1234] = b"z" * 5000
    with Connection(kernel.driver()) as connection:
        assert RpiProperty(connection.client(0)).read(tags.raw(0x1234)) == b"z" * 5000
    assert len(kernel.numbers) == 2


def test_several_wait_their_turn_and_one_can_be_taken_back(kernel: Kernel) -> None:
    kernel.stall()
    with Connection(kernel.driver()) as connection:
        pi = RpiProperty(connection.client("property"))
        readings = [pi.submit(tags.MAC_ADDRESS) for _ in range(8)]
        assert kernel.came.acquire(timeout=20)
        readings.append(pi.submit(tags.MAC_ADDRESS))  # the kernel has got one, a slot is free
        with pytest.raises(mboxio.QueueFull):
            pi.submit(tags.MAC_ADDRESS)
        assert readings[4].request.cancel()
        assert connection.stats()["property"].held_slots == 0, "the kernel never saw it"
        kernel.resume()
        for reading in readings[:4] + readings[5:]:
            assert reading.result() == ["b8:27:eb:01:23:45"]
    assert len(kernel.buffers) == 8, "one was taken back"


def test_a_time_out_leaves_the_next_one_alone(kernel: Kernel) -> None:
    kernel.stall()
    with Connection(kernel.driver()) as connection:
        pi = RpiProperty(connection.client("property"))
        lost = pi.submit(tags.MAC_ADDRESS, timeout_s=0.01)
        assert isinstance(lost.request.exception(), RequestTimeout)
        kernel.resume()
        assert pi.read(tags.BOARD_MODEL) == 0


def test_what_the_kernel_refuses_is_a_remote_error(kernel: Kernel) -> None:
    with Connection(kernel.driver()) as connection:
        pi = RpiProperty(connection.client("property"))
        kernel.error = OSError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))
        with pytest.raises(RemoteError, match="the kernel says: Connection timed out") as caught:
            pi.read(tags.MAC_ADDRESS)
        assert caught.value.errno == errno.ETIMEDOUT
        kernel.error = None
        assert pi.read(tags.MAC_ADDRESS) == "b8:27:eb:01:23:45"


def test_a_channel_starts_again(kernel: Kernel) -> None:
    with Connection(kernel.driver()) as connection:
        for _ in range(3):
            with connection.client("property") as client:
                assert RpiProperty(client).read(tags.BOARD_MODEL) == 0


def test_the_size_is_checked_before_the_kernel_believes_it(kernel: Kernel) -> None:
    with Connection(kernel.driver()) as connection:
        for message in (b"", b"\xff\xff\0\0\0\0\0\0\0\0\0\0"):
            with pytest.raises(WrongMessage, match="begins with its size"):
                connection.client("property").request(message)
    assert kernel.numbers == []


def test_a_machine_without_the_device_says_so(tmp_path: Path) -> None:
    assert load("vcio") is Vcio
    with pytest.raises(AddressError, match="No such file or directory: this is no Raspberry Pi"):
        mboxio.connect(f"vcio:?device={tmp_path}/vcio")


def test_a_device_of_others_names_the_group(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str, flags: int) -> int:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)

    monkeypatch.setattr("mboxio.controllers.vcio.os.open", refuse)
    with pytest.raises(AddressError, match="join its group: usermod -aG video USER"):
        Connection(Vcio(options=Vcio.Options(device=os.devnull)))


def test_the_real_ioctl_takes_what_it_is_given() -> None:
    """This device knows no such ioctl, which is an answer of the real kernel."""
    with Connection(Vcio(options=Vcio.Options(device=os.devnull))) as connection:
        assert connection._host.controller.ioctl is fcntl.ioctl  # type: ignore[attr-defined]
        with pytest.raises(RemoteError, match="the kernel says: Inappropriate ioctl"):
            RpiProperty(connection.client("property")).read(tags.BOARD_MODEL)
