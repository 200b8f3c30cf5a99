"""Both directions against a model of the target: wrap, edges of words, and offsets that lie."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mboxio
from mboxio import Connection, Ports, RemoteError, RemoteGone, WrongMessage
from mboxio.controllers.rtt.driver import Rtt
from mboxio.controllers.rtt.options import RttOptions
from mboxio.errors import MailboxError
from mboxio.sim import VirtualClock
from tests.rtt.target import ADDRESS, NormalRam, Ram, Target, region_of
from tests.tools import examples

each_kind = pytest.mark.parametrize("kind", ["normal", "bytes", "words"])


def connect(
    target: Target, kind: str, **options: object
) -> tuple[Connection, Rtt, Ram | NormalRam]:
    region = region_of(target, kind)
    given_options = RttOptions(address=ADDRESS, base=target.base, **options)  # type: ignore[arg-type]
    driver = Rtt(options=given_options, region=region)
    return Connection(driver, address="rtt:", clock=VirtualClock()), driver, region


@given(
    data=st.data(),
    size=st.integers(2, 40),
    gap=st.sampled_from([0, 1, 2, 3, 5]),
    kind=st.sampled_from(["normal", "bytes"]),
)
@settings(max_examples=examples(100))
def test_bytes_go_both_ways_and_touch_nothing_else(
    data: st.DataObject, size: int, gap: int, kind: str
) -> None:
    """Buffers of any size at any place; what lies between them is somebody else's."""
    target = Target((size,), (size,), gap=gap)
    connection, driver, _ = connect(target, kind)
    up, down = (target.word(index, 4) - ADDRESS for index in (0, 1))
    used = {*range(up, up + size), *range(down, down + size), *range(target.base, target.base + 72)}
    others = [place for place in range(512) if place not in used]
    count = 0
    with connection as controller:
        pieces: list[bytes] = []
        client = controller.client(0, ports=Ports(received=pieces.append))
        sent, heard, said = b"", b"", b""
        for count in range(1, data.draw(st.integers(1, 8)) + 1):
            for place in others:  # the firmware changes its other variables
                target.memory[place] = count
            message = data.draw(st.binary(min_size=1, max_size=size - 1))
            heard += target.read(limit=data.draw(st.integers(0, size)))
            with suppress(mboxio.QueueFull):
                client.post(message)
                sent += message
            word = data.draw(st.binary(max_size=size))[: target.room()]
            target.write(word)
            said += word
            driver.locked(driver.look)
        heard += target.read()
    assert heard == sent
    assert b"".join(pieces) == said
    assert {target.memory[place] for place in others} == {count}


@each_kind
def test_a_message_that_never_fits_is_refused(kind: str) -> None:
    target = Target((64,), (16,))
    connection, _, _ = connect(target, kind)
    with connection as controller:
        client = controller.client(0)
        with pytest.raises(WrongMessage, match="of the firmware takes 15: make it larger"):
            client.post(bytes(16))
        client.post(b"x" * 15)
        with pytest.raises(mboxio.QueueFull):
            client.post(b"y")
        assert target.read() == b"x" * 15, "in whole, and nothing of the other"


@each_kind
@pytest.mark.parametrize(("entry", "at"), [(0, 12), (1, 16)], ids=["up", "down"])
def test_an_offset_outside_is_a_lie_and_a_word_of_the_user_begins_anew(
    kind: str, entry: int, at: int
) -> None:
    target = Target()
    connection, driver, _ = connect(target, kind)
    with connection as controller:
        client = controller.client(0)
        request = client.post(b"before")
        target.set_word(entry, at, 64)
        driver.locked(driver.look)
        assert isinstance(request.exception(), RemoteError)
        with pytest.raises(RemoteError, match="lied"):
            client.post(b"after")
        target.boot()
        controller.remote_restarted()
        client.post(b"again")
        assert target.read() == b"again"


@each_kind
def test_a_new_life_is_told_by_our_own_offset_and_found_elsewhere(kind: str) -> None:
    target = Target()
    region = region_of(target, kind)
    driver = Rtt(options=RttOptions(address=ADDRESS), region=region)
    with Connection(driver, address="rtt:", clock=VirtualClock()) as controller:
        client = controller.client(0)
        request = client.post(b"before")
        target.boot(base=0x400)
        driver.locked(driver.look)
        assert isinstance(request.exception(), RemoteGone)
        driver.reconnect()
        driver.reaching.join()
        client.post(b"after")
        assert target.read() == b"after"
        assert driver.life == 2


@given(data=st.data(), kind=st.sampled_from(["normal", "bytes", "words"]))
@settings(max_examples=examples(100))
def test_a_hostile_target_is_an_error_and_nothing_else(data: st.DataObject, kind: str) -> None:
    target = Target((24, 16), (16, 24))
    connection, driver, _ = connect(target, kind, framing="cobs", message_bytes=32)
    with connection as controller:
        clients = [controller.client(number) for number in (0, 1)]
        for _ in range(data.draw(st.integers(1, 12))):
            place = target.base + data.draw(st.integers(0, 119))
            target.memory[place] = data.draw(st.integers(0, 255))
            with suppress(MailboxError):
                clients[data.draw(st.integers(0, 1))].post(b"message")
            if not driver.is_lost():
                driver.locked(driver.look)
        queues: list[Any] = [each.queue for each in driver.declared_channels().values()]
        assert all(isinstance(each.fault, RemoteError | None) for each in queues)
