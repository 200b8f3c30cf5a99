"""Bad input: an error as return value in `mboxio.linux`, an exception with that errno natively."""

import errno
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from mboxio import Connection, MailboxError, linux
from mboxio.sim import VirtualClock
from tests.kernel.beyond import Bench
from tests.race.manual import Manual


def takes(*_: object) -> int:
    return 0


REFUSED: dict[str, dict[str, Any]] = {
    "no device": {"dev": None},
    "no ops": {"ops": None},
    "no channels": {"num_chans": 0},
    "both send ops": {"ops": linux.mbox_chan_ops(send_data=takes, send_request=takes)},
    "no send op": {"ops": linux.mbox_chan_ops(startup=takes)},
    "polls without last_tx_done": {"txdone_poll": True},
}


@pytest.mark.parametrize("fields", REFUSED.values(), ids=REFUSED)
def test_a_controller_is_refused(fields: dict[str, Any]) -> None:
    whole = {"dev": linux.device(), "ops": linux.mbox_chan_ops(send_data=takes), "num_chans": 1}
    mbox = linux.mbox_controller(**{**whole, **fields})
    assert linux.mbox_controller_register(mbox) == -errno.EINVAL
    assert not mbox.registered
    linux.mbox_controller_unregister(mbox)
    assert linux.mbox_controller_register(None) == -errno.EINVAL


def listed(mboxes: list[linux.of_phandle_args]) -> linux.mbox_client:
    return linux.mbox_client(dev=linux.device("user", linux.device_node(mboxes, ["one"])))


def test_a_channel_is_not_found() -> None:
    with Bench(send_data=takes) as bench:
        assert bench.mbox.dev is not None
        node = bench.mbox.dev.of_node = linux.device_node()
        find, find_name = linux.mbox_request_channel, linux.mbox_request_channel_byname
        assert find(linux.mbox_client(), 0) == -errno.ENODEV
        assert find(listed([]), 0) == -errno.ENODEV
        assert find(listed([linux.of_phandle_args(node, [0])]), -1) == -errno.ENODEV
        for args in ([1], [-1], [0xFFFF_FFFF], []):
            assert find(listed([linux.of_phandle_args(node, args)]), 0) == -errno.EINVAL
        elsewhere = linux.of_phandle_args(linux.device_node(), [0])
        assert find(listed([elsewhere]), 0) == -linux.EPROBE_DEFER
        assert find_name(listed([]), "two") == -errno.EINVAL
        assert find_name(listed([linux.of_phandle_args(node, [0])]), "one") == -errno.EBUSY


def test_logs_call_devices_by_their_names(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", "mboxio.linux")
    node = linux.device_node([linux.of_phandle_args(linux.device_node(), [0])], ["one"])
    user = linux.mbox_client(dev=linux.device("user", node))
    polls = linux.mbox_controller(
        dev=linux.device("mbox", node),
        ops=linux.mbox_chan_ops(send_data=takes),
        num_chans=1,
        txdone_poll=True,
    )
    linux.mbox_request_channel_byname(user, "rx")
    linux.mbox_request_channel(user, 7)
    linux.mbox_request_channel_byname(linux.mbox_client(dev=linux.device("bare")), "rx")
    linux.mbox_request_channel(linux.mbox_client(dev=linux.device("bare")), 0)
    linux.mbox_request_channel(linux.mbox_client(), 0)
    linux.mbox_controller_register(polls)
    linux.mbox_controller_unregister(polls)
    assert [each.message for each in caplog.records] == [
        "user: has no channel 'rx'; there are: one",
        "user: has no mboxes[7]",
        "bare: has no node",
        "bare: has no node",
        "nobody's device: has no node",
        "mbox: polls without last_tx_done",
        "mbox: is not registered",
    ]


@dataclass
class Driver:
    """Its repr shows all that it has, as that of a bound method does then."""

    registers: bytes = bytes(4096)

    def send_data(self, chan: Any, mssg: Any) -> int:
        raise OSError("no such register")


def test_an_op_that_raises_is_called_by_its_name(caplog: pytest.LogCaptureFixture) -> None:
    with Bench(send_data=Driver().send_data) as bench:
        linux.mbox_send_message(bench.chan, b"x")
    (record,) = caplog.records
    assert record.message.startswith(f"op Driver.send_data at {__file__}:")
    assert len(record.message) < len(__file__) + 60


def test_a_driver_translates_specifiers() -> None:
    with Bench(send_data=takes) as bench:
        assert bench.mbox.dev is not None
        node = bench.mbox.dev.of_node = linux.device_node()
        linux.mbox_free_channel(bench.chan)
        bench.mbox.of_xlate = lambda mbox, sp: mbox.chans[0] if sp.args == [7, 7] else -errno.ENXIO
        wrong = listed([linux.of_phandle_args(node, [0])])
        right = listed([linux.of_phandle_args(node, [7, 7])])
        error = linux.mbox_request_channel(wrong, 0)
        assert linux.IS_ERR(error)
        assert error == -errno.ENXIO
        found = linux.mbox_request_channel(right, 0)
        assert found is bench.chan
        assert not linux.IS_ERR(found)


def test_a_message_is_refused() -> None:
    with Bench(send_data=takes) as bench:
        send = linux.mbox_send_message
        assert send(None, 1) == -errno.EINVAL
        assert send(bench.chan, linux.MBOX_NO_MSG) == -errno.EINVAL
        assert [send(bench.chan, n) for n in range(21)] == [*range(20), 0]
        assert linux.mbox_chan_tx_slots_available(bench.chan) == 0
        assert send(bench.chan, 21) == -errno.ENOBUFS
        assert linux.mbox_flush(bench.chan, 1) == -linux.ENOTSUPP
        linux.mbox_free_channel(bench.chan)
        assert send(bench.chan, 22) == -errno.EINVAL
        assert linux.mbox_chan_tx_slots_available(bench.chan) == linux.MBOX_TX_QUEUE_LEN


def test_who_waits_for_nothing_is_told() -> None:
    assert linux.mbox_wait_request(-errno.EINPROGRESS, None) == -errno.EINVAL
    assert linux.mbox_wait_request(-errno.ENOSPC, None) == -errno.ENOSPC


def test_what_a_driver_or_client_raises_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    def fails(*_: object) -> int:
        raise OSError("broken")

    cl = linux.mbox_client(tx_done=fails, rx_callback=fails)
    with Bench(cl, send_data=fails, peek_data=fails) as bench:
        assert not linux.mbox_client_peek_data(bench.chan)
        linux.mbox_send_message(bench.chan, 1)
        assert bench.chan.msg_count == 1, "it counts as refused"
        assert bench.mbox.ops is not None
        bench.mbox.ops.send_data = takes
        linux.mbox_chan_txdone(bench.chan, 0)
        assert bench.chan.active_req == 1
        linux.mbox_chan_txdone(bench.chan, 0)
        linux.mbox_chan_received_data(bench.chan, 2)
    assert [record.exc_info and str(record.exc_info[1]) for record in caplog.records] == [
        "broken"
    ] * 4


@pytest.mark.parametrize(
    ("call", "number"),
    [
        (lambda connection: connection.client("nobody"), errno.EINVAL),
        (lambda connection: connection.client(7), errno.EINVAL),
        (lambda connection: connection.client(0).submit(b""), errno.EOPNOTSUPP),
        (lambda connection: connection.client("deaf").post(b""), errno.EOPNOTSUPP),
        (lambda connection: [connection.client(0).post(b"") for _ in range(2)], errno.ENOSPC),
        (lambda connection: fill(connection.client(0, backlog=20)), errno.ENOBUFS),
    ],
)
def test_the_same_natively(call: Callable[[Any], object], number: int) -> None:
    class Plain(Manual):
        def open(self) -> None:
            super().open()
            self.add_channel("deaf", self.queue, can_send=False)

    with Connection(Plain(depth=1, matches_replies=False), clock=VirtualClock()) as connection:
        with pytest.raises(MailboxError) as caught:
            call(connection)
        assert caught.value.errno == number


def fill(client: Any) -> None:
    """Send one for the slot, twenty for the backlog, and one more."""
    for _ in range(22):
        client.post(b"")
