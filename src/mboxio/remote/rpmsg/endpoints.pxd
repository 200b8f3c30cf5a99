import cython

from mboxio.remote.channel cimport RemoteChannel
from mboxio.remote.rpmsg.outbox cimport Outbox
from mboxio.remote.rpmsg.services cimport Services
from mboxio.remote.stats cimport RemoteStats


cdef class Endpoint:
    cdef public RemoteChannel service
    cdef public object delayed
    cdef public long long address, first, latest
    cdef public bint answers_first

    cpdef bint heard(self, long long source, bytes message) except -1
    cpdef long long answer_to(self, long long source) except -2
    cpdef bint told(self, bytes message) except -1


cdef class Endpoints:
    cdef public dict by_address, by_name, of_host
    cdef public long long owed, workers, _version
    cdef public Endpoint latest
    cdef public Services _services
    cdef public Outbox _outbox
    cdef public RemoteStats _stats

    cpdef bint stale(self) except -1
