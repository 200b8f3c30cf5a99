import cython

from mboxio._base.clock cimport Clock, Parker
from mboxio.sim.agenda cimport Agenda

cdef int SIGNALS_EVERY
cdef int PARK
cdef long long FOREVER


cdef class Timer:
    cdef public bint cancelled

    cpdef void ring(self) except *
    cpdef void cancel(self) except *


cdef class _Calling(Timer):
    cdef public object callback


@cython.locals(agenda=Agenda, rank=cython.int, chosen=cython.int, first_ns=cython.longlong, when_ns=cython.longlong)
cdef int next_rank(tuple due, long long now_ns) noexcept


cdef class VirtualClock(Clock):
    cdef public object _lock, _ready
    cdef public dict _sleepers, _joiners
    cdef public set _ended
    cdef public tuple _due
    cdef public Agenda _timers, _late
    cdef public long long _now_ns
    cdef public bint _interrupted

    cpdef long long now_ns(self) except? -1
    cpdef void relax(self) noexcept
    cpdef void give_way(self) noexcept
    cpdef void park(self, Parker parker, long long until_ns) except *
    cpdef void unpark(self, Parker parker) except *
    @cython.locals(timer=_Calling)
    cpdef Timer call_at(self, long long when_ns, callback, int rank=*)
    @cython.locals(agenda=Agenda)
    cpdef void schedule(self, long long when_ns, Timer timer, int rank=*) except *
    @cython.locals(timers=Agenda, late=Agenda, due=Agenda, timer=Timer, now_ns=cython.longlong, first_ns=cython.longlong, late_ns=cython.longlong, rung=cython.int)
    cpdef bint _run_timers(self, long long end_ns) except -1
    @cython.locals(agenda=Agenda, rank=cython.int, when_ns=cython.longlong)
    cpdef void _pass_on(self) except *


@cython.locals(agenda=Agenda, timer=Timer, when_ns=cython.longlong)
cdef void ring_timers(VirtualClock clock, int rank) except *
