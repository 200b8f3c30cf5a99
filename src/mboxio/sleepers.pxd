from mboxio.clock cimport Clock, Parker

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

    cpdef str hint(self)
    cpdef poller(self, int kick_fd)
    cpdef int kick_fd_for(self, Parker parker) except? -1
    cpdef bint woke(self, Parker parker) except -1
    cpdef str sleep(self, poller, int kick_fd, long long until_ns)
