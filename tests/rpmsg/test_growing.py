"""Services that are announced and taken back while a connection to all of them is in use."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import mboxio
from mboxio import AddressError, Connection, RemoteError, RemoteGone, WrongMessage
from mboxio.controllers.rpmsg import growing
from tests.rpmsg.fake_kernel import FakeSystem

PATIENCE_S = 20.0


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[FakeSystem]:
    made = FakeSystem(tmp_path, {"rpmsg-raw": 0x400})
    made.start()
    yield made
    assert not made.panicked
    made.shut_down()


def names(connection: Connection) -> list[str]:
    connection._host.pump.look()
    return list(connection._host.channels)


def test_a_channel_keeps_its_service_and_its_name(kernel: FakeSystem) -> None:
    with Connection(kernel.driver("virtio0", replies="order")) as connection:
        kernel.announce("adc", 0x405)
        kernel.announce("adc", 0x406)
        assert names(connection) == ["rpmsg-raw", "adc", "adc@0x406"]
        second = connection.client("adc@0x406", timeout_s=PATIENCE_S)
        kernel.destroy("adc", 0x405)
        assert second.request(b"still the second") == b"still the second"
        kernel.announce("adc", 0x407)  # the name is free, so it goes on at the new address
        assert names(connection) == ["rpmsg-raw", "adc", "adc@0x406"]
        kernel.announce("adc", 0x405)
        assert names(connection) == ["rpmsg-raw", "adc", "adc@0x406", "adc@0x405"]


def test_a_named_service_gets_no_others(kernel: FakeSystem) -> None:
    with Connection(kernel.driver("rpmsg-raw")) as connection:
        kernel.announce("adc", 0x405)
        assert names(connection) == ["rpmsg-raw"]
        with pytest.raises(AddressError, match="no channel 'adc'"):
            connection.client("adc")


def test_names_that_no_address_can_have_are_left_out(kernel: FakeSystem) -> None:
    with Connection(kernel.driver("virtio0")) as connection:
        kernel.announce("a=b", 0x405)
        kernel.announce("rpmsg-tty", 0x406)  # another driver has it
        assert names(connection) == ["rpmsg-raw"]


def test_a_remote_cannot_announce_without_end(
    kernel: FakeSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(growing, "CHANNELS_MAX", 4)
    with Connection(kernel.driver("virtio0")) as connection:
        for number in range(8):
            kernel.announce(f"many-{number}", 0x480 + number)
            kernel.destroy(f"many-{number}", 0x480 + number)
            names(connection)
        for number in range(8):
            kernel.announce(f"more-{number}", 0x490 + number)
        assert len(names(connection)) == 4
        assert connection.client("rpmsg-raw")


def test_the_end_of_a_life_takes_nothing_back(kernel: FakeSystem) -> None:
    """All services go with it, and their requests end as those of a dead remote."""
    with Connection(kernel.driver("virtio0", replies="order")) as connection:
        kernel.announce("adc", 0x405)
        clients = [connection.client(each, timeout_s=PATIENCE_S) for each in names(connection)]
        kernel.hold()
        pending = [client.submit(b"pending") for client in clients]
        kernel.stop()
        assert all(isinstance(each.exception(), RemoteGone) for each in pending)


def test_the_end_of_an_endpoint_whose_service_stays_is_the_end_of_the_life(
    kernel: FakeSystem,
) -> None:
    with Connection(kernel.driver("virtio0", replies="order")) as connection:
        client = connection.client("rpmsg-raw", timeout_s=PATIENCE_S)
        kernel.hold()
        pending = client.submit(b"pending")
        kernel.end_node("rpmsg0")
        assert isinstance(pending.exception(), RemoteGone)


def test_a_write_that_meets_the_end_of_a_service_has_not_left(kernel: FakeSystem) -> None:
    with Connection(kernel.driver("virtio0", replies="order", bind=True)) as connection:
        kernel.announce("adc", 0x405)
        adc = connection.client("adc", timeout_s=PATIENCE_S)
        assert adc.request(b"one") == b"one"
        kernel.destroy("adc", 0x405)
        with pytest.raises(RemoteError, match="'adc' was taken back"):
            adc.request(b"two")
        assert kernel.taken == [b"one"]
        with pytest.raises(WrongMessage, match="'adc' was taken back"):
            adc.request(b"three")
        adc.close()
        with pytest.raises(AddressError, match=r"no service 'adc' is announced.*rpmsg-raw"):
            connection.client("adc")
        assert not connection._host.lost


def test_a_service_that_cannot_be_opened_yet_is_opened_later(kernel: FakeSystem) -> None:
    with Connection(kernel.driver("virtio0", replies="order")) as connection:
        kernel.announce("adc", 0x405)
        adc = connection.client("adc", timeout_s=PATIENCE_S)
        kernel.destroy("adc", 0x405)
        connection._host.pump.look()
        with pytest.raises(WrongMessage):
            adc.request(b"refused")
        kernel.locked_by_another = True
        kernel.announce("adc", 0x405)
        connection._host.pump.look()
        with pytest.raises(WrongMessage):
            adc.request(b"refused")
        kernel.locked_by_another = False
        assert adc.request(b"two") == b"two"


def test_a_client_that_left_gets_nothing_back(kernel: FakeSystem) -> None:
    with Connection(kernel.driver("virtio0", replies="order")) as connection:
        kernel.announce("adc", 0x405)
        adc = connection.client("adc", timeout_s=PATIENCE_S)
        kernel.destroy("adc", 0x405)
        connection._host.pump.look()
        adc.close()
        kernel.announce("adc", 0x405)
        connection._host.pump.look()
        assert not any(each.is_open() for each in kernel.nodes.values())
        with connection.client("adc", timeout_s=PATIENCE_S) as again:
            assert again.request(b"again") == b"again"


def test_wait_s_is_not_needed_for_what_was_announced(kernel: FakeSystem) -> None:
    """An open connection finds it by name, although nobody has looked since."""
    with Connection(kernel.driver("virtio0", replies="order")) as connection:
        kernel.announce("adc", 0x405)
        with connection.client("adc", timeout_s=PATIENCE_S) as client:
            assert client.request(b"x") == b"x"
        assert isinstance(connection, mboxio.Connection)
