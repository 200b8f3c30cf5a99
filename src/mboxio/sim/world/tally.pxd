cdef class Tally:
    cdef public list ends, done_by
    cdef public object latencies_ns, refused
    cdef public long long from_ns, begun, accepted, requests, timed_out, failed, wrong
    cdef public long long live, live_max

    cpdef long long begin(self) noexcept
    cpdef void accept(self) noexcept
    cpdef void end(self, int state) except *
    cpdef void answer(self, Py_ssize_t client, long long latency_ns, bint right) except *
