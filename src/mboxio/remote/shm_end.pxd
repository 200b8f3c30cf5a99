import cython

from mboxio.remote.served_channel cimport ServedChannel
from mboxio.remote.serving.rounds cimport RemoteEnd
from mboxio.ring.contract cimport Armed


cdef class ShmEnd(RemoteEnd):
    cdef public object epoch, stats, _region, _doorbell, _lock
    cdef public Armed _armed
    cdef public list _channels
    cdef public dict _by_name

    @cython.locals(channel=ServedChannel)
    cpdef bint stirs(self) except -1
    @cython.locals(channel=ServedChannel, worked=bint)
    cpdef bint serve(self, long long now_ns) except -1
    @cython.locals(channel=ServedChannel)
    cpdef bint arm(self) except -1
    cpdef bint shares_cpu(self) except -1
    cpdef disarm(self)
    @cython.locals(channel=ServedChannel)
    cpdef next_ns(self)
    cpdef ring(self)
