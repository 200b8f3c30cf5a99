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
from cpython.list cimport PyList_GET_ITEM, PyList_GET_SIZE
from cpython.object cimport PyObject
from libc.stdint cimport uint32_t
from mboxio._base.clock cimport Clock
from mboxio._base.counts cimport Counts
from mboxio._base.gate cimport Gate
from mboxio._base.native cimport monotonic_ns, pause
from mboxio._base.recycled cimport fresh, spare
from mboxio._base.request cimport Owner, Request
from mboxio._queue.channel cimport Channel
from mboxio._queue.queue cimport Queue
from mboxio._queue.window cimport Window
from mboxio.controllers.rings cimport Lane, RingController
from mboxio.driver.shortcut cimport LOOKS, Shortcut
from mboxio.ring.compiled cimport (
    MBOXIO_DONE,
    CompiledArmed,
    CompiledConsumer,
    CompiledProducer,
    mboxio_advance,
    mboxio_copy_out,
    mboxio_entry,
    mboxio_load,
    mboxio_peek,
    mboxio_pending,
    mboxio_push,
    mboxio_release,
    mboxio_ring,
    mboxio_sleep_needs_doorbell,
    prefetch,
)

from mboxio._base import states, tap
from mboxio.ring.contract import REPLY, REQUEST

__all__ = ["RingShortcut"]

cdef int SENT = states.SENT, AWAITING = states.AWAITING, DONE = states.DONE
cdef int HANDED_OVER = states.HANDED_OVER
cdef int SLOT = states.HOLDS_SLOT, CREDIT = states.HOLDS_CREDIT, TAG = states.HOLDS_TAG
cdef long long FOREVER = states.FOREVER
cdef int SEEN_REQUEST = tap.SEEN_REQUEST, SEEN_REPLY = tap.SEEN_REPLY
cdef uint32_t AS_REQUEST = REQUEST, AS_REPLY = REPLY


def _as_the_table_says():
    """Prove that the steps taken here at once are those of the table, one after the other."""
    sending = states.TRANSITIONS[states.NEW][states.SEND]
    sent = states.TRANSITIONS[sending][states.HAND_OVER]
    ends = {states.TRANSITIONS[each][states.COMPLETE] for each in (states.SENT, states.AWAITING)}
    if sent != states.SENT or ends != {states.DONE}:
        raise AssertionError("the short way of a request is not that of the table of states")


_as_the_table_says()


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

    cdef inline bint has_place(self, Py_ssize_t length) noexcept:
        """Return whether there is a place for a message that is not too long."""
        return not (
            length > self.channel.message_bytes
            or self.queue.slots_used >= self.queue.depth - self.queue.reserve
            or self.queue.credits_used >= self.queue.credits
            # `Window.add` moves an older one aside, or draws random bits
            or self.held_at(self.window.next_seq & self.window.mask) != <PyObject *> None
            or self.window.drawn == PyBytes_GET_SIZE(self.window.random)
        )

    cdef inline PyObject *held_at(self, Py_ssize_t position) noexcept:
        """Return what stands in the window's table: a request or None, and nothing else."""
        return PyList_GET_ITEM(self.window.table, position)

    cdef inline bint put(self, Request request, Owner owner, bytes data, long long timeout_ns,
                         long long now_ns) except -1:
        """Push a message; False where the ring takes none, and nothing has happened."""
        cdef long long handle = self.window.next_seq << self.window.shift | 1
        cdef Py_ssize_t position = self.window.next_seq & self.window.mask
        cdef const unsigned char *bits = <const unsigned char *> PyBytes_AS_STRING(self.window.random)
        bits += self.window.drawn
        handle |= (bits[1] << 8 | bits[0]) & ~1  # as `Window.nonce`: framed lanes conceal theirs
        if mboxio_push(&self.producer.ring, AS_REQUEST, <uint32_t> handle,
                       PyBytes_AS_STRING(data), <uint32_t> PyBytes_GET_SIZE(data)) != MBOXIO_DONE:
            return False  # full, or the remote lied: the general way finds out which
        self.window.table[position] = request
        self.window.next_seq += 1
        self.window.used += 1
        self.window.drawn += 2
        request._owner = owner
        request.data = data
        request._tied = True
        request._timeout_ns = request._queue_timeout_ns = timeout_ns
        request._deadline_ns = FOREVER
        request.handle = handle
        request.tag = request._remote_tag = -1
        request._state = SENT
        request._handed = HANDED_OVER
        request._holds = SLOT | TAG
        self.queue.slots_used += 1
        if self.queue.credits != FOREVER:
            request._holds = SLOT | TAG | CREDIT
            self.queue.credits_used += 1
        self.counts.sent += 1
        if timeout_ns != FOREVER:
            request._deadline_ns = now_ns + timeout_ns
            if request._deadline_ns < self.queue.next_deadline_ns:
                self.queue.next_deadline_ns = request._deadline_ns
        if self.gate.tap is not None:
            self.gate.tap.see(SEEN_REQUEST, self.channel.number, request, data, 0, now_ns)
        return True

    cpdef Request submit(self, Owner owner, bytes data, long long timeout_ns):
        cdef Request request = spare()
        cdef long long now_ns
        if request is None:
            request = fresh()  # first: the collector may run here, and anything in it
        if not self.is_ordinary(owner) or not self.has_place(PyBytes_GET_SIZE(data)):
            return None
        now_ns = self.now_ns()
        if now_ns >= self.queue.next_deadline_ns:
            return None
        if not self.put(request, owner, data, timeout_ns, now_ns):
            return None
        if self.armed.needs_doorbell():  # the remote fell asleep just now
            self.ring_for(request)
        return request

    cpdef Py_ssize_t fill(self, Owner owner, list messages, Py_ssize_t at, list line,
                          Py_ssize_t most, long long timeout_ns) except -1:
        cdef Py_ssize_t begin = at, end = min(at + most, len(messages))
        cdef Request request
        cdef object message
        cdef long long now_ns
        if not self.is_ordinary(owner):
            return 0
        now_ns = self.now_ns()
        if now_ns >= self.queue.next_deadline_ns:
            return 0
        while at < end:
            message = messages[at]
            request = spare()  # which allocates nothing
            if request is None or type(message) is not bytes:
                break
            if not self.has_place(PyBytes_GET_SIZE(<bytes> message)):
                break
            line.append(request)  # before the message leaves, for want of memory
            if not self.put(request, owner, <bytes> message, timeout_ns, now_ns):
                line.pop()
                break
            at += 1
        if at > begin and self.armed.needs_doorbell():
            self.ring_for(line[len(line) - 1])
        return at - begin

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
                request._value = PyBytes_FromStringAndSize(NULL, entry.length)
                mboxio_copy_out(PyBytes_AS_STRING(request._value), &entry)
                mboxio_advance(ring)
                taken += 1
                if ring.mine != ring.seen:
                    prefetch(entry.payload + ring.slot_bytes)
                if self.gate.tap is not None:
                    self.gate.tap.see(
                        SEEN_REPLY, self.channel.number, request, request._value, 0, 0
                    )
                request._state = DONE
                request._deadline_ns = FOREVER
                request.data = b""
                self.counts.done += 1
                self.queue.free(request, request._holds)
                self.window.table[position] = None
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
                    gate.leave()
                return looks if request.over else 0
            if looks == 1 and self.armed.shares_cpu():
                return 0  # looking on would keep the remote from answering
            pause()
        return 0
