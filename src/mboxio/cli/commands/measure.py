"""How long requests take: keeping a number of them in flight, and what was seen as numbers."""

from array import array
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from time import perf_counter_ns
from typing import Any, Self

import mboxio
from mboxio._base.timeouts import DEFAULT
from mboxio.cli.shared.signals import LOOK_S

__all__ = ["Result", "Samples", "measure"]

TICK_NS = 50_000_000
WARM_UP_NS = 50_000_000
SAMPLES_MAX = 1 << 20


@dataclass(frozen=True)
class Result:
    """What was measured with one number of requests in flight.

    Args:
        in_flight: how many.
        requests: that ended meanwhile; the warm-up does not count.
        seconds: how long that took.
        requests_per_s: of all of them.
        us_per_request: the inverse, in microseconds, as `make bench` has it.
        p50_us, p90_us, p99_us, max_us: from being submitted to being seen, in microseconds.
    """

    in_flight: int
    requests: int
    seconds: float
    requests_per_s: float
    us_per_request: float
    p50_us: float
    p90_us: float
    p99_us: float
    max_us: float


class Samples:
    """Latencies, all of them or, of very many, evenly spread ones."""

    def __init__(self, limit: int = SAMPLES_MAX) -> None:
        self.limit = limit
        self.kept = array("q")
        self.stride = 1
        self.count = 0
        self.max_ns = 0

    def add(self, latency_ns: int) -> None:
        """Count one."""
        if self.count % self.stride == 0:
            self.kept.append(latency_ns)
            if len(self.kept) >= self.limit:
                self.kept = self.kept[::2]
                self.stride *= 2
        self.count += 1
        if latency_ns > self.max_ns:
            self.max_ns = latency_ns

    def result(self, in_flight: int, spent_s: float) -> Result:
        """Return what they come to."""
        ordered = sorted(self.kept)

        def percentile_us(percent: int) -> float:
            return ordered[min(len(ordered) * percent // 100, len(ordered) - 1)] / 1000

        return Result(
            in_flight=in_flight,
            requests=self.count,
            seconds=round(spent_s, 6),
            requests_per_s=round(self.count / spent_s, 1),
            us_per_request=round(spent_s * 1e6 / self.count, 3),
            p50_us=percentile_us(50),
            p90_us=percentile_us(90),
            p99_us=percentile_us(99),
            max_us=self.max_ns / 1000,
        )


def measure(
    client: mboxio.Client,
    in_flight: int,
    message: bytes,
    seconds: float,
    tick: Callable[[float], object] = lambda spent_s: None,
    timeout_s: Any = DEFAULT,
) -> Result:
    """Keep ``in_flight`` requests in flight for a while, after a short time to warm up.

    Where a channel cannot tie replies to requests, one-way messages take their place, until they
    are TX done.

    Args:
        client: whose channel is measured.
        in_flight: how many.
        message: what is sent.
        seconds: how long.
        tick: called about every 50 ms with the seconds that have passed.
        timeout_s: of each request.

    Raises:
        MailboxError: a request failed.
    """
    sent_ns: deque[int] = deque()
    samples = Samples()
    began_ns = perf_counter_ns()
    warm_ns = began_ns + min(WARM_UP_NS, int(seconds * 1e8))
    end_ns = warm_ns + int(seconds * 1e9)
    tick_ns = began_ns + TICK_NS

    def messages() -> Iterator[bytes]:
        while (now_ns := perf_counter_ns()) < end_ns:
            sent_ns.append(now_ns)
            yield message

    tied = client._channel.ties_replies
    flow: Any = (
        client.map(messages(), window=in_flight, timeout_s=timeout_s)
        if tied
        else OneWay(client, messages(), in_flight, timeout_s)
    )
    with flow:
        while True:
            there = flow._arrives(LOOK_S)
            now_ns = perf_counter_ns()
            if there:
                if next(flow, None) is None:
                    break
                samples.add(now_ns - sent_ns.popleft())
            if warm_ns <= now_ns < end_ns:
                samples, began_ns, warm_ns = Samples(), now_ns, end_ns
            if now_ns >= tick_ns:
                tick((now_ns - began_ns) / 1e9)
                tick_ns = now_ns + TICK_NS
    return samples.result(in_flight, (now_ns - began_ns) / 1e9)


class OneWay:
    """One-way messages in the way of `mboxio.Replies`: each is over at TX done."""

    def __init__(
        self, client: mboxio.Client, messages: Iterator[bytes], window: int, timeout_s: Any
    ) -> None:
        self.client, self.messages = client, messages
        self.window, self.timeout_s = window, timeout_s
        self.pending: deque[mboxio.Request[bytes]] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for request in self.pending:
            request.cancel()

    def _arrives(self, wait_s: float) -> bool:
        while len(self.pending) < self.window and (
            self.client._queue.has_room() or not self.pending
        ):
            message = next(self.messages, None)
            if message is None:
                break
            self.pending.append(self.client.post(message, timeout_s=self.timeout_s))
        return not self.pending or self.pending[0].wait(wait_s)

    def __next__(self) -> bytes:
        if not self.pending:
            raise StopIteration
        return self.pending.popleft().result()
