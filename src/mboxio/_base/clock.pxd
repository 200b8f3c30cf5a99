from mboxio._base.native cimport Monotonic

cdef long long FOREVER


cdef class Watcher:
    cpdef bint fire(self, core, waitable) except -1


cdef class Parker(Watcher):
    cdef public object lock, thread_id, below, poller
    cdef public tuple watched
    cdef public int kick_fd
    cdef public bint woken
    cdef public long long wake_ns, now_ns


cdef class Clock(Monotonic):
    cpdef void park(self, Parker parker, long long until_ns) except *
    cpdef void unpark(self, Parker parker) except *
