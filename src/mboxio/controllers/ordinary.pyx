"""What short ways of ordinary requests have in common: the questions, and both ends of a request.

Nothing is decided here. Each way begins with the whole list of what the general way asks for
on its way; where any of it is set, the general way is taken from its beginning. What follows is
what that way does where none is:

    out     Window.add, `send` of the controller, NEW to SENT by `TRANSITIONS`, Held.start_clock
    back    SENT or AWAITING to DONE, Ends.finish, Held.release, Window.remove

On the way out, no Python code runs between the list and the last store, nothing that the collector
counts is made, and the GIL is kept: so nobody sees anything half-done, and the lock need not be
taken. The way back has it.
"""

from mboxio._base import states, tap

__all__ = ["OrdinaryShortcut"]

SEEN_REQUEST, SEEN_REPLY = tap.SEEN_REQUEST, tap.SEEN_REPLY


def _as_the_table_says():
    """Prove that the steps taken here at once are those of the table, one after the other."""
    stages = states.SENT, states.AWAITING, states.DONE, states.HANDED_OVER
    held = states.HOLDS_SLOT, states.HOLDS_CREDIT, states.HOLDS_TAG
    known = SENT, AWAITING, DONE, HANDED_OVER, SLOT, CREDIT, TAG, FOREVER
    if (*stages, *held, states.FOREVER) != known:
        raise AssertionError("the short way of a request has numbers of its own")
    sending = states.TRANSITIONS[states.NEW][states.SEND]
    sent = states.TRANSITIONS[sending][states.HAND_OVER]
    ends = {states.TRANSITIONS[each][states.COMPLETE] for each in (states.SENT, states.AWAITING)}
    if sent != states.SENT or ends != {states.DONE}:
        raise AssertionError("the short way of a request is not that of the table of states")


_as_the_table_says()


cdef class OrdinaryShortcut(Shortcut):
    """A short way over rings whose other side announces when it sleeps.

    Args:
        channel: whose requests take it.
        armed: the words with which both sides announce sleep.
    """

    def __init__(self, Channel channel, CompiledArmed armed):
        self.channel = channel
        self.counts = channel.counts
        self.queue = channel.queue
        self.gate = channel.gate
        self.window = self.queue.window
        self.armed = armed
        self.holds = SLOT | TAG | (CREDIT if self.queue.credits != FOREVER else 0)

    cpdef bint announce(self, list line, Py_ssize_t place, Py_ssize_t sent) except -1:
        cdef Py_ssize_t each, mask = len(line) - 1
        cdef long long number = self.channel.number, now_ns
        cdef Request request
        if self.gate.tap is not None:
            now_ns = self.now_ns()
            for each in range(place, place + sent):
                request = line[each & mask]
                self.gate.tap.see(SEEN_REQUEST, number, request, request.data, 0, now_ns)
        if self.armed.needs_doorbell():
            self.ring_for(line[(place + sent - 1) & mask])
        return True

    cdef int ring(self) except -1:
        """Ring the remote. Under the lock."""
        raise NotImplementedError

    cdef int ring_for(self, Request request) except -1:
        """Ring for a message that lies in the ring, with the outcome of `Queue.hand_over`."""
        cdef Gate gate = self.gate
        gate.enter()
        try:
            self.ring()
        except BaseException as error:
            if not gate.defer(error):
                self.counts.sent -= 1
                request._handed = states.UNKNOWN
                self.queue.take_raised(request, self.channel, error)
        finally:
            gate.leave()
        return 0
