"""What Prometheus gets, as its own library writes and reads it."""

import doctest
import gc
import os
import weakref

import pytest

import mboxio
from mboxio.controllers.loopback import Loopback
from mboxio.remote import Remote
from mboxio.sim import VirtualClock

if os.environ.get("MBOXIO_EXPECT_TOOLS") != "1":
    pytest.importorskip("prometheus_client")

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from mboxio.see import metrics
from mboxio.see.metrics import MailboxCollector

Scraped = dict[tuple[str, ...], float]


def scrape(collector: MailboxCollector) -> Scraped:
    """Return what is scraped, by the name and the values of its labels."""
    registry = CollectorRegistry()
    registry.register(collector)
    text = generate_latest(registry).decode()
    samples = [each for family in text_string_to_metric_families(text) for each in family.samples]
    found = {(each.name, *each.labels.values()): each.value for each in samples}
    assert len(found) == len(samples), "two samples have the same labels"
    return found


def connection(answers: bool = True) -> mboxio.Connection:
    driver = Loopback(far=lambda channel, message: message if answers else None)
    return mboxio.Connection(driver, address="loopback:x", clock=VirtualClock())


def test_counts_of_a_connection() -> None:
    with connection(answers=False) as made:
        collector = MailboxCollector(made, made)
        client = made.client(0)
        silent = client.submit(b"?", timeout_s=1)
        channel = ("loopback:x", client.name)
        assert scrape(collector)["mboxio_in_flight", *channel] == 1
        assert isinstance(silent.exception(), mboxio.RequestTimeout)
        found = scrape(collector)
        assert found["mboxio_requests_total", *channel, "timed_out"] == 1
        assert found["mboxio_requests_total", *channel, "done"] == 0
        assert found["mboxio_messages_sent_total", *channel] == 1
        assert found["mboxio_in_flight", *channel] == 0
        assert found["mboxio_link_up", "loopback:x"] == 1
        held = sum(value for name, value in found.items() if name[0] == "mboxio_held")
        assert held == sum(
            each.held_slots + each.held_credits + len(each.held_tags) + each.held_memory
            for each in made.stats().values()
        )
        assert held > 0
        made.remote_restarted()
        found = scrape(collector)
        assert found["mboxio_freed_total", *channel, "epoch"] == 1
        assert found["mboxio_held", *channel, "tag"] == 0
    assert scrape(collector) == {}


def test_connections_with_one_address_are_added_up_and_not_kept() -> None:
    first, second = connection(), connection()
    collector = MailboxCollector(first)
    collector.add(second)
    with first, second:
        for each in (first, second):
            assert each.client(0).request(b"hello") == b"hello"
        found = scrape(collector)
        assert [value for name, value in found.items() if name[-1] == "done" and value] == [2]
    assert scrape(collector) == {}
    third = connection()
    collector.add(third)
    assert scrape(collector)
    third.close()
    forgotten = weakref.ref(third)
    del third
    gc.collect()
    assert forgotten() is None


def test_a_remote_and_the_client_of_it() -> None:
    remote = Remote("board")
    remote.handler("echo")(bytes)
    with remote, mboxio.open("shm:board/echo") as client:
        collector = MailboxCollector(client, remote)
        assert client.request(b"hello") == b"hello"
        client.send(b"one-way")
        client.request(b"and that was taken")
        found = scrape(collector)
        assert found["mboxio_remote_side_requests_total", "shm:board"] == 2
        assert found["mboxio_remote_side_messages_total", "shm:board"] == 1
        assert found["mboxio_requests_total", "shm:board", "echo", "done"] == 3
        assert found["mboxio_remote_side_failures_total", "shm:board"] == 0


@pytest.mark.once
def test_the_example_of_its_docstring() -> None:
    assert doctest.testmod(metrics) == (0, 6)
