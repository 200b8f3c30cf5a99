"""The short way of ordinary requests over compiled rings whose slots say what they hold.

Nothing is decided here. Each function begins with the whole list of what the general way asks for
on its way; where any of it is set, the general way is taken from its beginning. What follows is
what that way does where none is:

    out     Window.add, RingController.send, NEW to SENT by `TRANSITIONS`, Held.start_clock
    back    SENT or AWAITING to DONE, Ends.finish, Held.release, Window.remove

On the way out, no Python code runs between the list and the last store, no object is made, and the
GIL is kept: so nobody sees anything half-done, and the lock need not be taken. The way back has it.
"""

import cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.list cimport PyList_GET_ITEM, PyList_GET_SIZE, PyList_SET_ITEM
from cpython.object cimport PyObject
from cpython.ref cimport Py_INCREF
from libc.stdint cimport uint32_t
from mboxio._base.clock cimport Clock
from mboxio._base.counts cimport Counts
from mboxio._base.gate cimport Gate
from mboxio._base.native cimport monotonic_ns, pause
from mboxio._base.recycled cimport again, fresh, spare
from mboxio._base.request cimport Owner, Request
from mboxio._queue.channel cimport Channel
from mboxio._queue.queue cimport Queue
from mboxio._queue.window cimport Window
from mboxio.controllers.rings cimport Lane, RingController
from mboxio.driver.shortcut cimport LOOKS, Shortcut
from mboxio.ring.compiled cimport (
    MBOXIO_DONE,
    CompiledArmed, CompiledConsumer, CompiledProducer,
    mboxio_advance,
    mboxio_entry,
    mboxio_load,
    mboxio_peek,
    mboxio_pending,
    mboxio_push,
    mboxio_release, mboxio_ring,
    mboxio_sleep_needs_doorbell,
    prefetch,
)

cdef extern from "Python.h":
    void Py_DECREF(PyObject *)

from mboxio._base import states, tap
from mboxio.ring.contract import REPLY, REQUEST

__all__ = ["RingShortcut"]

cdef enum:  # known to the compiler, and proven below to be what the other modules say
    SENT = 3
    AWAITING = 4
    DONE = 5
    HANDED_OVER = 1
    SLOT = 1
    CREDIT = 2
    TAG = 4
    AS_REQUEST = 2
    AS_REPLY = 3

cdef long long FOREVER = states.FOREVER
cdef int SEEN_REQUEST = tap.SEEN_REQUEST, SEEN_REPLY = tap.SEEN_REPLY


def _as_the_table_says():
    """Prove that the steps taken here at once are those of the table, one after the other."""
    stages = states.SENT, states.AWAITING, states.DONE, states.HANDED_OVER
    held = states.HOLDS_SLOT, states.HOLDS_CREDIT, states.HOLDS_TAG
    known = (*stages, *held, REQUEST, REPLY)
    if known != (SENT, AWAITING, DONE, HANDED_OVER, SLOT, CREDIT, TAG, AS_REQUEST, AS_REPLY):
        raise AssertionError("the short way of a request has numbers of its own for its states")
    sending = states.TRANSITIONS[states.NEW][states.SEND]
    sent = states.TRANSITIONS[sending][states.HAND_OVER]
    ends = {states.TRANSITIONS[each][states.COMPLETE] for each in (states.SENT, states.AWAITING)}
    if sent != states.SENT or ends != {states.DONE}:
        raise AssertionError("the short way of a request is not that of the table of states")


_as_the_table_says()


cdef inline void exchange(list table, Py_ssize_t position, object new) noexcept:
    """Let something stand at a position that a list has: Cython's own way fits any container."""
    cdef PyObject *old = PyList_GET_ITEM(table, position)
    Py_INCREF(new)
    PyList_SET_ITEM(table, position, new)
    Py_DECREF(old)


@cython.final
cdef class RingShortcut(Shortcut):
    """The short way over the rings of one lane; made anew where the lane gets others.

    Args:
        controller: whose ``send`` and ``service`` are `RingController`'s own.
        lane: framed, with compiled rings, on a queue of its own.
    """

    cdef RingController controller
    cdef Lane lane
    cdef Channel channel
    cdef Counts counts
    cdef Queue queue
    cdef Gate gate
    cdef Window window
    cdef CompiledProducer producer
    cdef CompiledConsumer consumer
    cdef CompiledArmed armed
    cdef int holds

    def __init__(self, RingController controller, Lane lane):
        self.controller = controller
        self.lane = lane
        self.channel = lane.channel
        self.counts = self.channel.counts
        self.queue = lane.queue
        self.gate = self.channel.gate
        self.window = self.queue.window
        self.producer = lane.producer
        self.consumer = lane.consumer
        self.armed = controller.armed
        self.holds = SLOT | TAG | (CREDIT if self.queue.credits != FOREVER else 0)

    # -- out

    cdef inline bint is_ordinary(self, Owner owner) noexcept:
        """Return whether a message of this owner is, unless it finds no place."""
        return not (
            # somebody decides, or has left something to be done; `|` joins what is read anyway
            self.gate.lock.owner | self.gate.eventful | self.gate.forked | self.gate.lost
            # this may be a port, which must not wait
            | self.gate.draining.owner
            # a client wants to know of it, or a doorbell rings
            | owner._attentive | self.lane.owes
            # a correlator has something to do, or `Queue.place` finds something to wait for
            | self.channel.stamps | self.queue.not_before_ns | self.others_come_first()
            or self.queue.stalled is not None
            # `Endpoint._admit` refuses it
            or self.queue.fault is not None
            or self.disturbs() or self.seems_armed()
        )

    cdef inline Py_ssize_t others_come_first(self) noexcept:
        """Return how many messages or clients stand in line."""
        return PyList_GET_SIZE(self.queue.line) | PyList_GET_SIZE(self.queue.answers)

    cdef inline long long now_ns(self) except? -1:
        """Return the time, of the system's clock without a call of Python's."""
        return monotonic_ns() if type(self.gate.clock) is Clock else self.gate.clock.now_ns()

    cdef inline bint disturbs(self) noexcept:
        """Return whether who listens may run Python code."""
        return self.gate.tap is not None and not self.gate.tap.is_quick(self.channel.number)

    cdef inline bint seems_armed(self) noexcept:
        """Return whether the remote sleeps and was not rung for; without a fence, so a hint."""
        cdef uint32_t rung = self.armed.rung  # a copy: nobody rings here
        return mboxio_sleep_needs_doorbell(mboxio_load(self.armed.peer), &rung)

    cdef inline Py_ssize_t places(self) noexcept:
        """Return how many messages the queue takes; none if it is 0 or less."""
        cdef Py_ssize_t slots = self.queue.depth - self.queue.reserve - self.queue.slots_used
        return min(slots, self.queue.credits - self.queue.credits_used)

    cdef inline bint fits(self, Py_ssize_t length) noexcept:
        """Return whether the next message may be as long as this, and have the next handle."""
        return not (
            length > self.channel.message_bytes
            # `Window.add` moves an older one aside, or draws random bits
            or self.held_at(self.window.next_seq & self.window.mask) != <PyObject *> None
            or self.window.drawn == PyBytes_GET_SIZE(self.window.random)
        )

    cdef inline PyObject *held_at(self, Py_ssize_t position) noexcept:
        """Return what stands in the window's table: a request or None, and nothing else."""
        return PyList_GET_ITEM(self.window.table, position)

    cdef inline bint put(self, Request request, Owner owner, bytes data, long long timeout_ns,
                         long long deadline_ns) noexcept:
        """Push a message and have its request sent, but for what `count` does.

        False where the ring takes none, and nothing has happened: the general way finds out why.
        """
        cdef long long handle = self.window.next_seq << self.window.shift | 1
        cdef Py_ssize_t position = self.window.next_seq & self.window.mask
        cdef const unsigned char *bits = <const unsigned char *> PyBytes_AS_STRING(self.window.random)
        bits += self.window.drawn
        handle |= (bits[1] << 8 | bits[0]) & ~1  # as `Window.nonce`: framed lanes conceal theirs
        if mboxio_push(&self.producer.ring, AS_REQUEST, <uint32_t> handle,
                       PyBytes_AS_STRING(data), <uint32_t> PyBytes_GET_SIZE(data)) != MBOXIO_DONE:
            return False
        exchange(self.window.table, position, request)
        self.window.next_seq += 1
        self.window.drawn += 2
        request._owner = owner
        request.data = data
        request._tied = True
        request._timeout_ns = request._queue_timeout_ns = timeout_ns
        request._deadline_ns = deadline_ns
        request.handle = handle
        request.tag = request._remote_tag = -1
        request._state = SENT
        request._handed = HANDED_OVER
        request._holds = self.holds
        return True

    cdef inline void count(self, Py_ssize_t sent, long long deadline_ns) noexcept:
        """Account for messages that were put with this deadline."""
        self.window.used += sent
        self.queue.slots_used += sent
        if self.holds & CREDIT:
            self.queue.credits_used += sent
        self.counts.sent += sent
        if deadline_ns < self.queue.next_deadline_ns:
            self.queue.next_deadline_ns = deadline_ns

    cpdef Request submit(self, Owner owner, bytes data, long long timeout_ns):
        cdef Request request = spare()
        cdef long long now_ns, deadline_ns
        if request is None:
            request = fresh()  # first: the collector may run here, and anything in it
        if not self.is_ordinary(owner) or self.places() <= 0 or not self.fits(PyBytes_GET_SIZE(data)):
            return None
        now_ns = self.now_ns()
        if now_ns >= self.queue.next_deadline_ns:
            return None
        deadline_ns = FOREVER if timeout_ns == FOREVER else now_ns + timeout_ns
        if not self.put(request, owner, data, timeout_ns, deadline_ns):
            return None
        self.count(1, deadline_ns)
        if self.gate.tap is not None:
            self.gate.tap.see(SEEN_REQUEST, self.channel.number, request, data, 0, now_ns)
        if self.armed.needs_doorbell():  # the remote fell asleep just now
            self.ring_for(request)
        return request

    cpdef Py_ssize_t fill(self, Owner owner, list messages, Py_ssize_t at, list line,
                          Py_ssize_t place, Py_ssize_t most, long long timeout_ns) except -1:
        cdef Py_ssize_t mask = len(line) - 1, sent = 0
        cdef Request request
        cdef object message
        cdef long long now_ns, deadline_ns
        if not self.is_ordinary(owner):
            return 0
        now_ns = self.now_ns()
        if now_ns >= self.queue.next_deadline_ns:
            return 0
        deadline_ns = FOREVER if timeout_ns == FOREVER else now_ns + timeout_ns
        most = min(most, len(messages) - at, self.places())
        while sent < most:
            message = messages[at + sent]
            request = again(line, (place + sent) & mask)
            if (
                request is None or type(message) is not bytes
                or not self.fits(PyBytes_GET_SIZE(<bytes> message))
                or not self.put(request, owner, <bytes> message, timeout_ns, deadline_ns)
            ):
                break
            sent += 1
        if sent:
            self.count(sent, deadline_ns)
        return sent

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

    cdef int ring_for(self, Request request) except -1:
        """Ring for a message that lies in the ring, with the outcome of `Queue.hand_over`."""
        cdef Gate gate = self.gate
        gate.enter()
        try:
            self.controller.ring_surely(self.lane)
        except BaseException as error:
            if not gate.defer(error):
                self.counts.sent -= 1
                request._handed = states.UNKNOWN
                self.queue.take_raised(request, self.channel, error)
        finally:
            gate.leave()
        return 0

    # -- back

    cdef inline bint may_come(self) noexcept:
        """Return whether replies have no other consequences than for their requests."""
        return not (
            self.channel.stamps or self.disturbs()
            or self.window.aside or self.window.loans
            or self.others_come_first() or self.queue.stalled is not None
        )

    cdef inline bint is_awaited(self, Request request, long long handle) noexcept:
        """Return whether a reply ends this request and frees it, and has no other consequences."""
        return (
            request.handle == handle
            and (request._state == SENT or request._state == AWAITING)
            and request._handed == HANDED_OVER
            and request._tied
            and request._owner._channel is self.channel
            and not request._owner._attentive
            and request._into is None
            and request._lent is None
            and not request._holds & ~(SLOT | CREDIT | TAG)
        )

    cdef inline void free(self, Request request) noexcept:
        """As `Held.free`, for all that a request holds."""
        cdef int held = request._holds
        request._holds = 0
        if held & SLOT:
            self.queue.slots_used -= 1
            if self.queue.slots_used == 0:
                self.queue.tick_ns = FOREVER
            if request.handle >> self.window.shift == self.queue.slots_from:
                self.queue.slots_from += 1
        if held & CREDIT:
            self.queue.credits_used -= 1

    cpdef int take(self, int most) except -1:
        cdef mboxio_ring *ring = &self.consumer.ring
        cdef mboxio_entry entry
        cdef Request request
        cdef Py_ssize_t position
        cdef long long latest, handle
        cdef int taken = 0
        if not self.may_come():
            return 0
        latest = ((self.window.next_seq + 1) << self.window.shift) - 1
        try:
            while taken < most and mboxio_peek(ring, &entry) == MBOXIO_DONE:
                # as `whole` says, where nothing moved aside
                handle = latest - <uint32_t> latest + entry.tag
                if handle > latest:
                    handle -= <long long> 1 << 32
                position = (handle >> self.window.shift) & self.window.mask
                request = <Request> self.held_at(position)
                if entry.kind != AS_REPLY or request is None or not self.is_awaited(request, handle):
                    break
                request._value = PyBytes_FromStringAndSize(<const char *> entry.payload, entry.length)
                mboxio_advance(ring)
                taken += 1
                if ring.mine != ring.seen:
                    prefetch(entry.payload + ring.slot_bytes)
                if self.gate.tap is not None:
                    self.gate.tap.see(SEEN_REPLY, self.channel.number, request, request._value, 0, 0)
                request._state = DONE
                request._deadline_ns = FOREVER
                request.data = b""
                self.counts.done += 1
                self.free(request)
                exchange(self.window.table, position, None)
                self.window.used -= 1
                request.over = True  # last, as in `Ends.finish`
                if request._watchers is not None:
                    request._finish(self.gate)
        finally:
            mboxio_release(ring)
        return taken

    cpdef int look(self, Request request) except -1:
        cdef mboxio_ring *ring = &self.consumer.ring
        cdef Gate gate = self.gate
        cdef int looks, waiting
        # A sleeper's announcement, a doorbell and another life are for a turn of the pump.
        if self.controller.is_armed or not self.controller.linked or self.lane.owes or gate.forked:
            return 0
        for looks in range(1, LOOKS + 1):
            if mboxio_load(ring.peer) != ring.mine:
                if not gate.lock.try_acquire():
                    return 0
                try:
                    waiting = mboxio_pending(ring)
                    # A lie, or a remote that finds no room and may wait for a doorbell.
                    if waiting <= 0 or waiting >= <int> self.consumer.slots - 1:
                        return 0
                    self.take(waiting)
                finally:
                    if gate.eventful:  # as `Gate.leave` asks: most replies set nothing off
                        gate.leave()
                    else:
                        gate.lock.release()
                return looks if request.over else 0
            if looks == 1 and self.armed.shares_cpu():
                return 0  # looking on would keep the remote from answering
            pause()
        return 0
