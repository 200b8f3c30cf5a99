import cython

cdef int CANCEL, CLOSE, COMPLETE, FAIL, TIME_OUT


@cython.final
cdef class Counts:
    cdef public long long sent, done, failed, timed_out, cancelled, closed
    cdef public long long late, unknown, notifications, unclaimed
    cdef public long long remote_requests, remote_requests_refused

    cdef void ended(self, int event)
    cpdef long long passed(self)
    @cython.locals(queued="Py_ssize_t")
    cpdef tuple tally(self, channel, int in_flight)
