"""What a recording says of each scene: all that happened, once, in its order."""

from collections.abc import Callable
from typing import Any

from mboxio import InOrder, Tagged
from tests.capture import scenes
from tests.capture.scenes import Scene

__all__ = ["SCENES", "TAGGED"]

ONE_SLOT: dict[str, Any] = {"depth": 1}
IN_ORDER: dict[str, Any] = {"correlator": InOrder(), "matches_replies": False}
TAGGED: dict[str, Any] = {
    "correlator": Tagged(word=0, low_bit=24, bits=8),
    "matches_replies": False,
}
SCENES: list[tuple[Callable[[Scene], object], dict[str, Any], list[str]]] = [
    (
        scenes.replies,
        {},
        [
            "REQUEST 1: sent, yes, 'ask'",
            "TX_DONE 1: awaiting reply, yes",
            "REPLY 1: done, yes, 'yes'",
        ],
    ),
    (
        scenes.replies_into,
        {},
        [
            "REQUEST 1: sent, yes, 'ask'",
            "REPLY 1: done, yes, 'yes'",
        ],
    ),
    (
        scenes.replies_too_much,
        {},
        [
            "REQUEST 1: sent, yes, 'ask'",
            "REPLY 1: sent, yes, 'yes'",
            "ENDED 1: failed, yes, 'the reply has 3 bytes, the buffer given with into= 2'"
            ", status 90",
            "FREED 1: failed, yes, 'reply', status 5",
        ],
    ),
    (
        scenes.done_at_once,
        {},
        [
            "REQUEST 1: sent, yes, 'ask'",
            "REPLY 1: done, yes, 'yes'",
            "MESSAGE 2: sent, yes, 'one way'",
            "TX_DONE 2: done, yes",
        ],
    ),
    (
        scenes.done_too_much,
        {},
        [
            "REQUEST 1: sent, yes, 'ask'",
            "REPLY 1: sent, yes, 'yes'",
            "ENDED 1: failed, yes, 'the reply has 3 bytes, the buffer given with into= 2'"
            ", status 90",
            "FREED 1: failed, yes, 'reply', status 5",
        ],
    ),
    (
        scenes.one_way,
        {},
        [
            "MESSAGE 1: sent, yes, 'one way'",
            "TX_DONE 1: done, yes",
            "MESSAGE 2: sent, yes, 'broken'",
            "TX_DONE 2: sent, yes, status -5",
            "ENDED 2: failed, no, 'TX done reported error -5', status -5",
        ],
    ),
    (
        scenes.tx_done_fails,
        {},
        [
            "REQUEST 1: sent, yes, 'ask'",
            "TX_DONE 1: sent, yes, status 5",
            "ENDED 1: failed, no, 'TX done reported error 5', status 5",
        ],
    ),
    (
        scenes.accepted,
        {},
        [
            "REQUEST 1: sent, accepted, 'ask'",
            "LEFT 1: sent, yes",
            "REPLY 1: done, yes, 'yes'",
        ],
    ),
    (
        scenes.accepted_and_answered,
        {},
        [
            "REQUEST 1: sent, accepted, 'ask'",
            "LEFT 1: sent, yes",
            "REPLY 1: done, yes, 'yes'",
        ],
    ),
    (
        scenes.remote_refuses,
        {},
        [
            "REQUEST 1: sent, yes, 'ask'",
            "REPLY 1: sent, yes, 'no \\x1b[2J', status -5",
            "ENDED 1: failed, yes, 'the remote answered with error -5: no \\\\x1b[2J', status -5",
            "FREED 1: failed, yes, 'reply', status 5",
        ],
    ),
    (
        scenes.late,
        {},
        [
            "REQUEST 1: sent, yes, 'ask'",
            "ENDED 1: timed out, yes, 'timed out after 1 s', status 110",
            "LATE 1: timed out, yes, 'late', status 7",
            "FREED 1: timed out, yes, 'reply', status 5",
            "LATE, 'twice'",
            "UNKNOWN, 'never'",
        ],
    ),
    (
        scenes.cancelled,
        {},
        [
            "REQUEST 1: sent, yes, 'ask'",
            "ENDED 1: cancelled, yes, 'cancelled', status 125",
            "TX_DONE 1: cancelled, yes",
            "FREED 1: cancelled, yes, 'tx_done', status 1",
            "FREED 1: cancelled, yes, 'resync', status 4",
        ],
    ),
    (
        scenes.closed_while_under_way,
        {},
        [
            "REQUEST 1: sent, yes, 'ask'",
            "ENDED 1: closed, yes, 'the client was closed', status 108",
            "FREED 1: closed, yes, 'close', status 5",
        ],
    ),
    (
        scenes.refused,
        ONE_SLOT,
        [
            "REFUSED, 'the message has 1048576 bytes, the channel carries 65536', status 90",
            "REQUEST 1: sent, yes, 'ask'",
            "QUEUED 2: queued, no",
            "REFUSED 3: new, no, 'the queue and the backlog of 1 are full', status 105",
            "ENDED 1: closed, yes, 'the client was closed', status 108",
            "ENDED 2: closed, no, 'the client was closed', status 108",
            "REFUSED 4: new, no, 'the client is closed', status 108",
        ],
    ),
    (
        scenes.queued_and_sent,
        ONE_SLOT,
        [
            "REQUEST 1: sent, yes, 'ask'",
            "QUEUED 2: queued, no",
            "REPLY 1: done, yes, 'yes'",
            "REQUEST 2: sent, yes, 'waits'",
            "REPLY 2: done, yes, 'too'",
        ],
    ),
    (
        scenes.busy,
        {},
        [
            "BUSY 1: queued, no, 'event'",
            "REQUEST 1: sent, yes, 'ask'",
            "REPLY 1: done, yes, 'yes'",
        ],
    ),
    (
        scenes.send_raises,
        {},
        [
            "ENDED 1: failed, unknown, 'the driver could not send: ZeroDivisionError()', status 5",
        ],
    ),
    (
        scenes.link_comes_and_goes,
        {},
        [
            "REQUEST 1: sent, yes, 'ask'",
            "LINK: up, status 1",
            "ENDED 1: failed, yes, 'the remote is gone: it restarted', status 32",
            "FREED 1: failed, yes, 'epoch', status 5",
            "LINK: up, status 2",
            "LINK: lost, 'it is gone', status -1",
            "REFUSED 2: new, no, 'the remote is gone', status 32",
            "LINK: up, status 3",
        ],
    ),
    (
        scenes.stopped,
        {},
        [
            "REQUEST 1: sent, yes, 'ask'",
            "STOPPED, 'the queue stopped: the remote lied: front'",
            "ENDED 1: failed, yes, 'the queue stopped: the remote lied: front', status 71",
            "REFUSED 2: new, no, 'the queue stopped: the remote lied: front', status 71",
        ],
    ),
    (
        scenes.out_of_step,
        IN_ORDER,
        [
            "REQUEST 1: sent, yes, 'ask'",
            "ENDED 1: timed out, yes, 'timed out after 1 s', status 110",
            "OUT_OF_STEP",
            "LATE, 'late'",
        ],
    ),
    (
        scenes.too_slow,
        {},
        [
            "NOTIFICATION, 'A'",
            "NOTIFICATION, 'B'",
            "OVERFLOW, status 1",
            "NOTIFICATION, 'C'",
            "OVERFLOW, status 2",
        ],
    ),
    (
        scenes.remote_asks,
        {},
        [
            "REMOTE_REQUEST, 'no handler'",
            "ANSWER 1: sent, yes, 'no handler', status 38",
            "TX_DONE 1: done, yes",
            "REMOTE_REQUEST, 'ask'",
            "ANSWER 2: sent, yes, 'yes'",
            "TX_DONE 2: done, yes",
        ],
    ),
    (
        scenes.unknown,
        TAGGED,
        [
            "UNKNOWN, '\\x00\\x00\\x00\\x05'",
        ],
    ),
    (
        scenes.rings,
        {},
        [
            "DOORBELL",
        ],
    ),
]
