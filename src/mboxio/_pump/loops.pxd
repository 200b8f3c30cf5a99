import cython

from mboxio._base.clock cimport Watcher
from mboxio._base.gate cimport Gate
from mboxio._pump.pump cimport Pump

cdef str EVENT, LOOK
cdef int DONE
cdef long long FOREVER


cdef class Arrival(Watcher):
    cdef public LoopPort port
    cdef public object future, waitable
    cdef public bint bare

    cpdef deliver(self)


cdef class Job:
    cdef public object port, function, args

    cpdef deliver(self)


cdef class LoopPort:
    cdef object __weakref__
    cdef public object loop, thread_id, queue, timer, ears
    cdef public Pump pump
    cdef public Gate gate
    cdef public bint scheduled, delivering, poked, stale, closed
    cdef public int needs, pending
    cdef public set tasks
    cdef public long long timer_ns

    cpdef attend(self, int change)
    cpdef queue_up(self, item)
    cpdef poke(self)
    cpdef prod(self)
    cpdef kick(self)
    cpdef deliver(self)
    cpdef register(self)
    @cython.locals(deaf_ns=cython.longlong)
    cpdef look(self, str why)
    @cython.locals(due_ns=cython.longlong)
    cpdef set_timer(self)
    cpdef future_of(self, waitable, bint bare)
    cpdef expect(self, Arrival arrival, waitable)
    cpdef await_arrival(self, Arrival arrival, waitable)
    cpdef forget(self, waitable, future)
