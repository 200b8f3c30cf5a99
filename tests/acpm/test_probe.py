"""ACPM behind a probe, of which each transaction costs a millisecond: how many a request needs."""

from typing import Any

import pytest

from mboxio import Connection, MailboxError, RemoteGone
from mboxio.controllers.acpm import Acpm, AcpmOptions
from mboxio.controllers.acpm.layout import COUNT, AcpmSpec, plan, write
from mboxio.regions import Kind, Memory
from mboxio.remote.acpm.sram import AcpmRemoteChannel, Sram
from tests.acpm.support import BASE, numbered, own
from tests.firmware_rings.probe import Probe

REQUESTS = 120
SPECS = AcpmSpec(16, 16), AcpmSpec(16, 16)
NOW_NS = 1 << 62


class Behind:
    """An SRAM behind a probe, and firmware that goes on after each transaction."""

    def __init__(self, packet_bytes: int = 512) -> None:
        self.layout = plan(SPECS, BASE)
        self.memory = Memory(bytearray(self.layout.size_bytes))
        self.heard: list[bytes] = []
        self.boot()
        self.probe = Probe(self.memory, packet_bytes, self.settle)
        self.probe.access_s = 1e-9  # counted, not waited for

    def boot(self, number: int = 1) -> None:
        write(self.memory, self.layout, number)
        channels = [AcpmRemoteChannel(at, spec) for at, spec in enumerate(SPECS)]
        for each in channels:
            each.answer_with(self.answer)
        self.sram = Sram(channels, self.memory, self.layout)

    def answer(self, message: bytes) -> bytes:
        self.heard.append(message[:2] + bytes(2) + message[4:16])
        return bytes(4) + message[:3:-1]

    def settle(self) -> None:
        while self.sram.serve(NOW_NS):
            pass

    def connect(self, **options: Any) -> Connection:
        driver = Acpm(options=AcpmOptions(base=BASE, timeout_s=20.0, **options), region=self.probe)
        return Connection(driver, address="acpm:")


def transactions(kind: Kind, packet_bytes: int, window: int) -> float:
    far = Behind(packet_bytes)
    far.probe.kind = kind
    with far.connect() as connection:
        client = connection.client(0, backlog=32)
        client.request(numbered(0))
        texts = [numbered(number) for number in range(REQUESTS)]
        far.probe.transactions = 0
        replies = list(client.map(texts, window=window))
        assert all(own(reply, number) for number, reply in enumerate(replies))
        return far.probe.transactions / REQUESTS


@pytest.mark.parametrize(
    ("packet_bytes", "window", "most"), [(512, 1, 7.1), (64, 1, 7.1), (512, 8, 1.1), (64, 8, 1.6)]
)
def test_transactions(packet_bytes: int, window: int, most: float) -> None:
    batched = transactions(Kind.REMOTE, packet_bytes, window)
    assert batched <= most
    assert batched < transactions(Kind.DEVICE, packet_bytes, window)  # each access by itself


def test_what_waits_when_firmware_restarts_was_not_handed_over() -> None:
    far = Behind()
    with far.connect() as connection:
        client = connection.client(0, backlog=8)
        client.request(numbered(1))
        far.memory.write(BASE + COUNT, 0, 4)  # as firmware begins
        with pytest.raises(RemoteGone) as caught:
            client.request(numbered(2))
        assert caught.value.handed_over == "no"
        far.boot(2)
        assert own(client.request(numbered(3), queue_timeout_s=20.0), 3)
    assert far.heard == [numbered(1), numbered(3)]


def test_a_closed_connection_hands_over_what_waits() -> None:
    far = Behind()
    with far.connect() as connection:
        connection.client(1).post(numbered(7))
    far.settle()
    assert far.heard == [numbered(7)]


def test_two_channels_share_their_looks() -> None:
    far = Behind()
    with far.connect() as connection:
        clients = [connection.client(number, backlog=32) for number in (0, 1)]
        for number in range(REQUESTS):
            requests = [client.submit(numbered(number)) for client in clients]
            assert all(own(request.result(), number) for request in requests)
        with pytest.raises(MailboxError):
            clients[0].submit(bytes(17))  # too long: refused before anything waits
        stats = connection.stats()
        assert [stats[name].done for name in ("0", "1")] == [REQUESTS, REQUESTS]
