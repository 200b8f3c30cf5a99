"""The likely mistake behind a failure: what was not reported, and what is often wrong there."""

from typing import Any

from mboxio._base.states import HOLDS_SLOT, HOLDS_TAG
from mboxio.driver.capabilities import TxDone
from mboxio.testing.trial import Trial

USUAL = {
    "close() copes with an open() that failed half-way": (
        "close takes for granted that open came to its end"
    ),
    "close() ends what is in flight and leaves nothing behind": (
        "close forgets a descriptor or a thread"
    ),
    "a channel starts again after its last client left": (
        "stop switches off for good what open switched on"
    ),
    "requests that fill the queue get their own replies, each once": (
        "a declared depth that the hardware does not have"
    ),
    "a full queue refuses, and takes more later": (
        "the doorbell is taken for TX done, though the far side has not taken the message"
    ),
    "a one-way message is over at TX done": (
        "TX done of one-way messages is never reported, as no reply tells of it"
    ),
    "TX done is reported for every message, once": (
        "TX done is reported when the message is taken and again when it is answered"
    ),
    "Busy hands nothing over": "send says Busy after it wrote the message",
    "ops return at once": "send waits for the hardware to become free",
    "an empty message is a message": "an empty message is taken for none",
    "a late reply is not given to the next request": "a reply is given to the latest request",
    "the reply of a cancelled request reaches nobody": (
        "abort returns True because a reply is unlikely"
    ),
    "a handle is not reported again after it is over": (
        "a completion is found in two places and reported twice"
    ),
    "an extra service() changes nothing": ("a status bit that stays set is reported at every look"),
    "two threads get their own replies": (
        "the driver can be used only in the thread that opened it"
    ),
    "arm() notices what came after service()": "arm announces the sleep and does not look again",
    "the probe tells of what came": "the probe looks at something else",
    "descriptors are readable until the queue was serviced": "the cause is not cleared",
    "a sleeping waiter is woken": "a message is put into a list, and nobody calls event()",
    "what is handed up is bytes, no longer than declared": (
        "a word is handed up as an integer, or a whole slot in place of the message in it"
    ),
    "a restart ends what is pending, and the channel works again": (
        "a new epoch is seen and not reported"
    ),
    "the doorbell rings or says that there is none": (
        "ring raises something else where there is no doorbell"
    ),
}
"""The mistake that each check usually finds: the table of docs/write-a-controller.md."""


WAKE = "make a descriptor given to watch() readable, call event(), or declare polls_events"


def lacking(trial: Trial) -> str:
    """Say which report a wait that took too long has waited for, as far as the log tells."""
    if not trial.opened or trial.stalled:
        return ""
    log = trial.log
    before = log.heard()
    try:
        trial.service()
    except Exception as error:
        return f"service() raises {type(error).__name__}: {error}"
    if log.heard() != before:
        return f"service() finds now what nobody was woken for: {WAKE}"
    if not log.handed:
        if log.refused:
            return "send() said Busy, and neither tx_done() nor event() was called after that"
        return "" if log.received else "received() was never called"
    return _unreported(trial)


def _unreported(trial: Trial) -> str:
    live: list[Any] = trial.queue.in_flight()
    in_slots = [each for each in live if each._holds & HOLDS_SLOT]
    if in_slots and trial.queue.capabilities.tx_done is not TxDone.ACK:
        return f"tx_done() was never called for {_which(len(in_slots), trial)}"
    awaited = [each for each in live if each._holds & HOLDS_TAG]
    if not awaited:
        late = any(trial.log.heard())
        return f"it was reported when the time was up; was nobody woken? {WAKE}" if late else ""
    if trial.queue.capabilities.matches_replies:
        return f"complete() was never called for {_which(len(awaited), trial)}"
    if not trial.log.received:
        return "received() was never called"
    counts = trial.channel.counts
    if counts.unknown:
        return "received() handed replies up whose tag no request has"
    if counts.notifications:
        return "what received() handed up is no reply to the correlator: see its classify()"
    return ""


def _which(number: int, trial: Trial) -> str:
    handed = len(trial.log.handed)
    if number == 1:
        return "it" if handed == 1 else "the latest one"
    return f"{number} of the {handed} messages that were handed over"
