import cython

from mboxio._host.flush cimport Flushes
from mboxio._host.waited cimport Waited
from mboxio._queue.backlog cimport Backlog
from mboxio._queue.channel cimport Channel
from mboxio._base.gate cimport Gate
from mboxio._queue.queue cimport Queue
from mboxio._base.recycled cimport fresh
from mboxio._base.request cimport Request
from mboxio._base.timeouts cimport nanoseconds

cdef int SEEN_QUEUED
cdef int BY_SUBMIT, BY_WAITER, CLOSE, HOLDS_SLOT, NEW, NO_SLOT, NOT_NOW, PLACED, QUEUE
cdef unsigned char DONE
cdef long long FOREVER
cdef object DEFAULT


cdef class Endpoint(Waited):
    cdef public object _ports
    cdef public Flushes _flushes
    cdef public Backlog _backlog
    cdef public bint _checks, _closed, _joined, _overrides
    cdef public list _subscriptions
    cdef public long long _queue_timeout_ns

    @cython.locals(channel=Channel, message=bytes, request=Request, timeout_ns=cython.longlong, wait_ns=cython.longlong)
    cpdef Request _draft(self, data, bint tied, timeout_s, queue_timeout_s, into, lent=*)
    @cython.locals(gate=Gate, channel=Channel, queue=Queue, now_ns=cython.longlong, accepted=bint)
    cpdef bint _hand_in(self, Request request, bint waits) except -1
    cdef bint _leave(self, Request request, bint accepted) except -1
    @cython.locals(gate=Gate, queue=Queue, reason=int, wait_ns=cython.longlong)
    cdef void _look_or_queue(self, Request request, bint waits, long long now_ns) except *
    cpdef bint _find_home(self) except -1
    @cython.locals(channel=Channel, queue=Queue)
    cdef bint _admit(self, Request request, bint waits, long long now_ns) except -1
    cpdef bint _request_over(self, request) except -1
    cpdef bint _slot_freed(self, request) except -1
