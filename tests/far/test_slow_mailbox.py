"""A driver takes its time: users of other mailboxes, on the same gateway, do not wait."""

import threading

import pytest

import mboxio
from mboxio.controllers.loopback import Loopback
from mboxio.driver.contracts import DriverChannel
from tests.far.support import House
from tests.shm.support import until


class Slow(Loopback):
    """A mailbox that takes its time when somebody begins with channel 1."""

    def __init__(self, at: str) -> None:
        super().__init__()
        self.at = at
        self.begun, self.going_on = threading.Event(), threading.Event()

    def wait(self, at: str, channel: DriverChannel) -> None:
        if at == self.at and channel.name == "1":
            self.begun.set()
            self.going_on.wait(30)

    def start(self, channel: DriverChannel) -> None:
        self.wait("start", channel)
        super().start(channel)

    def claim(self, channel: DriverChannel) -> None:
        self.wait("claim", channel)

    def stop(self, channel: DriverChannel) -> None:
        self.wait("stop", channel)


@pytest.mark.parametrize("at", ["start", "claim", "stop"])
def test_a_mailbox_that_takes_its_time_holds_up_nobody_elsewhere(house: House, at: str) -> None:
    slow = Slow(at)
    gate = house.serve(Loopback(), more={"slow": slow})

    def use() -> None:
        with mboxio.open(house.address.replace("/board", "/slow/1")) as client:
            client.on_request(lambda message: message)

    user = threading.Thread(target=use, daemon=True)
    with mboxio.open(f"{house.address}/0", timeout_s=20) as client:
        user.start()
        assert slow.begun.wait(20)
        with mboxio.open(f"{house.address}/1", timeout_s=20) as other:
            assert other.request(b"meanwhile") == client.request(b"meanwhile")
        slow.going_on.set()
        user.join()
    users = gate.exports["slow"].connection._host.channels["1"]
    until(lambda: users.users == 0, "the user of the slow one has left")
