from mboxio.remote.rpmsg.processor cimport HostSide, Processor
from mboxio.remote.serving.rounds cimport RegionEnd
from mboxio.ring.contract cimport Armed
from mboxio.rpmsg.link cimport RemoteLink
from mboxio.virtio.words cimport Words

cdef int DRIVER_OK


cdef class RegionHost(HostSide):
    cdef public object region, layout, interrupt
    cdef public Words words
    cdef public Armed armed
    cdef public Py_ssize_t status_at, table_bytes

    cpdef bint ready(self) except -1
    cpdef RemoteLink join(self)
    cpdef bint ring(self, int queue) except -1


cdef class RpmsgEnd(RegionEnd):
    cdef public object region, _interrupt, _lock
    cdef public Armed _armed
    cdef public Processor processor

    cpdef bint stirs(self) except -1
    cpdef bint serve(self, long long now_ns) except -1
    cpdef bint arm(self) except -1
    cpdef bint shares_cpu(self) except -1
    cpdef disarm(self)
    cpdef next_ns(self)
