"""What a driver author says about the controller under test and its far side."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from unittest import SkipTest

from mboxio.driver.controller import Controller
from mboxio.driver.correlate import Correlator


def echo(message: bytes) -> bytes:
    """Answer with the same bytes."""
    return message


@dataclass(frozen=True, kw_only=True)
class Bench:
    """A controller and what its far side can be made to do.

    What is left out is not checked, and the report says so. The callables are called from any
    thread without a lock of the core, and return when the thing has happened where the driver can
    see it.

    Args:
        controller: not opened yet.
        channel: number of the channel under test.
        correlator: a new one, for a channel whose clients bring theirs.
        reply: what the far side answers to a message as it is on the wire; None if it never does.
        message: makes the message with this number; 4 bytes of 0 (room for a tag) and 4 bytes of
            the number if left out.
        shortest_bytes: length of the shortest message that the wire carries.
        taken: returns the messages that the far side took on this channel, oldest first.
        notify: has the far side send ``(channel number, message)`` on its own.
        ask: has the far side ask ``(channel number, message, answered)``; ``answered(reply,
            status)`` is called with the host's answer, without any tag.
        stall: the far side leaves all messages in their slots from now on.
        resume: it goes on.
        restart: the far side starts a new life at once; it is not stalled then.
        kill: the far side dies for good.
        close: cleans up after the controller was closed.
        patience_s: how long anything may take that should happen, in seconds; more for a far side
            that is slow, or on a machine that is busy.
        op_s: how long an op of the driver may take, in seconds.
    """

    controller: Controller
    channel: int = 0
    correlator: Correlator | None = None
    reply: Callable[[bytes], bytes] | None = echo
    message: Callable[[int], bytes] | None = None
    shortest_bytes: int = 0
    taken: Callable[[], Sequence[bytes]] | None = None
    notify: Callable[[int, bytes], object] | None = None
    ask: Callable[[int, bytes, Callable[[bytes, int], object]], object] | None = None
    stall: Callable[[], object] | None = None
    resume: Callable[[], object] | None = None
    restart: Callable[[], object] | None = None
    kill: Callable[[], object] | None = None
    close: Callable[[], object] | None = None
    patience_s: float = 2.0
    op_s: float = 0.5

    def __post_init__(self) -> None:
        if (self.stall is None) != (self.resume is None):
            raise ValueError("a far side that can be stalled can be resumed: give both or none")


@dataclass
class Report:
    """What `check_controller` did.

    Args:
        passed: names of the checks that ran.
        skipped: names of the others, and why they could not run.
    """

    passed: list[str] = field(default_factory=list[str])
    skipped: dict[str, str] = field(default_factory=dict[str, str])

    def or_skip(self) -> None:
        """Tell the test runner if nothing ran: pytest and unittest then show a skipped test.

        Raises:
            unittest.SkipTest: every check was skipped; names the reasons.
        """
        if self.skipped and not self.passed:
            raise SkipTest("; ".join(f"{name}: {why}" for name, why in self.skipped.items()))
