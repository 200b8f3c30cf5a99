import cython

from mboxio._base.clock cimport Clock
from mboxio._base.native cimport Mutex
from mboxio._base.tap cimport Tap


@cython.final
cdef class Gate:
    cdef public Clock clock
    cdef public object deputies, notes, ports, interrupted
    cdef public Tap tap
    cdef public Mutex lock, draining
    cdef public list dirty, wakes, kicks, taps
    cdef public bint eventful, forked, lost

    # A result that means nothing is a C value: to return None is to write to a counter, and each
    # write waits for the one before.
    cpdef bint enter(self) except -1
    cpdef bint wait_for_lock(self) except -1
    cpdef bint leave(self) except -1
    cpdef bint leave_eventful(self) except -1
    cpdef bint defer(self, error) except -1
    cpdef void settle(self) except *
    cpdef unlock_and_act(self)
    cpdef run_ports(self)
    cpdef bint refill(self, queue) except -1
    cpdef bint wake(self, parker) except -1
    cpdef bint kick(self, party) except -1
    cpdef may_wait(self)
