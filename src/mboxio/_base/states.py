"""The life of a request as one table. Everything that moves a request between states is here.

A request ends exactly once: a state in `ENDS` has no way out, and an event that meets an ended
request has lost a race and changes nothing. Any other event that a state does not list is a fault
of mboxio and raises.
"""

FOREVER = (1 << 63) - 1
"""A deadline that never comes, in nanoseconds of a `Clock`."""

NEW, QUEUED, SENDING, SENT, AWAITING, DONE, FAILED, TIMED_OUT, CANCELLED, CLOSED = range(10)

STATE_NAMES = (
    "new",
    "queued",
    "sending",
    "sent",
    "awaiting reply",
    "done",
    "failed",
    "timed out",
    "cancelled",
    "closed",
)

ENDS = frozenset({DONE, FAILED, TIMED_OUT, CANCELLED, CLOSED})
"""States without a way out: those from `DONE` on."""

QUEUE, SEND, REFUSE, HAND_OVER, TX_DONE, COMPLETE, FAIL, TIME_OUT, CANCEL, CLOSE = range(10)

EVENT_NAMES = (
    "queue",
    "send",
    "refuse",
    "hand over",
    "TX done",
    "complete",
    "fail",
    "time-out",
    "cancel",
    "close",
)

ILLEGAL = 255

_ENDING = {FAIL: FAILED, TIME_OUT: TIMED_OUT, CANCEL: CANCELLED, CLOSE: CLOSED}

TRANSITIONS: dict[int, dict[int, int]] = {
    NEW: {QUEUE: QUEUED, SEND: SENDING},
    QUEUED: {SEND: SENDING, **_ENDING},
    # Under the lock all the time: a time-out or `cancel` comes after `send` has returned.
    SENDING: {REFUSE: QUEUED, HAND_OVER: SENT, COMPLETE: DONE, FAIL: FAILED},
    SENT: {TX_DONE: AWAITING, COMPLETE: DONE, **_ENDING},  # a reply before TX done implies it
    AWAITING: {COMPLETE: DONE, **_ENDING},
    **{end: {} for end in ENDS},
}

NEXT = bytes(
    TRANSITIONS[state].get(event, ILLEGAL)
    for state in range(len(STATE_NAMES))
    for event in range(len(EVENT_NAMES))
)
"""`TRANSITIONS` as one flat table: ``NEXT[state * 10 + event]``."""

UNSENT, HANDED_OVER, UNKNOWN, PENDING = range(4)
HANDED_OVER_NAMES = ("no", "yes", "unknown", "no")
"""`PENDING`: the driver has accepted the message and has not handed it over yet."""

HOLDS_SLOT, HOLDS_CREDIT, HOLDS_TAG, HOLDS_MEMORY = 1, 2, 4, 8
"""What a request occupies; each is held until its own proof, also after the request ended."""

STAGES = {QUEUED: "queue", SENDING: "tx_done", SENT: "tx_done", AWAITING: "reply"}
"""The wait that is stuck when a request in this state ends with an error."""


def ended(state: int) -> bool:
    """Return whether a request in this state is over."""
    return state >= DONE
