"""Completions: counted, remembered, and awaited for a time on a virtual clock."""

import threading

import pytest

from mboxio import WouldDeadlock, linux
from mboxio.sim import VirtualClock


def test_completions_are_counted() -> None:
    done = linux.completion(clock=VirtualClock())
    linux.complete(done)
    linux.complete(done)
    assert linux.wait_for_completion_timeout(done, 5) == 5
    linux.wait_for_completion(done)
    assert linux.wait_for_completion_timeout(done, 5) == 0
    assert done.clock.now_ns() == 5_000_000
    linux.complete(done)
    linux.reinit_completion(done)
    assert linux.wait_for_completion_timeout(done, 0) == 0


def test_all_are_woken_and_those_who_come_later() -> None:
    done = linux.completion()
    threads = [threading.Thread(target=linux.wait_for_completion, args=(done,)) for _ in range(3)]
    for each in threads:
        each.start()
    linux.complete_all(done)
    for each in threads:
        each.join(30)
        assert not each.is_alive()
    linux.wait_for_completion(done)


def test_nothing_waits_in_an_interrupt() -> None:
    with linux.interrupt_context(), pytest.raises(WouldDeadlock):
        linux.wait_for_completion(linux.completion())
