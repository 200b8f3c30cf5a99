"""How long requests take: keeping a number of them in flight, and what was seen as numbers."""

from array import array
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter_ns
from typing import Any

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
    submit: Any = client.submit if client._channel.ties_replies else client.post
    pending: deque[tuple[int, mboxio.Request[bytes]]] = deque()
    samples = Samples()
    began_ns = now_ns = perf_counter_ns()
    warm_ns = began_ns + min(WARM_UP_NS, int(seconds * 1e8))
    end_ns = warm_ns + int(seconds * 1e9)
    tick_ns = began_ns + TICK_NS
    while pending or now_ns < end_ns:
        while len(pending) < in_flight and now_ns < end_ns:
            try:
                request = submit(message, timeout_s=timeout_s)
            except mboxio.QueueFull:
                if not pending:
                    raise
                break
            pending.append((now_ns, request))
            now_ns = perf_counter_ns()
        pending[0][1].wait(LOOK_S)
        now_ns = perf_counter_ns()
        while pending and pending[0][1].over:
            submitted_ns, request = pending.popleft()
            request.result()
            samples.add(now_ns - submitted_ns)
        if warm_ns <= now_ns < end_ns:
            samples, began_ns, warm_ns = Samples(), now_ns, end_ns
        if now_ns >= tick_ns:
            tick((now_ns - began_ns) / 1e9)
            tick_ns = now_ns + TICK_NS
    return samples.result(in_flight, (now_ns - began_ns) / 1e9)
