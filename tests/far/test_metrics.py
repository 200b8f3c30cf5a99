"""What Prometheus reads from a gateway, as its own library writes and reads it."""

import json
import os
import urllib.request

import pytest

import mboxio
from mboxio import AccessDenied, AddressError, QueueFull, RemoteGone
from mboxio.controllers.loopback import Loopback
from mboxio.far.engine import engine
from mboxio.remote import Remote
from tests.drivers import IrqFifo
from tests.far.processes import Python, myself
from tests.far.support import House
from tests.shm.support import until

if os.environ.get("MBOXIO_EXPECT_TOOLS") != "1":
    pytest.importorskip("prometheus_client")

from prometheus_client.parser import text_string_to_metric_families

from mboxio.see.gateway_metrics import metrics_served

Scraped = dict[tuple[str, ...], float]
LABELS = ("address", "export", "user", "channel", "reason", "how", "limit", "outcome")


def scrape(url: str) -> Scraped:
    """Return what a server of metrics says, by the name and the values of the labels."""
    with urllib.request.urlopen(url, timeout=20) as answer:
        families = text_string_to_metric_families(answer.read().decode())
    samples = [each for family in families for each in family.samples]
    found = {
        (
            each.name.removeprefix("mboxio_gateway_"),
            *(each.labels[name] for name in LABELS if name in each.labels),
        ): each.value
        for each in samples
        if each.labels.keys() <= {*LABELS}
    }
    return found


def on_channel(found: Scraped) -> Scraped:
    """Return what alice did on channel 0, as far as it is not zero."""
    mine = ("board", "alice", "0")
    return {(name[0],): value for name, value in found.items() if name[1:] == mine and value}


def test_what_users_do_is_counted_by_channel(house: House) -> None:
    driver = IrqFifo()
    server = house.serve(driver, in_flight=2)
    with metrics_served(server, "0") as url, mboxio.open(f"{house.address}/0") as client:
        assert url.startswith("http://127.0.0.1:")
        with client.subscribe() as messages:
            assert client.request(b"12345", timeout_s=20) == b"12345"
            driver.far.notify(0, b"news")
            assert messages.get(20) == b"news"
        driver.far.stall()
        pending = [client.submit(b"", timeout_s=20) for _ in range(2)]
        with pytest.raises(QueueFull):
            client.submit(b"")
        until(lambda: scrape(url)["in_flight", "board", "alice", "0"] == 2, "both are in flight")
        driver.far.resume()
        assert [each.result() for each in pending] == [b"", b""]
        expected = {"requests_total": 3, "taken_bytes_total": 5, "told_bytes_total": 9}
        assert on_channel(scrape(url)) == {
            (name,): value for name, value in {**expected, "notifications_total": 1}.items()
        }
        assert scrape(url)["mboxio_requests_total", "fake:", "0", "done"] == 3


def test_sessions_refusals_and_lost_streams_are_counted(house: House) -> None:
    server = house.serve(Loopback(), user_sessions=1)
    me = ("board", "alice")
    with metrics_served(server, "127.0.0.1:0") as url:
        first = mboxio.connect(house.address)
        assert scrape(url)["sessions", *me] == 1
        with pytest.raises(RemoteGone, match="many sessions"):
            mboxio.connect(house.address)
        with pytest.raises(AccessDenied):
            mboxio.connect(house.address.replace("/board", "/nothing"))
        first.close()
        until(lambda: scrape(url)["sessions", *me] == 0, "the session is over")
        found = scrape(url)
        assert found["attached_total", *me] == 1
        assert found["refused_total", "board", "limit"] == 1
        assert found["refused_total", "", "denied"] == 1
        assert found["limited_total", *me, "user_sessions"] == 1
        ends = {name[-1]: value for name, value in found.items() if name[0] == "ended_total"}
        assert sum(ends.values()) == 1
        assert ends.keys() <= {"closed", "lost"}


def test_a_user_who_breaks_the_protocol_is_counted(house: House) -> None:
    server = house.serve(Loopback())
    with metrics_served(server, "0") as url:
        channel = engine().insecure_channel(f"unix:{house.path}")
        call = channel.stream_stream("/mboxio.Gateway/Attach")(
            iter([b"nonsense"]), metadata=(("mboxio-export", "board"),)
        )
        with pytest.raises(engine().RpcError):
            list(call)
        channel.close()
        ended = ("ended_total", "board", "alice", "broken")
        until(lambda: scrape(url).get(ended) == 1, "it is counted")


def test_the_command_serves_them(folder: str) -> None:
    me = myself()
    remote = Remote("t")
    remote.handler("a")(bytes)
    with remote:
        words = ("gateway", "shm:t", "--as", "board", "--user", me, "--metrics", "0", "--json")
        started = Python("-m", "mboxio", *words)
        try:
            url = json.loads(started.line())["metrics"]
            address = f"grpc+unix:{folder}/gateway@grpc.sock/board/a"
            with mboxio.open(address, timeout_s=20) as client:
                assert client.request(b"hello") == b"hello"
            assert scrape(url)["requests_total", "board", me, "a"] == 1
        finally:
            started.kill()


@pytest.mark.parametrize("where", ["", "x", "127.0.0.1", "70000", "127.0.0.1:-1", "192.0.2.1:9"])
def test_where_nothing_can_be_served_one_line_says_so(house: House, where: str) -> None:
    server = house.serve(Loopback())
    with pytest.raises(AddressError, match="cannot be served"), metrics_served(server, where):
        pass
