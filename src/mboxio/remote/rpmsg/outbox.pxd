import cython

from mboxio._base.native cimport Mutex
from mboxio.remote.stats cimport RemoteStats
from mboxio.rpmsg.link cimport RemoteLink

cdef int NAME_SERVICE


cdef class Outbox:
    cdef public RemoteLink link
    cdef public bint dropping
    cdef public long long sent, retry_ns
    cdef public list waiting
    cdef public RemoteStats _stats
    cdef public Mutex _guard

    cpdef bint send(self, long long source, long long destination, bytes message, long long now_ns) except -1
    @cython.locals(link=RemoteLink, sent=bint)
    cdef bint _put(self, long long source, long long destination, bytes message) except -1
