import cython

from mboxio._base.clock cimport Clock, Parker
from mboxio._base.native cimport sleep_on

cdef str EVENT, LOOK
cdef long long FOREVER


cdef class Sleepers:
    cdef public Clock clock
    cdef public object worker
    cdef public tuple descriptors
    cdef public dict pollers
    cdef public list kick_fds
    cdef public int asleep
    cdef public bint closed
    cdef public int events, useless
    cdef public long long deaf_ns, passed

    cpdef bint doubted(self, list queues) except -1
    cpdef bint was_useless(self, long long passed) except -1
    cpdef str hint(self)
    cpdef poller(self, int kick_fd)
    cpdef int kick_fd_for(self, Parker parker) except? -1
    cpdef bint woke(self, Parker parker) except -1
    cpdef bint lay_down(self, Parker parker) except -1


@cython.locals(left_ns=cython.longlong, descriptor=int, kick_fd=int, why=str)
cpdef str doze(Clock clock, Parker parker)
