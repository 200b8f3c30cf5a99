"""Hosts that ring without end: a remote hears them ever less, and serves the others and them."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

import mboxio
from mboxio._pump.sleepers import DEAF_MAX_NS, USELESS_MAX
from mboxio.remote.acpm import AcpmRemote
from mboxio.remote.serving.floods import Floods
from mboxio.remote.serving.rounds import RemoteEnd
from tests.hardening.support import PATIENCE_S, until

from .support import echo

pytestmark = pytest.mark.usefixtures("sockets")

BELLS = USELESS_MAX + 40


class Counted(Floods):
    """Counts the doorbells that were taken and the pauses that followed."""

    taken = pauses = 0

    def rang(self, descriptor: int, end: RemoteEnd, now_ns: int) -> None:
        super().rang(descriptor, end, now_ns)
        self.pauses += descriptor in self.muted
        assert self.muted.get(descriptor, 0) <= now_ns + DEAF_MAX_NS
        self.taken += 1


@contextmanager
def serving(kind: str, spin_s: float, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Serve an echo; yield an address of it, and what counts its doorbells."""
    monkeypatch.setattr("mboxio.remote.serving.hosts.Floods", Counted)
    if kind == "shm":
        with echo(spin_s=spin_s) as remote:
            yield "shm:demo/c", remote._server._floods  # type: ignore[union-attr]
    else:
        made = AcpmRemote("peer:demo", spin_s=spin_s)
        made.channel()
        with made:
            yield "acpm:/0?at=peer:demo", made._server._floods  # type: ignore[union-attr]


kinds = pytest.mark.parametrize("kind", ["shm", "peer"])
spins = pytest.mark.parametrize("spin_s", [0.0, 50e-6], ids=["sleeps", "spins"])


@kinds
@spins
def test_after_some_useless_doorbells_each_has_its_pause(
    kind: str, spin_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(kind, spin_s, monkeypatch) as (address, floods):
        with mboxio.open(address, timeout_s=PATIENCE_S) as client:
            question = bytes(16)
            assert client.request(question)
            until(lambda: not floods.muted)
            taken, pauses = floods.taken, floods.pauses
            for _ in range(BELLS):
                client.ring()
            until(lambda: floods.taken >= taken + BELLS - 1)
            assert floods.pauses - pauses >= BELLS - USELESS_MAX - 2
            # Its messages are found without any doorbell, and end the suspicion.
            assert client.request(question)
            until(lambda: not floods.muted)
            for _ in range(USELESS_MAX):
                assert client.request(question)
            assert not floods.muted
        until(lambda: not floods.muted)


@kinds
@spins
def test_others_are_served_while_one_floods(
    kind: str, spin_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    over = threading.Event()

    def flood(client: mboxio.Client) -> None:
        while not over.is_set():
            client.ring()

    with (
        serving(kind, spin_s, monkeypatch) as (address, floods),
        mboxio.open(address) as bad,
        mboxio.open(address, timeout_s=PATIENCE_S) as good,
    ):
        flooding = threading.Thread(target=flood, args=(bad,))
        flooding.start()
        try:
            until(lambda: floods.pauses > 3)
            taken, pauses = floods.taken, floods.pauses
            for number in range(100):
                message = bytes(2) + bytes(2) + number.to_bytes(12, "little")
                assert good.request(message)[4:] == message[4:]
            # Whatever the others do: of a flood one doorbell is taken for each pause.
            assert floods.taken - taken <= floods.pauses - pauses + 100
        finally:
            over.set()
            flooding.join()
        assert bad.request(bytes(16), timeout_s=PATIENCE_S)


@kinds
def test_a_host_that_floods_and_goes_is_forgotten(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(kind, 0.0, monkeypatch) as (address, floods):
        for _ in range(5):
            with mboxio.open(address, timeout_s=PATIENCE_S) as client:
                for _ in range(BELLS):
                    client.ring()
                until(lambda: floods.muted)
            until(lambda: not floods.muted)
        with mboxio.open(address, timeout_s=PATIENCE_S) as client:
            assert client.request(bytes(16))
