import cython

from mboxio.remote.lane cimport Lane
from mboxio.remote.serving.rounds cimport Served
from mboxio.ring.contract cimport Armed


cdef class Connection(Served):
    cdef public object epoch, stats, _region, _doorbell, _lock
    cdef public Armed _armed
    cdef public list _lanes
    cdef public dict _by_name

    @cython.locals(lane=Lane)
    cpdef bint stirs(self) except -1
    @cython.locals(lane=Lane, worked=bint)
    cpdef bint serve(self, long long now_ns) except -1
    @cython.locals(lane=Lane)
    cpdef bint arm(self) except -1
    cpdef bint shares_cpu(self) except -1
    cpdef disarm(self)
    @cython.locals(lane=Lane)
    cpdef next_ns(self)
    cpdef ring(self)
