import cython

from mboxio._pump.pump cimport Pump
from mboxio.sim.clock cimport Timer, VirtualClock

cdef long long FOREVER
cdef str LOOK


cdef class VirtualLoop:
    cdef public VirtualClock clock
    cdef public Pump pump
    cdef public object loop, jobs
    cdef public Timer timer
    cdef public bint stale, scheduled, poked, closed
    cdef public long long timer_ns

    cpdef attend(self, int change)
    cpdef poke(self)
    cpdef prod(self)
    cpdef kick(self)
    cpdef void look(self, str why) except *
    @cython.locals(due_ns=cython.longlong)
    cpdef void set_timer(self) except *
