import cython

from mboxio._base.native cimport Mutex
from mboxio.remote.channel cimport RemoteChannel
from mboxio.remote.stats cimport RemoteStats
from mboxio.ring.contract cimport Consumer, Producer

cdef int ERROR, MESSAGE, REPLY, REQUEST
cdef int BATCH
cdef int SEEN_NOTIFICATION


cdef class ServedChannel:
    cdef public RemoteChannel channel
    cdef public object layout, questions, _delayed, _region
    cdef public RemoteStats _stats
    cdef public bint closed
    cdef public Mutex _guard
    cdef public Consumer _consumer
    cdef public Producer _producer
    cdef public list _due, _waiting
    cdef public Py_ssize_t _limit, _sent
    cdef public long long _retry_ns, _pause_ns

    cpdef bint stirs(self) except -1
    @cython.locals(
        due=list, waited=Py_ssize_t, room=Py_ssize_t, taken=Py_ssize_t, kind=int, tag="unsigned int", message=bytes
    )
    cpdef bint serve(self, long long now_ns) except -1
    @cython.locals(
        channel=RemoteChannel, stats=RemoteStats, rx=Consumer, timed=bint, due_ns="long long", taken=Py_ssize_t, kind=int, answer=int,
        tag="unsigned int", message=bytes
    )
    cdef Py_ssize_t _take(self, Py_ssize_t limit, long long now_ns) except -1
    cdef bint _reply(self, int kind, unsigned int tag, bytes message) except -1
    @cython.locals(waiting=list, kind=int, tag="unsigned int", message=bytes)
    cdef bint _send_waiting(self) except -1
    cdef bint _pause(self, Py_ssize_t waited, long long now_ns) except -1
    @cython.locals(room=Py_ssize_t)
    cpdef bint quiet(self) except -1
    cpdef next_ns(self)
    cdef bint _push(self, int kind, tag, message) except -1
    cdef bint _tell(self, int seen, int kind, unsigned int tag, bytes message) except -1
    cdef bint _put(self, int kind, unsigned int tag, bytes message) except -1
