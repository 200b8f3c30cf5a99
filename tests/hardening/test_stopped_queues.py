"""A queue that stopped because its remote lied: waits on it end, and nothing turns in circles."""

from typing import Any

import pytest

from mboxio import RemoteError, RequestTimeout, TxDone

from .support import Fused, attach


@pytest.mark.parametrize(
    ("timeout_s", "capabilities"),
    [(0.1, {}), (5, {"tx_done": TxDone.POLL})],
    ids=["a deadline", "a poll timer"],
)
def test_what_is_due_on_a_stopped_queue_is_no_busy_loop(
    timeout_s: float, capabilities: dict[str, Any]
) -> None:
    driver = Fused(depth=2, **capabilities)
    with attach(driver) as connection:
        client = connection.client(0)
        client.submit(b"", timeout_s=timeout_s)
        driver.fault(driver.queue, RemoteError("it lied"))
        with client.subscribe() as messages, pytest.raises(RequestTimeout):
            messages.get(1.0)


class LiesAtTheLook(Fused):
    """Raises at the next look; before that the slot may become free."""

    lie = False
    free = False

    def service(self, queue: Any, why: str) -> None:
        if self.lie and queue is self.queue:
            if self.free:
                self.free = False
                self.tx_done(queue, [self.sent[0][1]])
            raise RemoteError("it lied")
        super().service(queue, why)


@pytest.mark.parametrize("free", [False, True], ids=["stands in line", "is handed over"])
def test_a_lie_met_while_a_request_is_accepted_ends_it(free: bool) -> None:
    """Accepting looks for a free slot, and that look may stop the queue."""
    driver = LiesAtTheLook(depth=1)
    with attach(driver) as connection:
        client = connection.client(0)
        client.submit(b"1", timeout_s=None)
        driver.lie, driver.free = True, free
        with pytest.raises(RemoteError, match="it lied"):
            client.request(b"2", timeout_s=1, queue_timeout_s=1)
