"""What goes wrong at one call of the kernel: each error, in words and without a leak."""

import asyncio
import errno
import os
import select
import socket
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

import mboxio
from mboxio import AddressError, Connection, QueueFull, RemoteError, RemoteGone
from mboxio.controllers.rpmsg import driver as driver_module
from mboxio.controllers.rpmsg import rules, sysfs
from mboxio.controllers.rpmsg.lives import Uevents
from mboxio.controllers.rpmsg.nodes.ports import EndpointPort, PortEnded
from mboxio.controllers.rpmsg.nodes.system import System
from mboxio.controllers.rpmsg.options import ANY
from tests.rpmsg.fake_kernel import FakeSystem, failed

PATIENCE_S = 20.0


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[FakeSystem]:
    made = FakeSystem(tmp_path, {"rpmsg-raw": 0x400, "rpmsg-tty": 0x401, "pmic": 0x402})
    made.start()
    yield made
    assert not made.panicked
    made.shut_down()


def refuse(number: int) -> Callable[..., Any]:
    def raises(*_: object) -> None:
        raise failed(number)

    return raises


# -- opening


def test_without_access_the_error_names_the_rules(kernel: FakeSystem) -> None:
    kernel.open = refuse(errno.EACCES)  # type: ignore[method-assign]
    with (
        Connection(kernel.driver()) as connection,
        pytest.raises(AddressError, match=f"Permission denied.*{rules.NAME}.*group mboxio"),
    ):
        connection.client(0)


def test_udev_may_be_late_with_the_group(kernel: FakeSystem) -> None:
    opened, refusals = kernel.open, [1, 2, 3]

    def late(node: str) -> int:
        if refusals and not node.startswith("rpmsg_ctrl"):
            refusals.pop()
            raise failed(errno.EACCES)
        return opened(node)

    kernel.open = late  # type: ignore[method-assign]
    with Connection(kernel.driver("pmic", replies="order")) as connection:
        assert connection.client(0).request(b"x") == b"x"
    assert kernel.made == 1


def test_the_rules_are_printed_as_they_are_installed() -> None:
    assert 'KERNEL=="rpmsg[0-9]*|rpmsg_ctrl[0-9]*", GROUP="mboxio"' in rules.text()


def test_without_descriptors_the_error_says_so(kernel: FakeSystem) -> None:
    kernel.open = refuse(errno.EMFILE)  # type: ignore[method-assign]
    with (
        Connection(kernel.driver()) as connection,
        pytest.raises(mboxio.MailboxError, match="out of file descriptors"),
    ):
        connection.client(0)


def test_a_service_of_another_driver_is_told_with_its_terminal(kernel: FakeSystem) -> None:
    with (
        Connection(kernel.driver("rpmsg-tty")) as connection,
        pytest.raises(AddressError, match=r"rpmsg_tty has .*tty=/dev/ttyRPMSG0&framing=cobs"),
    ):
        connection.client(0)


def test_without_a_control_device_the_modules_are_named(kernel: FakeSystem) -> None:
    (kernel.root / "sys/class/rpmsg" / kernel.control.name).unlink()
    with (
        Connection(kernel.driver("pmic")) as connection,
        pytest.raises(AddressError, match="modprobe rpmsg_ctrl rpmsg_char") as caught,
    ):
        connection.client(0)
    assert caught.value.not_yet


def test_a_creator_that_never_lets_go_is_told(
    kernel: FakeSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver_module, "TRIES", 3)
    kernel.locked_by_another = True
    with (
        Connection(kernel.driver("pmic")) as connection,
        pytest.raises(AddressError, match="rpmsg_ctrl0: another program makes endpoints"),
    ):
        connection.client(0)


def test_a_name_that_the_kernel_would_cut_is_refused(kernel: FakeSystem) -> None:
    with (
        Connection(kernel.driver("n" * 32, dst=0x402)) as connection,
        pytest.raises(AddressError, match="31 bytes"),
    ):
        connection.client(0)


def test_a_node_that_is_not_there_yet_is_opened_later(kernel: FakeSystem) -> None:
    node = kernel.root / "dev/rpmsg0"
    node.rename(kernel.root / "graves/node")
    with Connection(kernel.driver(replies="order")) as connection:
        with pytest.raises(RemoteGone, match="udev has not made the node yet"):
            connection.client(0)
        (kernel.root / "graves/node").rename(node)
        assert connection.client(0).request(b"now") == b"now"


def test_binding_needs_the_module(kernel: FakeSystem) -> None:
    kernel.store = refuse(errno.ENOENT)  # type: ignore[method-assign]
    with (
        Connection(kernel.driver("pmic", bind=True)) as connection,
        pytest.raises(AddressError, match="modprobe rpmsg_char"),
    ):
        connection.client(0)


def test_no_numbers_of_nodes_are_kept(kernel: FakeSystem) -> None:
    with Connection(kernel.driver(replies="order")) as connection:
        client = connection.client(0, timeout_s=PATIENCE_S, queue_timeout_s=PATIENCE_S)
        for life in range(3):
            assert client.request(b"%d" % life) == b"%d" % life
            kernel.recover()
    assert [each.node for each in sysfs.endpoints(kernel.root)] == ["rpmsg3"]


# -- writing


@pytest.mark.parametrize("number", [errno.EAGAIN, errno.ENOMEM, 512])
def test_no_buffer_is_a_full_queue(kernel: FakeSystem, number: int) -> None:
    with Connection(kernel.driver(replies="order")) as connection:
        client = connection.client(0, timeout_s=PATIENCE_S)
        kernel.write_error = number
        with pytest.raises(QueueFull) as caught:
            client.submit(b"x")
        assert caught.value.handed_over == "no"
        kernel.write_error = None
        assert client.request(b"then", queue_timeout_s=PATIENCE_S) == b"then"


def test_pauses_grow_while_the_ring_is_full(kernel: FakeSystem) -> None:
    driver = kernel.driver()
    with Connection(driver):
        pauses = []
        for _ in range(8):
            pauses.append(driver.pause_ns)
            before_ns = driver.now_ns()
            assert driver.full().retry_ns >= before_ns + pauses[-1]
    assert pauses == [200_000, 400_000, 800_000, 1_600_000, 3_200_000, *[5_000_000] * 3]


def test_an_error_of_one_message_is_its_own(kernel: FakeSystem) -> None:
    with Connection(kernel.driver(replies="order")) as connection:
        client = connection.client(0, timeout_s=PATIENCE_S)
        kernel.write_error = errno.EINVAL
        with pytest.raises(RemoteError) as caught:
            client.request(b"x")
        assert caught.value.status == errno.EINVAL
        kernel.write_error = None
        assert client.request(b"then") == b"then"


def test_a_write_that_finds_the_end_goes_to_the_next_life(kernel: FakeSystem) -> None:
    with Connection(kernel.driver(replies="order")) as connection:
        client = connection.client(0, timeout_s=PATIENCE_S, queue_timeout_s=PATIENCE_S)
        assert client.request(b"one") == b"one"
        kernel.recover()
        assert client.request(b"two") == b"two"
        assert kernel.taken == [b"one", b"two"], "it was sent once"


class Interrupting(list[int]):
    """Bytes that writes took; Ctrl-C comes right before one is noted, or right after it."""

    def __init__(self, after: bool) -> None:
        self.after = after
        self.left = 1

    def extend(self, taken: Iterable[int]) -> None:
        if not self.left:
            super().extend(taken)
            return
        self.left -= 1
        if self.after:
            super().extend(taken)
        raise KeyboardInterrupt


@pytest.mark.parametrize("after", [False, True], ids=["before the write", "after it"])
def test_ctrl_c_at_the_write_sends_once(kernel: FakeSystem, after: bool) -> None:
    driver = kernel.driver()
    with Connection(driver) as connection:
        client = connection.client(0, timeout_s=PATIENCE_S, queue_timeout_s=PATIENCE_S)
        port = driver.lines.all[0].port
        assert port is not None
        port.taken = Interrupting(after)
        with pytest.raises(KeyboardInterrupt):
            client.send(b"x")
        client.send(b"then")
        assert connection.stats()["rpmsg-raw"].held_slots == 0
    assert kernel.taken.count(b"x") <= 1
    assert kernel.taken.count(b"then") == 1


def test_a_greeting_waits_for_a_buffer(kernel: FakeSystem) -> None:
    kernel.write_error = errno.EAGAIN
    with Connection(kernel.driver(hello="hi")) as connection:
        client = connection.client(0, queue_timeout_s=PATIENCE_S)
        with pytest.raises(QueueFull):
            client.post(b"first")
        assert not kernel.taken
        kernel.write_error = None
        client.send(b"second")
        assert kernel.taken == [b"hi", b"second"]


# -- reading


def test_a_reader_of_an_endpoint_sees_the_end(kernel: FakeSystem) -> None:
    descriptor = kernel.open("rpmsg0")
    port = EndpointPort(kernel, descriptor, 496)
    kernel.say(0x400, 0x400, "unread")
    kernel.stop()
    with pytest.raises(PortEnded):
        port.receive(9)
    with pytest.raises(PortEnded):
        port.send(b"x")
    port.close()


def test_what_was_read_is_kept_when_a_signal_handler_raises(kernel: FakeSystem) -> None:
    port = EndpointPort(kernel, kernel.open("rpmsg0"), 496)
    kernel.say(0x400, 0x400, "one")
    kernel.say(0x400, 0x400, "two")
    read, calls = kernel.read, [0]

    def interrupted(descriptor: int, size: int) -> bytes:
        calls[0] += 1
        if calls[0] == 2:
            raise KeyboardInterrupt
        return read(descriptor, size)

    kernel.read = interrupted
    with pytest.raises(KeyboardInterrupt):
        port.receive(9)
    assert port.receive(9) == [b"one", b"two"]
    port.close()


# -- uevents


def test_uevents_of_programs_are_not_believed(kernel: FakeSystem) -> None:
    class Forged:
        def __init__(self) -> None:
            self.left = [(4711, 0), (0, 0)]

        def recvmsg(self, size: int) -> tuple[bytes, list[object], int, tuple[int, int]]:
            if not self.left:
                raise BlockingIOError
            sender = self.left.pop(0)
            return b"remove@/devices/virtio%d\0" % sender[0], [], 0, sender

        def close(self) -> None:
            self.left = []

    heard = Uevents(kernel)
    heard.close()
    heard.socket = Forged()  # type: ignore[assignment]
    assert heard.read() == (True, False)
    heard.socket = Forged()  # type: ignore[assignment]
    heard.socket.left.pop()  # type: ignore[union-attr]
    assert heard.read() == (False, False)
    heard.close()


def test_missed_uevents_count_as_news(kernel: FakeSystem) -> None:
    heard = Uevents(kernel)
    assert heard.socket is not None
    errors = [OSError(errno.ENOBUFS, "missed"), BlockingIOError()]

    class Missed(socket.socket):
        def recvmsg(self, *_: object, **__: object) -> Any:
            raise errors.pop(0)

    real = heard.socket
    heard.socket = Missed()
    assert heard.read() == (True, True)
    heard.close()
    real.close()


def test_the_kernel_of_this_machine_lets_itself_be_heard_or_not() -> None:
    heard = Uevents(System())
    if heard.fileno() >= 0:
        assert len(heard.read()) == 2
    heard.close()
    assert heard.fileno() == -1


def test_a_connection_without_clients_hears_of_the_end(kernel: FakeSystem) -> None:
    with Connection(kernel.driver("virtio0")) as connection:
        assert list(connection._host.channels) == ["pmic", "rpmsg-raw"]
        kernel.stop()
        connection._host.pump.look()
        assert connection._host.lost
        kernel.start()
        assert connection.client("rpmsg-raw", correlator=mboxio.InOrder()).request(b"x") == b"x"


# -- asyncio


def test_an_endpoint_is_free_as_soon_as_its_client_has_left(kernel: FakeSystem) -> None:
    """An event loop watches copies of descriptors; a copy of an endpoint would keep it open."""

    async def once(connection: Connection, number: int) -> None:
        async with connection.async_client(0, timeout_s=PATIENCE_S) as client:
            assert await client.request(b"%d" % number) == b"%d" % number

    async def often() -> None:
        with Connection(kernel.driver(replies="order")) as connection:
            for number in range(5):
                await once(connection, number)

    asyncio.run(often())


def test_a_loop_survives_a_crash(kernel: FakeSystem) -> None:
    async def main() -> None:
        async with Connection(kernel.driver(replies="order:4")) as connection:
            client = connection.async_client(0, timeout_s=PATIENCE_S, queue_timeout_s=PATIENCE_S)
            kernel.hold()
            pending = [client.submit(b"%d" % number) for number in range(3)]
            kernel.crash()
            ends = await asyncio.gather(*pending, return_exceptions=True)
            assert {type(each) for each in ends} == {RemoteGone}
            assert await client.request(b"after") == b"after"
            client.close()

    asyncio.run(main())


# -- an open descriptor


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with near, far:
        yield near, far


def test_a_descriptor_stays_its_owners(pair: tuple[socket.socket, socket.socket]) -> None:
    near, far = pair
    with mboxio.open(f"rpmsg:?fd={near.fileno()}") as client, client.subscribe() as messages:
        client.send(b"out")
        assert far.recv(99) == b"out"
        far.send(b"")
        far.send(b"in")
        assert [messages.get(PATIENCE_S) for _ in range(2)] == [b"", b"in"]
    far.send(b"still open")
    assert near.recv(99) == b"still open"


def test_the_other_end_of_a_descriptor_may_close(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    near, far = pair
    with mboxio.open(f"rpmsg:?fd={near.fileno()}") as client, client.subscribe() as messages:
        far.send(b"last words")
        far.close()
        assert messages.get(PATIENCE_S) == b"last words"
        with pytest.raises(RemoteGone, match="the other end was closed"):
            messages.get(PATIENCE_S)


def test_other_descriptors_are_refused(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as stream, open(os.devnull, "rb") as null:
        for number in (stream.fileno(), null.fileno()):
            with pytest.raises(AddressError, match="no endpoint of RPMsg, and no socket"):
                mboxio.connect(f"rpmsg:?fd={number}")
    with pytest.raises(AddressError, match="Bad file descriptor"):
        mboxio.connect("rpmsg:?fd=987")
    with pytest.raises(AddressError, match="write one"):
        mboxio.connect("rpmsg:pmic?fd=3")


def test_a_closed_endpoint_is_open_nowhere(kernel: FakeSystem) -> None:
    with Connection(kernel.driver()) as connection:
        connection.client(0).close()
        descriptor = kernel.open("rpmsg0")
        assert not select.select([descriptor], [], [], 0)[0]
        os.close(descriptor)


def test_an_address_of_any_cannot_be_sent_to(kernel: FakeSystem) -> None:
    folder = kernel.add_device("nowhere", ANY, ANY)
    assert folder.exists()
    with (
        Connection(kernel.driver("nowhere")) as connection,
        pytest.raises(AddressError, match="announced without an address: add dst="),
    ):
        connection.client(0)
