"""Users whom another allow-list allows less: they are cut off, told so, and do not try again."""

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import pytest

import mboxio
from mboxio import AccessDenied
from mboxio.controllers.loopback import Loopback
from mboxio.gateway.allow import AllowList
from tests.drivers import IrqFifo
from tests.far.processes import Python, gateway, myself
from tests.far.support import ALL, House, end_met
from tests.shm.support import FirmwareProcess, until

DAY = 86400.0


def is_cut_off(client: mboxio.Client) -> bool:
    """Look for news, as nobody else does, and return whether the gateway is lost."""
    client._pump.look()
    return client._gate.lost


def test_all_that_is_under_way_ends_with_it_at_once(house: House) -> None:
    driver = IrqFifo()
    gate = house.serve(driver)

    async def run() -> None:
        opened = mboxio.open_async(f"{house.address}/0", timeout_s=DAY, queue_timeout_s=DAY)
        async with opened as client:
            subscription = client.subscribe()
            driver.far.stall()
            depth = client.depth
            requests = [client.submit(b"taken") for _ in range(depth)]
            waiting = [asyncio.ensure_future(client.request(b"waits")) for _ in range(2)]
            reading = asyncio.ensure_future(subscription.get())
            await asyncio.to_thread(until, lambda: driver.slots, "the mailbox has some")
            gate.renew(AllowList.parse(""))
            for end in await asyncio.gather(*requests, *waiting, reading, return_exceptions=True):
                assert type(end) is AccessDenied
                assert "not do any more" in str(end)
            with pytest.raises(AccessDenied):
                await client.request(b"again")

    asyncio.run(run())
    until(lambda: len(house.lines) == 2, "the gateway notes what it has ended")
    assert [each.split(":")[0] for each in house.lines] == ["attach", "detach"]
    assert gate.stats()["board"].user("alice").ended == {"denied": 1}


@pytest.mark.parametrize(
    ("before", "after", "stays"),
    [
        (ALL, ALL + '[bob]\n"*/*" = ["request"]\n', True),
        ('[alice]\n"board/0" = ["request"]\n', ALL, True),
        (ALL, '[alice]\n"*/*" = ["notifications", "request"]\n', True),  # any means "observe"
        (ALL, '[alice]\n"*/*" = ["observe", "request"]\n', False),
        (ALL, ALL + '"board/1" = []\n', False),
        ('[alice]\n"*/*" = ["request", "tag:0x30010"]\n', ALL, False),
    ],
)
def test_who_may_as_much_as_before_is_left_alone(house, before, after, stays):
    gate = house.serve(Loopback(), before)
    with mboxio.open(f"{house.address}/0", timeout_s=20) as client:
        gate.renew(AllowList.parse(after))
        with mboxio.open(f"{house.address}/0", timeout_s=20) as later:  # by the new list
            assert later.request(b"hello") == b"hello"
        if stays:
            assert client.request(b"hello") == b"hello"
        else:
            until(lambda: is_cut_off(client), "it is cut off")
            with pytest.raises(AccessDenied):
                client.request(b"hello")


def test_who_was_struck_off_while_the_gateway_was_down_is_told_when_it_is_back(house):
    house.serve(Loopback())
    with mboxio.open(f"{house.address}/0", timeout_s=20, queue_timeout_s=DAY) as client:
        assert client.request(b"hello") == b"hello"
        house.close()
        house.serve(Loopback(), "")
        ends = [end_met(client)]  # it may be the first to notice
        if isinstance(ends[0], mboxio.RemoteGone):
            with pytest.raises(AccessDenied) as caught:
                client.request(b"hello")
            ends.append(caught.value)
        assert "not exported" in str(ends[-1])
        assert sum(each.startswith("refuse") for each in house.lines) == 1


def test_a_gateway_reads_its_list_again_when_it_is_told_to(folder: str) -> None:
    listed = Path(folder, "allow.toml")
    listed.write_text(ALL.replace("alice", myself()))
    started: list[Python | FirmwareProcess] = [FirmwareProcess("t", {"a": (32, 64)})]
    path = f"{folder}/g.sock"
    try:
        serving = gateway("--allow-list", listed, "--socket", f"{myself()}={path}")
        started.append(serving)
        log: Any = serving.process.stderr

        def reread() -> str:
            serving.signal(signal.SIGHUP)
            while "allow-list" not in (line := log.readline().decode()):
                assert line, "it ended"
            return str(line)

        with mboxio.open(f"grpc+unix:{path}/board/a", timeout_s=20) as client:
            listed.write_text("no list at all")
            assert "stays in force" in reread()
            assert client.request(b"abc") == b"cba"
            listed.write_text("")
            assert "in force as it is now" in reread()
            until(lambda: is_cut_off(client), "it is cut off")
            with pytest.raises(AccessDenied):
                client.request(b"abc")
        with pytest.raises(AccessDenied):
            mboxio.connect(f"grpc+unix:{path}/board")
        os.unlink(listed)
        assert "cannot be read" in reread()
    finally:
        for each in started:
            each.kill()
