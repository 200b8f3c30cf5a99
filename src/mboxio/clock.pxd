from mboxio.native cimport Monotonic

cdef long long FOREVER


cdef class Watcher:
    cpdef fire(self, core, waitable)


cdef class Parker(Watcher):
    cdef public object lock
    cdef public int kick_fd


cdef class Clock(Monotonic):
    cpdef park(self, Parker parker, long long until_ns)
    cpdef unpark(self, Parker parker)
