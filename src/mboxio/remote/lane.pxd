import cython

from mboxio._base.native cimport Mutex
from mboxio.remote.channel cimport RemoteChannel
from mboxio.remote.stats cimport RemoteStats
from mboxio.ring.contract cimport Consumer, Producer

cdef int ERROR, MESSAGE, REPLY, REQUEST
cdef int BATCH


cdef class Lane:
    cdef public RemoteChannel channel
    cdef public object layout, questions, _region, _waiting, _held
    cdef public RemoteStats _stats
    cdef public bint closed
    cdef public Mutex _guard
    cdef public Consumer _consumer
    cdef public Producer _producer
    cdef public list _due
    cdef public Py_ssize_t _limit
    cdef public long long _sequence, _retry_ns, _pause_ns

    cpdef bint stirs(self) except -1
    @cython.locals(due=list, batch=list, replies=list, room=Py_ssize_t)
    cpdef bint serve(self, long long now_ns) except -1
    @cython.locals(
        channel=RemoteChannel, timed=bint, replies=list, requests=int, kind=int, answer=int, message=bytes
    )
    cdef list _handle(self, list batch, long long now_ns)
    @cython.locals(sent=Py_ssize_t, number=Py_ssize_t, kind=int, message=bytes)
    cdef bint _send(self, list replies, long long now_ns) except -1
    @cython.locals(room=Py_ssize_t)
    cpdef bint quiet(self) except -1
    cpdef next_ns(self)
    cdef bint _push(self, int kind, tag, message) except -1
    cpdef bint _put(self, int kind, tag, bytes message) except -1
