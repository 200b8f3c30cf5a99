"""The demonstrated faults of the original do not happen here: a row for each.

``P`` are faults of the request mechanism, ``L`` of the mailbox core. Most rows run the recorded
script of the fault and say what is seen in its place; the functions at the end of a row are for
what no script can say, or what mboxio does natively where `mboxio.linux` behaves as the kernel.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from tests.kernel import beyond
from tests.kernel.replay import run_of
from tests.kernel.test_traces import named


@dataclass(frozen=True)
class Step:
    """What a step shall show; what is left out may be anything.

    Args:
        ret: the result, as in a trace.
        t: the time at the end, in milliseconds.
        seen: the events in brief: what, who, and results, without calls and returns of ``do``.
        before: ops that the script lacks.
    """

    ret: Any = ...
    t: float | None = None
    seen: list[str] | None = None
    before: tuple[dict[str, Any], ...] = ()


def complete_later(req: str, status: Any) -> dict[str, Any]:
    """Make an op: a request is completed in 3 ms."""
    return {"op": "at", "after": 3, "do": [{"op": "complete", "req": req, "status": status}]}


@dataclass(frozen=True)
class Row:
    """A fault: its code, what is right, and how that shows.

    Args:
        steps: by number, of the script with the fault.
        owned: how many channels are bound at its end.
    """

    code: str
    right: str
    trace: str
    steps: dict[int, Step]
    owned: int | None = None


TX_1 = ["tx_prepare A 1", "send_data 1 0"]
TX_2 = ["tx_prepare A 2", "send_data 2 0"]

SCRIPTS = [
    Row("P1", "register sets up all channels", "request-chan-mbox", {1: Step(0)}),
    Row("P2", "EBUSY", "request-double-bind", {2: Step("EBUSY", seen=["log not_free"])}, 1),
    Row("P3", "free shuts down", "request-free-noop", {2: Step(seen=["shutdown"])}, 0),
    Row("P4", "unregister frees", "request-unregister", {3: Step(seen=["shutdown"] * 2)}, 0),
    Row("P5", "the pin does not leak", "request-startup-leak", {1: Step("EIO")}, 1),
    Row("P6", "EOPNOTSUPP", "request-legacy-einval", {2: Step("EOPNOTSUPP")}),
    Row("P7", "EOPNOTSUPP", "request-on-legacy", {2: Step("EOPNOTSUPP")}),
    Row(
        "P8", "EINVAL", "request-unbound", {1: Step("EINVAL", seen=[]), 4: Step("EINVAL", seen=[])}
    ),
    Row(
        "P10",
        "free ends what is in flight",
        "request-free-in-flight",
        {4: Step(seen=["shutdown", "T1 wait_request ECANCELED"])},
    ),
    Row(
        "P11",
        "unregister ends what is in flight",
        "request-unregister-in-flight",
        {4: Step(seen=["shutdown", "T1 wait_request ENODEV"])},
    ),
    Row(
        "P13",
        "a completion inside a call that returned 0 is not kept",
        "request-stale-reuse",
        {5: Step("EIO", 3, before=(complete_later("r2", "EIO"),))},
    ),
    Row(
        "P14",
        "a second completion is refused",
        "request-stale-second-complete",
        {7: Step(0, 3, before=(complete_later("r2", 0),))},
    ),
    Row("P15", "completions are counted", "request-shared-wait", {6: Step("EIO"), 7: Step(0)}),
    Row("P16", "a request needs no wait", "request-no-wait", {2: Step("EINPROGRESS"), 3: Step()}),
    Row("P17", "EINVAL", "request-null", {2: Step("EINVAL", seen=[])}),
    Row("P18", "EINVAL", "request-null-chan", {2: Step("EINVAL", seen=[])}),
    Row(
        "P19",
        "waiting is refused where nothing may block",
        "request-wait-in-irq",
        {
            3: Step(
                seen=[
                    "send_request EINPROGRESS",
                    "at send_request EINPROGRESS",
                    "at wait_request EDEADLK",
                ]
            )
        },
    ),
    Row(
        "P20",
        "all waiters wake",
        "request-two-waiters",
        {6: Step(seen=["T1 wait_request 0", "T2 wait_request 0"])},
    ),
    Row("L1", "ack stays ack", "ack-becomes-poll", {6: Step(seen=[]), 7: Step(0)}),
    Row("L1b", "ack stays ack", "ack-becomes-poll-knows", {5: Step(seen=["tx_done A 1 0"])}),
    Row("L1c", "ack stays ack after a failed startup", "ack-startup-fails", {3: Step(0)}),
    Row("L2", "the method chosen counts", "irq-and-poll", {4: Step(seen=["shutdown"])}, 0),
    Row("L3", "free clears the queue", "late-done-after-free", {5: Step(seen=[])}, 0),
    Row("L4", "dropped", "rx-unbound", {1: Step(seen=[])}),
    Row(
        "L5",
        "null is a message like others",
        "null-message",
        {
            3: Step(1, seen=[]),
            4: Step(seen=[*TX_2, "tx_done A None 0"]),
            5: Step(seen=["tx_done A 2 0"]),
        },
    ),
    Row("L5b", "also blocking", "null-message-block", {3: Step(0, 2)}),
    Row(
        "L6",
        "a completion belongs to its message",
        "stale-completion",
        {5: Step("ETIME", 21, [*TX_2, "tx_done A 2 ETIME"])},
    ),
    Row(
        "L8",
        "a completion belongs to its sender",
        "block-stolen-completion",
        {6: Step(seen=["tx_done A 3 0", "T0 send 1"])},
    ),
    Row(
        "L9",
        "a time-out ends its own message",
        "block-etime-cancels-other",
        {3: Step("ETIME", 20, [*TX_2, "tx_done A 2 ETIME"]), 6: Step("ETIME", 31)},
    ),
    Row(
        "L10",
        "what timed out is not sent later",
        "block-etime-still-queued",
        {2: Step("ETIME", 10), 4: Step(seen=[]), 5: Step(seen=[])},
    ),
    Row(
        "L12",
        "a channel whose client ticks is not polled",
        "poll-ticks-ack-channel",
        {6: Step(seen=["last_tx_done True", "tx_done B 2 0"]), 7: Step(seen=["tx_done A 1 0"])},
    ),
    Row(
        "L13",
        "the period is a millisecond at least",
        "poll-period-zero",
        {3: Step(t=1, seen=["last_tx_done False"] * 2)},
    ),
    Row("L14", "an error", "startup-positive", {1: Step("EIO")}, 0),
    Row("L15", "EINVAL", "negative-index", {1: Step("EINVAL", seen=[])}),
    Row("L16", "an error", "bind-after-unregister", {2: Step("ENODEV", seen=[])}),
    Row("L17", "nothing", "unregister-twice", {2: Step(seen=[])}),
    Row("L17b", "an error", "bind-before-register", {0: Step("ENODEV", seen=[])}),
    Row("L17c", "EBUSY", "register-twice", {3: Step("EBUSY"), 4: Step(1)}, 0),
    Row(
        "L19",
        "the done is acted on afterwards",
        "done-inside-send-data",
        {2: Step(0, seen=[*TX_1, "send_data chan_txdone None", "tx_done A 1 0"])},
    ),
    Row(
        "L19b",
        "raises in tx_prepare, and the message goes out",
        "send-inside-tx-prepare",
        {2: Step(0, seen=["tx_prepare A 1", "exception WouldDeadlock", "send_data 1 0"])},
    ),
    Row("L20", "EINVAL", "no-send-op", {0: Step("EINVAL")}),
    Row("L21", "any finite time", "tout-truncated", {2: Step("ETIME", 4294967296)}),
    Row(
        "L27",
        "a client may free in tx_done",
        "free-in-tx-done",
        {3: Step(seen=["tx_done A 1 0", "shutdown", "tx_done free None"])},
        0,
    ),
    Row("L27b", "also from the poll timer", "free-in-tx-done-poll", {3: Step(None)}, 0),
    Row(
        "L28",
        "a blocked sender wakes with an error",
        "free-while-blocked",
        {4: Step(t=5, seen=["shutdown", "T1 send ECANCELED"])},
    ),
    Row(
        "L28b",
        "all of them",
        "free-while-blocked-queued",
        {5: Step(t=5, seen=["shutdown", "T1 send ECANCELED", "T2 send ECANCELED"])},
    ),
    Row(
        "L28c",
        "the new owner's message is left alone",
        "free-rebind-while-blocked",
        {7: Step(seen=[]), 8: Step(seen=["tx_done B 2 0"])},
    ),
    Row("L29", "the status is returned", "block-status-lost", {3: Step("EIO", 2)}),
    Row("L30", "ETIME wakes the sender", "done-etime-not-waking", {3: Step("ETIME", 2)}),
    Row(
        "L31",
        "a blocking client queues in a callback",
        "block-in-callback",
        {3: Step(0, 2, [*TX_1, "tx_done A 1 0", *TX_2, "tx_done send 1", "at chan_txdone None"])},
    ),
    Row(
        "L32",
        "no lock is held over startup",
        "request-in-startup",
        {1: Step(0, seen=["startup 0", "startup 0", "startup request M/1"])},
        2,
    ),
]


def brief(event: dict[str, Any]) -> str | None:
    """Write an event in few words; None for the start of an op of the script."""
    if event["ev"] == "call":
        return None
    if event["ev"] == "return":
        return f"{event['by'].removeprefix('thread:')} {event['op']} {event['ret']}"
    if event["ev"] == "exception":
        return f"exception {event['error'].split('(')[0]}"
    keys = ("ev", "client", "msg", "status", "ret", "code")
    return " ".join(str(event[key]) for key in keys if key in event)


@pytest.mark.parametrize("row", SCRIPTS, ids=lambda row: row.code)
def test_a_script_that_showed_a_fault(row: Row) -> None:
    trace = named(f"bug-{row.code}-{row.trace}")
    with run_of(trace) as run:
        for number, step in enumerate(trace["steps"]):
            wanted = row.steps.get(number, Step())
            for op in wanted.before:
                run.run_op(op)
            run.events.clear()
            result = run.run_op(step)
            run.clock.let_run()
            if wanted.ret is not ...:
                assert result == wanted.ret, row.right
            if wanted.t is not None:
                assert run.now_ms() == wanted.t, row.right
            if wanted.seen is not None:
                seen = [brief(event) for event in run.events]
                assert [each for each in seen if each is not None] == wanted.seen, row.right
        if row.owned is not None:
            (mbox,) = run.controllers.values()
            assert mbox.owner.refcount == row.owned
            assert sum(chan.cl is not None for chan in mbox.chans) == row.owned


@pytest.mark.parametrize("shown", beyond.ROWS, ids=lambda shown: shown.__name__)
def test_what_no_script_can_say(shown: Callable[[], None]) -> None:
    shown()


def test_every_fault_with_a_remedy_has_a_row() -> None:
    here = {row.code for row in SCRIPTS} | {
        code
        for shown in beyond.ROWS
        for code in shown.__name__.upper().split("_")
        if code[1:].isdigit()
    }
    faults = {f"P{number}" for number in range(1, 25)} | {
        f"L{number}" for number in range(1, 36) if number not in {18, *range(23, 27)}
    }
    assert faults - here == set()
