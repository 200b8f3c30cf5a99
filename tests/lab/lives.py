"""A gateway that is killed and frozen again and again: ``python -m tests.lab.lives [KILLS]``.

``make lives`` runs it. Every request ends, none with the reply of another, nothing stays held, and
what a request says of its message agrees with what the firmware kept. How soon they end is printed
and not asserted.
"""

import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import mboxio
from mboxio import RemoteGone, _build
from tests.far.processes import gateway
from tests.shm.support import FirmwareProcess, until

IN_FLIGHT = 32
CHANNELS = {"echo": (8, 64), "mute": (8, 64)}
WAYS = ("answered", "taken", "left")
"""What becomes of messages before the gateway dies; those of the last way stay in their slots."""
LIMITS: dict[str, Any] = {"timeout_s": 20.0, "queue_timeout_s": 20.0}


@dataclass
class Found:
    """What became of all requests.

    Args:
        ended_s: how long after the gateway was killed or frozen each was known to be over.
        back_s: how long after the next one served the first reply was there.
        ends: how they ended, and what they said of their message then.
        faults: what must not be, in words.
    """

    ended_s: list[float] = field(default_factory=list[float])
    back_s: list[float] = field(default_factory=list[float])
    ends: Counter[str] = field(default_factory=Counter[str])
    faults: list[str] = field(default_factory=list[str])

    def tell(self, what: str) -> None:
        """Print it."""
        print(f"{what}: {sum(self.ends.values())} requests over {spread(self.ended_s)} later;")
        print(f"  first reply {spread(self.back_s)} after a gateway was there again;")
        print("  " + "; ".join(f"{count} {end}" for end, count in sorted(self.ends.items())))
        print(f"  faults: {', '.join(self.faults) or 'none'}")


def spread(times_s: Sequence[float]) -> str:
    """Return the median and the latest in ms."""
    return f"{median(times_s) * 1e3:.1f} ms (at most {max(times_s) * 1e3:.1f})"


class Lives:
    """A program that is never started anew, a gateway that is, and the firmware behind it.

    Args:
        stack: ends them.
        frozen_s: after how long a gateway counts as lost that stands still, in seconds.
    """

    def __init__(self, stack: ExitStack, frozen_s: float) -> None:
        self.firmware = FirmwareProcess("t", CHANNELS)
        stack.callback(self.firmware.kill)
        self.start()
        stack.callback(lambda: self.serving.kill())
        folder = os.environ["MBOXIO_RUNTIME_DIR"]
        address = f"grpc+unix:{folder}/gateway@grpc.sock/board?frozen_s={frozen_s}"
        connection = stack.enter_context(mboxio.connect(address))
        self.echo, self.mute = (connection.client(each, **LIMITS) for each in CHANNELS)
        self.connection = connection
        self.asked: list[tuple[bytes, Any, bool]] = []
        self.found = Found()
        self.number = 0
        self.check()

    def message(self) -> bytes:
        """Return one that no other request has, and that the firmware keeps."""
        self.number += 1
        return b"keep%d" % self.number

    def check(self) -> None:
        """It works, and nothing is left of earlier lives."""
        message = self.message()
        if self.echo.request(message) != message[::-1]:
            self.found.faults.append("a wrong reply in peace")
        for name, stats in self.connection.stats().items():
            if stats.in_flight or stats.queued or stats.held_slots or stats.held_tags:
                self.found.faults.append(f"{name}: something is held")

    def lose(self, way: str, life: int, end: Callable[[], object]) -> None:
        """Have requests in flight, and the gateway end by what is given."""
        client = self.mute if way == "taken" else self.echo
        if way == "left":
            self.firmware.freeze()
        messages = [self.message() for _ in range(IN_FLIGHT)]
        requests = [client.submit(each) for each in messages]
        if life % 2:  # else they may be anywhere on their way
            until(lambda: any(map(has_left, requests)), "one leaves")
        known = [has_left(each) for each in requests]
        began_s = time.monotonic()
        end()
        for each in requests:
            each.exception()
            self.found.ended_s.append(time.monotonic() - began_s)
        if way == "left":
            self.firmware.thaw()
        self.asked += zip(messages, requests, known, strict=True)

    def back(self, begin: Callable[[], object]) -> None:
        """Have a gateway again, and look whether all is well."""
        begin()
        began_s = time.monotonic()
        self.check()
        self.found.back_s.append(time.monotonic() - began_s)

    def kill(self, life: int) -> None:
        """Kill the gateway and start the next."""
        self.lose(WAYS[life % len(WAYS)], life, self.serving.process.kill)
        self.serving.end()
        self.back(self.start)

    def start(self) -> None:
        """Start a gateway."""
        self.serving = gateway()

    def freeze(self, life: int) -> None:
        """Let the gateway stand still until it counts as lost, and go on."""
        self.lose(WAYS[life % len(WAYS)], life, self.serving.freeze)
        self.back(self.serving.thaw)

    def judge(self) -> Found:
        """Compare what requests say with what the firmware kept, which has no message twice."""
        kept = Counter(each for name in CHANNELS for each in self.firmware.do("kept", name))
        for message, request, knew in self.asked:
            error = request.exception()
            handed = "yes" if error is None else error.handed_over
            how = "replies" if error is None else f"{type(error).__name__}, handed over: {handed}"
            self.found.ends[how] += 1
            if error is not None and not isinstance(error, RemoteGone):
                self.found.faults.append(repr(error))
            elif error is None and request.result() != message[::-1]:
                self.found.faults.append("the reply of another")
            elif handed == "no" and kept[message]:
                self.found.faults.append("not handed over, and the firmware has it")
            elif knew and handed != "yes":
                self.found.faults.append("it was handed over, and is so no longer")
        self.found.faults += [f"{each!r} twice" for each, count in kept.items() if count > 1]
        return self.found


def has_left(request: Any) -> bool:
    """Look for news of a message, and return whether it is known to have been handed over."""
    return request.done() or request.handed_over == "yes"


def lives(what: str, count: int, frozen_s: float = 2.0) -> Found:
    """Have a gateway killed or frozen so often, and return what became of requests."""
    with ExitStack() as stack:
        living = Lives(stack, frozen_s)
        for life in range(count):
            (living.kill if what == "killed" else living.freeze)(life)
        return living.judge()


def main(words: list[str]) -> int:
    """Print what was found; returns whether there are faults."""
    kills = int(words[0]) if words else 100
    print(f"{_build.name()} build, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}")
    faults = 0
    with tempfile.TemporaryDirectory(prefix="mboxio-") as folder:
        os.environ["MBOXIO_RUNTIME_DIR"] = folder
        for what, count in (("killed", kills), ("frozen", max(kills // 10, 1))):
            found = lives(what, count)
            found.tell(f"gateway {what} {count} times")
            faults += len(found.faults)
    print(f"load {os.getloadavg()[0]:.1f} at the end")
    return min(faults, 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
