"""Tests of a host program against firmware in Python: pytest test_host_program.py"""

from collections.abc import Iterator

import pytest

import mboxio
from mboxio.remote import Faults, Remote


def read_voltage(client: mboxio.Client) -> int:
    """The program under test: one try more if firmware loses the reply, for reading is harmless."""
    try:
        reply = client.request(b"voltage")
    except mboxio.RequestTimeout:
        reply = client.request(b"voltage")
    return int.from_bytes(reply, "little")


@pytest.fixture
def remote() -> Iterator[Remote]:
    firmware = Remote("host-program")
    firmware.handler("pmic")(lambda message: (3300).to_bytes(2, "little"))
    with firmware:
        yield firmware


def test_voltage(remote: Remote) -> None:
    with mboxio.open(f"{remote.address}/pmic") as client:
        assert read_voltage(client) == 3300


def test_one_lost_reply(remote: Remote) -> None:
    remote.faults = Faults(missing_probability=0.5, seed=0)  # loses the first and not the second
    with mboxio.open(f"{remote.address}/pmic", timeout_s=0.3) as client:
        assert read_voltage(client) == 3300
    assert remote.stats().missing == 1
