from mboxio._base.tap cimport Tap


cdef class RemoteChannel:
    cdef public str name
    cdef public bint host_sends, host_receives, legacy
    cdef public object spec, handler, disturbance
    cdef public long long latency_ns
    cdef public list free_ns
    cdef public long long number
    cdef public Tap tap
