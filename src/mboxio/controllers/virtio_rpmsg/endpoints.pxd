cdef class Endpoint:
    cdef public str name
    cdef public long long address, remote
    cdef public bint fixed
    cdef public object channel
