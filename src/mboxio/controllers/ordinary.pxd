# The bodies are here, so that the modules of both short ways take them in.
import cython
from cpython.list cimport PyList_GET_ITEM, PyList_GET_SIZE, PyList_SET_ITEM
from cpython.object cimport PyObject
from cpython.ref cimport Py_INCREF
from libc.stdint cimport uint32_t

from mboxio._base.clock cimport Clock
from mboxio._base.counts cimport Counts
from mboxio._base.gate cimport Gate
from mboxio._base.native cimport monotonic_ns
from mboxio._base.request cimport Owner, Request
from mboxio._queue.channel cimport Channel
from mboxio._queue.queue cimport Queue
from mboxio._queue.window cimport Window
from mboxio.driver.shortcut cimport Shortcut
from mboxio.ring.compiled cimport CompiledArmed, mboxio_load, mboxio_sleep_needs_doorbell

cdef extern from "Python.h":
    void Py_DECREF(PyObject *)

cdef extern from "<limits.h>":
    const long long FOREVER "LLONG_MAX"

cdef enum:  # known to the compiler, and proven in ordinary.pyx to be what the other modules say
    SENT = 3
    AWAITING = 4
    DONE = 5
    HANDED_OVER = 1
    SLOT = 1
    CREDIT = 2
    TAG = 4

cdef int SEEN_REQUEST, SEEN_REPLY


cdef inline void exchange(list table, Py_ssize_t position, object new) noexcept:
    """Let something stand at a position that a list has: Cython's own way fits any container."""
    cdef PyObject *old = PyList_GET_ITEM(table, position)
    Py_INCREF(new)
    PyList_SET_ITEM(table, position, new)
    Py_DECREF(old)


cdef class OrdinaryShortcut(Shortcut):
    cdef Channel channel
    cdef Counts counts
    cdef Queue queue
    cdef Gate gate
    cdef Window window
    cdef CompiledArmed armed
    cdef int holds

    # -- out

    @cython.final
    cdef inline bint nothing_disturbs(self, Owner owner) noexcept:
        """Return whether nothing is set that concerns a message of this owner on its way out."""
        return not (
            # somebody decides, or has left something to be done; `|` joins what is read anyway
            self.gate.lock.owner | self.gate.eventful | self.gate.forked | self.gate.lost
            # this may be a port, which must not wait
            | self.gate.draining.owner
            # a client wants to know of it
            | owner._attentive
            # `Queue.place` finds something to wait for
            | self.queue.not_before_ns | self.others_come_first()
            or self.queue.stalled is not None
            # `Endpoint._admit` refuses it
            or self.queue.fault is not None
            or self.disturbs() or self.seems_armed()
        )

    @cython.final
    cdef inline Py_ssize_t others_come_first(self) noexcept:
        """Return how many messages or clients stand in line."""
        return PyList_GET_SIZE(self.queue.line) | PyList_GET_SIZE(self.queue.answers)

    @cython.final
    cdef inline long long now_ns(self) except? -1:
        """Return the time, of the system's clock without a call of Python's."""
        return monotonic_ns() if type(self.gate.clock) is Clock else self.gate.clock.now_ns()

    @cython.final
    cdef inline bint disturbs(self) noexcept:
        """Return whether who listens may run Python code."""
        return self.gate.tap is not None and not self.gate.tap.is_quick(self.channel.number)

    @cython.final
    cdef inline bint seems_armed(self) noexcept:
        """Return whether the remote sleeps and was not rung for; without a fence, so a hint."""
        cdef uint32_t rung = self.armed.rung  # a copy: nobody rings here
        return mboxio_sleep_needs_doorbell(mboxio_load(self.armed.peer), &rung)

    @cython.final
    cdef inline Py_ssize_t places(self) noexcept:
        """Return how many messages the queue takes; none if it is 0 or less."""
        cdef Py_ssize_t slots = self.queue.depth - self.queue.reserve - self.queue.slots_used
        return min(slots, self.queue.credits - self.queue.credits_used)

    @cython.final
    cdef inline bint fits(self, Py_ssize_t length) noexcept:
        """Return whether the next message may be as long as this, and have the next handle."""
        return (
            length <= self.channel.message_bytes
            # else `Window.add` moves an older one aside
            and self.held_at(self.window.next_seq & self.window.mask) == <PyObject *> None
        )

    @cython.final
    cdef inline PyObject *held_at(self, Py_ssize_t position) noexcept:
        """Return what stands in the window's table: a request or None, and nothing else."""
        return PyList_GET_ITEM(self.window.table, position)

    @cython.final
    cdef inline void enter(self, Request request, Owner owner, bytes data, long long handle,
                           long long timeout_ns, long long deadline_ns) noexcept:
        """A message lies in the ring: its request is in flight, but for what `count` does."""
        exchange(self.window.table, self.window.next_seq & self.window.mask, request)
        self.window.next_seq += 1
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

    @cython.final
    cdef inline void count(self, Py_ssize_t sent, long long deadline_ns) noexcept:
        """Account for messages that entered with this deadline."""
        self.window.used += sent
        self.queue.slots_used += sent
        if self.holds & CREDIT:
            self.queue.credits_used += sent
        self.counts.sent += sent
        if deadline_ns < self.queue.next_deadline_ns:
            self.queue.next_deadline_ns = deadline_ns

    cdef int ring_for(self, Request request) except -1
    cdef int ring(self) except -1

    # -- back

    @cython.final
    cdef inline bint may_come(self) noexcept:
        """Return whether replies have no other consequences than for their requests."""
        return not (
            self.disturbs()
            or self.window.aside or self.window.loans
            or self.others_come_first() or self.queue.stalled is not None
        )

    @cython.final
    cdef inline bint is_awaited(self, Request request) noexcept:
        """Return whether a reply ends this request and frees it, and has no other consequences."""
        return (
            (request._state == SENT or request._state == AWAITING)
            and request._handed == HANDED_OVER
            and request._tied
            and request._owner._channel is self.channel
            and not request._owner._attentive
            and request._into is None
            and request._lent is None
            and not request._holds & ~(SLOT | CREDIT | TAG)
        )

    @cython.final
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

    @cython.final
    cdef inline int end(self, Request request, Py_ssize_t position) except -1:
        """A request of this place in the window ends with the reply in its ``_value``."""
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
        return 0
