"""The short way of ordinary requests over compiled rings whose slots say what they hold."""

import cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.object cimport PyObject
from libc.stdint cimport uint32_t

from mboxio._base.gate cimport Gate
from mboxio._base.native cimport pause
from mboxio._base.recycled cimport again, fresh, spare
from mboxio._base.request cimport Owner, Request
from mboxio.controllers.ordinary cimport FOREVER, SEEN_REQUEST, OrdinaryShortcut
from mboxio.controllers.rings cimport Lane, RingController
from mboxio.driver.shortcut cimport LOOKS
from mboxio.ring.compiled cimport (
    MBOXIO_DONE,
    CompiledConsumer, CompiledProducer,
    mboxio_advance,
    mboxio_entry,
    mboxio_load,
    mboxio_peek,
    mboxio_pending,
    mboxio_push,
    mboxio_release, mboxio_ring,
    prefetch,
)

from mboxio.ring.contract import REPLY, REQUEST

__all__ = ["RingShortcut"]

cdef enum:  # known to the compiler
    AS_REQUEST = 2
    AS_REPLY = 3

if (AS_REQUEST, AS_REPLY) != (REQUEST, REPLY):
    raise AssertionError("the short way of a request has numbers of its own for what slots hold")


@cython.final
cdef class RingShortcut(OrdinaryShortcut):
    """The short way over the rings of one lane; made anew where the lane gets others.

    Args:
        controller: whose ``send`` and ``service`` are `RingController`'s own.
        lane: framed, with compiled rings, on a queue of its own.
    """

    cdef RingController controller
    cdef Lane lane
    cdef CompiledProducer producer
    cdef CompiledConsumer consumer

    def __init__(self, RingController controller, Lane lane):
        OrdinaryShortcut.__init__(self, lane.channel, controller.armed)
        self.controller = controller
        self.lane = lane
        self.producer = lane.producer
        self.consumer = lane.consumer

    cdef int ring(self) except -1:
        self.controller.ring_surely(self.lane)
        return 0

    # -- out

    cdef inline bint is_ordinary(self, Owner owner) noexcept:
        """Return whether a message of this owner is, unless it finds no place."""
        # a doorbell rings, or a correlator has something to do
        return not (self.lane.owes | self.channel.stamps) and self.nothing_disturbs(owner)

    cdef inline Py_ssize_t vacancies(self) noexcept:
        """As `places`, where there are random bits for fewer handles."""
        return min(self.places(), self.handles())

    cdef inline Py_ssize_t handles(self) noexcept:
        """Return for how many handles there are random bits."""
        return (PyBytes_GET_SIZE(self.window.random) - self.window.drawn) >> 1

    cdef bint has_place(self) except -1:
        """Draw random bits if these are what is missing; return whether there is a place now."""
        if self.handles() > 0:
            return False
        self.window.draw()
        return self.places() > 0

    cdef inline bint put(self, Request request, Owner owner, bytes data, long long timeout_ns,
                         long long deadline_ns) noexcept:
        """Push a message and have its request sent, but for what `count` does.

        False where the ring takes none, and nothing has happened: the general way finds out why.
        """
        cdef long long handle = self.window.next_seq << self.window.shift | 1
        cdef const unsigned char *bits = <const unsigned char *> PyBytes_AS_STRING(self.window.random)
        bits += self.window.drawn
        handle |= (bits[1] << 8 | bits[0]) & ~1  # as `Window.nonce`: framed lanes conceal theirs
        if mboxio_push(&self.producer.ring, AS_REQUEST, <uint32_t> handle,
                       PyBytes_AS_STRING(data), <uint32_t> PyBytes_GET_SIZE(data)) != MBOXIO_DONE:
            return False
        self.window.drawn += 2
        self.enter(request, owner, data, handle, timeout_ns, deadline_ns)
        return True

    cpdef Request submit(self, Owner owner, bytes data, long long timeout_ns):
        cdef Request request = spare()
        cdef long long now_ns, deadline_ns
        if request is None:
            request = fresh()  # first: the collector may run here, and anything in it
        if self.vacancies() <= 0 and not self.has_place():
            return None
        if not self.is_ordinary(owner) or not self.fits(PyBytes_GET_SIZE(data)):
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
        most = min(most, len(messages) - at)
        if self.handles() < min(most, self.places()):
            self.window.draw()  # first: what is left would make two batches of this one
        if not self.is_ordinary(owner):
            return 0
        now_ns = self.now_ns()
        if now_ns >= self.queue.next_deadline_ns:
            return 0
        deadline_ns = FOREVER if timeout_ns == FOREVER else now_ns + timeout_ns
        most = min(most, self.vacancies())
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

    # -- back

    cpdef int take(self, int most) except -1:
        cdef mboxio_ring *ring = &self.consumer.ring
        cdef mboxio_entry entry
        cdef Request request
        cdef Py_ssize_t position
        cdef long long latest, handle
        cdef int taken = 0
        if self.channel.stamps or not self.may_come():
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
                if entry.kind != AS_REPLY or request is None or request.handle != handle:
                    break
                if not self.is_awaited(request):
                    break
                request._value = PyBytes_FromStringAndSize(<const char *> entry.payload, entry.length)
                mboxio_advance(ring)
                taken += 1
                if ring.mine != ring.seen:
                    prefetch(entry.payload + ring.slot_bytes)
                self.end(request, position)
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
                if not gate.lock.take():
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
                        gate.lock.give()
                return looks if request.over else 0
            if looks == 1 and self.armed.shares_cpu():
                return 0  # looking on would keep the remote from answering
            pause()
        return 0
