import cython

from mboxio._pump.pump cimport Pump
from mboxio.sim.clock cimport Timer, VirtualClock

cdef long long FOREVER
cdef str LOOK


cdef class VirtualLoop


cdef class Run(Timer):
    cdef public VirtualLoop loop


cdef class Deadline(Run):
    pass


cdef class VirtualLoop:
    cdef public VirtualClock clock
    cdef public Pump pump
    cdef public object loop, jobs
    cdef public Run next_run
    cdef public Timer timer
    cdef public bint stale, scheduled, poked, closed
    cdef public long long timer_ns

    cpdef attend(self, int change)
    cpdef poke(self)
    cpdef prod(self)
    cpdef kick(self)
    cpdef void run(self) except *
    cpdef void on_time(self) except *
    cpdef void look(self, str why) except *
    @cython.locals(due_ns=cython.longlong)
    cpdef void set_timer(self) except *
