import cython

from mboxio.remote.channel cimport RemoteChannel
from mboxio.remote.rpmsg.endpoints cimport Endpoint, Endpoints
from mboxio.remote.rpmsg.outbox cimport Outbox
from mboxio.remote.stats cimport RemoteStats
from mboxio.rpmsg.link cimport RemoteLink

cdef int BATCH
cdef unsigned int LOOKS_PER_STATUS


cdef class HostSide:
    cpdef bint ready(self) except -1
    cpdef RemoteLink join(self)
    cpdef bint ring(self, int queue) except -1


cdef class Processor:
    cdef public RemoteStats stats
    cdef public Outbox outbox
    cdef public Endpoints endpoints
    cdef public RemoteLink link
    cdef public bint closed, broken, silent, leaking
    cdef public unsigned int _looks
    cdef public HostSide _host

    @cython.locals(link=RemoteLink)
    cpdef bint stirs(self) except -1
    cpdef bint serve(self, long long now_ns) except -1
    @cython.locals(link=RemoteLink)
    cpdef bint quiet(self) except -1
    cdef bint _changed(self, RemoteLink link) except -1
    cdef long long _room(self) except? -1
    @cython.locals(link=RemoteLink, outbox=Outbox, endpoints=Endpoints, sent="long long", taken="long long", room="long long")
    cdef bint _serve(self, long long now_ns) except -1
    @cython.locals(
        link=RemoteLink, stats=RemoteStats, endpoints=Endpoints, outbox=Outbox, endpoint=Endpoint, service=RemoteChannel,
        taken="long long", source="long long", message=bytes
    )
    cdef long long _take(self, long long limit, long long now_ns) except -1
