"""The driver keeps its contract, on a model of the hardware."""

from importlib.metadata import entry_points

import pytest

import mboxio
from mboxio.cli.skeleton.acme_k7 import AcmeK7, Chip
from mboxio.testing import Bench, check_controller, checks


def bench() -> Bench:
    """Make a driver on a new chip, and say what the chip can be made to do."""
    chip = Chip()
    return Bench(
        controller=AcmeK7(region=chip),
        message=lambda number: number.to_bytes(4, "little"),
        shortest_bytes=4,
        taken=lambda: list(chip.seen),
        notify=lambda channel, message: chip.notify(message),
        stall=chip.stall,
        resume=lambda: chip.stall(False),
        close=chip.close,
    )


@pytest.mark.parametrize("name", checks())
def test_conforms(name: str) -> None:
    check_controller(bench, only=[name]).or_skip()


@pytest.mark.parametrize("events", ["irq", "poll"])
def test_many_in_flight(events: str) -> None:
    options = AcmeK7.Options(events=events)
    with Chip() as chip, mboxio.Connection(AcmeK7(options=options, region=chip)) as connection:
        client = connection.client("words", backlog=28)
        requests = [client.submit(n.to_bytes(4, "little")) for n in range(32)]
        assert [request.result()[0] for request in requests] == list(range(32))


def test_a_message_is_one_word() -> None:
    with Chip() as chip, mboxio.Connection(AcmeK7(region=chip)) as connection:
        client = connection.client("words")
        with pytest.raises(mboxio.WrongMessage, match="a word of 4 bytes, not 3"):
            client.request(b"abc")
    assert chip.seen == []


def test_it_has_an_address() -> None:
    if "acme_k7" not in entry_points(group="mboxio.controllers").names:
        pytest.skip("install the package: pip install -e .")
    with pytest.raises(mboxio.AddressError, match="at="):
        mboxio.connect("acme_k7:")
