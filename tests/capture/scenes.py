"""Everything that can happen to a message, done by a driver that is the test's."""

import errno
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mboxio import (
    ACCEPTED,
    Busy,
    ClosedError,
    Connection,
    Correlator,
    Done,
    MailboxError,
    MessageTooLong,
    QueueFull,
    RemoteError,
)
from mboxio.capture.event import HANDED_OVER, OUTCOMES, Event, Kind
from mboxio.capture.reading import read
from mboxio.recording.recorder import record
from mboxio.sim import VirtualClock
from tests.race.manual import Manual


def told(events: list[Event]) -> list[str]:
    """Return a line for each event; requests are numbered from 1 on, in their order."""
    numbers = sorted({each.number for each in events if each.number})
    lines = []
    for each in events:
        line = each.kind.name
        if each.number:
            handed = HANDED_OVER[each.handed_over]
            number = numbers.index(each.number) + 1
            line += f" {number}: {OUTCOMES[each.outcome]}, {handed}"
        elif each.kind is Kind.LINK:
            line += ": up" if each.outcome else ": lost"
        text = each.message.decode("latin-1")
        if each.kind in (Kind.ENDED, Kind.REFUSED):  # the reason, without the place and the stage
            text = text.partition(": ")[2].partition(" (")[0]
        line += f", {text!a}" if text else ""
        line += f", status {each.status}" if each.status else ""
        lines.append(line)
    return lines


class Scene:
    """A connection to a driver that is the test's, which is recorded.

    Args:
        path: of the recording.
        correlator: of its only channel.
        capabilities: of the driver.
    """

    def __init__(
        self, path: Path, correlator: Correlator | None = None, **capabilities: Any
    ) -> None:
        self.path = path
        self.clock = VirtualClock()
        self.driver = Manual(correlators=(correlator,), **capabilities)
        self.connection = Connection(self.driver, clock=self.clock)
        self.client = self.connection.client(0, timeout_s=1.0, backlog=1)

    def told(self, act: "Callable[[Scene], object]") -> list[str]:
        """Act, and return what the recording says."""
        with self.connection, record(self.connection, self.path) as recorder:
            act(self)
        assert recorder.error is None
        with read(self.path) as capture:
            events = list(capture)
        assert capture.warnings == []
        times = [each.time_ns for each in events]
        assert times == sorted(times)
        assert recorder.events == len(events)
        over = [each.number for each in events if each.ends_request]
        assert len(over) == len(set(over))
        first, *rest = told(events)
        assert first == "LINK: up, status -1"
        return rest


def replies(scene: Scene) -> None:
    request = scene.client.submit(b"ask")
    scene.driver.done()
    scene.driver.answer(b"yes")
    assert request.result() == b"yes"


def replies_into(scene: Scene) -> None:
    request = scene.client.submit(b"ask", into=bytearray(3))
    scene.driver.answer(b"yes")
    assert request.result() == 3


def replies_too_much(scene: Scene) -> None:
    request = scene.client.submit(b"ask", into=bytearray(2))
    scene.driver.answer(b"yes")
    assert isinstance(request.exception(), MailboxError)


def done_at_once(scene: Scene) -> None:
    scene.driver.outcomes = [Done(b"yes"), Done()]
    assert scene.client.request(b"ask") == b"yes"
    scene.client.send(b"one way")


def done_too_much(scene: Scene) -> None:
    scene.driver.outcomes = [Done(b"yes")]
    assert isinstance(scene.client.submit(b"ask", into=bytearray(2)).exception(), MailboxError)


def one_way(scene: Scene) -> None:
    scene.client.post(b"one way")
    scene.driver.done()
    scene.client.post(b"broken")
    scene.driver.done(status=-errno.EIO)


def tx_done_fails(scene: Scene) -> None:
    request = scene.client.submit(b"ask")
    scene.driver.done(status=errno.EIO)
    assert isinstance(request.exception(), RemoteError)


def accepted(scene: Scene) -> None:
    scene.driver.outcomes = [ACCEPTED]
    request = scene.client.submit(b"ask")
    scene.driver.handed_over(scene.driver.queue, [scene.driver.sent[0][1]])
    scene.driver.answer(b"yes")
    assert request.result() == b"yes"


def accepted_and_answered(scene: Scene) -> None:
    scene.driver.outcomes = [ACCEPTED]
    request = scene.client.submit(b"ask")
    scene.driver.answer(b"yes")
    assert request.result() == b"yes"


def remote_refuses(scene: Scene) -> None:
    request = scene.client.submit(b"ask")
    scene.driver.answer(b"no \x1b[2J", status=-5)
    assert isinstance(request.exception(), RemoteError)


def late(scene: Scene) -> None:
    request = scene.client.submit(b"ask")
    assert isinstance(request.exception(), MailboxError)
    scene.driver.answer(b"late", status=7)
    scene.driver.answer(b"twice")
    scene.driver.complete(scene.driver.channels[0], 1 << 40, 3, b"never")


def cancelled(scene: Scene) -> None:
    scene.client.submit(b"ask").cancel()
    scene.driver.done()
    scene.connection.client(0).resync()


def closed_while_under_way(scene: Scene) -> None:
    scene.client.submit(b"ask")
    scene.connection.close()


def refused(scene: Scene) -> None:
    with pytest.raises(MessageTooLong):
        scene.client.submit(bytes(1 << 20))
    scene.client.submit(b"ask")
    scene.client.submit(b"waits")
    with pytest.raises(QueueFull):
        scene.client.submit(b"one too many")
    scene.client.close()
    with pytest.raises(ClosedError):
        scene.client.post(b"after the end")


def queued_and_sent(scene: Scene) -> None:
    scene.client.submit(b"ask")
    waiting = scene.client.submit(b"waits")
    scene.driver.answer(b"yes")
    scene.driver.answer(b"too")
    assert waiting.result() == b"too"


def busy(scene: Scene) -> None:
    scene.driver.outcomes = [Busy("event")]
    request = scene.client.submit(b"ask")
    scene.driver.event()
    scene.connection._host.pump.look()
    scene.driver.answer(b"yes")
    assert request.result() == b"yes"


def send_raises(scene: Scene) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    scene.driver.send = broken  # type: ignore[method-assign, assignment]
    assert isinstance(scene.client.submit(b"ask").exception(), MailboxError)


def link_comes_and_goes(scene: Scene) -> None:
    scene.client.submit(b"ask")
    scene.driver.link(True, 1)
    scene.driver.link(True, 1)
    scene.driver.link(True, 2)
    scene.driver.link(False, 2, "it is gone")
    scene.driver.link(False, 2, "it is still gone")
    with pytest.raises(MailboxError):
        scene.client.submit(b"nobody there")
    scene.driver.link(True, 3)


def stopped(scene: Scene) -> None:
    scene.client.submit(b"ask")
    scene.driver.fault(scene.driver.queue, RemoteError("the remote lied: front", status=1))
    with pytest.raises(MailboxError):
        scene.client.submit(b"more")


def out_of_step(scene: Scene) -> None:
    request = scene.client.submit(b"ask")
    assert isinstance(request.exception(), MailboxError)
    scene.driver.notify(b"late")


def too_slow(scene: Scene) -> None:
    with scene.client.subscribe(limit=1):
        for number in range(3):
            scene.driver.notify(bytes([65 + number]))


def remote_asks(scene: Scene) -> None:
    scene.driver.ask(3, b"no handler")
    scene.clock.advance(1)
    scene.client.on_request(lambda message: b"yes")
    scene.driver.ask(4, b"ask")
    scene.clock.advance(1)
    assert [answer[0] for answer in scene.driver.answers] == [3, 4]


def unknown(scene: Scene) -> None:
    scene.driver.received(scene.driver.channels[0], [bytes([0, 0, 0, 5])])


def rings(scene: Scene) -> None:
    scene.driver.rang(scene.driver.channels[0])
